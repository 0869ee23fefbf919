"""What the kernels of all matrix products share: which block computes what, reading with guards, and the last step.

Every array is one run of memory with the distance of its rows beside it, so that transposed arrays and slices need no copy.
What lies outside the matrices is never touched: it counts as 0 on the way in and is skipped on the way out.
"""

import functools

from numba import cuda, float32, int32, types, uint32, uint64

from dnnbook.cuda._scalars import inside, scalar
from dnnbook.cuda._vectors import SIMULATED, load4, store4

GROUP = 8  # tiles above each other that run at about the same time: they read the same columns of B, which stay in the cache
VECTOR = types.Array(types.float32, 1, "C")
SIGNATURE = types.void(*[VECTOR] * 5, *[types.int32] * 8)
LONG = "sigmoid", "softplus", "tanh"  # activations of so many instructions that they are not written out for every sum
WIDE, HIGH = 32, 8  # threads of a block that adds up parts: columns, rows


def compiled(threads, blocks):
    """A compiler of kernels whose registers must allow so many threads in a block and so many blocks on a multiprocessor."""
    return cuda.jit if SIMULATED else cuda.jit(launch_bounds=(threads, blocks))


# Numba makes 64-bit integers of all sums and products; the casts keep indices of global memory in 32 bits.


@inside
def origin(M, N, rows, columns):
    """The first row and the first column of this block's tile of C."""
    tiles_down = int32((M + rows - 1) // rows)
    group = int32(GROUP * ((N + columns - 1) // columns))
    block = int32(cuda.blockIdx.x)
    first = int32(block // group * GROUP)
    height = int32(min(int32(tiles_down - first), int32(GROUP)))
    return int32((first + block % group % height) * rows), int32(block % group // height * columns)


@functools.cache
def fetcher(vectors):
    """A device function that reads four neighbors of a row from global memory to registers, with or without 128-bit access."""

    @inside
    def fetch(X, r, c, height, width, pitch, held, to):
        if vectors:  # four neighbors are all inside, or all outside
            if r < height and c < width:
                held[to], held[to + 1], held[to + 2], held[to + 3] = load4(X, int32(r * pitch + c))
            else:
                for q in range(4):
                    held[to + q] = float32(0)
        else:
            at = uint64(int32(r * pitch + c))
            left = int32(width - c) if r < height else int32(0)
            for q in range(4):
                held[to + q] = X[at + uint64(q)] if int32(q) < left else float32(0)

    return fetch


@functools.cache
def writer(rows, fours, near, step_near, step_far, step_across, vectors, last):
    """A device function that takes the last step of a thread's sums and writes them to C, with or without 128-bit access.

    A thread has so many `rows` of sums, each in so many `fours` of neighbors that lie `step_across` columns apart. Row i is
    ``i // near * step_far + i % near * step_near`` below the first one. `last` are the arguments of :func:`finisher`.
    """
    finish, short = finisher(*last), len(last) < 2 or last[1] not in LONG
    part = min(rows, 16 // fours)  # rows whose sums the compiler is willing to write out, one or two parts in all

    @inside
    def write_part(start, total, C, bias, Z, M, N, ldc, ldz, base, first_row, first_column):
        for i in range(start, start + part):
            row = int32(first_row + i // near * step_far + i % near * step_near)
            if row < M:
                for j in range(fours):
                    column = int32(first_column + j * step_across)
                    at = (i * fours + j) * 4
                    if finish is not None and short:
                        for q in range(4):
                            if int32(column + q) < N:
                                place = int32(row * ldz + column + q)
                                total[at + q] = finish(total[at + q], bias, Z, int32(column + q), place)
                    if vectors:
                        if column < N:
                            store4(C, int32(base + row * ldc + column), total[at], total[at + 1], total[at + 2], total[at + 3])
                    else:
                        for q in range(4):
                            if int32(column + q) < N:
                                C[uint32(base + row * ldc + column + q)] = total[at + q]

    @inside
    def write(total, C, bias, Z, M, N, ldc, ldz, base, first_row, first_column):
        write_part(0, total, C, bias, Z, M, N, ldc, ldz, base, first_row, first_column)
        if part < rows:
            write_part(part, total, C, bias, Z, M, N, ldc, ldz, base, first_row, first_column)
        if finish is not None and not short:  # registers have no index: code that takes them one by one is written out for each
            for i in range(rows):
                row = int32(first_row + i // near * step_far + i % near * step_near)
                for j in range(fours * 4):
                    column = int32(first_column + j // 4 * step_across + j % 4)
                    if row < M and column < N:
                        at = uint32(row * ldc + column)
                        C[at] = finish(C[at], bias, Z, column, int32(row * ldz + column))

    return write


@functools.cache
def summed(last=()):
    """A kernel that adds the parts of sums that a product left in ``terms[s]``, always in the same order."""
    return compiled(WIDE * HIGH, 1)(sum_body(last))


SUM_SIGNATURE = types.void(*[VECTOR] * 4, *[types.int32] * 5)


def sum_body(last):
    """The Python function that :func:`summed` compiles."""
    finish = finisher(*last)

    def kernel(terms, C, bias, Z, M, N, ldc, ldz, parts):
        size = int32(M * N)
        column = int32(cuda.blockIdx.x * WIDE + cuda.threadIdx.x)
        if column < N:
            for row in range(int32(cuda.blockIdx.y * HIGH + cuda.threadIdx.y), M, int32(cuda.gridDim.y * HIGH)):
                v = float32(0)
                for s in range(parts):
                    v += terms[uint32(s * size + row * N + column)]
                if finish is not None:
                    v = finish(v, bias, Z, column, int32(row * ldz + column))
                C[uint32(row * ldc + column)] = v

    return kernel


@functools.cache
def finisher(bias=False, activation=None, derivative=False):
    """The last step of a product as a device function; None for no step.

    ``finish(v, bias, Z, j, i)`` adds a bias to a sum v of column j and takes the activation of that, or multiplies v by the
    derivative of the activation at Z[i].
    """
    if activation == "linear" and not derivative:
        activation = None
    f = None if activation is None else scalar(f"{activation}_grad" if derivative else activation)

    if derivative:

        @inside
        def finish(v, bias, Z, j, i):
            return v * f(Z[uint32(i)])
    elif bias and f:

        @inside
        def finish(v, bias, Z, j, i):
            return f(v + bias[uint32(j)])
    elif bias:

        @inside
        def finish(v, bias, Z, j, i):
            return v + bias[uint32(j)]
    elif f:

        @inside
        def finish(v, bias, Z, j, i):
            return f(v)
    else:
        return None
    return finish
