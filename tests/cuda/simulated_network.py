"""Networks in the simulator, held against those of the CPU; run by test_simulator.py in a process of its own."""

import functools

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numba import cuda
from simulated import Device, drawn

from dnnbook import batch_norm, dropout, network, optimizers, train
from dnnbook import layers as of_cpu
from dnnbook.cuda import Network, _loops, _losses, _masked, _normalized, _stages
from dnnbook.cuda import network as on_gpu

EPS = np.finfo(np.float32).eps
NETS = {
    "relu": network.mlp([7, 6, 5, 3]),
    "everything": (
        of_cpu.dense_layer(7, 6),
        of_cpu.batch_norm_layer(6),
        of_cpu.activation_layer("elu", alpha=0.5),
        of_cpu.dropout_layer(0.7),
        of_cpu.dense_layer(6, 5),
        of_cpu.activation_layer("relu"),
        of_cpu.dropout_layer(0.6),
        of_cpu.activation_layer("softplus"),
        of_cpu.activation_layer("leaky_relu", alpha=0.1),
        of_cpu.dense_layer(5, 3),
    ),
    "from the first layer": (
        of_cpu.dropout_layer(0.5),
        of_cpu.batch_norm_layer(7),
        of_cpu.dense_layer(7, 4),
        of_cpu.activation_layer("tanh"),
        of_cpu.batch_norm_layer(4),
        of_cpu.dense_layer(4, 3),
        of_cpu.activation_layer("sigmoid"),
    ),
}


def started(layers):
    """Parameters, none of which is 0."""
    params = network.init(layers, np.random.default_rng(1))
    return tuple(tuple(np.abs(a) + np.float32(0.1) if a.ndim == 1 else a for a in p) for p in params)


def close(mine, theirs, scale=1.0):
    for p, q in zip(mine, theirs, strict=True):
        for a, b in zip(p, q, strict=True):
            assert a.shape == b.shape
            np.testing.assert_allclose(a, b, rtol=2e-5, atol=2e-6 * scale)


def data(n=11):
    return drawn(n, 7), np.random.default_rng(2).integers(3, size=n)


@pytest.mark.parametrize("name", NETS)
def test_prediction_loss_and_gradients_are_those_of_the_cpu(name):
    layers, (x, y) = NETS[name], data()
    params = started(layers)
    net, theirs = Network(layers, params), train.batches.copy(params)
    z = net.predict(x)
    assert z.dtype == np.float32
    np.testing.assert_allclose(z, network.predict(layers, params, x), rtol=1e-5, atol=1e-6)
    loss = "mean_squared_error" if name == "from the first layer" else "softmax_cross_entropy"
    y = drawn(11, 3) if loss == "mean_squared_error" else y
    assert net.loss(x, y, loss) == pytest.approx(network.loss_and_gradients(layers, params, x, y, loss)[0], rel=1e-5)
    E, grads = net.loss_and_gradients_(x, y, loss, rng=np.random.default_rng(3))
    want = network.loss_and_gradients_(layers, theirs, x, y, loss, rng=np.random.default_rng(3))
    assert pytest.approx(want[0], rel=1e-5) == E
    close(grads, want[1])
    close(net.to_host(), theirs)  # running statistics too


