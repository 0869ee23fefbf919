"""Layers, losses, activations and optimizers in the simulator; run by test_simulator.py in a process of its own."""

import ast
import importlib
import inspect
import textwrap

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numba import cuda
from simulated import Device, drawn

from dnnbook import activations, batch_norm, dropout, losses
from dnnbook import dense as on_cpu
from dnnbook import optimizers as steps
from dnnbook.cuda import _loops, _rows, device, layers, optimizers
from dnnbook.cuda import activations as on_gpu

EPS = np.finfo(np.float32).eps


@given(N=st.integers(1, 8), K=st.integers(1, 70), pitch=st.integers(0, 80), seed=st.integers(0, 9), one_hot=st.booleans())
@settings(max_examples=4)
@example(9, 33, 0, 0, True)
@example(1, 1, 5, 0, False)
def test_softmax_cross_entropy(N, K, pitch, seed, one_hot):
    z = drawn(N, K, seed=seed) * 10
    y = np.eye(K, dtype=np.float32)[np.arange(N) % K] if one_hot else np.abs(drawn(N, K, seed=seed + 1))
    loss = layers.softmax_cross_entropy(z, y)
    assert loss.dtype == np.float32
    rounding = EPS * (16 + np.ptp(z))  # an exponential of x has the round-off of x as a relative error
    np.testing.assert_allclose(loss, losses.softmax_cross_entropy(z.astype(float), y.astype(float)), rtol=rounding, atol=1e-30)
    z, y = Device(z, pitch=pitch), Device(y, pitch=pitch)
    gradient = layers.softmax_cross_entropy_grad(z, y).copy_to_host()
    assert z.untouched()
    assert y.untouched()
    want = losses.softmax_cross_entropy_grad(z.values.astype(float), y.values.astype(float))
    scale = y.values.sum(axis=1, keepdims=True) / N
    assert np.all(np.abs(gradient - want) <= rounding * (np.abs(want) + (0 if one_hot else scale)) + 1e-37)


@pytest.mark.parametrize(
    "z",
    [[[1000, 0], [0, 0]], [[np.nan, 1], [2, 1]], [[2, 1], [1, np.nan]], [[np.inf, 1], [3, 3]], [[-np.inf, -np.inf], [1, 2]]],
)
def test_softmax_cross_entropy_of_scores_that_are_huge_or_no_numbers(z):
    z, y = np.float32(z), np.float32([[0, 1], [1, 0]])
    np.testing.assert_allclose(layers.softmax_cross_entropy(z, y), losses.softmax_cross_entropy(z, y), rtol=4 * EPS)
    want = losses.softmax_cross_entropy_grad(z, y)
    np.testing.assert_allclose(layers.softmax_cross_entropy_grad(z, y), want, rtol=4 * EPS, atol=1e-30)


@pytest.mark.parametrize(("N", "M"), [(1, 1), (7, 33), (300, 5), (0, 3), (3, 0)])
def test_sums_of_columns(N, M):
    """The gradient of biases; 300 rows are more than one block adds up."""
    g = Device(drawn(N, M), pitch=M + 3)
    sums = layers.column_sums(g).copy_to_host()
    assert g.untouched()
    bound = EPS * (N + 2) * np.abs(g.values).sum(axis=0)
    assert np.all(np.abs(sums - g.values.astype(float).sum(axis=0)) <= bound)


def test_dense_layers_are_those_of_the_cpu():
    x, W, b, g, z = drawn(9, 7), drawn(7, 5), drawn(5), drawn(9, 5), drawn(9, 7, seed=1)
    close = {"rtol": 1e-5, "atol": 1e-5}
    np.testing.assert_allclose(layers.dense(x, W, b), on_cpu.dense(x, W, b), **close)
    for got, want in zip(layers.dense_vjp(g, x, W), on_cpu.dense_vjp(g, x, W), strict=True):
        np.testing.assert_allclose(got, want, **close)
    for name in ("sigmoid", "tanh", "relu"):
        np.testing.assert_allclose(layers.layer_output(x, W, b, name), on_cpu.layer_output(x, W, b, name), **close)
        np.testing.assert_allclose(layers.hidden_delta(g, W, z, name), on_cpu.hidden_delta(g, W, z, name), **close)


