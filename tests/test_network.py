"""Networks: numbers worked by hand, gradients against differences, dtypes, and what errors say."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dnnbook import activations, initializers, layers, losses, network
from dnnbook.datasets import one_hot
from dnnbook.network import activation_layer, dense_layer, mlp, prelu_layer

SMOOTH_TARGETS = {"cross_entropy": "softmax", "binary_cross_entropy": "sigmoid"}  # losses of probabilities


def network_of(sizes, activation, loss, seed, n):
    """A network for a loss, with parameters, examples and labels, all in float64."""
    rng = np.random.default_rng(seed)
    net = mlp(sizes, activation)
    if loss in SMOOTH_TARGETS:
        net += (activation_layer(SMOOTH_TARGETS[loss]),)
    params = tuple(tuple(a + 0.1 * rng.normal(size=a.shape) for a in p) for p in network.init(net, rng, np.float64))
    y = one_hot(rng.integers(0, sizes[-1], n), sizes[-1], np.float64)
    return net, params, rng.normal(size=(n, sizes[0])), y, rng


# --- values


def test_a_network_worked_by_hand():
    net = mlp([2, 2, 1])
    params = (
        (np.array([[1.0, -1.0], [2.0, 0.25]]), np.zeros(2)),
        (),
        (np.array([[0.5], [3.0]]), np.array([1.0])),
    )
    x = np.array([[1.0, 2.0]])
    # Hidden: (1 + 4, -1 + 0.5) = (5, -0.5), after ReLU (5, 0). Output: 2.5 + 0 + 1 = 3.5.
    z, caches = network.forward(net, params, x)
    assert z.tolist() == [[3.5]]
    # Target 1: the loss is 2.5^2 = 6.25, its gradient 2 * 2.5 = 5.
    E, grads = network.loss_and_gradients(net, params, x, [1.0], "mean_squared_error")
    assert E == 6.25
    (dW1, db1), nothing, (dW2, db2) = grads
    assert dW2.tolist() == [[25.0], [0.0]]
    assert db2.tolist() == [5.0]
    assert nothing == ()
    # Below the output: 5 * (0.5, 3) = (2.5, 15); the second unit is off.
    assert db1.tolist() == [2.5, 0.0]
    assert dW1.tolist() == [[2.5, 0.0], [5.0, 0.0]]
    dx, again = network.backward(net, params, caches, [[5.0]])
    assert dx.tolist() == [[2.5, 5.0]]
    assert all(np.array_equal(a, b) for p, q in zip(grads, again, strict=True) for a, b in zip(p, q, strict=True))


def test_a_batch_is_its_rows():
    net, params, x, _, _ = network_of([3, 4, 2], "tanh", "softmax_cross_entropy", 0, 5)
    rows = np.concatenate([network.predict(net, params, row[None]) for row in x])
    assert np.allclose(network.predict(net, params, x), rows, rtol=1e-14)


def test_predict_is_the_first_result_of_forward():
    net, params, x, _, _ = network_of([3, 4, 4, 2], "elu", "softmax_cross_entropy", 1, 5)
    assert np.array_equal(network.predict(net, params, x), network.forward(net, params, x)[0])


def test_an_empty_batch_has_an_empty_output():
    net, params, *_ = network_of([3, 4, 2], "relu", "softmax_cross_entropy", 0, 1)
    assert network.predict(net, params, np.zeros((0, 3))).shape == (0, 2)


def test_nan_goes_through_and_huge_inputs_are_silent():
    net, params, *_ = network_of([2, 3, 2], "sigmoid", "softmax_cross_entropy", 0, 1)
    z = network.predict(net, params, [[np.nan, 0.0], [1e308, 1e308], [0.0, 0.0]])
    assert np.isnan(z[0]).all()
    assert np.isfinite(z[2]).all()


# --- gradients


@settings(max_examples=150, deadline=None)
@given(
    hidden=st.lists(st.integers(1, 6), max_size=4),
    width=st.integers(1, 5),
    outputs=st.integers(2, 4),
    activation=st.sampled_from([*layers.ACTIVATIONS, prelu_layer, activation_layer("elu", alpha=0.3)]),
    loss=st.sampled_from(network.LOSSES),
    n=st.integers(1, 5),
    seed=st.integers(0, 2**32 - 1),
)
def test_gradients_of_whole_networks_agree_with_differences(hidden, width, outputs, activation, loss, n, seed):
    net, params, x, y, rng = network_of([width, *hidden, outputs], activation, loss, seed, n)
    E, grads = network.loss_and_gradients(net, params, x, y, loss)
    z, caches = network.forward(net, params, x)
    dx, _ = network.backward(net, params, caches, getattr(losses, f"{loss}_grad")(z, y))

    # A direction in the space of all parameters and inputs meets every gradient.
    to = tuple(tuple(rng.normal(size=a.shape) for a in p) for p in params)
    x_to = rng.normal(size=x.shape)

    def along(h):
        moved = tuple(tuple(a + h * d for a, d in zip(p, q, strict=True)) for p, q in zip(params, to, strict=True))
        return network.loss_and_gradients(net, moved, x + h * x_to, y, loss)[0]

    h = 1e-6
    terms = [np.sum(dx * x_to)] + [np.sum(a * d) for p, q in zip(grads, to, strict=True) for a, d in zip(p, q, strict=True)]
    expected = (along(h) - along(-h)) / (2 * h)
    assert abs(sum(terms) - expected) <= 1e-6 * (1 + abs(E) + np.abs(terms).sum())


@pytest.mark.parametrize("activation", ["sigmoid", "relu", "softmax"])
def test_every_single_gradient_agrees_with_differences(activation):
    net, params, x, y, _ = network_of([3, 4, 3, 2], activation, "softmax_cross_entropy", 3, 6)
    _, grads = network.loss_and_gradients(net, params, x, y)
    h = 1e-6
    for p, g in zip(params, grads, strict=True):
        for w, dw in zip(p, g, strict=True):
            assert w.shape == dw.shape
            for i in np.ndindex(w.shape):
                kept = w[i]
                w[i] = kept + h
                above, _ = network.loss_and_gradients(net, params, x, y)
                w[i] = kept - h
                below, _ = network.loss_and_gradients(net, params, x, y)
                w[i] = kept
                assert abs((above - below) / (2 * h) - dw[i]) < 1e-8


def test_the_gradient_of_the_input_is_made_only_where_it_is_wanted():
    net, params, x, y, _ = network_of([3, 4, 2], "tanh", "softmax_cross_entropy", 0, 5)
    z, caches = network.forward(net, params, x)
    g = losses.softmax_cross_entropy_grad(z, y)
    dx, with_input = network.backward(net, params, caches, g)
    nothing, without = network.backward(net, params, caches, g, input_gradient=False)
    assert dx.shape == x.shape
    assert nothing is None
    assert all(np.array_equal(a, b) for p, q in zip(with_input, without, strict=True) for a, b in zip(p, q, strict=True))


def test_only_the_first_layer_is_spared():
    net = (dense_layer(3, 4), dense_layer(4, 2))
    params = network.init(net, np.random.default_rng(0), np.float64)
    x = np.ones((1, 3))
    _, grads = network.loss_and_gradients(net, params, x, [0])
    g = losses.softmax_cross_entropy_grad(network.predict(net, params, x), [[1.0, 0.0]])
    assert np.allclose(grads[0][1], (g @ params[1][0].T)[0], rtol=1e-14)


def test_any_three_functions_are_a_layer():
    """Maxout: three linear units per output, the largest counts."""

    def forward(params, z):
        groups = z.reshape(len(z), -1, 3)
        return activations.maxout(groups), groups

    def backward(params, groups, g, input_gradient=True):
        return activations.maxout_vjp(g, groups).reshape(len(g), -1), ()

    step = network.Layer("maxout", lambda rng, dtype: (), forward, backward)
    rng = np.random.default_rng(0)
    net = (dense_layer(4, 6), step, dense_layer(2, 3))
    params = network.init(net, rng, np.float64)
    x, y = rng.normal(size=(5, 4)), [0, 1, 2, 0, 1]
    E, grads = network.loss_and_gradients(net, params, x, y)
    h = 1e-6
    moved = ((params[0][0] + h * grads[0][0], params[0][1]), *params[1:])
    slope = (network.loss_and_gradients(net, moved, x, y)[0] - E) / h
    assert slope == pytest.approx(np.sum(grads[0][0] ** 2), rel=1e-4)


# --- dtypes and layouts


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("activation", ["relu", "elu", "softmax", prelu_layer])
def test_everything_has_the_dtype_of_the_parameters(dtype, activation):
    net = mlp([3, 4, 2], activation)
    params = network.init(net, np.random.default_rng(0), dtype)
    assert {a.dtype for p in params for a in p} == {np.dtype(dtype)}
    for x in (np.ones((2, 3), np.float32), np.ones((2, 3)), np.ones((2, 3), int), [[1, 0, 2], [3, 4, 5]]):
        z, caches = network.forward(net, params, x)
        dx, grads = network.backward(net, params, caches, np.ones((2, 2)))
        assert z.dtype == dx.dtype == dtype
        assert {g.dtype for p in grads for g in p} == {np.dtype(dtype)}
        _, grads = network.loss_and_gradients(net, params, x, [0, 1])
        assert {g.dtype for p in grads for g in p} == {np.dtype(dtype)}


def test_a_layer_used_in_float64_first_still_keeps_float32():
    net = mlp([3, 4, 2], "softplus")
    for dtype in (np.float64, np.float32):
        params = network.init(net, np.random.default_rng(0), dtype)
        assert network.predict(net, params, np.ones((1, 3))).dtype == dtype


def test_layout_of_the_input_does_not_matter():
    net, params, x, y, _ = network_of([3, 4, 2], "tanh", "softmax_cross_entropy", 0, 6)
    expected = network.loss_and_gradients(net, params, x, y)
    wide = np.zeros((12, 6))
    wide[::2, ::2] = x
    read_only = x.copy()
    read_only.flags.writeable = False
    for same in (np.asfortranarray(x), wide[::2, ::2], read_only, x.tolist()):
        E, grads = network.loss_and_gradients(net, params, same, y)
        assert expected[0] == E
        assert np.array_equal(expected[1][0][0], grads[0][0])


def test_nothing_that_is_given_changes():
    net, params, x, y, _ = network_of([3, 4, 2], "relu", "softmax_cross_entropy", 0, 6)
    kept = [a.copy() for p in params for a in p], x.copy(), y.copy()
    network.loss_and_gradients(net, params, x, y)
    assert all(np.array_equal(a, b) for a, b in zip(kept[0], [a for p in params for a in p], strict=True))
    assert np.array_equal(kept[1], x)
    assert np.array_equal(kept[2], y)


# --- initial parameters


@pytest.mark.parametrize(
    ("activation", "initializer"),
    [(a, "he_normal") for a in ("relu", "leaky_relu", "elu", "relu6", "absolute_relu", "softplus", prelu_layer)]
    + [(a, "glorot_normal") for a in ("sigmoid", "tanh", "linear")]
    + [(activation_layer("elu", alpha=2.0), "he_normal")],
)
def test_the_initializer_follows_the_activation(activation, initializer):
    net = mlp([3, 4, 2], activation)
    params = network.init(net, np.random.default_rng(0))
    rng = np.random.default_rng(0)
    expected = [getattr(initializers, initializer)(rng, shape, np.float32) for shape in ((3, 4), (4, 2))]
    assert np.array_equal(params[0][0], expected[0])
    assert np.array_equal(params[2][0], expected[1])
    assert not params[0][1].any()


def test_a_function_can_be_the_initializer():
    net = mlp([3, 4, 2], initializer=lambda rng, shape, dtype: np.full(shape, 7.0))
    params = network.init(net, np.random.default_rng(0))
    assert params[0][0].dtype == np.float32
    assert (params[2][0] == 7).all()


def test_the_same_seed_gives_the_same_parameters():
    net = mlp([3, 4, 2])
    a, b, c = (network.init(net, np.random.default_rng(seed))[0][0] for seed in (1, 1, 2))
    assert np.array_equal(a, b)
    assert not np.array_equal(a, c)


# --- targets


@pytest.mark.parametrize(
    ("y", "shape", "loss", "expected"),
    [
        ([1, 0], (2, 2), "softmax_cross_entropy", [[0, 1], [1, 0]]),
        ([2, 0], (2, 3), "sigmoid_cross_entropy", [[0, 0, 1], [1, 0, 0]]),
        ([1, 0], (2, 1), "binary_cross_entropy", [[1], [0]]),
        ([True, False], (2, 1), "sigmoid_cross_entropy", [[1], [0]]),
        ([3.5, 2.0], (2, 1), "mean_squared_error", [[3.5], [2]]),
        ([3, 2], (2, 1), "mean_squared_error", [[3], [2]]),
        ([[0.25, 0.75]], (1, 2), "cross_entropy", [[0.25, 0.75]]),
    ],
)
def test_targets(y, shape, loss, expected):
    t = network.targets(y, shape, loss)
    assert t.dtype == np.float32
    assert t.tolist() == expected


def test_targets_that_fit_are_not_copied():
    t = np.ones((4, 3), np.float32)
    assert network.targets(t, (4, 3), "softmax_cross_entropy") is t


# --- errors

NET = mlp([3, 4, 2])
PARAMS = network.init(NET, np.random.default_rng(0))
X = np.zeros((5, 3))
ACTIVATIONS = ", ".join(map(repr, layers.ACTIVATIONS))
INITIALIZERS = ", ".join(map(repr, layers.INITIALIZERS))
LOSSES = ", ".join(map(repr, network.LOSSES))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: mlp([3]), ValueError, "mlp: sizes is [3], expected at least two: input and output"),
        (lambda: mlp([3, 0, 2]), ValueError, "dense_layer: n_out is 0, expected an integer of at least 1"),
        (lambda: mlp([2.5, 2]), ValueError, "dense_layer: n_in is 2.5, expected an integer of at least 1"),
        (lambda: mlp([3, 2, 2], "rulu"), ValueError, f"activation_layer: name is 'rulu', expected one of {ACTIVATIONS}"),
        (
            lambda: dense_layer(3, 2, "hee"),
            ValueError,
            f"dense_layer: initializer is 'hee', expected a function or one of {INITIALIZERS}",
        ),
        (lambda: activation_layer("elu", alpha=-1.0), ValueError, "elu: alpha is -1.0, expected a number in [0, inf)"),
        (
            lambda: network.init(NET, 0),
            TypeError,
            "init: rng is 0, expected a numpy.random.Generator such as numpy.random.default_rng(0)",
        ),
        (
            lambda: network.init(NET, np.random.default_rng(0), np.float16),
            ValueError,
            "init: dtype is float16, expected float32 or float64",
        ),
        (
            lambda: network.init(mlp([3, 2], initializer=lambda rng, shape, dtype: np.ones(3)), np.random.default_rng(0)),
            ValueError,
            "dense(3, 2): initial W has shape (3,), expected (3, 2)",
        ),
        (
            lambda: network.forward(NET, PARAMS, np.zeros((5, 4))),
            ValueError,
            "dense(3, 4): x has shape (5, 4), expected (5, 3)",
        ),
        (
            lambda: network.predict(NET, PARAMS, np.zeros(3)),
            ValueError,
            "predict: x has shape (3,), expected two axes, one row per example",
        ),
        (
            lambda: network.predict(NET, PARAMS, [["a"]]),
            TypeError,
            "predict: x has dtype <U1, expected float32, float64 or integers",
        ),
        (lambda: network.forward(NET, PARAMS[:2], X), ValueError, "forward: params has 2 entries, expected 3, one per layer"),
        (
            lambda: network.forward(NET, (PARAMS[2], (), PARAMS[0]), X),
            ValueError,
            "dense(3, 4): W has shape (4, 2), expected (3, 4)",
        ),
        (
            lambda: network.forward((dense_layer(3, 4), dense_layer(5, 2)), (PARAMS[0], (np.ones((5, 2)), np.ones(2))), X),
            ValueError,
            "dense(5, 2): x has shape (5, 4), expected (5, 5)",
        ),
        (
            lambda: network.backward(NET, PARAMS, network.forward(NET, PARAMS, X)[1], np.zeros((5, 3))),
            ValueError,
            "dense(4, 2): g has shape (5, 3), expected (5, 2)",
        ),
        (
            lambda: network.backward(NET, PARAMS, (), np.zeros((5, 2))),
            ValueError,
            "backward: caches has 0 entries, expected 3, one per layer",
        ),
        (
            lambda: network.loss_and_gradients(NET, PARAMS, X, [0] * 5, "hinge"),
            ValueError,
            f"loss: name is 'hinge', expected one of {LOSSES}",
        ),
        (
            lambda: network.loss_and_gradients(NET, PARAMS, X, [0] * 4),
            ValueError,
            "softmax_cross_entropy: y has shape (4,), expected (5,) or (5, 2), one row per row of x",
        ),
        (
            lambda: network.loss_and_gradients(NET, PARAMS, X, [0, 1, 2, 0, 0]),
            ValueError,
            "softmax_cross_entropy: y has labels from 0 to 2, expected 0 to 1 for 2 outputs",
        ),
        (
            lambda: network.loss_and_gradients(NET, PARAMS, X, np.zeros(5)),
            TypeError,
            "softmax_cross_entropy: y has dtype float64, expected integer labels (or targets of shape (5, 2))",
        ),
        (
            lambda: network.loss_and_gradients(NET, PARAMS, X, [0, 1, 0, 1, 1], "mean_squared_error"),
            ValueError,
            "mean_squared_error: y has shape (5, 1), expected (5, 2); one_hot(labels, classes) makes targets of labels",
        ),
        (
            lambda: network.targets(["a"], (1, 1), "mean_squared_error"),
            TypeError,
            "mean_squared_error: y has dtype <U1, expected numbers",
        ),
        (
            lambda: network.targets(np.zeros((2, 3)), (2, 2), "cross_entropy"),
            ValueError,
            "cross_entropy: y has shape (2, 3), expected (2, 2)",
        ),
    ],
)
def test_errors_say_what_was_got_and_what_was_expected(call, error, message):
    with pytest.raises(error) as got:
        call()
    assert str(got.value) == message


def test_an_activation_without_such_a_number():
    with pytest.raises(TypeError, match=r"^relu: "):
        activation_layer("relu", alpha=0.1)
