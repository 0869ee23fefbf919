"""Matrix products in Numba's simulator of a GPU; run by test_simulator.py in a process of its own.

Every array on the device lies inside a larger one full of NaN: a read outside makes the result NaN, a write outside shows
afterwards. The simulator itself raises for every index beyond a run of memory.
"""

import ast
import functools
import inspect
import itertools
import re
import sys

import numpy as np
import pytest
import simulated
from hypothesis import example, given, settings
from hypothesis import strategies as st
from simulated import Device, drawn

from dnnbook import activations, cuda
from dnnbook.cuda import _scalars, _tiles, device, products
from dnnbook.cuda.device import argument

ORDERS = list(itertools.product((False, True), repeat=2))
TINY = _tiles.Tile(16, 16, 8, 4, 4, 2, 2, blocks=1)
TINY16 = _tiles.Tile(16, 8, 16, 8, 4, 1, 2, blocks=1)


def expected(a, b, bias=None, activation=None, z=None):
    """The same in float64, and a bound of the round-off in float32."""
    a, b = a.astype(np.float64), b.astype(np.float64)
    c, scale = a @ b, np.abs(a) @ np.abs(b)
    if z is not None:
        slope = getattr(activations, f"{activation}_grad")(z.astype(np.float64))
        return slope * c, np.abs(slope) * scale + np.abs(slope * c)
    if bias is not None:
        c, scale = c + bias, scale + np.abs(bias)
    return (c if activation is None else getattr(activations, activation)(c)), scale


def hold(got, a, b, **last):
    want, scale = expected(a, b, **last)
    assert got.shape == want.shape
    assert got.dtype == np.float32
    rounding = np.finfo(np.float32).eps * (a.shape[1] + 8)
    assert np.all(np.abs(got - want) <= rounding * scale + np.finfo(np.float32).eps * np.abs(want) * 4 + 1e-37)


multiply = functools.partial(simulated.multiply, hold)


LASTS = [
    (),
    (True,),
    *[(True, f) for f in products.ACTIVATIONS],
    *[(False, f, True) for f in products.ACTIVATIONS],
    (False, "relu"),
]


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("tile", [TINY, TINY16])
def test_all_orders_with_and_without_128_bit_access(tile, order):
    assert multiply(tile, (20, 12, 36), order, fours=True, pitch=8)
    assert not multiply(tile, (17, 9, 5), order)
    assert not multiply(tile, (4, 12, 8), order, shift=1)  # the sizes would allow it, the addresses do not
    assert not multiply(tile, (4, 12, 8), order, pitch=1)


@pytest.mark.parametrize("last", LASTS, ids=str)
def test_all_last_steps(last):
    multiply(TINY, (4, 20, 4), last=last, fours=True)
    multiply(TINY, (5, 6, 20), last=last, parts=2)


@pytest.mark.parametrize("tile", _tiles.TILES, ids=lambda t: f"{t.rows}x{t.columns}")
@pytest.mark.parametrize("order", ORDERS[:3])
def test_the_tiles_of_the_gpu(tile, order):
    fours = order != (True, False)
    shape = (
        (tile.rows + 4, tile.columns - 4, 2 * tile.depth + 4) if fours else (tile.rows - 1, tile.columns - 3, tile.depth + 3)
    )
    assert multiply(tile, shape, order, fours=fours) == fours


@given(
    shape=st.tuples(st.integers(1, 35), st.integers(1, 35), st.integers(0, 35)),
    order=st.sampled_from(ORDERS),
    tile=st.sampled_from([TINY, TINY16]),
    parts=st.integers(1, 3),
    pitch=st.integers(0, 5),
    shift=st.integers(0, 4),
    fours=st.booleans(),
    last=st.sampled_from(LASTS),
)
@settings(max_examples=25)
@example((1, 1, 1), (False, False), TINY, 1, 0, 0, False, ())
@example((1, 37, 23), (False, True), TINY, 2, 0, 0, False, (True,))
@example((37, 1, 31), (True, False), TINY16, 3, 1, 0, True, (True, "tanh"))
@example((3, 5, 0), (True, True), TINY, 2, 0, 0, False, (True,))
@example((8, 8, 20), (False, True), TINY, 2, 0, 0, True, ())  # half of 20 is no multiple of 4
def test_any_shape(shape, order, tile, parts, pitch, shift, fours, last):
    multiply(tile, shape, order, parts, fours, last, pitch, shift)