@pytest.mark.parametrize(("N", "D"), [(1, 1), (2, 9), (13, 7), (5, 17)])
@pytest.mark.parametrize("there", [True, False])
def test_batch_normalization_is_that_of_the_cpu(N, D, there):
    """Far from 0 too; in matrices whose rows and columns are no multiples of a block's."""
    far = np.float32(100) * drawn(D, seed=3)
    x, g, gamma, beta, mean = drawn(N, D) + far, drawn(N, D, seed=1), drawn(D), drawn(D, seed=1), drawn(D, seed=2) + far
    var = np.abs(drawn(D, seed=4)) + np.float32(0.1)
    close = {"rtol": 1e-4, "atol": 1e-4}
    calls = {
        "batch_norm": (x, gamma, beta),
        "batch_norm_inference": (x, gamma, beta, mean, var),
        "batch_norm_vjp": (g, x, gamma),
    }
    for name, arguments in calls.items():
        given = [Device(a) for a in arguments] if there else [np.asfortranarray(a) for a in arguments]
        got = getattr(layers, name)(*given, eps=1e-3)
        want = getattr(batch_norm, name)(*[a.astype(float) for a in arguments], eps=1e-3)
        for mine, other in zip(*(r if isinstance(r, tuple) else (r,) for r in (got, want)), strict=True):
            mine = mine.copy_to_host() if there else mine
            assert mine.dtype == np.float32
            np.testing.assert_allclose(mine, other, **close)
        assert not there or all(a.untouched() for a in given)


def test_the_shape_of_a_mask_may_be_a_number():
    mask = layers.dropout_mask(np.random.default_rng(3), 6, 0.5).copy_to_host()
    np.testing.assert_array_equal(mask, dropout.dropout_mask(np.random.default_rng(3), 6, 0.5, np.float32))
    with pytest.raises(ValueError, match="negative"):
        layers.dropout_mask(np.random.default_rng(3), (-1, 2), 0.5)


@pytest.mark.parametrize("shape", [(1,), (3, 7), (40, 33), (2, 3, 5), (0, 3)])
def test_masks_of_dropout_are_those_of_the_cpu(shape):
    """Bit by bit, one after the other of the same generator, and what they make of numbers."""
    mine, other = np.random.default_rng(3), np.random.default_rng(3)
    for keep in (0.3, 1):
        mask, want = layers.dropout_mask(mine, shape, keep), dropout.dropout_mask(other, shape, keep, np.float32)
        np.testing.assert_array_equal(mask.copy_to_host(), want)
        x = drawn(*shape)
        for name in ("dropout", "dropout_vjp"):
            right = getattr(dropout, name)(x, want, np.float32(keep))
            np.testing.assert_array_max_ulp(getattr(layers, name)(x.T, want.T, keep), right.T, 2)
            got = getattr(layers, name)(cuda.to_device(x), mask, keep)
            np.testing.assert_array_max_ulp(got.copy_to_host(), right, 2)


@pytest.mark.parametrize("name", on_gpu.__all__)
def test_activations(name):
    z = np.append(drawn(5, 60) * 4, np.float32([[np.nan] * 60]), axis=0)
    got = getattr(on_gpu, name)(z)
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, getattr(activations, name)(z.astype(np.float64)), rtol=1e-6, atol=1e-36)


@pytest.mark.parametrize("z", [Device(drawn(4, 3)), drawn(4, 6)[:, ::2], drawn(2, 3, 4), np.float32(-1)])
def test_activations_of_arrays_of_any_shape(z):
    got = on_gpu.tanh(z)
    host = getattr(z, "values", z)
    np.testing.assert_allclose(got if host is z else got.copy_to_host(), np.tanh(host), rtol=1e-6)


STEPS = {
    "sgd": None,
    "momentum": "momentum",
    "nesterov": "momentum",
    "nesterov_at_w": "momentum",
    "rmsprop": "rmsprop",
    "adam": "adam",
}


