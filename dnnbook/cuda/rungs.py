"""The first rungs of the ladder to a fast product of matrices: kernels to learn from, in the order in which to read them.

Each computes C = A B in float32. A (M, K), B (K, N) and C (M, N) lie in memory row after row. The last rungs are the kernels
of :func:`dnnbook.cuda.matmul` (:mod:`dnnbook.cuda._tiles`, :mod:`dnnbook.cuda._tensor_cores`), which are in use where the
others are not.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numba import cuda, float32, int32, types, uint32, uint64

from dnnbook.cuda import _blocks, _tensor_cores, _tiles
from dnnbook.cuda._blocks import VECTOR, compiled
from dnnbook.cuda._vectors import SIMULATED, load4, store4
from dnnbook.cuda.device import need

__all__ = ["RUNGS", "Rung", "matmul"]

SIGNATURE = types.void(*[VECTOR] * 3, *[types.int32] * 3)
SIDE = 32  # of a tile whose threads have one element each
SQUARE = SIDE * SIDE
TILE, DEPTH = 128, 8  # of a tile whose threads have 8 x 8 elements each; numbers of A and B in a slab
ACROSS = 16  # threads side by side in such a tile, and above each other


def naive(A, B, C, M, N, K):
    """One thread for each element of C. Neighbors among the threads have neighboring rows."""
    m = int32(cuda.blockIdx.x * 32 + cuda.threadIdx.x)
    n = int32(cuda.blockIdx.y * 8 + cuda.threadIdx.y)
    if m < M and n < N:
        total = float32(0)
        k = int32(0)
        while k < K:
            total += A[uint32(m * K + k)] * B[uint32(k * N + n)]
            k = int32(k + 1)
        C[uint32(m * N + n)] = total


def coalesced(A, B, C, M, N, K):
    """The same, but neighbors among the threads have neighboring columns."""
    n = int32(cuda.blockIdx.x * 32 + cuda.threadIdx.x)
    m = int32(cuda.blockIdx.y * 8 + cuda.threadIdx.y)
    if m < M and n < N:
        total = float32(0)
        k = int32(0)
        while k < K:
            total += A[uint32(m * K + k)] * B[uint32(k * N + n)]
            k = int32(k + 1)
        C[uint32(m * N + n)] = total


def tiled(A, B, C, M, N, K):
    """A block copies a square of A and a square of B to shared memory, and all its threads read them there."""
    SA = cuda.shared.array(SQUARE, float32)
    SB = cuda.shared.array(SQUARE, float32)
    x, y = int32(cuda.threadIdx.x), int32(cuda.threadIdx.y)
    n = int32(cuda.blockIdx.x * SIDE + x)
    m = int32(cuda.blockIdx.y * SIDE + y)
    mine, row, column = uint32(y * SIDE + x), uint32(y * SIDE), uint32(x)
    total = float32(0)
    for k in range(int32(0), K, int32(SIDE)):
        fits = m < M and int32(k + x) < K
        SA[mine] = A[uint32(m * K + k + x)] if fits else float32(0)
        fits = int32(k + y) < K and n < N
        SB[mine] = B[uint32((k + y) * N + n)] if fits else float32(0)
        cuda.syncthreads()  # nobody reads before all have written
        for i in range(SIDE):
            total += SA[uint32(row + i)] * SB[uint32(column + i * SIDE)]
        cuda.syncthreads()  # nobody writes before all have read
    if m < M and n < N:
        C[uint32(m * N + n)] = total


def blocked(pad=4):
    """A kernel whose threads have 8 x 8 elements each, in registers: of 16 numbers read it makes 64 products.

    A row of SA is `pad` elements longer than it needs to be, so that the numbers of a column lie in different banks.
    """
    pitch = TILE + pad
    size_a, size_b = DEPTH * pitch, DEPTH * TILE

    def blocked(A, B, C, M, N, K):
        SA = cuda.shared.array(size_a, float32)
        SB = cuda.shared.array(size_b, float32)
        total = cuda.local.array(64, float32)
        a = cuda.local.array(8, float32)
        b = cuda.local.array(8, float32)
        thread = int32(cuda.threadIdx.x)
        n0, m0 = int32(cuda.blockIdx.x * TILE), int32(cuda.blockIdx.y * TILE)
        down, across = int32(thread // ACROSS), int32(thread % ACROSS)
        for i in range(64):
            total[i] = float32(0)
        for k in range(int32(0), K, int32(DEPTH)):
            for q in range(4):
                row, column = int32(q * 32 + thread // 8), int32(thread % 8)
                fits = int32(m0 + row) < M and int32(k + column) < K
                SA[uint32(column * pitch + row)] = A[uint32((m0 + row) * K + k + column)] if fits else float32(0)
                row, column = int32(q * 2 + thread // 128), int32(thread % 128)
                fits = int32(k + row) < K and int32(n0 + column) < N
                SB[uint32(row * TILE + column)] = B[uint32((k + row) * N + n0 + column)] if fits else float32(0)
            cuda.syncthreads()
            at_a, at_b = uint64(down), uint64(across)
            for _ in range(DEPTH):
                for i in range(8):
                    a[i] = SA[at_a + uint64(ACROSS * i)]
                for j in range(8):
                    b[j] = SB[at_b + uint64(ACROSS * j)]
                for i in range(8):
                    for j in range(8):
                        total[i * 8 + j] += a[i] * b[j]
                at_a, at_b = at_a + uint64(pitch), at_b + uint64(TILE)
            cuda.syncthreads()
        for i in range(8):
            for j in range(8):
                m, n = int32(m0 + down + ACROSS * i), int32(n0 + across + ACROSS * j)
                if m < M and n < N:
                    C[uint32(m * N + n)] = total[i * 8 + j]

    return blocked


def vectorized(pad=4):
    """The same with loads and stores of four numbers at once. K and N must be multiples of 4."""
    pitch = TILE + pad
    size_a, size_b = DEPTH * pitch, DEPTH * TILE

    def vectorized(A, B, C, M, N, K):
        if SIMULATED:  # the simulator knows no alignment
            SA = cuda.shared.array(size_a, float32)
            SB = cuda.shared.array(size_b, float32)
        else:
            SA = cuda.shared.array(size_a, float32, alignment=16)
            SB = cuda.shared.array(size_b, float32, alignment=16)
        total = cuda.local.array(64, float32)
        a = cuda.local.array(8, float32)
        b = cuda.local.array(8, float32)
        thread = int32(cuda.threadIdx.x)
        n0, m0 = int32(cuda.blockIdx.x * TILE), int32(cuda.blockIdx.y * TILE)
        down, across = int32(thread // ACROSS * 4), int32(thread % ACROSS * 4)
        row_a, column_a = int32(thread // 2), int32(thread % 2 * 4)
        row_b, column_b = int32(thread // 32), int32(thread % 32 * 4)
        for i in range(64):
            total[i] = float32(0)
        for k in range(int32(0), K, int32(DEPTH)):
            if int32(m0 + row_a) < M and int32(k + column_a) < K:
                a[0], a[1], a[2], a[3] = load4(A, int32((m0 + row_a) * K + k + column_a))
            else:
                for q in range(4):
                    a[q] = float32(0)
            if int32(k + row_b) < K and int32(n0 + column_b) < N:
                b[0], b[1], b[2], b[3] = load4(B, int32((k + row_b) * N + n0 + column_b))
            else:
                for q in range(4):
                    b[q] = float32(0)
            for q in range(4):
                SA[uint32((column_a + q) * pitch + row_a)] = a[q]
            store4(SB, int32(row_b * TILE + column_b), b[0], b[1], b[2], b[3])
            cuda.syncthreads()
            at_a, at_b = down, across
            for _ in range(DEPTH):
                for i in range(2):
                    a[4 * i], a[4 * i + 1], a[4 * i + 2], a[4 * i + 3] = load4(SA, at_a + 64 * i)
                for j in range(2):
                    b[4 * j], b[4 * j + 1], b[4 * j + 2], b[4 * j + 3] = load4(SB, at_b + 64 * j)
                for i in range(8):
                    for j in range(8):
                        total[i * 8 + j] += a[i] * b[j]
                at_a, at_b = int32(at_a + pitch), int32(at_b + TILE)
            cuda.syncthreads()
        for i in range(8):
            for j in range(2):
                m, n = int32(m0 + down + i // 4 * 64 + i % 4), int32(n0 + across + 64 * j)
                if m < M and n < N:
                    at = i * 8 + 4 * j
                    store4(C, int32(m * N + n), total[at], total[at + 1], total[at + 2], total[at + 3])

    return vectorized


class Rung(NamedTuple):
    """One kernel of the ladder.

    Attributes
    ----------
    body : callable
        The Python function of the kernel.
    signature : numba signature
        The types of its arguments.
    rows, columns : int
        Size of the part of C that one block computes.
    block : tuple of int
        Threads of a block.
    blocks : int
        How many blocks a multiprocessor shall hold: bounds the registers of a thread.
    down : bool
        Whether blocks are numbered down the rows first.
    fours : bool
        Whether K and N must be multiples of 4.
    precision : str
        What the factors are rounded to: see :func:`dnnbook.cuda.products.rounded`.
    """

    body: Callable
    signature: object
    rows: int
    columns: int
    block: tuple
    blocks: int
    down: bool = False
    fours: bool = False
    precision: str = "float32"

    @property
    def threads(self):
        """Threads of a block."""
        return math.prod(self.block)

    def launch(self, A, B, C, M, N, K):
        """Run the kernel on flat arrays of the device."""
        sizes = [np.int32(n) for n in (M, N, K)]
        kernel = compiled(self.threads, self.blocks)(self.body)
        down, across = math.ceil(M / self.rows), math.ceil(N / self.columns)
        if self.signature is _blocks.SIGNATURE:
            M, N, K = sizes
            kernel[(down * across, 1), self.block](A, B, C, C, C, *sizes, K, N, N, N, np.int32(max(K, 1)))
        else:
            kernel[(down, across) if self.down else (across, down), self.block](A, B, C, *sizes)


def of_matmul(module, tile):
    """A kernel of :func:`dnnbook.cuda.matmul`: one pair of slabs is multiplied while the next is on its way."""
    body = module.body(tile, False, False, True, ())
    precision = getattr(tile, "precision", "float32")
    return Rung(body, _blocks.SIGNATURE, tile.rows, tile.columns, (tile.threads,), tile.blocks, fours=True, precision=precision)


RUNGS = {
    "naive": Rung(naive, SIGNATURE, 32, 8, (32, 8), 4, down=True),
    "coalesced": Rung(coalesced, SIGNATURE, 8, 32, (32, 8), 4),
    "tiled": Rung(tiled, SIGNATURE, SIDE, SIDE, (SIDE, SIDE), 2),
    "blocked": Rung(blocked(), SIGNATURE, TILE, TILE, (256,), 2),
    "vectorized": Rung(vectorized(), SIGNATURE, TILE, TILE, (256,), 2, fours=True),
    "buffered": of_matmul(_tiles, _tiles.LARGE),
    "tensor cores": of_matmul(_tensor_cores, _tensor_cores.TILES["bf16"][0]),
}


def body(name):
    """The Python function of a rung."""
    return RUNGS[name].body


def matmul(rung, a, b):
    """The product of two NumPy arrays with one rung of the ladder.

    Parameters
    ----------
    rung : str or Rung
        A name in :data:`RUNGS`, or a rung of your own.
    a : array_like, shape (M, K)
        First factor.
    b : array_like, shape (K, N)
        Second factor.

    Returns
    -------
    ndarray, shape (M, N)
        Their product in float32; ``"tensor cores"`` rounds the factors to bf16 before.

    Raises
    ------
    ValueError
        If there is no such rung, shapes do not fit, or the rung wants multiples of 4.
    RuntimeError
        If there is no GPU, and no simulator either.

    Examples
    --------
    >>> matmul("coalesced", np.array([[1, 2], [3, 4]]), np.array([[1], [10]]))
    array([[21.],
           [43.]], dtype=float32)
    """
    if isinstance(rung, str):
        if rung not in RUNGS:
            raise ValueError(f"matmul: rung is {rung!r}, expected one of {', '.join(map(repr, RUNGS))}")
        rung = RUNGS[rung]
    a, b = (np.ascontiguousarray(v, np.float32) for v in (a, b))
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[0]:
        raise ValueError(f"matmul: a has shape {a.shape} and b {b.shape}, expected (M, K) and (K, N)")
    (M, K), N = a.shape, b.shape[1]
    if rung.fours and (K % 4 or N % 4):
        raise ValueError(f"matmul: this rung wants multiples of 4, got K = {K} and N = {N}")
    need("matmul")
    if 0 in (M, N, K):
        return np.zeros((M, N), np.float32)
    C = cuda.device_array(M * N, np.float32)
    rung.launch(cuda.to_device(a.reshape(-1)), cuda.to_device(b.reshape(-1)), C, M, N, K)
    return C.copy_to_host().reshape(M, N)
