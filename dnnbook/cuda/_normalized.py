"""Kernels of batch normalization, forward and backward, each in one pass of blocks that own some columns of a batch.

Sums are in float32. So that they lose nothing far from 0, a column is measured from its first element: what is kept of a
batch is the mean distance from that, and the sum of the squared distances from the mean. Otherwise the formulas are those of
:mod:`dnnbook.batch_norm`, with the gradient taken apart in the same way.
"""

import functools
import math

from numba import cuda, float32, int32, types, uint32

from dnnbook.cuda._blocks import compiled
from dnnbook.cuda._scalars import inside, scalar
from dnnbook.cuda._vectors import SIMULATED

WIDE, HIGH = 8, 4 if SIMULATED else 32  # threads of a block: columns, rows
CELLS = WIDE * HIGH
VECTOR = types.Array(types.float32, 1, "C")
FORWARD = types.void(*[VECTOR] * 9, types.int32, types.int32, types.float32, types.float32)
BACKWARD = types.void(*[VECTOR] * 8, types.int32, types.int32, types.float32)
PREDICTION = types.void(*[VECTOR] * 6, types.int32, types.int32, types.float32)


@inside
def down(cells, value, row, column):
    """The sum over the rows of threads, for every column, in a tree that is always the same."""
    cell = int32(row * WIDE + column)
    cells[uint32(cell)] = value
    cuda.syncthreads()
    half = int32(HIGH // 2)
    while half > 0:
        if row < half:
            cells[uint32(cell)] += cells[uint32(cell + half * WIDE)]
        cuda.syncthreads()
        half = int32(half // 2)
    total = cells[uint32(column)]
    cuda.syncthreads()
    return total


def forward_body(f):
    """The Python function of :func:`forward`."""

    def kernel(x, gamma, beta, mean, var, offsets, squares, z, y, N, D, eps, momentum):
        cells = cuda.shared.array(CELLS, float32)
        row, column = int32(cuda.threadIdx.y), int32(cuda.threadIdx.x)
        j = int32(cuda.blockIdx.x * WIDE + column)
        size = int32(N if j < D else 0)
        first = x[uint32(j)] if j < D else float32(0)
        s = float32(0)
        for n in range(row, size, int32(HIGH)):
            s += x[uint32(n * D + j)] - first
        offset = down(cells, s, row, column) / float32(N)
        s = float32(0)
        for n in range(row, size, int32(HIGH)):
            d = (x[uint32(n * D + j)] - first) - offset
            s += d * d
        spread = down(cells, s, row, column)
        if j < D:
            scale = gamma[uint32(j)] / float32(math.sqrt(spread / float32(N) + eps))
            shift = beta[uint32(j)]
            for n in range(row, N, int32(HIGH)):
                at = uint32(n * D + j)
                v = ((x[at] - first) - offset) * scale + shift
                if f is not None:
                    z[at] = v
                    v = f(v)
                y[at] = v
            if row == 0:
                offsets[uint32(j)], squares[uint32(j)] = offset, spread
                if N > 1 and mean.size > 0:
                    kept = float32(1) - momentum
                    mean[uint32(j)] = kept * mean[uint32(j)] + momentum * (first + offset)
                    var[uint32(j)] = kept * var[uint32(j)] + momentum * (spread / float32(N - 1))

    return kernel


def forward_of(name):
    """:func:`forward_body` with the activation of that name."""
    return forward_body(name and scalar(name))


@functools.cache
def forward(f=None):
    """Normalize x (N, D) by itself into z, and y = f(z); without an f, only into y. Keep what the way back needs; let the
    running mean and variance follow, unless they are empty."""
    return compiled(CELLS, 4)(forward_body(f))


def backward_body(g, x, gamma, offsets, squares, dx, dgamma, dbeta, N, D, eps):
    """The Python function of :func:`backward`."""
    cells = cuda.shared.array(CELLS, float32)
    row, column = int32(cuda.threadIdx.y), int32(cuda.threadIdx.x)
    j = int32(cuda.blockIdx.x * WIDE + column)
    size = int32(N if j < D else 0)
    first, offset, spread = float32(0), float32(0), float32(0)
    if j < D:
        first, offset, spread = x[uint32(j)], offsets[uint32(j)], squares[uint32(j)]
    count = float32(N)
    s = float32(0)
    for n in range(row, size, int32(HIGH)):
        s += g[uint32(n * D + j)]
    total = down(cells, s, row, column)
    middle = total / count
    s = float32(0)
    for n in range(row, size, int32(HIGH)):
        at = uint32(n * D + j)
        s += (g[at] - middle) * ((x[at] - first) - offset)
    along = down(cells, s, row, column)
    slope = along / spread if spread > float32(0) else float32(0)  # of the error along x
    s, t = float32(0), float32(0)
    for n in range(row, size, int32(HIGH)):
        at = uint32(n * D + j)
        d = (x[at] - first) - offset
        across = (g[at] - middle) - slope * d
        s += across
        t += across * d
    rest = down(cells, s, row, column) / count
    t = down(cells, t, row, column)
    rest_slope = t / spread if spread > float32(0) else float32(0)
    inverse = float32(1) / float32(math.sqrt(spread / count + eps))
    through = eps * inverse * inverse  # what eps lets through of the error along x
    if j < D:
        scale = gamma[uint32(j)] * inverse
        for n in range(row, N, int32(HIGH)):
            at = uint32(n * D + j)
            d = (x[at] - first) - offset
            across = (g[at] - middle) - slope * d
            kept = (across - rest) - rest_slope * d  # a second time: now orthogonal to the last digit
            dx[at] = scale * (kept + slope * d * through)
        if row == 0:
            dgamma[uint32(j)], dbeta[uint32(j)] = along * inverse, total


@functools.cache
def backward():
    """The gradients of x, gamma and beta from that of the output."""
    return compiled(CELLS, 4)(backward_body)


def prediction_body(f):
    """The Python function of :func:`prediction`."""

    def kernel(x, gamma, beta, mean, var, y, N, D, eps):
        j = int32(cuda.blockIdx.x * WIDE + cuda.threadIdx.x)
        if j < D:
            scale = gamma[uint32(j)] / float32(math.sqrt(var[uint32(j)] + eps))
            middle, shift = mean[uint32(j)], beta[uint32(j)]
            for n in range(int32(cuda.blockIdx.y * HIGH + cuda.threadIdx.y), N, int32(cuda.gridDim.y * HIGH)):
                at = uint32(n * D + j)
                v = (x[at] - middle) * scale + shift
                y[at] = f(v) if f is not None else v

    return kernel


def prediction_of(name):
    """:func:`prediction_body` with the activation of that name."""
    return prediction_body(name and scalar(name))


@functools.cache
def prediction(f=None):
    """Normalize by the running mean and variance, and y = f of that if there is an f."""
    return compiled(CELLS, 4)(prediction_body(f))