@pytest.mark.parametrize("name", STEPS)
@pytest.mark.parametrize("where", ["numpy", "device"])
def test_optimizers_make_the_steps_of_the_cpu(name, where):
    """Three steps of 300 parameters, more than one block has threads; equal to round-off."""
    place = Device if where == "device" else np.array
    w, v, g = drawn(20, 15), place(drawn(20, 15)), drawn(20, 15, seed=1)
    state = theirs = ()
    if STEPS[name]:
        state = [getattr(steps, f"{STEPS[name]}_init")(w)]
        first = getattr(optimizers, f"{STEPS[name]}_init")(np.zeros_like(w))
        theirs = [type(first)(*[place(x) if isinstance(x, np.ndarray) else x for x in first])]
    for _ in range(3):
        state = [getattr(steps, f"{name}_")(w, g, *state, eta=0.1)]
        theirs = [getattr(optimizers, f"{name}_")(v, place(g), *theirs, eta=0.1)]
        state, theirs = ([] if s[0] is None else s for s in (state, theirs))

    def host(x):
        return x.values if isinstance(x, Device) else x

    np.testing.assert_allclose(host(v), w, rtol=4 * EPS, atol=EPS)
    for mine, other in zip(state, theirs, strict=True):
        for x, y in zip(mine, other, strict=True):
            np.testing.assert_allclose(host(y), x, rtol=4 * EPS, atol=EPS)
    if where == "device":
        assert v.untouched()


def test_states_begin_where_the_parameters_are():
    state = optimizers.adam_init(cuda.to_device(drawn(3, 4)))
    assert hasattr(state.m, "copy_to_host")
    assert state.m.shape == (3, 4)
    assert state.t == 0


def without_room(monkeypatch, room):
    """A device that has no memory left after so many arrays."""
    made, right = [], cuda.device_array

    def limited(*args, **kwargs):
        made.append(args[0] not in (0, (0,)))  # in the simulator an empty array is made to see its type
        if sum(made) > room:
            raise RuntimeError("[CUresult.CUDA_ERROR_OUT_OF_MEMORY] Call to cuMemAlloc results in CUDA_ERROR_OUT_OF_MEMORY")
        return right(*args, **kwargs)

    monkeypatch.setattr(cuda, "device_array", limited)
    monkeypatch.setattr(cuda, "to_device", None)  # would not tell what there is no room for
    monkeypatch.setattr(device, "WORK", {})


CALLS = {
    "matmul": lambda x, there: layers.dense(x, x, x[0]),
    "dense_vjp": lambda x, there: layers.column_sums(x.repeat(100, axis=0)),
    "softmax_cross_entropy": lambda x, there: layers.softmax_cross_entropy(x, x),
    "tanh": lambda x, there: on_gpu.tanh(x),
    "adam_": lambda x, there: optimizers.adam_(x, x, steps.adam_init(x)),
    "adam_init": lambda x, there: optimizers.adam_init(there),
}


@pytest.mark.parametrize("where", CALLS)
def test_without_room_there_is_an_error_and_nothing_has_changed(where, monkeypatch):
    x, there = np.ones((4, 4), np.float32), Device(np.ones((4, 4)))
    for room in range(9):
        with monkeypatch.context() as limited:
            without_room(limited, room)
            try:
                CALLS[where](x, there)
            except MemoryError as error:
                assert str(error).startswith(f"{where}: the device has no room for an array ")  # noqa: PT017 - at last it succeeds
                assert np.all(x == there.values)
            else:
                break
    assert 2 <= room < 9


def test_other_errors_of_the_device_stay_what_they_are():
    def fails(shape):
        raise RuntimeError("CUDA error: an illegal memory access was encountered")

    with pytest.raises(RuntimeError, match="illegal"):
        device.allocated("f", 3, fails)


@pytest.mark.parametrize("name", _loops.STEPS)
def test_the_loops_of_optimizers_are_those_of_the_cpu(name):
    """The same source: undone, the three changes give the function in the CPU's file."""
    module, _, function = _loops.STEPS[name].partition(".")
    body = getattr(importlib.import_module(f"dnnbook.optimizers.{module}"), function).py_func
    loop = ast.unparse(_loops.Dealt().visit(_loops.parsed(body)))
    undone = loop.replace("range(uint64(cuda.grid(1)), uint64(w.size), uint64(cuda.gridsize(1)))", "range(len(w))")
    tree = ast.parse(textwrap.dedent(inspect.getsource(body))).body[0]
    tree.decorator_list = []
    assert undone.replace("math.sqrt", "np.sqrt") == ast.unparse(tree)
    assert undone != loop


