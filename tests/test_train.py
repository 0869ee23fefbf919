"""Training: the same bits for the same seed, exactly the steps it says, and what it says when it cannot."""

import math
import sys

import numpy as np
import pytest

from dnnbook import datasets, losses, network, optimizers, train
from dnnbook.network import mlp


def rng(seed=0):
    return np.random.default_rng(seed)


@pytest.fixture
def problem():
    """Ten examples in three dimensions, two classes, a small network."""
    net = mlp([3, 5, 2], "tanh")
    x = rng(1).normal(size=(10, 3)).astype(np.float32)
    return net, network.init(net, rng(2)), x, (x[:, 0] > 0).astype(int)


def fit(problem, **changes):
    return train.fit(*problem, **{"rng": rng(), "epochs": 3, "batch_size": 4, "progress": False} | changes)


def flat(params):
    return np.concatenate([a.ravel() for p in params for a in p])


# --- what it computes


def test_the_same_seed_gives_the_same_bits(problem):
    a, b, c = fit(problem), fit(problem), fit(problem, rng=rng(1))
    assert flat(a.params).tobytes() == flat(b.params).tobytes()
    assert a.history.step_loss == b.history.step_loss
    assert flat(a.params).tobytes() != flat(c.params).tobytes()


def test_nothing_that_is_given_changes(problem):
    _, params, x, y = problem
    before = flat(params).copy(), x.copy(), y.copy()
    fitted = fit(problem, batch_size=10)
    assert np.array_equal(before[0], flat(params))
    assert np.array_equal(before[1], x)
    assert np.array_equal(before[2], y)
    assert not np.array_equal(flat(fitted.params), flat(params))


@pytest.mark.parametrize("name", ["sgd", "momentum", "adam"])
def test_it_takes_exactly_the_steps_of_the_pure_optimizer(problem, name):
    net, params, x, y = problem
    params = network.init(net, rng(2), np.float64)
    fitted = fit((net, params, x, y), optimizer=optimizers.optimizer(name, eta=0.05), epochs=2)

    pure, init = getattr(optimizers, name), getattr(optimizers, f"{name}_init", None)
    w = [a for p in params for a in p]
    states = [init(a) if init else None for a in w]
    order, steps = rng(), []
    for _ in range(2):
        rows = order.permutation(10)
        for batch in (rows[:4], rows[4:8], rows[8:]):
            E, grads = network.loss_and_gradients(net, (tuple(w[:2]), (), tuple(w[2:])), x[batch], y[batch])
            steps.append((E, len(batch)))
            for i, g in enumerate([g for p in grads for g in p]):
                if init is None:
                    w[i] = pure(w[i], g, eta=0.05)
                else:
                    w[i], states[i] = pure(w[i], g, states[i], eta=0.05)
    assert np.allclose(flat(fitted.params), np.concatenate([a.ravel() for a in w]), rtol=1e-12, atol=1e-15)
    assert fitted.history.step_loss == pytest.approx([E for E, _ in steps], rel=1e-12)
    epochs = [sum(E * n for E, n in part) / 10 for part in (steps[:3], steps[3:])]
    assert fitted.history.loss == pytest.approx(epochs, rel=1e-12)


def test_batch_learning_follows_the_whole_gradient(problem):
    net, params, x, y = problem
    fitted = fit(problem, batch_size=99, epochs=1, optimizer=optimizers.optimizer("sgd", eta=0.5))
    E, grads = network.loss_and_gradients(net, params, x, y)
    assert fitted.history.loss == pytest.approx([E])
    assert np.allclose(flat(fitted.params), flat(params) - 0.5 * flat(grads), atol=1e-6)


@pytest.mark.parametrize(("batch_size", "steps"), [(1, 10), (3, 4), (5, 2), (9, 2), (10, 1), (11, 1)])
def test_the_number_of_steps(problem, batch_size, steps):
    history = fit(problem, batch_size=batch_size, epochs=2).history
    assert len(history.step_loss) == 2 * steps
    assert len(history.loss) == len(history.seconds) == 2
    assert history.validation_loss == history.validation_accuracy == []