@given(st.integers(1, 100_000), st.integers(1, 100_000), st.integers(0, 10**6), st.integers(1, 200))
@settings(max_examples=200)
def test_the_plan_fills_the_gpu_where_the_product_is_large_enough(M, N, K, processors):
    tile, parts = products.plan(M, N, K, processors)
    blocks = -(-M // tile.rows) * -(-N // tile.columns) * parts
    assert parts == 1 or K // parts >= products.SHORTEST // 2
    assert 1 <= parts <= products.MOST_PARTS
    if processors * 128 * 128 * 4 <= M * N:
        assert parts == 1
        assert tile in _tiles.TILES[:1] or min(M, N) <= 64
    if processors * 2 * products.SHORTEST <= K and processors <= products.MOST_PARTS:
        assert blocks >= processors


@pytest.mark.parametrize(("M", "N", "K"), [(0, 3, 4), (3, 0, 4), (3, 4, 0), (0, 0, 0), (1, 1, 1), (3, 2, 20)])
def test_numpy_arrays_go_in_and_come_out(M, N, K):
    a, b, bias = drawn(M, K), drawn(K, N), drawn(N)
    c = cuda.matmul(a, b, bias=bias, activation="relu")
    assert type(c) is np.ndarray
    hold(c, a, b, bias=bias, activation="relu")
    hold(cuda.matmul(b.T, a.T), b.T, a.T)
    out = np.full((M, N), np.nan, np.float32)
    assert cuda.matmul(a, b, out=out) is out
    hold(out, a, b)


def test_any_strides_of_numpy_arrays():
    x = drawn(12, 30)
    for a in (x[::2, ::3], x[::-1, 5:10], np.broadcast_to(x[:1], (4, 30)), x[:, 3:4], np.asfortranarray(x)):
        hold(cuda.matmul(a, drawn(a.shape[1], 3)), a, drawn(a.shape[1], 3))


def test_device_arrays_go_in_and_stay_there():
    a, b, out = Device(drawn(9, 7), pitch=11), Device(drawn(7, 6), transposed=True), Device(np.full((9, 6), np.nan), pitch=9)
    c = cuda.matmul(a, b)
    hold(c.copy_to_host(), a.values, b.values)
    assert cuda.matmul(a, b, out=out) is out
    assert out.untouched()
    hold(out.values, a.values, b.values)
    again = cuda.matmul(c, Device(b.values.T))
    hold(again.copy_to_host(), c.copy_to_host(), b.values.T)


def test_the_result_is_of_the_library_of_the_first_factor(monkeypatch):
    """Stand-ins for PyTorch and CuPy: what matters is whom we ask for the new array."""

    class Tensor(Device):
        def new_empty(self, shape):
            return Tensor(np.full(shape, np.nan))

    class Cupy:
        @staticmethod
        def empty(shape, dtype):
            return Array(np.full(shape, np.nan, dtype))

    class Array(Device):
        pass

    Tensor.__module__, Array.__module__ = "torch", "cupy._core.core"
    monkeypatch.setitem(sys.modules, "cupy", Cupy)
    for kind in (Tensor, Array):
        c = cuda.matmul(kind(drawn(3, 4)), kind(drawn(4, 5)))
        assert type(c) is kind
        hold(c.values, drawn(3, 4), drawn(4, 5))


@pytest.mark.parametrize("name", [f + end for f in products.ACTIVATIONS for end in ("", "_grad")])
def test_formulas_are_those_of_the_cpu(name):
    """The same source but for the type of its numbers, and the same results to round-off."""
    body = getattr(activations, name).kernel.body
    function = ast.parse(inspect.getsource(body)).body[0]
    function.decorator_list, function.body = [], function.body[1:]
    source = ast.unparse(_scalars.single(body))
    assert re.sub(r"float32\(([\d.]+)\)", r"\1", source).replace("_elementary_", "_elementary.") == ast.unparse(function)
    compiled = compile(source, "", "exec").co_consts[0]
    on_device = _scalars.scalar(name)
    assert on_device.fn.__code__.co_code == compiled.co_code

    z = np.concatenate([drawn(200) * 4, np.float32([0, -0.0, 1e-30, -1e-30, 6, 100, -100, np.inf, -np.inf, np.nan])])
    got = [on_device(x) for x in z]
    assert {type(y) for y in got} == {np.float32}
    np.testing.assert_allclose(got, getattr(activations, name)(z.astype(np.float64)), rtol=1e-6, atol=1e-36)


def test_a_step_outside_is_caught():
    """The tests above could not pass by luck: the simulator refuses an index beyond a run, and NaN shows."""
    a = Device(drawn(4, 4))
    lying = argument("test", "a", a, "M", "K")._replace(shape=(4, 5), pitch=4)
    b, c = Device(drawn(5, 4)), Device(np.full((4, 4), np.nan))
    products.run(TINY, 1, lying, argument("", "b", b, "K", "N"), None, None, None, argument("", "c", c, "M", "N"))
    assert np.isnan(c.values).any()


def test_a_stream():
    from numba.cuda import stream

    a, b = drawn(3, 4), drawn(4, 5)
    hold(cuda.matmul(a, b, stream=stream()), a, b)


def test_parts_of_sums_use_the_same_memory_again(monkeypatch):
    monkeypatch.setattr(products, "processors", lambda: 2)
    a, b = drawn(3, 520), drawn(520, 2)
    c = cuda.matmul(a, b)
    kept = {key: memory.size for key, memory in device.WORK.items()}
    np.testing.assert_array_equal(cuda.matmul(a, b), c)  # equal to the last bit: the order of sums is fixed
    assert {key: memory.size for key, memory in device.WORK.items()} == kept != {}
