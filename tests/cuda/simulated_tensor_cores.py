"""Matrix products on tensor cores in Numba's simulator of a GPU; run by test_simulator.py in a process of its own.

The simulator has no tensor cores: :mod:`dnnbook.cuda._mma` does with NumPy what they do, on words that lie as they do there.
"""

import functools
import itertools
import threading

import numpy as np
import pytest
import simulated
from hypothesis import example, given, settings
from hypothesis import strategies as st
from simulated import Device, drawn

from dnnbook import activations, cuda
from dnnbook.cuda import _mma, _tensor_cores, device, products

ORDERS = list(itertools.product((False, True), repeat=2))
TINY = {p: _tensor_cores.Tile(32, 32, 32, 32, 1, p) for p in _tensor_cores.PACKED}
BITS = {"bf16": 8, "tf32": 11}
LASTS = [(), (True,), (True, "relu6"), (True, "tanh"), (False, "softplus"), (False, "relu", True), (False, "sigmoid", True)]


def rounded(x, precision):
    """Rounding as the formats define it, in float64 and without a look at bits: halfway cases go to even, or away from 0."""
    with np.errstate(all="ignore"):
        _, exponent = np.frexp(np.asarray(x, np.float64))
        exponent = np.maximum(exponent, -125)  # below 2**-126 numbers keep their last place
        steps = np.ldexp(np.asarray(x, np.float64), BITS[precision] - exponent)
        whole = np.rint(steps) if precision == "bf16" else np.copysign(np.floor(np.abs(steps) + 0.5), steps)
        result = np.where(np.isfinite(x), np.ldexp(whole, exponent - BITS[precision]), x)
        return np.where(np.abs(result) >= 2.0**128, np.copysign(np.inf, result), result)


def hold(got, a, b, precision, bias=None, activation=None, z=None):
    """Two bounds: the one that is stated, of exact factors, and one of float32 alone, of factors that are rounded before."""
    for exact, bound in (
        ((a.astype(float), b.astype(float)), products.error_bound(a.shape[1], precision)),
        ((rounded(a, precision), rounded(b, precision)), products.error_bound(a.shape[1])),
    ):
        want, scale = exact[0] @ exact[1], np.abs(exact[0]) @ np.abs(exact[1])
        if z is not None:
            slope = getattr(activations, f"{activation}_grad")(z.astype(float))
            want, scale = slope * want, np.abs(slope) * scale
        else:
            want, scale = (want, scale) if bias is None else (want + bias, scale + np.abs(bias))
            want = want if activation is None else getattr(activations, activation)(want)
        assert got.shape == want.shape
        assert got.dtype == np.float32
        assert np.all(np.abs(got - want) <= bound * scale + np.finfo(np.float32).eps * np.abs(want) * 4 + 1e-37)


def multiply(tile, *args, **kwargs):
    return simulated.multiply(functools.partial(hold, precision=tile.precision), tile, *args, **kwargs)


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("precision", TINY)
def test_all_orders_with_and_without_128_bit_access(precision, order):
    assert multiply(TINY[precision], (36, 12, 40), order, fours=True, pitch=8)
    assert not multiply(TINY[precision], (17, 33, 37), order)
    assert not multiply(TINY[precision], (4, 12, 8), order, shift=1)  # the sizes would allow it, the addresses do not


@pytest.mark.parametrize("last", LASTS, ids=str)
def test_last_steps(last):
    multiply(TINY["bf16"], (4, 20, 4), last=last, fours=True)
    multiply(TINY["tf32"], (5, 6, 20), last=last, parts=2)


@pytest.mark.parametrize("precision", TINY)
@pytest.mark.parametrize(("number", "order"), [(0, (False, False)), (1, (True, True)), (2, (True, False)), (2, (False, True))])
def test_the_tiles_of_the_gpu(precision, number, order):
    tile = _tensor_cores.TILES[precision][number]
    assert multiply(tile, (tile.rows - 4, tile.columns - 4, tile.depth - 4), order, fours=True)


@given(
    shape=st.tuples(st.integers(1, 35), st.integers(1, 35), st.integers(0, 50)),
    order=st.sampled_from(ORDERS),
    precision=st.sampled_from(list(TINY)),
    parts=st.integers(1, 3),
    pitch=st.integers(0, 5),
    shift=st.integers(0, 4),
    fours=st.booleans(),
    last=st.sampled_from(LASTS),
)
@settings(max_examples=10)
@example((1, 1, 1), (False, False), "bf16", 1, 0, 0, False, ())
@example((1, 37, 23), (False, True), "tf32", 2, 0, 0, False, (True,))
@example((37, 1, 67), (True, False), "bf16", 3, 1, 0, True, (True, "tanh"))
@example((3, 5, 0), (True, True), "tf32", 2, 0, 0, False, (True,))
@example((8, 8, 36), (False, True), "tf32", 2, 0, 0, True, ())  # half of 36 is no multiple of 4
def test_any_shape(shape, order, precision, parts, pitch, shift, fours, last):
    multiply(TINY[precision], shape, order, parts, fours, last, pitch, shift)


