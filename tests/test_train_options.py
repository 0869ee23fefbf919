"""Training with options: what each does to a step, when training ends, and that nothing is lost by stopping."""

import math
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

from dnnbook import losses, network, optimizers, schedules, train
from dnnbook.network import mlp


def rng(seed=0):
    return np.random.default_rng(seed)


@pytest.fixture
def problem():
    """Ten examples in three dimensions, two classes, a network with everything in it."""
    net = mlp([3, 5, 4, 2], "tanh", batch_norm=True, dropout=0.25)
    x = rng(1).normal(size=(10, 3))
    return net, network.init(net, rng(2), np.float64), x, (x[:, 0] > 0).astype(int)


def fit(problem, **changes):
    return train.fit(*problem, **{"rng": rng(), "epochs": 3, "batch_size": 4, "progress": False} | changes)


def bits(params):
    return b"".join(a.tobytes() for p in params for a in p)


def same(a, b):
    """Equal results, times apart."""
    lists = [{**vars(h), "seconds": len(h.seconds)} for h in (a.history, b.history)]
    return bits(a.params) == bits(b.params) and lists[0] == lists[1]


def by_hand(problem, name, eta, *, epochs=3, l1=0.0, l2=0.0, decay=0.0, max_norm=None, clip_value=None, clip_norm=None):
    """What fit should do, spelled out with pure steps and NumPy: (params, losses of the steps, lengths)."""
    net, start, x, y = problem
    chance, pure, init = rng(), optimizers.TWINS[name][0], optimizers.TWINS[name][1]
    params = [[a.copy() for a in p] for p in start]
    where = [(i, j) for i, p in enumerate(network.trained(net, params)) for j in range(len(p))]
    states = {k: init(params[k[0]][k[1]]) if init else None for k in where}
    values, lengths = [], []
    for _ in range(epochs):
        rows = chance.permutation(10)
        for batch in (rows[:4], rows[4:8], rows[8:]):
            E, grads = network.loss_and_gradients_(net, params, x[batch], y[batch], rng=chance)
            values.append(E)
            g = {(i, j): grads[i][j] for i, j in where}
            matrices = [k for k in where if g[k].ndim == 2]
            for i, j in matrices:
                W = params[i][j]
                g[i, j] = g[i, j] + l1 * np.sign(W) + l2 * W
                E += l1 * np.abs(W).sum() + l2 / 2 * (W**2).sum()
            if clip_value:
                g = {k: np.clip(a, -clip_value, clip_value) for k, a in g.items()}
            if clip_norm:
                lengths.append(math.sqrt(sum((a**2).sum() for a in g.values())))
                g = {k: a * min(1, clip_norm / lengths[-1]) for k, a in g.items()}
            rate = eta(len(values) - 1) if callable(eta) else eta
            for i, j in where:
                w = params[i][j] * (1 - rate * decay if decay and (i, j) in matrices else 1)
                numbers = {"eta": rate} if rate is not None else {}
                if init is None:
                    w = pure(w, g[i, j], **numbers)
                else:
                    w, states[i, j] = pure(w, g[i, j], states[i, j], *[E] * ("E" in pure.contract.names), **numbers)
                if max_norm and (i, j) in matrices:
                    w = w * np.minimum(1, max_norm / np.sqrt((w**2).sum(axis=0)))
                params[i][j] = w
    return params, values, lengths


def close(fitted, expected):
    params, values, lengths = expected
    assert fitted.history.step_loss == pytest.approx(values, rel=1e-11)
    assert fitted.history.gradient_norm == pytest.approx(lengths, rel=1e-11)
    for p, q in zip(fitted.params, params, strict=True):
        for a, b in zip(p, q, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-8)  # Adam amplifies round-off where the gradient is 0


# --- a step

RULES = {
    "nothing": {},
    "l1": {"l1": 0.03},
    "l2": {"l2": 0.1},
    "decay": {"decay": 0.2},
    "max_norm": {"max_norm": 0.8},
    "clip_value": {"clip_value": 0.05},
    "clip_norm": {"clip_norm": 0.1},
    "clip_norm that is never reached": {"clip_norm": 1e6},
    "all": {"l1": 0.03, "l2": 0.1, "decay": 0.2, "max_norm": 0.8, "clip_value": 0.1, "clip_norm": 0.3},
}


