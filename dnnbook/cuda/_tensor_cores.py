"""The kernel of matrix products on tensor cores: factors rounded to bf16 or tf32, sums in float32.

It walks along K as the kernel of :mod:`dnnbook.cuda._tiles` does. On their way to shared memory factors are rounded and put
into words of 32 bits: two neighbors along K in bf16, one number in tf32. A slab is 16 words deep. A row of A and a column of
B lie the same way; both are called rows here.

A warp multiplies 16 rows of A by 16 of B, 8 words along K at a time, in two instructions (see :mod:`dnnbook.cuda._mma`). For
that every thread needs two words of two rows of each factor. A sum has no order, and neither have the rows of a tile: we
choose rows and words such that these four words lie side by side in shared memory, to be read at once. They are a *four*:

* A line of shared memory is 32 words, all words of two rows: line p has the rows ``p // 2 * 4 + p % 2`` and 2 more. So the
  sums of one thread come as four neighbors of a row of C.
* Thread t of the four that share a line takes *chunk* t of both rows: half of it for the first 8 words, half for the second.
* A quarter of a warp reads or writes 8 fours at a time, one for each group of 4 banks: fours change places from line to line.
"""

import functools
from typing import NamedTuple

from numba import cuda, float32, int32, uint32

from dnnbook.cuda import _mma
from dnnbook.cuda._blocks import SIGNATURE as SIGNATURE
from dnnbook.cuda._blocks import compiled, fetcher, origin, writer
from dnnbook.cuda._scalars import inside
from dnnbook.cuda._vectors import SIMULATED, load4, store4

PACKED = {"bf16": 2, "tf32": 1}  # numbers in a word
DEPTH = 16  # words of a slab along K


class Tile(NamedTuple):
    """The sizes of one block's work: its tile, the part of each warp, multiples of 32, and what factors are rounded to."""

    rows: int
    columns: int
    warp_rows: int
    warp_columns: int
    blocks: int  # that one multiprocessor shall hold at the same time: bounds the registers of a thread
    precision: str

    @property
    def threads(self):
        return self.rows * self.columns // (self.warp_rows * self.warp_columns) * 32

    @property
    def depth(self):
        return DEPTH * PACKED[self.precision]


SIZES = (128, 256, 64, 64, 1), (128, 128, 64, 32, 1), (64, 64, 32, 32, 4)
TILES = {precision: tuple(Tile(*sizes, precision) for sizes in SIZES) for precision in PACKED}