@pytest.mark.parametrize("precision", TINY)
def test_rounding(precision):
    """Both twins of an instruction round to nearest, also subnormal numbers, and reach infinity where they are said to."""
    edge = 2.0**128 * (1 - 2.0**-9 if precision == "bf16" else 1 - 2.0**-12)
    below = np.nextafter(np.float32(edge), np.float32(0))
    halves = 1 + np.float32([1, 3, 5, -1, -3]) * 2.0 ** -BITS[precision]
    x = np.concatenate(
        [drawn(1000), drawn(50) * 1e-39, drawn(50) * 1e38, halves, -halves, [edge, below, -edge, np.inf, -np.inf, 0]]
    )
    x = x.astype(np.float32)
    if precision == "bf16":
        got = [_mma.pairs(np.array([_mma.pack_bf16(low, high)])) for low, high in zip(x, x[::-1], strict=True)]
        np.testing.assert_array_equal([pair[1] for pair in got], rounded(x[::-1], precision))
        got = np.array([pair[0] for pair in got])
    else:
        got = np.array([_mma.singles(np.array([_mma.round_tf32(number)]))[0] for number in x])
    np.testing.assert_array_equal(got, rounded(x, precision))
    np.testing.assert_array_equal(products.rounded(x, precision), got)
    assert products.rounded(x, precision).dtype == np.float32
    np.testing.assert_array_equal(products.rounded(x, "float32"), x)
    assert np.isnan(products.rounded([np.nan, np.float32(np.nan)], precision)).all()
    assert np.isinf(rounded(edge, precision))
    assert np.isfinite(rounded(below, precision))
    normal, u = np.isfinite(got) & (np.abs(x) >= 2.0**-126), 2.0 ** -BITS[precision]
    x, got = x[normal].astype(float), got[normal]
    assert np.all(np.abs(got - x) <= u / (1 + u) * np.abs(x))
    assert 2 * u == products.ROUNDING[precision]