@pytest.mark.parametrize("rules", RULES.values(), ids=RULES)
@pytest.mark.parametrize("name", ["sgd", "momentum", "adam"])
def test_a_step_with_each_rule(problem, name, rules):
    close(fit(problem, optimizer=optimizers.optimizer(name, eta=0.1), **rules), by_hand(problem, name, 0.1, **rules))


@pytest.mark.parametrize("name", ["sgd", "rmsprop", "nesterov_at_w", "adamw"])
def test_a_schedule_sets_the_rate_of_every_step_and_of_the_decay(problem, name):
    eta = schedules.schedule("exponential", eta=0.1, gamma=0.8)
    fitted = fit(problem, optimizer=optimizers.optimizer(name, eta=99.0), schedule=eta, decay=0.2)
    close(fitted, by_hand(problem, name, eta, decay=0.2))


def test_a_schedule_keeps_the_other_numbers(problem):
    numbers = {"eta": 0.05, "gamma": 0.5}
    constant = fit(problem, optimizer=optimizers.optimizer("momentum", **numbers))
    assert same(fit(problem, optimizer=optimizers.optimizer("momentum", gamma=0.5), schedule=lambda t: 0.05), constant)
    assert not same(fit(problem, optimizer="momentum", schedule=lambda t: 0.05), constant)


def test_the_penalties_count_in_the_loss_that_irprop_plus_looks_at(problem):
    # No batch normalization: a bias in front of it has a gradient of pure round-off, whose sign means nothing.
    net = mlp([3, 5, 4, 2], "tanh", dropout=0.25)
    problem = net, network.init(net, rng(2), np.float64), *problem[2:]
    rules = {"l1": 0.05, "l2": 2.0}
    fitted = fit(problem, optimizer="irprop_plus", epochs=5, **rules)
    close(fitted, by_hand(problem, "irprop_plus", None, epochs=5, **rules))


def test_an_endless_length_is_only_recorded(problem):
    fitted, plain = fit(problem, clip_norm=math.inf), fit(problem)
    assert len(fitted.history.gradient_norm) == 9
    assert bits(fitted.params) == bits(plain.params)
    assert plain.history.gradient_norm == []


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_options_keep_the_dtype(problem, dtype):
    net, _, x, y = problem
    fitted = fit((net, network.init(net, rng(), dtype), x, y), schedule=lambda t: 0.1, **RULES["all"])
    assert {a.dtype for p in fitted.params for a in p} == {np.dtype(dtype)}


# --- layers that train otherwise than they predict