def test_every_row_comes_once_in_an_epoch_and_with_its_label():
    x = np.arange(11)
    batches = list(train.minibatches(rng(), 4, x, -x))
    assert [len(a) for a, _ in batches] == [4, 4, 3]
    assert sorted(np.concatenate([a for a, _ in batches])) == list(range(11))
    assert all(np.array_equal(a, -b) for a, b in batches)
    assert not np.array_equal(np.concatenate([a for a, _ in batches]), x)
    ((whole, _),) = train.minibatches(rng(), 11, x, -x)
    assert whole is x


def test_the_dtype_is_that_of_the_parameters(problem):
    net, _, x, y = problem
    for dtype in (np.float32, np.float64):
        fitted = fit((net, network.init(net, rng(), dtype), x, y))
        assert {a.dtype for p in fitted.params for a in p} == {np.dtype(dtype)}


def test_lists_and_labels_as_rows_are_the_same(problem):
    net, params, x, y = problem
    expected = flat(fit(problem).params)
    assert np.array_equal(expected, flat(fit((net, params, x.tolist(), y.tolist())).params))
    assert np.array_equal(expected, flat(fit((net, params, x, datasets.one_hot(y, 2))).params))


def test_regression_finds_the_line():
    x = rng().normal(size=(50, 2))
    y = x @ [2.0, -1.0] + 0.5
    net = mlp([2, 1])
    params = network.init(net, rng(), np.float64)
    sgd = optimizers.optimizer("sgd", eta=0.1)
    ((W, b),), history = train.fit(
        net, params, x, y, loss="mean_squared_error", optimizer=sgd, epochs=200, batch_size=10, rng=rng(), progress=False
    )
    assert np.allclose(W.ravel(), [2, -1], atol=1e-9)
    assert np.allclose(b, 0.5, atol=1e-9)
    assert history.loss[-1] < 1e-15


@pytest.mark.parametrize(("loss", "last"), [("sigmoid_cross_entropy", ()), ("binary_cross_entropy", ("sigmoid",))])
def test_two_classes_with_a_single_output(loss, last):
    x = rng().normal(size=(200, 2))
    y = (x[:, 0] > x[:, 1]).astype(int)
    net = mlp([2, 1]) + tuple(map(network.activation_layer, last))
    _, history = train.fit(
        net,
        network.init(net, rng()),
        x,
        y,
        loss=loss,
        optimizer=optimizers.optimizer("sgd", eta=1.0),
        epochs=30,
        rng=rng(),
        validation=(x, y),
        progress=False,
    )
    assert history.validation_accuracy[-1] > 0.97


def test_digits_are_learned():
    data = datasets.digits()
    net = mlp([64, 32, 10])
    fitted = train.fit(net, network.init(net, rng()), data.x_train, data.y_train, epochs=20, rng=rng(), progress=False)
    assert train.accuracy(network.predict(net, fitted.params, data.x_test), data.y_test) > 0.9
    assert fitted.history.loss[-1] < 0.2 * fitted.history.loss[0]


# --- validation, callback, progress


def test_validation_is_measured_after_each_epoch(problem):
    net, _, x, y = problem
    seen = []

    def measure(epoch, params, history):
        z = network.predict(net, params, x[:4])
        seen.append((losses.softmax_cross_entropy(z, datasets.one_hot(y[:4], 2)), train.accuracy(z, y[:4])))

    history = fit(problem, validation=(x[:4], y[:4]), callback=measure).history
    assert history.validation_loss == pytest.approx([E for E, _ in seen])
    assert history.validation_accuracy == [share for _, share in seen]
    rows = fit(problem, validation=(x[:4], datasets.one_hot(y[:4], 2))).history
    assert rows.validation_loss == history.validation_loss
    assert rows.validation_accuracy == []


def test_validation_does_not_change_training(problem):
    with_it = fit(problem, validation=problem[2:])
    assert np.array_equal(flat(with_it.params), flat(fit(problem).params))


