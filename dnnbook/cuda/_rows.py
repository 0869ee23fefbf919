"""Kernels along rows and columns of a matrix: softmax cross-entropy with its gradient, sums of columns, the sum of a vector.

Threads meet in shared memory, in a tree that is always the same: equal arguments give equal bits.
"""

import functools
import math

from numba import cuda, float32, int32, types, uint32

from dnnbook.cuda._blocks import compiled
from dnnbook.cuda._scalars import inside
from dnnbook.cuda._vectors import SIMULATED

VECTOR = types.Array(types.float32, 1, "C")
LANES, ROWS = (8, 2) if SIMULATED else (32, 8)  # threads that share one row, rows of a block; simulated threads are slow
CELLS = LANES * ROWS
ENTROPY = types.void(*[VECTOR] * 4, *[types.int32] * 4)
COLUMNS = types.void(VECTOR, VECTOR, *[types.int32] * 4)
TOTAL = types.void(VECTOR, VECTOR, types.int32, types.float32)


@inside
def wins(v, best):
    """Whether v takes the place of the best so far: it is larger, or the first that is no number."""
    return not v <= best and best == best


@inside
def added(cells, cell, count):
    """The sum of one number of each of `count` threads, a power of two, in a tree that is always the same."""
    cuda.syncthreads()
    half = int32(count // 2)
    while half > 0:
        if cell < half:
            cells[uint32(cell)] += cells[uint32(cell + half)]
        cuda.syncthreads()
        half = int32(half // 2)
    return cells[uint32(0)]


def cross_entropy(Z, Y, losses, G, N, K, ldz, ldy):
    """Per row of scores Z and targets Y the loss, and the gradient of the mean of all losses; :data:`LANES` threads a row."""
    values = cuda.shared.array(CELLS, float32)
    places = cuda.shared.array(CELLS, int32)
    weights = cuda.shared.array(CELLS, float32)
    lane, cell = int32(cuda.threadIdx.x), int32(cuda.threadIdx.y * LANES + cuda.threadIdx.x)
    row = int32(cuda.blockIdx.x * ROWS + cuda.threadIdx.y)
    live = row < N
    z0, y0, g0 = int32(row * ldz), int32(row * ldy), int32(row * K)

    # The largest score, the first of equals; the sum of the targets.
    best, top, weight = float32(-math.inf), int32(K), float32(0)
    if live:
        for k in range(lane, K, int32(LANES)):
            v = Z[uint32(z0 + k)]
            if top == K or wins(v, best):
                best, top = v, int32(k)
            weight += Y[uint32(y0 + k)]
    values[uint32(cell)], places[uint32(cell)], weights[uint32(cell)] = best, top, weight
    cuda.syncthreads()
    half = int32(LANES // 2)
    while half > 0:
        if lane < half:
            here, there = uint32(cell), uint32(cell + half)
            v, best = values[there], values[here]
            if places[there] < K and (wins(v, best) or (v == best and places[there] < places[here])):
                values[here], places[here] = v, places[there]
            weights[here] += weights[there]
        cuda.syncthreads()
        half = int32(half // 2)
    first = uint32(cell - lane)
    best, top, weight = values[first], places[first], weights[first]
    cuda.syncthreads()

    # The sum of the exponentials but for the largest, which is 1: next to it the others may be too small to be seen.
    rest, cost = float32(0), float32(0)
    if live:
        for k in range(lane, K, int32(LANES)):
            v, y = Z[uint32(z0 + k)], Y[uint32(y0 + k)]
            e = float32(1) if v == best else float32(math.exp(float32(v - best)))
            if k != top:
                rest += e
            if y != float32(0) and v != best:
                cost += y * (best - v)
    values[uint32(cell)], weights[uint32(cell)] = rest, cost
    cuda.syncthreads()
    half = int32(LANES // 2)
    while half > 0:
        if lane < half:
            values[uint32(cell)] += values[uint32(cell + half)]
            weights[uint32(cell)] += weights[uint32(cell + half)]
        cuda.syncthreads()
        half = int32(half // 2)
    rest, cost = values[first], weights[first]
    if best != best:
        rest = best
    if live:
        if lane == 0:
            losses[uint32(row)] = cost + weight * float32(math.log1p(rest))
        share = float32(1) / (float32(1) + rest)
        count = float32(N)
        for k in range(lane, K, int32(LANES)):
            v, y = Z[uint32(z0 + k)], Y[uint32(y0 + k)]
            if k == top:
                d = (weight - y) - weight * (rest * share)
            else:
                e = float32(1) if v == best else float32(math.exp(float32(v - best)))
                d = weight * (e * share) - y
            G[uint32(g0 + k)] = d / count


def column_sums(X, parts, N, K, ldx, length):
    """Sums of columns of X over rows [s length, (s + 1) length) into parts[s], for every layer s of the grid's second axis."""
    cells = cuda.shared.array(CELLS, float32)
    cell = int32(cuda.threadIdx.y * LANES + cuda.threadIdx.x)
    column = int32(cuda.blockIdx.x * LANES + cuda.threadIdx.x)
    start = int32(cuda.blockIdx.y * length)
    stop = int32(min(N, int32(start + length)))
    total = float32(0)
    if column < K:
        for row in range(int32(start + cuda.threadIdx.y), stop, int32(ROWS)):
            total += X[uint32(row * ldx + column)]
    cells[uint32(cell)] = total
    cuda.syncthreads()
    half = int32(ROWS // 2)
    while half > 0:
        if cuda.threadIdx.y < half:
            cells[uint32(cell)] += cells[uint32(cell + half * LANES)]
        cuda.syncthreads()
        half = int32(half // 2)
    if cuda.threadIdx.y == 0 and column < K:
        parts[uint32(cuda.blockIdx.y * K + column)] = cells[uint32(cell)]


def total(x, out, size, divisor):
    """The sum of a vector over a divisor, by one block."""
    cells = cuda.shared.array(CELLS, float32)
    cell = int32(cuda.threadIdx.y * LANES + cuda.threadIdx.x)
    s = float32(0)
    for i in range(cell, size, int32(CELLS)):
        s += x[uint32(i)]
    cells[uint32(cell)] = s
    s = added(cells, cell, int32(CELLS))
    if cell == 0:
        out[0] = s / divisor


@functools.cache
def kernel(body):
    """One of these, compiled."""
    return compiled(CELLS, 4)(body)