def test_prediction_uses_the_statistics_that_training_gathered():
    net = (network.batch_norm_layer(3, momentum=0.5), network.dense_layer(3, 2))
    x = rng(1).normal(3, 2, size=(8, 3))
    y = (x[:, 0] > 3).astype(int)
    start = network.init(net, rng(2), np.float64)
    fitted = train.fit(net, start, x, y, rng=rng(), epochs=2, batch_size=8, validation=(x[:5], y[:5]), progress=False)
    mean, variance = fitted.params[0][2:]
    np.testing.assert_allclose(mean, 0.75 * x.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(variance, 0.25 + 0.75 * x.var(axis=0, ddof=1), rtol=1e-12)
    z = network.predict(net, fitted.params, x[:5])
    gamma, beta = fitted.params[0][:2]
    normalized = gamma * (x[:5] - mean) / np.sqrt(variance + 1e-5) + beta
    np.testing.assert_allclose(z, normalized @ fitted.params[1][0] + fitted.params[1][1], rtol=1e-9)
    expected = losses.softmax_cross_entropy(z, np.eye(2)[y[:5]])
    assert fitted.history.validation_loss[-1] == pytest.approx(expected, rel=1e-12)
    assert np.array_equal(start[0][2], np.zeros(3))


def test_range_test_trains_in_training_mode(problem):
    net, params, x, y = problem
    before = bits(params)
    _, values = train.learning_rate_range_test(*problem, steps=4, batch_size=10, eta_max=0.1, rng=rng())
    assert bits(params) == before
    copies = [[a.copy() for a in p] for p in params]
    assert values[0] == network.loss_and_gradients_(net, copies, x, y, rng=rng())[0]
    assert values[0] != network.loss_and_gradients(net, params, x, y)[0]


# --- augmentation


def test_augmentation_sees_each_batch_and_draws_from_the_same_generator(problem):
    net, params, x, y = problem
    sizes = []

    def jitter(chance, batch):
        sizes.append(len(batch))
        return batch + chance.normal(0, 0.1, batch.shape)

    fitted = fit(problem, epochs=1, augment=jitter)
    assert sizes == [4, 4, 2]
    chance = rng()
    first = x[chance.permutation(10)[:4]]
    expected = first + chance.normal(0, 0.1, first.shape)
    labels = y[rng().permutation(10)[:4]]
    copies = [[a.copy() for a in p] for p in params]
    assert fitted.history.step_loss[0] == network.loss_and_gradients_(net, copies, expected, labels, rng=chance)[0]
    assert not same(fitted, fit(problem, epochs=1))


@pytest.mark.parametrize("batch_size", [4, 10])
def test_augmentation_cannot_harm_the_data(problem, batch_size):
    before = problem[2].copy()

    def spoil(chance, batch):
        batch *= 0
        return batch

    fit(problem, batch_size=batch_size, augment=spoil)
    assert np.array_equal(problem[2], before)


def test_augmentation_must_keep_the_shape(problem):
    with pytest.raises(ValueError, match=r"^fit: augment\(rng, x\) has shape \(2, 3\), expected \(4, 3\) as x$"):
        fit(problem, augment=lambda chance, batch: batch[:2])


# --- early stopping

GENTLE = optimizers.optimizer("adam", eta=0.003)


@pytest.fixture
def noisy():
    """Labels that are partly chance: a network that learns them by heart gets worse on others."""
    net = mlp([5, 40, 2], "tanh")
    x = rng(1).normal(size=(120, 5)).astype(np.float32)
    y = np.where(rng(3).random(120) < 0.2, rng(4).integers(0, 2, 120), x[:, 0] > 0).astype(int)
    return (net, network.init(net, rng(2)), x[:60], y[:60]), (x[60:], y[60:])


def test_patience_ends_training_and_brings_back_the_best(noisy):
    problem, validation = noisy
    fitted = fit(problem, epochs=300, optimizer=GENTLE, validation=validation, patience=5)
    measured, best = fitted.history.validation_loss, fitted.history.best_epoch
    assert 2 < best < 100
    assert fitted.history.stopped == "patience"
    assert len(measured) == len(fitted.history.loss) == best + 5
    assert best == 1 + int(np.argmin(measured))
    rises = np.diff([0, *np.flatnonzero(measured == np.minimum.accumulate(measured))])
    assert rises.max() <= 5  # it was never that impatient before
    expected = fit(problem, epochs=best, optimizer=GENTLE)
    assert bits(fitted.params) == bits(expected.params)


def test_the_best_come_back_however_training_ends(noisy):
    problem, validation = noisy
    options = {"optimizer": GENTLE, "validation": validation}
    best = fit(problem, epochs=300, patience=5, **options)
    n = best.history.best_epoch
    by_epochs = fit(problem, epochs=n + 3, patience=5, **options)
    by_callback = fit(problem, epochs=300, patience=5, callback=lambda epoch, *_: epoch == n + 2, **options)

    def interrupt(epoch, *_):
        if epoch == n + 2:
            raise KeyboardInterrupt

    by_interrupt = fit(problem, epochs=300, patience=5, callback=interrupt, **options)
    for fitted, why in ((by_epochs, ""), (by_callback, "callback"), (by_interrupt, "interrupt")):
        assert fitted.history.stopped == why
        assert fitted.history.best_epoch == n
        assert bits(fitted.params) == bits(best.params)
    without = fit(problem, epochs=n + 3, **options)
    assert without.history.best_epoch == n
    assert bits(without.params) != bits(best.params)


def test_a_validation_that_says_nothing(problem):
    validation = (np.full((2, 3), np.nan), [0, 1])
    fitted = fit(problem, epochs=9, validation=validation, patience=4)
    assert fitted.history.stopped == "patience"
    assert fitted.history.best_epoch is None
    assert bits(fitted.params) == bits(fit(problem, epochs=4).params)


def test_equal_losses_are_not_better(noisy):
    problem, validation = noisy
    still = fit(problem, epochs=9, optimizer=optimizers.optimizer("sgd", eta=0.0), validation=validation, patience=2)
    assert len(set(still.history.validation_loss)) == 1
    assert (len(still.history.loss), still.history.best_epoch, still.history.stopped) == (3, 1, "patience")
    history = train.History(validation_loss=[3.0, math.nan, 1.0, 1.0, math.inf])
    assert history.best_epoch == 3
    assert train.History(validation_loss=[math.nan, math.inf]).best_epoch is None
    assert train.History().best_epoch is None


# --- checkpoints

EVERYTHING = {"clip_norm": 0.5, "l2": 0.01, "augment": lambda chance, batch: batch + chance.normal(0, 0.1, batch.shape)}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", optimizers.TWINS)
def test_three_epochs_and_three_more_are_six(problem, name, dtype, tmp_path):
    net, _, x, y = problem
    options = {**EVERYTHING, "optimizer": name, "validation": (x[:4], y[:4])}
    if name in ("sgd", "adam"):
        options["schedule"] = schedules.schedule("exponential", eta=0.1, gamma=0.9)
    problem = net, network.init(net, rng(2), dtype), x, y
    whole_rng, rest_rng = rng(), rng(99)
    whole = fit(problem, epochs=6, rng=whole_rng, **options)
    part = fit(problem, epochs=3, checkpoint=tmp_path / "run.npz", **options)
    rest = fit(problem, epochs=6, checkpoint=tmp_path / "run.npz", resume=True, rng=rest_rng, **options)
    assert same(part, fit(problem, epochs=3, **options))
    assert len(part.history.loss) == 3
    assert same(rest, whole)
    assert whole_rng.bit_generator.state == rest_rng.bit_generator.state
    assert not same(rest, part)


@pytest.mark.parametrize("bits_of", [np.random.MT19937, np.random.Philox, np.random.SFC64, np.random.PCG64DXSM])
def test_every_generator_goes_on(problem, bits_of, tmp_path):
    def run(seed, epochs, **more):
        return fit(problem, rng=np.random.Generator(bits_of(seed)), epochs=epochs, **EVERYTHING, **more)

    run(5, 2, checkpoint=tmp_path / "run")
    assert same(run(6, 4, checkpoint=tmp_path / "run", resume=True), run(5, 4))


def test_resuming_what_is_not_there_starts_and_what_is_complete_returns(problem, tmp_path):
    path = tmp_path / "run"
    first = fit(problem, checkpoint=path, resume=True)
    assert same(first, fit(problem))
    seen = []
    again = fit(problem, checkpoint=str(path), resume=True, callback=lambda *a: seen.append(a))
    assert same(again, first)
    assert again.history.seconds == first.history.seconds
    assert seen == []
    anew = fit(problem, checkpoint=path, rng=rng(1))
    assert not same(anew, first)


def test_patience_goes_on_too(noisy, tmp_path):
    problem, validation = noisy
    options = {"optimizer": GENTLE, "validation": validation, "patience": 5}
    whole = fit(problem, epochs=300, **options)
    best = whole.history.best_epoch
    for epochs in (best - 1, best, best + 2, best + 5):
        path = tmp_path / f"{epochs}"
        fit(problem, epochs=epochs, checkpoint=path, **options)
        assert same(fit(problem, epochs=300, checkpoint=path, resume=True, **options), whole)


def test_the_bar_goes_on(problem, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    fit(problem, checkpoint=tmp_path / "run")
    fit(problem, epochs=7, checkpoint=tmp_path / "run", resume=True, progress=True)
    assert "3/7" in capsys.readouterr().err


def test_a_checkpoint_holds_plain_arrays_alone_in_its_folder(problem, tmp_path):
    fit(problem, checkpoint=tmp_path / "run.npz", optimizer="adam", validation=problem[2:])
    assert [p.name for p in tmp_path.iterdir()] == ["run.npz"]
    with np.load(tmp_path / "run.npz", allow_pickle=False) as file:
        assert {a.dtype.kind for a in file.values()} <= set("fiuU")
        assert {name.partition("/")[0] for name in file} == {"params", "best", "state", "history", "text"}


@pytest.mark.parametrize("error", [OSError("the disk is full"), KeyboardInterrupt()])
def test_a_checkpoint_that_cannot_be_written_leaves_the_last_one(problem, tmp_path, error, monkeypatch):
    path, save, calls = tmp_path / "run", np.savez, []

    def half(file, **arrays):
        calls.append(file)
        if len(calls) == 2:
            file.write(b"half of it")
            raise error
        save(file, **arrays)

    monkeypatch.setattr(np, "savez", half)
    if isinstance(error, KeyboardInterrupt):
        assert same(fit(problem, checkpoint=path), interrupted(fit(problem, epochs=2)))
    else:
        with pytest.raises(OSError, match="the disk is full"):
            fit(problem, checkpoint=path)
    monkeypatch.undo()
    assert [p.name for p in tmp_path.iterdir()] == ["run"]
    assert same(fit(problem, epochs=1, checkpoint=path, resume=True), fit(problem, epochs=1))
    assert same(fit(problem, checkpoint=path, resume=True), fit(problem))


def test_a_program_killed_while_writing_resumes(problem, tmp_path):
    """The child dies in the middle of writing its third checkpoint."""
    program = """
        import os, signal, sys
        import numpy as np
        from dnnbook import network, train

        save, calls = np.savez, []
        def half(file, **arrays):
            calls.append(file)
            if len(calls) == 3:
                file.write(b"half of it")
                file.flush()
                os.kill(os.getpid(), signal.SIGKILL)
            save(file, **arrays)
        np.savez = half

        rng = np.random.default_rng
        net = network.mlp([3, 5, 4, 2], "tanh", batch_norm=True, dropout=0.25)
        x = rng(1).normal(size=(10, 3))
        params = network.init(net, rng(2), np.float64)
        train.fit(net, params, x, (x[:, 0] > 0).astype(int), rng=rng(0), epochs=5, batch_size=4, checkpoint=sys.argv[1])
    """
    path, root = tmp_path / "run", Path(__file__).parents[1]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    child = subprocess.run([sys.executable, "-c", textwrap.dedent(program), str(path)], env=environment, check=False)
    assert child.returncode == -signal.SIGKILL
    assert same(fit(problem, epochs=2, checkpoint=path, resume=True), fit(problem, epochs=2))
    assert same(fit(problem, epochs=5, checkpoint=path, resume=True), fit(problem, epochs=5))


OTHER_RUNS = {
    "start": {"params": lambda p: network.init(p[0], rng(5), np.float64)},
    "network": {"layers": lambda p: (*p[0][:2], network.activation_layer("relu"), *p[0][3:])},
    "data": {"y": lambda p: 1 - p[3]},
    "loss": {"loss": "mean_squared_error", "y": lambda p: np.eye(2)[p[3]]},
    "optimizer": {"optimizer": optimizers.optimizer("sgd", eta=0.02)},
    "rules": {"l2": 0.1},
    "batch_size": {"batch_size": 5},
    "rng": {"rng": np.random.Generator(np.random.MT19937(0))},
}


@pytest.mark.parametrize("key", OTHER_RUNS)
def test_a_checkpoint_of_another_run_is_refused(problem, key, tmp_path):
    path = tmp_path / "run"
    fit((*problem[:3], np.eye(2)[problem[3]]) if key == "loss" else problem, checkpoint=path, optimizer="sgd")
    changes = {"optimizer": "sgd", **OTHER_RUNS[key]}
    names = ("layers", "params", "x", "y")
    given = [changes.pop(name)(problem) if name in changes else a for name, a in zip(names, problem, strict=True)]
    with pytest.raises(ValueError, match=f"^fit: {str(path)!r} is of another run: its {key} is .+, here it is .+$"):
        fit(given, checkpoint=path, resume=True, **changes)


def test_other_validation_data_are_another_run(problem, tmp_path):
    fit(problem, checkpoint=tmp_path / "run")
    with pytest.raises(ValueError, match="is of another run: its data is"):
        fit(problem, checkpoint=tmp_path / "run", resume=True, validation=problem[2:])


def test_files_that_are_no_checkpoints(problem, tmp_path):
    path = tmp_path / "run"
    fit(problem, checkpoint=path)
    whole = path.read_bytes()
    contents = [b"", b"something", whole[: len(whole) // 2], whole[:-100]]
    for arrays in ({"a": np.zeros(2)}, {"text": np.array("[]")}, {"text": np.array("{}")}, {"text": np.array("{")}):
        np.savez(tmp_path / "other.npz", **arrays)
        contents.append((tmp_path / "other.npz").read_bytes())
    np.save(tmp_path / "other.npy", np.zeros(3))
    contents.append((tmp_path / "other.npy").read_bytes())
    for content in contents:
        path.write_bytes(content)
        with pytest.raises(ValueError, match=f"^fit: {str(path)!r} is not a checkpoint that training has written$"):
            fit(problem, checkpoint=path, resume=True)
    with np.load(tmp_path / "other.npz") as file:
        assert list(file) == ["text"]
    np.savez(tmp_path / "later.npz", text=np.array('{"version": 3, "settings": {}}'))
    with pytest.raises(ValueError, match=r"later.npz' has version 3, expected 2$"):
        fit(problem, checkpoint=tmp_path / "later.npz", resume=True)


# --- interrupts


def interrupted(fitted):
    fitted.history.stopped = "interrupt"
    return fitted


@pytest.mark.parametrize("step", [1, 3, 4, 6, 7, 9])
def test_an_interrupt_loses_the_current_epoch_alone(problem, step):
    calls = []

    def interrupt(chance, batch):
        calls.append(len(batch))
        if len(calls) == step:
            raise KeyboardInterrupt
        return batch

    whole = (step - 1) // 3
    fitted = fit(problem, augment=interrupt, clip_norm=1.0, validation=problem[2:])
    if whole:
        assert same(fitted, interrupted(fit(problem, epochs=whole, clip_norm=1.0, validation=problem[2:])))
    else:
        assert bits(fitted.params) == bits(problem[1])
        assert vars(fitted.history) == vars(train.History(stopped="interrupt"))


def test_wherever_an_interrupt_comes_epochs_are_whole(problem, tmp_path):
    """The interpreter raises it before any line: we do at each line of the loop in turn."""
    options = {"validation": problem[2:], "patience": 3, "clip_norm": 1.0, "epochs": 2}
    expected = [bits(problem[1]), *(bits(fit(problem, **{**options, "epochs": n}).params) for n in (1, 2))]
    loop = sys.modules["dnnbook.train.loop"].__file__
    functions = {"epoch", "_measure", "next", "apart"}

    def run(k):
        lines = []

        def trace(frame, event, _):
            if frame.f_code.co_filename != loop or frame.f_code.co_name not in functions:
                return trace if frame.f_code.co_filename == loop else None
            if event == "line":
                lines.append(frame.f_lineno)
                if len(lines) == k:
                    sys.settrace(None)
                    raise KeyboardInterrupt
            return trace

        old = sys.gettrace()
        sys.settrace(trace)
        try:
            return fit(problem, checkpoint=tmp_path / "run", **options), len(lines)
        finally:
            sys.settrace(old)

    _, total = run(0)
    assert total > 50
    lengths = []
    for k in range(1, total + 1):
        fitted, _ = run(k)
        history = fitted.history
        lengths.append(len(history.loss))
        assert history.stopped == "interrupt"
        assert len(history.validation_loss) == len(history.validation_accuracy) == len(history.seconds) == lengths[-1]
        assert len(history.step_loss) == len(history.gradient_norm) == 3 * lengths[-1]
        assert bits(fitted.params) == expected[history.best_epoch or 0]
    assert lengths == sorted(lengths)
    assert set(lengths) == {0, 1}


# --- the record


def test_why_training_ended(problem):
    assert fit(problem).history.stopped == ""
    assert fit(problem, callback=lambda epoch, *_: epoch == 2).history.stopped == "callback"


def test_plot():
    plt = pytest.importorskip("matplotlib.pyplot")
    figures = pytest.importorskip("dnnbook.figures")
    history = train.History(loss=[3.0, 2.0, 1.0], validation_loss=[3.0, 1.5, 2.5])
    _, ax = plt.subplots()
    assert history.plot(ax) is ax
    training, validation, best = ax.get_lines()
    for curve, name, values in ((training, "train", history.loss), (validation, "validation", history.validation_loss)):
        assert curve.get_xdata().tolist() == [1, 2, 3]
        assert list(curve.get_ydata()) == values
        look = plt.Line2D([], [], **figures.line(name))
        assert (curve.get_color(), curve.get_linestyle()) == (look.get_color(), look.get_linestyle())
    assert list(best.get_xdata()) == [2, 2]
    assert [t.get_text() for t in ax.get_legend().get_texts()] == ["training", "validation"]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("epoch", "loss $E$")
    alone = train.History(loss=[1.0]).plot()
    assert alone is not ax
    assert len(alone.get_lines()) == 1
    assert alone.get_legend() is None
    plt.close("all")


# --- errors


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"l1": -1}, ValueError, "fit: l1 is -1, expected a number in [0, inf)"),
        ({"l2": math.inf}, ValueError, "fit: l2 is inf, expected a number in [0, inf)"),
        ({"decay": "0.1"}, TypeError, "fit: decay is '0.1', expected a number"),
        ({"l2": math.nan}, ValueError, "fit: l2 is nan, expected a number in [0, inf)"),
        ({"max_norm": 0}, ValueError, "fit: max_norm is 0, expected a number in (0, inf)"),
        ({"clip_value": 0.0}, ValueError, "fit: clip_value is 0.0, expected a number in (0, inf)"),
        ({"clip_norm": -2}, ValueError, "fit: clip_norm is -2, expected a number in (0, inf]"),
        ({"schedule": 0.1}, TypeError, "fit: schedule is 0.1, expected a function"),
        ({"augment": "noise"}, TypeError, "fit: augment is 'noise', expected a function"),
        ({"callback": True}, TypeError, "fit: callback is True, expected a function"),
        ({"patience": 0}, ValueError, "fit: patience is 0, expected at least 1"),
        ({"patience": 1.5}, TypeError, "fit: patience is 1.5, expected an integer"),
        ({"patience": 2}, ValueError, "fit: patience is 2, expected validation data with it"),
        ({"resume": True}, ValueError, "fit: resume is True, expected a checkpoint with it"),
        (
            {"checkpoint": "nowhere/run.npz"},
            ValueError,
            "fit: checkpoint is 'nowhere/run.npz', expected a file in a folder that exists",
        ),
        ({"checkpoint": "."}, ValueError, "fit: checkpoint is '.', expected a file in a folder that exists"),
        (
            {"optimizer": "rprop_plus", "schedule": lambda t: 0.1},
            ValueError,
            "fit: optimizer is rprop_plus, expected one with a learning rate for schedule and decay",
        ),
        (
            {"optimizer": optimizers.Optimizer("sgd", lambda w: None, lambda w, g, state: None), "decay": 0.1},
            ValueError,
            "fit: optimizer is sgd, expected one with a learning rate for schedule and decay",
        ),
        ({"schedule": lambda t: -1.0}, ValueError, "optimizer: adam: eta is -1.0, expected a number in [0, inf)"),
    ],
)
def test_options_that_do_not_fit(problem, changes, error, message):
    with pytest.raises(error) as got:
        fit(problem, **changes)
    assert str(got.value) == message


def test_a_gradient_that_explodes_says_where():
    net = (network.dense_layer(1, 1, lambda rng, shape, dtype: np.zeros(shape, dtype)),)
    x, y = np.array([[1e200]]), np.array([[1e150]])
    message = "^fit: the length of the gradient is (nan|inf) at epoch 1, step 1; try a smaller eta, or look for NaN and huge"
    with pytest.raises(FloatingPointError, match=message):
        fit((net, network.init(net, rng(), np.float64), x, y), loss="mean_squared_error", clip_norm=1.0)
