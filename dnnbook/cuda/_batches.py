"""The kernel that collects the examples and targets of a batch from the data on the device."""

import functools

from numba import cuda, types, uint32, uint64

from dnnbook.cuda._blocks import compiled
from dnnbook.cuda._vectors import SIMULATED, load4, store4

THREADS = 8 if SIMULATED else 128  # that copy one row
VECTOR = types.Array(types.float32, 1, "C")
ROWS = types.Array(types.int32, 1, "C")
SIGNATURE = types.void(VECTOR, VECTOR, ROWS, ROWS, VECTOR, VECTOR, *[types.int32] * 5)


def body(vectors):
    """The Python function of :func:`gather`."""

    def kernel(X, T, order, counter, x, t, batch, D, K, ldx, ldt):
        n = uint32(cuda.blockIdx.x)
        row = uint64(order[uint64(counter[0]) * uint64(batch) + uint64(n)])
        if vectors:
            for j in range(uint32(cuda.threadIdx.x * 4), uint32(D), uint32(THREADS * 4)):
                a, b, c, d = load4(X, row * uint64(ldx) + uint64(j))
                store4(x, uint64(n) * uint64(D) + uint64(j), a, b, c, d)
        else:
            for j in range(uint32(cuda.threadIdx.x), uint32(D), uint32(THREADS)):
                x[uint64(n) * uint64(D) + uint64(j)] = X[row * uint64(ldx) + uint64(j)]
        for k in range(uint32(cuda.threadIdx.x), uint32(K), uint32(THREADS)):
            t[uint64(n) * uint64(K) + uint64(k)] = T[row * uint64(ldt) + uint64(k)]

    return kernel


@functools.cache
def gather(vectors):
    """Rows ``order[counter[0] * batch + n]`` of X (.., D) and T (.., K) into rows n of x and t, one block for each row.

    With `vectors` the rows of X are copied 128 bits at a time: D and ldx must be multiples of 4.
    """
    return compiled(THREADS, 8)(body(vectors))
