"""The kernel of matrix products in float32: one block of threads computes one tile of C = f(A B).

A block walks along K. For every step it copies a slab of A (rows, depth) and one of B (depth, columns) to shared memory and
adds their product to sums that live in registers, a small square per thread. Slabs come in pairs: while one is multiplied, the
next is on its way from global memory. Shared slabs lie depth first: a thread reads its rows and its columns four at a time.
"""

import functools
from typing import NamedTuple

from numba import cuda, float32, int32, uint32

from dnnbook.cuda._blocks import SIGNATURE as SIGNATURE
from dnnbook.cuda._blocks import compiled, fetcher, origin, writer
from dnnbook.cuda._scalars import inside
from dnnbook.cuda._vectors import SIMULATED, load4, store4


class Tile(NamedTuple):
    """The sizes of one block's work: its tile, the depth of a slab, a thread's rows and columns, a warp's rows of threads."""

    rows: int
    columns: int
    depth: int
    thread_rows: int
    thread_columns: int
    warp_rows: int
    warp_columns: int
    blocks: int  # that one multiprocessor shall hold at the same time: bounds the registers of a thread

    @property
    def threads(self):
        return self.rows * self.columns // (self.thread_rows * self.thread_columns)


LARGE = Tile(128, 128, 8, 8, 8, 8, 4, blocks=2)
MEDIUM = Tile(64, 64, 16, 8, 8, 8, 4, blocks=6)
SMALL = Tile(32, 32, 16, 8, 4, 4, 8, blocks=8)
TILES = LARGE, MEDIUM, SMALL


@functools.cache
def product(tile, transposed_a=False, transposed_b=False, vectors=True, last=()):
    """A kernel for one tile size, one order of each factor in memory, with or without 128-bit access, and one last step.

    The kernel takes flat arrays (A, B, C, bias, Z), the sizes (M, N, K), the distances of rows (lda, ldb, ldc, ldz) and the
    length of K that one layer of the grid adds up: layer s of the grid's second axis writes its part of the sum to C[s].
    ``last`` describes the last step: the arguments of :func:`dnnbook.cuda._blocks.finisher`.
    """
    return compiled(tile.threads, tile.blocks)(body(tile, transposed_a, transposed_b, vectors, last))