def read_only(*shape):
    there = Device(drawn(*shape))
    there.__cuda_array_interface__ |= {"data": (there.values.ctypes.data, True)}
    return there


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda: optimizers.sgd_(drawn(3), drawn(4)), ValueError, r"sgd_: g has shape (4,), expected (3,) as w"),
        (lambda: optimizers.sgd_(drawn(3), drawn(3), eta=-1), ValueError, r"sgd_: eta is -1, expected a number in [0, inf)"),
        (lambda: optimizers.adam_(drawn(3), drawn(3), None), TypeError, "adam_: state is NoneType, expected AdamState"),
        (lambda: optimizers.sgd_(drawn(4, 4)[:, ::2], drawn(4, 2)), ValueError, "sgd_: w is not C-contiguous"),
        (lambda: optimizers.sgd_([1.0], drawn(1)), TypeError, "sgd_: w has dtype float64, expected float32"),
        (lambda: optimizers.sgd_(Device(drawn(3)), Device(drawn(4))), ValueError, "sgd_: g has shape (4,), expected (3,) as w"),
        (lambda: optimizers.sgd_(read_only(3), Device(drawn(3))), ValueError, "sgd_: w cannot be changed in place"),
        (lambda: layers.matmul(*[Device(drawn(2, 2))] * 2, out=read_only(2, 2)), ValueError, "matmul: out cannot be changed"),
        (lambda: optimizers.sgd_(drawn(3), Device(drawn(3))), TypeError, "sgd_: g is on the device and w is a NumPy array"),
        (lambda: layers.softmax_cross_entropy(drawn(2, 3), drawn(3, 2)), ValueError, "softmax_cross_entropy: y has shape"),
        (lambda: layers.dense_vjp(drawn(2, 3), drawn(2, 4), drawn(3, 4)), ValueError, "dense_vjp: W has shape (3, 4)"),
        (lambda: layers.batch_norm(drawn(2, 3), drawn(4), drawn(3)), ValueError, "batch_norm: gamma has shape (4,)"),
        (lambda: layers.batch_norm(drawn(0, 3), drawn(3), drawn(3)), ValueError, "batch_norm: x has shape (0, 3)"),
        (
            lambda: layers.batch_norm(drawn(2, 3), drawn(3), drawn(3), eps=0),
            ValueError,
            "batch_norm: eps is 0, expected a number",
        ),
        (
            lambda: layers.batch_norm(Device(drawn(2, 3), pitch=5), Device(drawn(3)), Device(drawn(3))),
            ValueError,
            "batch_norm: x is not C-contiguous",
        ),
        (
            lambda: layers.batch_norm_vjp(drawn(2, 3), Device(drawn(2, 3)), drawn(3)),
            TypeError,
            "batch_norm_vjp: x is on the device and g is a NumPy array",
        ),
        (
            lambda: layers.dropout(drawn(2, 3), drawn(3, 2), 0.5),
            ValueError,
            "dropout: mask has shape (3, 2), expected (2, 3) as x",
        ),
        (lambda: layers.dropout_vjp(drawn(2), drawn(2), 0), ValueError, "dropout_vjp: keep is 0, expected a number in (0, 1]"),
        (lambda: layers.dropout_mask(1, (2,), 0.5), TypeError, "dropout_mask: rng is 1, expected a numpy.random.Generator"),
        (lambda: on_gpu.relu(np.arange(3)), TypeError, "relu: z has dtype int64, expected float32"),
    ],
)
def test_wrong_arguments(call, error, text):
    with pytest.raises(error) as caught:
        call()
    assert str(caught.value).startswith(text)


def test_all_kernels_of_rows_meet_every_lane():
    """A block has whole warps, and the tree halves a power of two."""
    assert _rows.LANES & (_rows.LANES - 1) == _rows.ROWS & (_rows.ROWS - 1) == 0