@inside
def place(line, step, chunk):
    """Where in a slab the four of one chunk begins, of its first or second half."""
    return int32(line * 32 + (step * 4 + chunk ^ line % 2 * 4 ^ line // 2 % 8) * 4)


@functools.cache
def copier(along, first, rows, threads, packed, vectors):
    """Device functions that copy a slab from global memory to registers, and from there, rounded, to shared memory.

    Neighbors in memory lie `along` K or across. Fours are in the order of A, the `first` factor, or of B.
    """
    fetch, numbers = fetcher(vectors), 2 * packed  # of one row in a four
    count, group = rows * 2 // threads, rows // 32  # pairs of fours for each thread; groups of 32 rows
    second = 16 if packed == 2 else 2  # the halves of chunk c begin with the numbers 4 c and 4 c + second along K

    @inside
    def word(held, i, j):
        return _mma.pack_bf16(held[i], held[j]) if packed == 2 else _mma.round_tf32(held[i])

    @inside
    def store(S, at, held, i, k, row):
        """One four: from held[i] on, numbers along K are so far apart, and the two rows."""
        w, x = word(held, i, i + k), word(held, i + packed * k, i + numbers * k - k)
        y, z = word(held, i + row, i + row + k), word(held, i + row + packed * k, i + row + numbers * k - k)
        if first:
            store4(S, at, w, y, x, z)
        else:
            store4(S, at, w, x, y, z)

    @inside
    def load_along(X, r0, k0, height, end, pitch, held, thread):
        """Four threads for a line, each a chunk of both rows."""
        for f in range(count):
            g = int32(thread + f * threads)
            r, c = int32(r0 + g // 8 * 4 + g // 4 % 2), int32(k0 + g % 4 * 4)
            for i in range(2):
                for j in range(packed):
                    fetch(X, int32(r + i * 2), int32(c + j * second), height, end, pitch, held, ((f * 2 + i) * packed + j) * 4)

    @inside
    def save_along(S, base, held, thread):
        for f in range(count):
            g = int32(thread + f * threads)
            for i in range(2):
                at = int32(base + place(g // 4, i, g % 4))
                store(S, at, held, f * 8 * packed + i * numbers, 1, 4 * packed)

    @inside
    def load_across(X, r0, k0, width, end, pitch, held, thread):
        """Eight threads for 32 rows, each half a chunk of four rows; the next eight threads for the other half."""
        for f in range(count):
            g = int32(thread + f * threads)
            c = int32(r0 + g // 16 % group * 32 + g % 8 * 4)
            k = int32(k0 + g // (16 * group) * 4 + g // 8 % 2 * second)
            for j in range(numbers):
                fetch(X, int32(k + j), c, end, width, pitch, held, (f * numbers + j) * 4)

    @inside
    def save_across(S, base, held, thread):
        for f in range(count):
            g = int32(thread + f * threads)
            line = int32(g // 16 % group * 16 + g % 8 * 2)
            for i in range(2):
                at = int32(base + place(int32(line + i), g // 8 % 2, g // (16 * group)))
                store(S, at, held, f * numbers * 4 + i, 4, 2)

    return (load_along, save_along) if along else (load_across, save_across)


@functools.cache
def product(tile, transposed_a=False, transposed_b=False, vectors=True, last=()):
    """A kernel with the arguments of :func:`dnnbook.cuda._tiles.product`."""
    return compiled(tile.threads, tile.blocks)(body(tile, transposed_a, transposed_b, vectors, last))


def body(tile, transposed_a, transposed_b, vectors, last):
    """The Python function that :func:`product` compiles."""
    rows, columns, warp_rows, warp_columns, _, precision = tile
    packed, depth, threads = PACKED[precision], tile.depth, tile.threads
    mma = _mma.mma_bf16 if packed == 2 else _mma.mma_tf32
    slab_a, slab_b = rows * DEPTH, columns * DEPTH
    both = 2 * (slab_a + slab_b)
    warps_across = columns // warp_columns
    blocks_down, blocks_across = warp_rows // 16, warp_columns // 16  # of 16 rows and of 16 columns
    words = blocks_down * 4
    sums = blocks_down * blocks_across * 8
    held_a, held_b = rows * depth // threads, columns * depth // threads
    load_a, save_a = copier(not transposed_a, True, rows, threads, packed, vectors)
    load_b, save_b = copier(transposed_b, False, columns, threads, packed, vectors)
    write = writer(2 * blocks_down, blocks_across, 2, 2, 16, 16, vectors, last)

    @inside
    def multiply(S, at_a, at_b, turn, a, b, total):
        for s in range(2):
            for i in range(blocks_down):
                four = at_a + i * 256 + (i + s) % 2 * turn
                a[i * 4], a[i * 4 + 1], a[i * 4 + 2], a[i * 4 + 3] = load4(S, four)
            for j in range(blocks_across):
                four = at_b + j * 256 + (j + s) % 2 * turn
                b[0], b[1], b[2], b[3] = load4(S, four)
                for i in range(blocks_down):
                    for h in range(2):
                        w, x = i * 4, (i * 2 * blocks_across + j) * 4 + h * 2
                        y = x + blocks_across * 4
                        total[x], total[x + 1], total[y], total[y + 1] = mma(
                            *(a[w], a[w + 1], a[w + 2], a[w + 3], b[h * 2], b[h * 2 + 1]),
                            *(total[x], total[x + 1], total[y], total[y + 1]),
                        )

    def kernel(A, B, C, bias, Z, M, N, K, lda, ldb, ldc, ldz, length):
        # The simulator knows no alignment.
        S = cuda.shared.array(both, uint32) if SIMULATED else cuda.shared.array(both, uint32, alignment=128)
        total = cuda.local.array(sums, float32)
        a = cuda.local.array(words, uint32)
        b = cuda.local.array(4, uint32)
        copy_a = cuda.local.array(held_a, float32)
        copy_b = cuda.local.array(held_b, float32)

        m0, n0 = origin(M, N, rows, columns)
        k0 = int32(cuda.blockIdx.y * length)
        k1 = int32(min(K, int32(k0 + length)))
        thread = int32(cuda.threadIdx.x)
        warp, g, t = int32(thread // 32), int32(thread % 32 // 4), int32(thread % 4)
        down = int32(warp // warps_across * warp_rows)
        across = int32(warp % warps_across * warp_columns)
        mine = place(g, 0, t)
        turn = int32((mine ^ 16) - mine)  # from there to the other half of the chunk
        for i in range(sums):
            total[i] = float32(0)

        load_a(A, m0, k0, M, k1, lda, copy_a, thread)
        load_b(B, n0, k0, N, k1, ldb, copy_b, thread)
        save_a(S, int32(0), copy_a, thread)
        save_b(S, int32(2 * slab_a), copy_b, thread)
        cuda.syncthreads()
        slab = int32(0)  # of each pair, the one to multiply
        for k in range(k0, k1, int32(depth)):  # the last slab is loaded in vain: all of it lies outside
            load_a(A, m0, int32(k + depth), M, k1, lda, copy_a, thread)
            load_b(B, n0, int32(k + depth), N, k1, ldb, copy_b, thread)
            at_a = int32(slab * slab_a + down * DEPTH + mine)
            at_b = int32(2 * slab_a + slab * slab_b + across * DEPTH + mine)
            multiply(S, at_a, at_b, turn, a, b, total)
            slab = int32(1 - slab)
            save_a(S, int32(slab * slab_a), copy_a, thread)
            save_b(S, int32(2 * slab_a + slab * slab_b), copy_b, thread)
            cuda.syncthreads()

        base = int32(cuda.blockIdx.y * M * ldc)
        write(total, C, bias, Z, M, N, ldc, ldz, base, int32(m0 + down + g // 2 * 4 + g % 2), int32(n0 + across + t * 4))

    return kernel