@given(
    sizes=st.lists(st.integers(1, 9), min_size=2, max_size=4),
    rows=st.integers(1, 9),
    activation=st.sampled_from(["relu", "tanh"]),
    batch_norm=st.booleans(),
    keep=st.sampled_from([0.0, 0.5]),
    seed=st.integers(0, 9),
)
@settings(max_examples=8)
@example([1, 1], 1, "relu", False, 0.0, 0)
@example([3, 8, 4], 8, "relu", False, 0.5, 1)
def test_networks_of_any_shape(sizes, rows, activation, batch_norm, keep, seed):
    layers = network.mlp(sizes, activation, batch_norm=batch_norm and rows > 2, dropout=keep)
    params, x, t = started(layers), drawn(rows, sizes[0], seed=seed), drawn(rows, sizes[-1], seed=seed + 1)
    net, theirs = Network(layers, params), train.batches.copy(params)
    E, grads = net.loss_and_gradients_(x, t, "mean_squared_error", rng=np.random.default_rng(seed))
    rng = np.random.default_rng(seed)
    want = network.loss_and_gradients_(layers, theirs, x, t, "mean_squared_error", rng=rng)
    assert pytest.approx(want[0], rel=1e-5) == E
    close(grads, want[1], 1 + max(np.abs(a).max() for p in want[1] for a in p))
    np.testing.assert_allclose(net.predict(x), network.predict(layers, theirs, x), rtol=1e-5, atol=1e-5)


def test_arrays_on_the_device_are_used_where_they_are():
    layers, (x, y) = NETS["relu"], data()
    params = started(layers)
    net, there = Network(layers, params), Device(x)
    z = net.predict(there)
    assert hasattr(z, "copy_to_host")
    np.testing.assert_array_equal(z.copy_to_host(), net.predict(x))
    t = Device(np.eye(3, dtype=np.float32)[y])
    labels = cuda.to_device(y)
    E, grads = net.loss_and_gradients_(there, t, rng=np.random.default_rng(0))
    assert all(hasattr(a, "copy_to_host") for p in grads for a in p)
    again, want = net.loss_and_gradients_(x, y, rng=np.random.default_rng(0))
    assert E == again == net.loss_and_gradients_(there, labels, rng=np.random.default_rng(0))[0]
    for a, b in zip((a for p in grads for a in p), (b for p in want for b in p), strict=True):
        np.testing.assert_array_equal(a.copy_to_host(), b)
    assert net.loss(there, labels) == net.loss(x, y)
    assert there.untouched()
    assert t.untouched()


def test_many_examples_are_predicted_in_turns(monkeypatch):
    monkeypatch.setattr(on_gpu, "ROWS", 4)
    layers, (x, y) = NETS["relu"], data()
    params = started(layers)
    net = Network(layers, params)
    np.testing.assert_allclose(net.predict(x), network.predict(layers, params, x), rtol=1e-5, atol=1e-6)
    assert net.loss(x, y) == pytest.approx(network.loss_and_gradients(layers, params, x, y)[0], rel=1e-5)
    assert net.predict(x[:0]).shape == (0, 3)
    assert len(net.made) <= on_gpu.KEPT


