"""Kernels of the losses in a training step: the sum of the loss, its gradient, and the place of the loss in the record.

The softmax cross-entropy is in :mod:`dnnbook.cuda._rows`. The others are sums over pairs of an output and a target; their
formulas are those of :mod:`dnnbook.losses`.
"""

import functools
import math

import numpy as np
from numba import cuda, float32, int32, types, uint32

from dnnbook.cuda._blocks import compiled
from dnnbook.cuda._rows import added
from dnnbook.cuda._scalars import inside, sigmoid, softplus
from dnnbook.cuda._vectors import SIMULATED

THREADS = 8 if SIMULATED else 256
VECTOR = types.Array(types.float32, 1, "C")
COUNTER = types.Array(types.int32, 1, "C")
PAIRS = types.void(VECTOR, VECTOR, VECTOR, VECTOR, types.int32, types.float32)
RECORD = types.void(VECTOR, VECTOR, COUNTER, types.int32, types.float32)
zero, one = np.float32(0), np.float32(1)


@inside
def mean_squared_error(p, t):
    e = p - t
    return e * e, float32(2) * e


@inside
def cross_entropy(p, t):
    if t == zero and p == zero:  # 0 log 0 and 0 / 0 count as 0
        return zero, zero
    return -t * float32(math.log(p)), -t / p


@inside
def binary_cross_entropy(p, t):
    value, slope = zero, zero
    if t != one or p != one:
        value -= (one - t) * float32(math.log1p(-p))
        slope += (one - t) / (one - p)
    if t != zero or p != zero:
        value -= t * float32(math.log(p))
        slope -= t / p
    return value, slope


@inside
def sigmoid_cross_entropy(z, t):
    value = zero
    if t != zero:
        value += t * softplus(-z)
    if t != one:
        value += (one - t) * softplus(z)
    return value, (one - t) * sigmoid(z) - t * sigmoid(-z)


OF_PAIRS = {
    "mean_squared_error": mean_squared_error,
    "cross_entropy": cross_entropy,
    "binary_cross_entropy": binary_cross_entropy,
    "sigmoid_cross_entropy": sigmoid_cross_entropy,
}


def body(name):
    """The Python function of :func:`pairs`."""
    formula = OF_PAIRS[name]

    def kernel(P, T, parts, G, size, N):
        cells = cuda.shared.array(THREADS, float32)
        cell = int32(cuda.threadIdx.x)
        total = float32(0)
        for i in range(int32(cuda.grid(1)), size, int32(cuda.gridsize(1))):
            value, slope = formula(P[uint32(i)], T[uint32(i)])
            total += value
            G[uint32(i)] = slope / N
        cells[uint32(cell)] = total
        total = added(cells, cell, int32(THREADS))
        if cell == 0:
            parts[uint32(cuda.blockIdx.x)] = total

    return kernel


@functools.cache
def pairs(name):
    """Outputs P and targets T: of every block the sum of its losses into `parts`; the gradient of the sum over N into G."""
    return compiled(THREADS, 4)(body(name))


def record_body(parts, losses, counter, size, N):
    """The Python function of :func:`record`."""
    cells = cuda.shared.array(THREADS, float32)
    cell = int32(cuda.threadIdx.x)
    total = float32(0)
    for i in range(cell, size, int32(THREADS)):
        total += parts[uint32(i)]
    cells[uint32(cell)] = total
    total = added(cells, cell, int32(THREADS))
    if cell == 0:
        losses[uint32(counter[0])] = total / N
        counter[0] += int32(1)


@functools.cache
def record():
    """The sum of `parts` over N into ``losses[counter[0]]``, by one block, which counts: what follows is step counter - 1."""
    return compiled(THREADS, 1)(record_body)