@pytest.mark.parametrize(("precision", "length"), [("bf16", 16), ("tf32", 8)])
def test_the_instruction(precision, length):
    """Every thread hands over what the tables of NVIDIA's PTX ISA (m16n8k16 and m16n8k8) say, and gets what they say."""
    a, b, c = (rounded(drawn(*shape), precision).astype(np.float32) for shape in ((16, length), (length, 8), (16, 8)))
    packed = length // 8

    def word(numbers):
        return _mma.pack_bf16(*numbers) if packed == 2 else _mma.round_tf32(numbers[0])

    def row(i, group):  # of element i of A's or C's fragment
        return group + (8 if i in (1, 3) else 0)

    def column(i, lane):
        first = lane % 4 * packed + (length // 2 if i >= 2 else 0)
        return slice(first, first + packed)

    results = np.full((16, 8), np.nan, np.float32)
    manager = type("Block", (), {})()

    def thread(lane):
        threading.current_thread()._manager, threading.current_thread().thread_id = manager, lane
        group = lane // 4
        words = [word(a[row(i, group), column(i, lane)]) for i in range(4)]
        words += [word(b[column(2 * i, lane), group]) for i in range(2)]
        places = [(group + 8 * (i // 2), lane % 4 * 2 + i % 2) for i in range(4)]
        for place, value in zip(places, getattr(_mma, f"mma_{precision}")(*words, *[c[p] for p in places]), strict=True):
            results[place] = value

    threads = [threading.Thread(target=thread, args=(lane,)) for lane in range(32)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    np.testing.assert_allclose(results, c + a.astype(float) @ b, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("precision", TINY)
@pytest.mark.parametrize("tile", range(len(_tensor_cores.SIZES)))
def test_nobody_waits_for_a_bank_of_shared_memory(tile, precision, order):
    """A quarter of a warp reads or writes 8 fours at a time: each must lie in other banks, 32 words apart they are the same."""
    tile = _tensor_cores.TILES[precision][tile]
    for rows, along, first in ((tile.rows, not order[0], True), (tile.columns, order[1], False)):
        places = written(rows, tile.threads, precision, along, first)
        assert sorted(np.concatenate([p[w] for p in places for w in range(len(p))]).ravel()) == list(range(0, rows * 16, 4))
        hold_banks(places)
    lanes = np.arange(32)
    start = np.array([_tensor_cores.place.py_func(int(lane) // 4, 0, int(lane) % 4) for lane in lanes])
    for half in (0, 16):
        hold_banks([[(start ^ half)]])


def written(rows, threads, precision, along, first):
    """Where each warp writes, store after store: with every place that the kernel's own function names."""
    stores = {}

    def note(array, i, *words):
        stores.setdefault(thread, []).append(i)

    packed = _tensor_cores.PACKED[precision]
    _load, save = _tensor_cores.copier(along, first, rows, threads, packed, True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_tensor_cores, "store4", note)
        held = np.zeros(rows * 16 * packed // threads, np.float32)
        for thread in range(threads):
            save.py_func(None, 0, held, thread)
    table = np.array([stores[thread] for thread in range(threads)])
    return [list(warp.T) for warp in table.reshape(-1, 32, table.shape[1])]


def hold_banks(warps):
    for warp in warps:
        for fours in warp:
            for quarter in np.reshape(fours, (4, 8)):
                assert len(set(quarter // 4 % 8)) == 8, quarter


@pytest.mark.parametrize("precision", TINY)
def test_cancellation_stays_within_the_bound(precision):
    """The largest errors that are possible: factors in the middle of two numbers, and terms that cancel."""
    u = 2.0 ** -BITS[precision]
    worst = np.float32(1 + u)  # rounds to 1 in bf16, to 1 + 2 u in tf32
    a = np.full((3, 40), worst, np.float32)
    b = np.tile(np.float32([[worst], [-1]]), (20, 5))
    got = cuda.matmul(a, b, precision=precision)
    hold(got, a, b, precision)
    want = a.astype(float) @ b
    share = np.abs(got - want) / (np.abs(a).astype(float) @ np.abs(b) * products.error_bound(40, precision))
    assert share.min() > 0.2  # of the bound: it is not far from what happens
    same = cuda.matmul(a, np.full((40, 5), worst, np.float32), precision=precision)
    share = np.abs(same - 40 * float(worst) ** 2) / (40 * float(worst) ** 2 * products.error_bound(40, precision))
    assert 0.95 < share.min() <= share.max() <= 1
    wide = np.float32([[1e30, 1, -1e30]])
    assert cuda.matmul(wide, np.ones((3, 1), np.float32), precision=precision) == 0  # as float32 does


@pytest.mark.parametrize("precision", TINY)
def test_range_infinities_and_nan(precision):
    huge, tiny = np.float32(3e38), np.float32(1e-30)
    a = np.float32([[huge, 0], [tiny, 0], [np.inf, 1], [-np.inf, np.inf], [np.nan, 0], [np.inf, 0], [huge, huge]])
    got = cuda.matmul(a, np.float32([[1], [1]]), precision=precision)[:, 0]
    np.testing.assert_allclose(got[:2], a[:2, 0], rtol=2.0 ** -BITS[precision])
    assert got[2] == got[5] == got[6] == np.inf
    assert np.isnan(got[[3, 4]]).all()
    assert np.isnan(cuda.matmul(a, np.float32([[0], [0]]), precision=precision)[[2, 3, 4, 5], 0]).all()
    assert np.isinf(cuda.matmul(np.float32([[np.finfo(np.float32).max]]), np.float32([[1]]), precision=precision))


@given(st.integers(1, 100_000), st.integers(1, 100_000), st.integers(0, 10**6), st.integers(1, 200))
@settings(max_examples=100)
def test_the_plan_fills_the_gpu_where_the_product_is_large_enough(M, N, K, processors):
    for precision, tiles in _tensor_cores.TILES.items():
        tile, parts = products.plan(M, N, K, processors, precision)
        assert tile in tiles
        assert 1 <= parts <= products.MOST_PARTS
        assert parts == 1 or K // parts >= products.SHORTEST // 2
        if processors * 128 * 256 * 4 <= M * N and min(M, N) > 128:
            assert (tile, parts) == (tiles[0], 1)


@pytest.mark.parametrize("precision", TINY)
def test_arrays_go_in_and_come_out(precision, monkeypatch):
    a, b, bias = drawn(3, 48), drawn(48, 2), drawn(2)
    monkeypatch.setattr(products, "SHORTEST", 24)
    for processors in (1, 2):  # with two, the sum is split
        monkeypatch.setattr(products, "processors", lambda n=processors: n)
        c = cuda.matmul(a, b, bias=bias, activation="relu", precision=precision)
        assert type(c) is np.ndarray
        hold(c, a, b, precision, bias=bias, activation="relu")
    np.testing.assert_array_equal(cuda.matmul(a, b, bias=bias, activation="relu", precision=precision), c)  # the same order
    out = Device(np.full((3, 2), np.nan), pitch=5)
    assert cuda.matmul(Device(a, pitch=52), Device(b, transposed=True), out=out, precision=precision) is out
    assert out.untouched()
    hold(out.values, a, b, precision)


def test_a_gpu_without_these_tensor_cores_is_refused(monkeypatch):
    from numba import cuda as target

    old = type("Gpu", (), {"compute_capability": (7, 5)})()
    monkeypatch.setattr(device, "simulated", lambda: False)
    monkeypatch.setattr(target, "get_current_device", lambda: old)
    text = r"matmul: precision 'bf16' needs a GPU of compute capability 8\.0 or higher, got 7\.5"
    with pytest.raises(RuntimeError, match=text):
        cuda.matmul(drawn(2, 2), drawn(2, 2), precision="bf16")
    old.compute_capability = (8, 0)
    device.need_capability("matmul", "precision 'bf16'", (8, 0))
