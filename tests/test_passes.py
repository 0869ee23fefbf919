"""The passes of a training loop through fixed arrays are the layers' own passes, and allocate nothing."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnnbook import _passes, activations, losses, network, optimizers, train
from dnnbook.layers import ACTIVATIONS, Layer
from dnnbook.train.workspace import Workspaces, together

LOSSES = network.LOSSES


def rng():
    return np.random.default_rng(0)


def plain(name="doubled"):
    """A layer of somebody else's: it has nothing but the three functions."""

    def backward(params, x, g, input_gradient=True):
        return 2 * params[0] * g, ((2 * x * g).sum(axis=0),)

    return Layer(name, lambda r, d=np.float32: (np.ones(4, d),), lambda p, x: (2 * p[0] * x, x), backward)


NETS = {
    "one layer": network.mlp([3, 2]),
    "batch norm and dropout": network.mlp([3, 5, 4, 2], "elu", batch_norm=True, dropout=0.3),
    "maxout": network.mlp([3, 4, 2], "maxout", pieces=3),
    "prelu": network.mlp([3, 4, 2], network.prelu_layer),
    "softmax inside": (network.dense_layer(3, 4), network.activation_layer("softmax"), network.dense_layer(4, 2)),
    "activation first": (network.activation_layer("tanh"), network.dense_layer(3, 2), network.activation_layer("tanh")),
    "dropout first": (network.dropout_layer(0.5), network.dense_layer(3, 2)),
    "batch norm first": (network.batch_norm_layer(3), network.dense_layer(3, 2)),
    "somebody else's": (network.dense_layer(3, 4), plain(), network.activation_layer("relu"), network.dense_layer(4, 2)),
    "number": (network.dense_layer(3, 4), network.activation_layer("leaky_relu", alpha=0.3), network.dense_layer(4, 2)),
}
NETS |= {name: network.mlp([3, 4, 2], name) for name in ACTIVATIONS if hasattr(activations, name + "_grad")}


def problem(layers, dtype, n=6, scale=1.0):
    chance = rng()
    params = network.init(layers, chance, dtype)
    params = tuple(tuple(a + chance.normal(0, 0.1, a.shape).astype(dtype) ** 2 for a in p) for p in params)
    x = (scale * chance.normal(size=(n, 3))).astype(dtype)
    return params, x, chance.integers(2, size=n)


def both(layers, params, x, y, loss="softmax_cross_entropy"):
    """(loss, gradients, untrained arrays) of a step by the layers' own passes, and of one through fixed arrays."""
    _, one = together(layers, params)
    expected = network.loss_and_gradients_(layers, one, x, y, loss, rng=rng())
    _, two = together(layers, params)
    t = network.targets(y, (len(x), 2), loss, x.dtype)
    spaces = Workspaces(layers, two, x, t, loss, rng())
    E = spaces.load(None)()
    return (*expected, one), (E, spaces.grads, two)


def hold_equal(ours, theirs, rtol):
    """Loss and arrays are equal, with round-off as large as the largest number: some gradients are 0 but for it."""
    np.testing.assert_allclose(ours[0], theirs[0], rtol=rtol)
    pairs = [list(zip(a, b, strict=True)) for e, f in zip(ours[1:], theirs[1:], strict=True) for a, b in zip(e, f, strict=True)]
    largest = max(np.max(np.abs(b), initial=0) for p in pairs for _, b in p)
    for a, b in (pair for p in pairs for pair in p):
        assert a.dtype == b.dtype
        np.testing.assert_allclose(a, b, rtol=rtol, atol=rtol * largest)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", NETS)
def test_a_step_through_fixed_arrays_gives_the_layers_own_numbers(name, dtype):
    layers = NETS[name]
    theirs, ours = both(layers, *problem(layers, dtype))
    hold_equal(ours, theirs, 100 * np.finfo(dtype).eps)
    assert any(np.any(a) for p in ours[1] for a in p)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("loss", LOSSES)
@given(st.integers(1, 9), st.floats(0.01, 30), st.integers(0, 2**32 - 1))
def test_losses_in_place_are_the_losses(loss, dtype, n, scale, seed):
    chance = np.random.default_rng(seed)
    z, y = (scale * chance.normal(size=(n, 3))).astype(dtype), chance.integers(3, size=n)
    if loss in ("cross_entropy", "binary_cross_entropy"):
        z = activations.softmax(z)
    t = network.targets(y, z.shape, loss, dtype) if loss != "mean_squared_error" else z[::-1].copy()
    if loss == "sigmoid_cross_entropy":
        t = chance.random(z.shape).astype(dtype)
    d = np.full_like(z, np.nan)
    E = _passes.LOSSES[loss](z, t, d)
    value, gradient = getattr(losses, loss).kernel, getattr(losses, loss + "_grad").kernel
    np.testing.assert_allclose(E, value(z, t), rtol=4 * np.finfo(dtype).eps)
    expected = gradient(z, t)
    np.testing.assert_allclose(d, expected, rtol=4 * np.finfo(dtype).eps, atol=np.finfo(dtype).tiny)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("loss", LOSSES)
def test_losses_in_place_of_what_is_not_finite(loss, bad):
    z, t = np.array([[0.25, 0.75], [bad, 0.5]]), np.array([[1.0, 0.0], [0.0, 1.0]])
    d = np.empty_like(z)
    with np.errstate(all="ignore"):
        E = _passes.LOSSES[loss](z, t, d)
        np.testing.assert_equal(E, getattr(losses, loss).kernel(z, t))
        np.testing.assert_allclose(d, getattr(losses, loss + "_grad").kernel(z, t), rtol=1e-15)