def body(tile, transposed_a, transposed_b, vectors, last):
    """The Python function that :func:`product` compiles."""
    rows, columns, depth, thread_rows, thread_columns, warp_rows, warp_columns, _ = tile
    threads = tile.threads
    # Rows of slabs have 4 more elements than they need: neighbors of a column lie in different banks of shared memory.
    pitch_a, pitch_b = rows + 4, columns + 4
    slab_a, slab_b = depth * pitch_a, depth * pitch_b
    both_a, both_b = 2 * slab_a, 2 * slab_b
    sums = thread_rows * thread_columns
    warps_across = columns // (warp_columns * thread_columns)
    fours_down, fours_across = thread_rows // 4, thread_columns // 4
    step_down, step_across = warp_rows * 4, warp_columns * 4  # a thread's fours lie so far apart, those of a warp side by side
    fours_a, fours_b = rows * depth // 4 // threads, columns * depth // 4 // threads
    copies_a, copies_b = fours_a * 4, fours_b * 4
    fetch4 = fetcher(vectors)
    write = writer(thread_rows, fours_across, 4, 1, step_down, step_across, vectors, last)
    wide_a, wide_b = (rows if transposed_a else depth) // 4, (depth if transposed_b else columns) // 4

    @inside
    def fetch(X, first_row, first_column, height, width, pitch, wide, fours, held, thread):
        """Copy this thread's part of a slab from global memory to registers."""
        for f in range(fours):
            g = int32(thread + f * threads)
            r = int32(first_row + g // wide)
            c = int32(first_column + g % wide * 4)
            fetch4(X, r, c, height, width, pitch, held, f * 4)

    @inside
    def put(S, base, pitch, wide, fours, held, thread):
        """Store this thread's part of a slab as it was read."""
        for f in range(fours):
            g = int32(thread + f * threads)
            at = base + g // wide * pitch + g % wide * 4
            store4(S, at, held[f * 4], held[f * 4 + 1], held[f * 4 + 2], held[f * 4 + 3])

    @inside
    def put_transposed(S, base, pitch, wide, fours, held, thread):
        for f in range(fours):
            g = int32(thread + f * threads)
            at = int32(base + g % wide * 4 * pitch + g // wide)
            for q in range(4):
                S[uint32(at + q * pitch)] = held[f * 4 + q]

    @inside
    def multiply(SA, SB, at_a, at_b, a, b, total):
        """Two steps along K, each a column of A times a row of B: as many as the compiler is willing to unroll."""
        for k in range(2):
            for i in range(fours_down):
                at = at_a + k * pitch_a + i * step_down
                a[i * 4], a[i * 4 + 1], a[i * 4 + 2], a[i * 4 + 3] = load4(SA, at)
            for j in range(fours_across):
                at = at_b + k * pitch_b + j * step_across
                b[j * 4], b[j * 4 + 1], b[j * 4 + 2], b[j * 4 + 3] = load4(SB, at)
            for i in range(thread_rows):
                for j in range(thread_columns):
                    total[i * thread_columns + j] += a[i] * b[j]

    def kernel(A, B, C, bias, Z, M, N, K, lda, ldb, ldc, ldz, length):
        if SIMULATED:  # the simulator knows no alignment
            SA = cuda.shared.array(both_a, float32)
            SB = cuda.shared.array(both_b, float32)
        else:
            SA = cuda.shared.array(both_a, float32, alignment=16)
            SB = cuda.shared.array(both_b, float32, alignment=16)
        total = cuda.local.array(sums, float32)
        a = cuda.local.array(thread_rows, float32)
        b = cuda.local.array(thread_columns, float32)
        held_a = cuda.local.array(copies_a, float32)
        held_b = cuda.local.array(copies_b, float32)

        m0, n0 = origin(M, N, rows, columns)
        k0 = int32(cuda.blockIdx.y * length)
        k1 = int32(min(K, int32(k0 + length)))

        thread = int32(cuda.threadIdx.x)
        warp = int32(thread // (warp_rows * warp_columns))
        lane = int32(thread % (warp_rows * warp_columns))
        down = int32(warp // warps_across * (warp_rows * thread_rows) + lane // warp_columns * 4)
        across = int32(warp % warps_across * (warp_columns * thread_columns) + lane % warp_columns * 4)
        for i in range(sums):
            total[i] = float32(0)

        slab = int32(0)  # of each pair, the one to fill next
        for k in range(k0, int32(k1 + depth), int32(depth)):
            if k < k1:
                if transposed_a:
                    fetch(A, k, m0, k1, M, lda, wide_a, fours_a, held_a, thread)
                else:
                    fetch(A, m0, k, M, k1, lda, wide_a, fours_a, held_a, thread)
                if transposed_b:
                    fetch(B, n0, k, N, k1, ldb, wide_b, fours_b, held_b, thread)
                else:
                    fetch(B, k, n0, k1, N, ldb, wide_b, fours_b, held_b, thread)
            if k > k0:
                at_a = (1 - slab) * slab_a + down
                at_b = (1 - slab) * slab_b + across
                multiply(SA, SB, at_a, at_b, a, b, total)
                multiply(SA, SB, at_a + 2 * pitch_a, at_b + 2 * pitch_b, a, b, total)
                multiply(SA, SB, at_a + 4 * pitch_a, at_b + 4 * pitch_b, a, b, total)
                multiply(SA, SB, at_a + 6 * pitch_a, at_b + 6 * pitch_b, a, b, total)
                if depth == 16:
                    multiply(SA, SB, at_a + 8 * pitch_a, at_b + 8 * pitch_b, a, b, total)
                    multiply(SA, SB, at_a + 10 * pitch_a, at_b + 10 * pitch_b, a, b, total)
                    multiply(SA, SB, at_a + 12 * pitch_a, at_b + 12 * pitch_b, a, b, total)
                    multiply(SA, SB, at_a + 14 * pitch_a, at_b + 14 * pitch_b, a, b, total)
            if k < k1:
                if transposed_a:
                    put(SA, int32(slab * slab_a), pitch_a, wide_a, fours_a, held_a, thread)
                else:
                    put_transposed(SA, int32(slab * slab_a), pitch_a, wide_a, fours_a, held_a, thread)
                if transposed_b:
                    put_transposed(SB, int32(slab * slab_b), pitch_b, wide_b, fours_b, held_b, thread)
                else:
                    put(SB, int32(slab * slab_b), pitch_b, wide_b, fours_b, held_b, thread)
            slab = int32(1 - slab)
            cuda.syncthreads()

        base = int32(cuda.blockIdx.y * M * ldc)
        write(total, C, bias, Z, M, N, ldc, ldz, base, int32(m0 + down), int32(n0 + across))

    return kernel