def test_a_callback_sees_each_epoch_and_can_stop(problem):
    seen = []

    def stop_after_two(epoch, params, history):
        seen.append((epoch, len(history.loss), flat(params).copy()))
        return epoch == 2

    fitted = fit(problem, epochs=10, callback=stop_after_two)
    assert [s[:2] for s in seen] == [(1, 1), (2, 2)]
    assert len(fitted.history.loss) == 2
    assert np.array_equal(seen[-1][2], flat(fitted.params))
    assert np.array_equal(flat(fitted.params), flat(fit(problem, epochs=2).params))


@pytest.mark.parametrize(("progress", "terminal", "shown"), [(True, True, True), (True, False, False), (False, True, False)])
def test_the_progress_bar_shows_only_in_a_terminal(problem, progress, terminal, shown, capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal, raising=False)
    fit(problem, progress=progress)
    out, err = capsys.readouterr()
    assert out == ""
    assert ("3/3" in err) == shown
    assert bool(err) == shown


# --- learning-rate range test


def test_range_test_goes_up_evenly_and_leaves_the_parameters(problem):
    before = flat(problem[1]).copy()
    etas, values = train.learning_rate_range_test(*problem, eta_min=0.001, eta_max=0.1, steps=21, batch_size=4, rng=rng())
    assert len(etas) == len(values) == 21
    assert np.allclose(etas[1:] / etas[:-1], 100 ** (1 / 20))
    assert etas[0] == pytest.approx(0.001)
    assert etas[-1] == pytest.approx(0.1)
    assert np.array_equal(flat(problem[1]), before)
    net, params, x, y = problem
    first = rng().permutation(10)[:4]
    assert values[0] == network.loss_and_gradients(net, params, x[first], y[first])[0]


@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "adam"])
def test_range_test_takes_each_step_with_its_own_rate(problem, optimizer):
    _, same = train.learning_rate_range_test(
        *problem, optimizer=optimizer, eta_min=0.1, eta_max=0.1 + 1e-12, steps=5, batch_size=10, rng=rng()
    )
    constant = fit(problem, optimizer=optimizers.optimizer(optimizer, eta=0.1), epochs=5, batch_size=10)
    assert same == pytest.approx(constant.history.step_loss, rel=1e-5)


def test_range_test_ends_where_the_loss_does():
    x = rng().normal(size=(20, 2))
    net = mlp([2, 1])
    params = network.init(net, rng())
    etas, values = train.learning_rate_range_test(
        net, params, x, x[:, 0], loss="mean_squared_error", eta_min=1e-3, eta_max=1e12, steps=50, rng=rng()
    )
    assert len(etas) == len(values) < 50
    assert np.isfinite(values).all()


# --- measures


def test_accuracy():
    assert train.accuracy([[0.1, 0.9], [0.8, 0.2]], [1, 1]) == 0.5
    assert train.accuracy([[-1.0], [2.0], [3.0]], [0, 1, 0]) == pytest.approx(2 / 3)


def test_confusion():
    z = datasets.one_hot([0, 1, 1, 2, 2], 3)
    table = train.confusion(z, [0, 1, 2, 2, 0])
    assert table.tolist() == [[1, 0, 1], [0, 1, 0], [0, 1, 1]]
    assert np.trace(table) / table.sum() == train.accuracy(z, [0, 1, 2, 2, 0])
    assert train.confusion([[-1.0], [1.0]], [0, 0]).tolist() == [[1, 1], [0, 0]]


# --- errors


def test_a_loss_that_explodes_says_where(problem):
    advice = "; try a smaller eta, or look for NaN and huge numbers in x and y"
    with pytest.raises(FloatingPointError, match=rf"^fit: the loss is (nan|inf) at epoch \d, step \d{advice}$"):
        fit(problem, optimizer=optimizers.optimizer("sgd", eta=1e38), epochs=9)
    net, params, x, y = problem
    x = x.copy()
    x[rng().permutation(10)[9]] = math.nan
    with pytest.raises(FloatingPointError) as error:
        fit((net, params, x, y))
    assert str(error.value) == "fit: the loss is nan at epoch 1, step 3" + advice