@pytest.mark.parametrize("n", [1, 2, 7])
def test_batches_of_any_size(n):
    layers = NETS["batch norm and dropout"]
    theirs, ours = both(layers, *problem(layers, np.float64, n))
    hold_equal(ours, theirs, 1e-12)


def test_a_batch_is_gathered_and_the_arrays_of_a_size_are_made_once():
    layers = NETS["number"]
    params, x, y = problem(layers, np.float64, 10)
    t = network.targets(y, (10, 2), "softmax_cross_entropy", x.dtype)
    spaces = Workspaces(layers, params, x, t, "softmax_cross_entropy", rng())
    for rows in ([3, 1, 4], [1, 5, 9], [2, 6]):
        batch = spaces.load(np.array(rows))
        assert np.array_equal(batch.x, x[rows])
        assert np.array_equal(batch.t, t[rows])
        E, grads = network.loss_and_gradients(layers, params, x[rows], y[rows])
        hold_equal((batch(), spaces.grads), (E, grads), 1e-13)
    assert spaces.load(np.array([7, 7, 7])) is spaces.load(np.array([8, 8, 8]))
    assert spaces.load(None).x is x


def test_parameters_together_are_parts_of_one_vector():
    layers = NETS["batch norm and dropout"]
    params = network.init(layers, rng())
    vector, copy = together(layers, params)
    trained = [a for p in network.trained(layers, copy) for a in p]
    assert sum(a.size for a in trained) == vector.size
    assert np.array_equal(vector, np.concatenate([a.ravel() for p in network.trained(layers, params) for a in p]))
    vector[:] = 7
    assert all(np.all(a == 7) for a in trained)
    running = [a for p, q in zip(copy, network.trained(layers, copy), strict=True) for a in p[len(q) :]]
    assert len(running) == 4
    assert not any(np.any(a == 7) for a in running)
    assert not any(np.any(a == 7) for p in params for a in p)


def test_an_optimizer_of_somebody_elses_gets_every_array_by_itself():
    layers, shapes = NETS["number"], []
    params, x, y = problem(layers, np.float64)

    def update_(w, g, state):
        shapes.append(w.shape)
        w -= 0.1 * g / np.linalg.norm(g)
        return state

    own = optimizers.Optimizer("normalized", lambda w: None, update_)
    train.fit(layers, params, x, y, optimizer=own, epochs=1, batch_size=6, rng=rng(), progress=False)
    assert shapes == [(3, 4), (4,), (4, 2), (2,)]


@pytest.mark.parametrize("name", ["batch norm and dropout", "sigmoid"])
def test_no_memory_is_taken_once_the_loop_runs(name):
    """After the first step: nothing as large as a batch, or as the parameters."""
    wide = {"batch norm and dropout": {"batch_norm": True, "dropout": 0.5}, "sigmoid": {"activation": "sigmoid"}}[name]
    layers, n = network.mlp([300, 200, 100], **wide), 100
    params = network.init(layers, rng())
    x, y = rng().random((3 * n, 300), np.float32), np.arange(3 * n) % 100
    t = network.targets(y, (3 * n, 100), "softmax_cross_entropy", x.dtype)
    vector, params = together(layers, params)
    spaces, adam = Workspaces(layers, params, x, t, "softmax_cross_entropy", rng()), optimizers.optimizer("adam")
    state, rows = adam.init(vector), np.arange(n)

    def step():
        nonlocal state
        spaces.load(rows)()
        state = adam.update_(vector, spaces.vector, state)

    step()
    tracemalloc.start()
    try:
        for _ in range(3):
            step()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    smallest = n * 100 * 4  # bytes of the outputs of a batch, the smallest array that grows with it
    assert peak < smallest


def test_epochs_keep_their_parameters_in_memory_that_is_used_again():
    layers, n = network.mlp([300, 200, 100]), 100
    params = network.init(layers, rng())
    x, y, peaks = rng().random((2 * n, 300)), np.arange(2 * n) % 100, []

    def callback(*_):
        if tracemalloc.is_tracing():
            peaks.append(tracemalloc.get_traced_memory()[1])
            tracemalloc.stop()
        tracemalloc.start()

    try:
        train.fit(layers, params, x, y, batch_size=n, epochs=5, rng=rng(), callback=callback, progress=False)
    finally:
        tracemalloc.stop()
    largest = 300 * 200 * 4  # bytes of the largest parameters
    assert len(peaks) == 4
    assert peaks[0] > largest  # the copy of the first epoch's
    assert max(peaks[1:]) < largest


def test_a_layer_of_somebody_elses_is_asked_about_its_width_with_zeros():
    """When a step is prepared nothing stands in the arrays of the batch yet: whatever lay in memory must not reach a layer."""
    seen = []

    def forward(params, x):
        seen.append(np.max(np.abs(x)))
        return 2 * params[0] * x, x

    layer = plain()._replace(forward=forward)
    x = np.full((2, 4), np.nan)
    _passes.whatever(layer, (np.ones(4),), (np.empty(4),), x, None, rng())
    assert seen == [0]


@pytest.mark.parametrize("name", NETS)
def test_arrays_begin_where_a_cache_line_does(name):
    net = NETS[name]
    vector, params = together(net, network.init(net, rng(), np.float32))
    spaces = Workspaces(net, params, np.ones((12, 3), np.float32), np.ones((12, 2), np.float32), "mean_squared_error", rng())
    work = spaces.load(np.arange(11))
    state = optimizers.adam_init(vector)
    inner = [
        a for forward in work.forward for a in (cell.cell_contents for cell in forward.__closure__) if type(a) is np.ndarray
    ]
    made = [a for a in inner if len(a) == 11 and a.base is not None and a.base.dtype == np.uint8]
    for a in [vector, spaces.vector, work.x, work.t, state.m, state.v, *work.outputs, *made]:
        assert a.__array_interface__["data"][0] % 64 == 0