@pytest.mark.parametrize("size", [1, 3, 64, 257])
def test_masks_are_those_of_the_cpu_bit_by_bit(size):
    """The second of two layers, in the third step, and on the way back."""
    keys = np.random.default_rng(0).integers(2**64, size=(3, 2), dtype=np.uint64)
    rng = type("Key", (np.random.Generator,), {"integers": lambda *_, **__: keys[2, 1]})(np.random.PCG64(0))
    want = dropout.dropout_mask(rng, (size,), 0.3, np.float32) / np.float32(0.3)
    fours = -(-size // 4)
    for counter, back in ((2, 0), (3, 1)):
        x, y = cuda.to_device(np.ones(4 * fours, np.float32)), cuda.device_array(4 * fours, np.float32)
        scale, last = np.float32(1) / np.float32(0.3), dropout._last("dropout", 0.3)
        numbers = [np.int32(n) for n in (1, 2, back)]
        at = cuda.to_device(np.array([counter], np.int32))
        words = cuda.to_device(keys.view(np.uint32).reshape(-1))
        _masked.masked()[2, 8](x, x, y, words, at, np.int32(fours), scale, last, *numbers)
        np.testing.assert_array_equal(y.copy_to_host()[:size], want)


@pytest.mark.parametrize("name", _losses.OF_PAIRS)
def test_losses_of_pairs(name):
    """Where a probability and its target are both 0 or both 1, nothing is lost."""
    n, k = 5, 3
    p, t = drawn(n, k), np.random.default_rng(1).integers(2, size=(n, k)).astype(np.float32)
    if name.endswith("cross_entropy") and name != "sigmoid_cross_entropy":
        p = 1 / (1 + np.exp(-p))
        p[0], t[0] = [0, 1, 0.25], [0, 1, 0.5]
    arrays = [cuda.to_device(a.reshape(-1)) for a in (p, t)]
    parts, g, losses, counter = (cuda.to_device(np.full(n, np.nan, d)) for d in ("f4", "f4", "f4", "f4"))
    parts, g = cuda.device_array(2, np.float32), cuda.device_array(n * k, np.float32)
    counter = cuda.to_device(np.array([1], np.int32))
    _losses.pairs(name)[2, _losses.THREADS](*arrays, parts, g, np.int32(n * k), np.float32(n))
    _losses.record()[1, _losses.THREADS](parts, losses, counter, np.int32(2), np.float32(n))
    value, gradient = network.loss_functions(name)
    assert losses.copy_to_host()[1] == pytest.approx(value(p.astype(float), t.astype(float)), rel=float(8 * EPS))
    np.testing.assert_allclose(g.copy_to_host().reshape(n, k), gradient(p.astype(float), t.astype(float)), rtol=8 * EPS)
    assert counter.copy_to_host()[0] == 2


@pytest.mark.parametrize("N", [1, 2, 9])
def test_batch_norm_loses_nothing_far_from_zero(N):
    D, eps = 9, 1e-5
    x, g = drawn(N, D) + np.float32(3e4), drawn(N, D, seed=1)
    gamma, beta, mean, var = drawn(D), drawn(D, seed=1), drawn(D, seed=2), np.abs(drawn(D, seed=3))
    there = [cuda.to_device(a.reshape(-1)) for a in (x, gamma, beta, mean, var)]
    offsets, squares, y, dgamma, dbeta = (cuda.device_array(n, np.float32) for n in (D, D, N * D, D, D))
    sizes, block = (np.int32(N), np.int32(D)), (_normalized.WIDE, _normalized.HIGH)
    _normalized.forward()[2, block](*there, offsets, squares, y, y, *sizes, np.float32(eps), np.float32(0.3))
    want = batch_norm.batch_norm(x.astype(float), gamma, beta, eps)
    np.testing.assert_allclose(y.copy_to_host().reshape(N, D), want, atol=1e-5)
    if N > 1:
        mean, var = batch_norm.running_statistics(mean.astype(float), var, x, 0.3)
    np.testing.assert_allclose(there[3].copy_to_host(), mean, rtol=4 * EPS)
    np.testing.assert_allclose(there[4].copy_to_host(), var, rtol=1e-5)
    dx, G = cuda.device_array(N * D, np.float32), cuda.to_device(g.reshape(-1))
    _normalized.backward()[2, block](G, there[0], there[1], offsets, squares, dx, dgamma, dbeta, *sizes, np.float32(eps))
    want = batch_norm.batch_norm_vjp(g.astype(float), x.astype(float), gamma, eps)
    for got, exact in zip((dx.copy_to_host().reshape(N, D), dgamma.copy_to_host(), dbeta.copy_to_host()), want, strict=True):
        np.testing.assert_allclose(got, exact, atol=2e-5 * (1 + np.abs(exact).max()))


@pytest.mark.parametrize("name", of_cpu.ACTIVATIONS)
def test_every_elementwise_activation_and_its_derivative(name):
    z = np.append(drawn(40) * 4, np.float32([0, np.nan, np.inf, -np.inf, 6, 1e-30]))
    pointwise = of_cpu.activation_layer(name).pointwise
    if pointwise is None:
        pytest.skip("not elementwise")
    there, y, d = cuda.to_device(z), cuda.device_array(46, np.float32), cuda.to_device(np.full(46, 2, np.float32))
    _loops.ready(_loops.values(_stages.of_value(pointwise)), 46, there, y)()
    _loops.ready(_loops.products(_stages.of_slope(pointwise)), 46, d, there, d)()
    with np.errstate(all="ignore"):
        want = pointwise.value(z.astype(float), *pointwise.numbers), 2 * pointwise.slope(z.astype(float), *pointwise.numbers)
    np.testing.assert_allclose(y.copy_to_host(), want[0], rtol=1e-6, atol=1e-36)
    np.testing.assert_allclose(d.copy_to_host(), want[1], rtol=1e-6, atol=1e-36)
    if name in _stages.SAME_SLOPE:
        np.testing.assert_array_equal(pointwise.slope(pointwise.value(z)), pointwise.slope(z))


@functools.cache
def small():
    layers = NETS["relu"]
    return Network(layers, started(layers))


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (
            lambda: Network(network.mlp([2, 3, 2], "maxout"), []),
            ValueError,
            "Network: layer 0 is maxout(2, 3, 2), expected one",
        ),
        (lambda: Network((of_cpu.activation_layer("relu"),), [()]), ValueError, "Network: the network has no parameters"),
        (lambda: Network(NETS["relu"], None), TypeError, "Network: params is no sequence of tuples of arrays"),
        (lambda: Network(NETS["relu"], [None] * 5), TypeError, "Network: params is no sequence of tuples of arrays"),
        (lambda: Network(NETS["relu"], []), ValueError, "Network: params has 0 entries, expected 5"),
        (
            lambda: Network(NETS["relu"], network.init(NETS["relu"], np.random.default_rng(0), float)),
            TypeError,
            "Network: params",
        ),
        (lambda: Network(network.mlp([2, 3]), [(drawn(2, 4), drawn(4))]), ValueError, "dense(2, 3): W has shape (2, 4)"),
        (lambda: small().predict(drawn(2, 6)), ValueError, "predict: x has shape (2, 6), expected (N, 7)"),
        (lambda: small().predict(Device(drawn(2, 7), pitch=9)), ValueError, "predict: x has gaps between its rows"),
        (lambda: small().loss(drawn(0, 7), []), ValueError, "loss: x has shape (0, 7), expected at least one example"),
        (lambda: small().loss(Device(drawn(2, 7)), [0, 1]), TypeError, "loss: y is a NumPy array and x is on the device"),
        (lambda: small().loss(drawn(2, 7), [0, 3]), ValueError, "softmax_cross_entropy: y has labels from 0 to 3"),
        (lambda: small().loss(drawn(2, 7), [0, 1], "hinge"), ValueError, "loss: name is 'hinge'"),
        (lambda: small().fit(*data(), rng=0), TypeError, "fit: rng is 0"),
        (lambda: small().fit(*data(), rng=np.random.default_rng(), optimizer="rprop_minus"), ValueError, "fit: optimizer is"),
        (lambda: small().fit(*data(), rng=np.random.default_rng(), graph=True), RuntimeError, "fit: graph is True: the simul"),
        (lambda: small().fit(*data(), rng=np.random.default_rng(), callback=1), TypeError, "fit: callback is 1, expected a"),
        (lambda: small().fit(*data(), rng=np.random.default_rng(), batch_size=0), ValueError, "fit: batch_size is 0"),
    ],
)
def test_wrong_arguments(call, error, text):
    with pytest.raises(error) as caught:
        call()
    assert str(caught.value).startswith(text)


def test_the_list_of_optimizers_is_whole():
    """Whatever an optimizer does by a loop over elements alone, without the signs of gradients or the loss, is there."""
    for name in optimizers.TWINS:
        if "prop_" not in name or name == "rmsprop_nesterov":
            assert optimizers.optimizer(name).name in {*_loops.STEPS, "adam_uncorrected"}