KNOWN = ", ".join(map(repr, optimizers.TWINS))
GENERATOR = "expected a numpy.random.Generator such as numpy.random.default_rng(0)"


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"batch_size": 0}, ValueError, "fit: batch_size is 0, expected at least 1"),
        ({"batch_size": 2.5}, TypeError, "fit: batch_size is 2.5, expected an integer"),
        ({"epochs": -1}, ValueError, "fit: epochs is -1, expected at least 1"),
        ({"epochs": "3"}, TypeError, "fit: epochs is '3', expected an integer"),
        ({"rng": 0}, TypeError, f"fit: rng is 0, {GENERATOR}"),
        (
            {"optimizer": "sdg"},
            ValueError,
            f"optimizer: name is 'sdg', expected one of {KNOWN}",
        ),
        ({"loss": "hinge"}, ValueError, f"loss: name is 'hinge', expected one of {', '.join(map(repr, network.LOSSES))}"),
        (
            {"validation": (np.zeros((4, 3)), [0, 1, 2, 0])},
            ValueError,
            "softmax_cross_entropy: y has labels from 0 to 2, expected 0 to 1 for 2 outputs",
        ),
        ({"validation": (np.zeros((4, 2)), [0] * 4)}, ValueError, "dense(3, 5): x has shape (1, 2), expected (1, 3)"),
    ],
)
def test_arguments_that_do_not_fit(problem, changes, error, message):
    with pytest.raises(error) as got:
        fit(problem, **changes)
    assert str(got.value) == message


@pytest.mark.parametrize(
    ("x", "y", "error", "message"),
    [
        (
            np.zeros((10, 3)),
            [0] * 9,
            ValueError,
            "softmax_cross_entropy: y has shape (9,), expected (10,) or (10, 2), one row per row of x",
        ),
        (
            np.zeros((3, 3)),
            [0, 1, -1],
            ValueError,
            "softmax_cross_entropy: y has labels from -1 to 1, expected 0 to 1 for 2 outputs",
        ),
        (np.zeros((0, 3)), [], ValueError, "fit: x has shape (0, 3), expected at least one example"),
        (np.zeros(3), [0], ValueError, "fit: x has shape (3,), expected two axes, one row per example"),
    ],
)
def test_data_that_do_not_fit(problem, x, y, error, message):
    with pytest.raises(error) as got:
        fit((*problem[:2], x, y))
    assert str(got.value) == message


def test_range_test_refuses(problem):
    with pytest.raises(
        ValueError, match=r"^learning_rate_range_test: eta_min is 1 and eta_max 0.1, expected 0 < eta_min < eta_max$"
    ):
        train.learning_rate_range_test(*problem, eta_min=1, eta_max=0.1, rng=rng())
    with pytest.raises(TypeError, match=r"^learning_rate_range_test: rng is 0, "):
        train.learning_rate_range_test(*problem, rng=0)


@pytest.mark.parametrize(
    ("z", "labels", "error", "message"),
    [
        ([1.0, 2.0], [0, 1], ValueError, "accuracy: z has shape (2,), expected (N, K)"),
        ([[1.0, 2.0]], [0, 1], ValueError, "accuracy: labels has shape (2,), expected (1,)"),
        ([[1.0, 2.0]], [0.0], TypeError, "accuracy: labels has dtype float64, expected integers"),
    ],
)
def test_accuracy_refuses(z, labels, error, message):
    with pytest.raises(error) as got:
        train.accuracy(z, labels)
    assert str(got.value) == message


def test_confusion_refuses():
    with pytest.raises(ValueError, match=r"^confusion: labels has values from 0 to 2, expected 0 to 1$"):
        train.confusion([[1.0, 2.0], [0.0, 1.0]], [0, 2])
