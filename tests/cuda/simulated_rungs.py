"""The ladder of products in the simulator: right for any shape, and what it asks of memory; run by test_simulator.py."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numba import cuda, float32
from numba.cuda.simulator.kernelapi import FakeCUDAShared
from simulated import drawn

from dnnbook.cuda import products, rungs, traffic
from dnnbook.cuda.traffic import Count

SMALL, LARGE = ("naive", "coalesced", "tiled"), ("blocked", "vectorized", "buffered")


def hold(name, M, N, K):
    a, b = drawn(M, K), drawn(K, N, seed=1)
    c = rungs.matmul(name, a, b)
    assert c.dtype == np.float32
    bound = products.error_bound(K, rungs.RUNGS[name].precision) * (np.abs(a) @ np.abs(b)) + 1e-37
    assert np.all(np.abs(c - a.astype(float) @ b.astype(float)) <= bound)


@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 40))
@settings(max_examples=4)
@example(33, 31, 35)
@example(1, 1, 1)
def test_any_shape(M, N, K):
    for name in SMALL:
        hold(name, M, N, K)


@pytest.mark.parametrize("name", [*LARGE, "tensor cores"])
@pytest.mark.parametrize(("M", "N", "K"), [(131, 132, 12), (1, 4, 4), (7, 260, 20)])
def test_any_shape_of_large_tiles(name, M, N, K):
    hold(name, M, N, K)


@pytest.mark.parametrize(("M", "N", "K"), [(5, 6, 7), (130, 129, 9)])
def test_odd_sizes(M, N, K):
    hold("blocked", M, N, K)
    for name in LARGE[1:]:
        with pytest.raises(ValueError, match="multiples of 4, got K"):
            rungs.matmul(name, drawn(M, K), drawn(K, N))


def test_wrong_arguments():
    with pytest.raises(ValueError, match="rung is 'fast', expected one of 'naive'"):
        rungs.matmul("fast", drawn(2, 2), drawn(2, 2))
    with pytest.raises(ValueError, match=r"a has shape \(2, 3\) and b \(2, 2\), expected \(M, K\) and \(K, N\)"):
        rungs.matmul("naive", drawn(2, 3), drawn(2, 2))


@pytest.mark.parametrize("name", SMALL)
def test_what_small_tiles_ask_of_memory(name):
    """Counted by hand: for each warp and each k, the sectors of A, B, and at the end those of C."""
    M, N, K = 32, 64, 64
    found = traffic.simulate(rungs.RUNGS[name], M, N, K)
    steps, warps = M * N * K // 32, M * N // 32
    a, b, c = {"naive": (32, 1, 32), "coalesced": (1, 4, 4), "tiled": (4 / 32, 4 / 32, 4)}[name]
    assert found.loads["A"].sectors == a * steps
    assert found.loads["B"].sectors == b * steps
    assert found.stores["C"].sectors == c * warps
    assert found.bytes == 32 * ((a + b) * steps + c * warps)
    assert found.loads["C"] == found.stores["A"] == found.stores["B"] == Count()
    if name == "tiled":
        assert found.shared_loads.instructions == found.shared_loads.clocks == 2 * steps
        assert found.shared_stores.instructions == found.shared_stores.clocks == 2 * steps // 32


@pytest.mark.parametrize("name", LARGE)
def test_what_large_tiles_ask_of_memory(name):
    M, N, K = 256, 128, 16
    found = traffic.simulate(rungs.RUNGS[name], M, N, K)
    assert found.bytes == 4 * (M * N * K // 128 + M * N * K // 128 + M * N)
    width = 1 if name == "blocked" else 4
    assert found.loads["A"].instructions == M * K * (N // 128) // 32 // width
    assert found.stores["C"].instructions == M * N // 32 // width
    assert found.shared_loads.words == M * N * K * 16 // 64


def test_what_tensor_cores_ask_of_memory():
    """Two slabs of 128 x 32 and 32 x 256. A word of shared memory, two numbers, is read once for each of 4 or 2 warps."""
    M, N, K = 128, 256, 64
    found = traffic.simulate(rungs.RUNGS["tensor cores"], M, N, K)
    assert found.bytes == 4 * (M * K + K * N + M * N)
    assert found.loads["A"].instructions == M * K // 4 // 32
    assert found.stores["C"].instructions == M * N // 4 // 32
    assert found.shared_loads.words == M * K // 2 * 4 + K * N // 2 * 2
    assert found.shared_stores.words == (M + N) * (K + 32) // 2  # the slab after the last is stored too, full of zeros
    for shared in (found.shared_loads, found.shared_stores):
        assert shared.clocks == shared.words // traffic.BANKS == 4 * shared.instructions  # nobody waits for a bank


@pytest.mark.parametrize(("pad", "clocks"), [(0, 8), (1, 4), (2, 2), (4, 1)])
def test_padding_takes_the_conflicts_away(pad, clocks):
    """The threads of a warp store 4 rows of 8 numbers transposed: by hand, (pad column + row) % 32 for 8 columns and 4 rows."""
    banks = [(column * (128 + pad) + row) % 32 for column in range(8) for row in range(4)]
    assert max(map(banks.count, banks)) == clocks
    found = traffic.simulate(traffic.rung(f"blocked, {pad}"), 128, 128, 8)
    stores = 128 * 8 // 32
    assert found.shared_stores.instructions == 2 * stores
    assert found.shared_stores.clocks == stores * (clocks + 1)


def kernel(step, width=1):
    """A product of (32, 1) by (1, 1) whose threads also copy `width` elements of A, `step` apart, to shared memory."""

    def body(A, B, C, M, N, K):
        S = cuda.shared.array(32 * 32, float32)
        i = cuda.threadIdx.x
        if width == 4:
            S[4 * i : 4 * i + 4] = A[step * i : step * i + 4]
        else:
            S[step * i] = A[step * i]
        C[i] = A[i] * B[0]

    return rungs.Rung(body, rungs.SIGNATURE, 32, 1, (32,), 1)


@pytest.mark.parametrize(
    ("step", "width", "sectors", "clocks"),
    [(0, 1, 1, 1), (1, 1, 4, 1), (2, 1, 8, 2), (8, 1, 32, 8), (32, 1, 32, 32), (1, 4, 5, 4), (4, 4, 16, 4)],
)
def test_sectors_and_banks_by_hand(step, width, sectors, clocks):
    A, C = traffic.Watched(np.arange(32 * 33, dtype=np.float32)), traffic.Watched(np.zeros(32, np.float32))
    rung = kernel(step, width)
    with pytest.MonkeyPatch.context() as patch:
        shared = traffic.Watched(np.zeros(32 * 32, np.float32))
        patch.setattr(FakeCUDAShared, "array", lambda self, shape, dtype: shared)
        rung.launch(A, traffic.Watched(np.ones(1, np.float32)), C, 32, 1, 1)
    assert traffic.counted(A.loads).sectors == sectors + 4  # and those of A[i]
    assert traffic.counted(shared.stores).clocks == clocks


def test_a_wrong_kernel_and_divided_warps_are_refused():
    def nothing(A, B, C, M, N, K):
        pass

    with pytest.raises(ArithmeticError, match=r"wrong product of sizes \(32, 32, 32\)"):
        traffic.simulate(rungs.RUNGS["naive"]._replace(body=nothing), 32, 32, 32)
    with pytest.raises(ValueError, match="multiples of the tile's sizes"):
        traffic.simulate(rungs.RUNGS["tiled"], 32, 32, 40)


@pytest.mark.parametrize("name", ["fast", "tiled, 3", "blocked,", "blocked, x"])
def test_unknown_rungs(name):
    with pytest.raises(ValueError, match=r"no rung is called|invalid literal"):
        traffic.rung(name)
