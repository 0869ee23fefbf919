"""The kernels of dropout: the masks of :func:`dnnbook.dropout.dropout_mask`, bit by bit, in training never in memory.

The random words come out of the CPU's own generator, compiled for the GPU (:mod:`dnnbook._random`). They are a function of a
key and of their place, so that the way back draws the mask a second time instead of reading it.
"""

import functools

from numba import cuda, float32, types, uint32, uint64

from dnnbook import _random
from dnnbook.cuda._blocks import compiled
from dnnbook.cuda._scalars import inside, scalar
from dnnbook.cuda._vectors import SIMULATED, load4, store4
from dnnbook.cuda.device import processors

THREADS = 32 if SIMULATED else 256
VECTOR = types.Array(types.float32, 1, "C")
KEYS = types.Array(types.uint32, 1, "C")
COUNTER = types.Array(types.int32, 1, "C")
SIGNATURE = types.void(VECTOR, VECTOR, VECTOR, KEYS, COUNTER, types.int32, types.float32, types.uint32, *[types.int32] * 3)

MASK = types.void(VECTOR, types.uint32, types.uint32, types.int32, types.uint32)

philox = inside(_random.philox.py_func)


def body(slope):
    """The Python function of :func:`masked`."""

    @inside
    def kept(x, word, last, scale):
        return (scale if word <= last else float32(0)) * x

    def kernel(x, z, y, keys, counter, fours, scale, last, layer, layers, ahead):
        at = uint32(((counter[0] - ahead) * layers + layer) * 2)
        k0, k1 = uint64(keys[at]), uint64(keys[at + uint32(1)])
        nothing = uint64(0)
        for i in range(uint64(cuda.grid(1)), uint64(fours), uint64(cuda.gridsize(1))):
            p, q, r, s = philox(i, nothing, nothing, nothing, k0, k1)
            a, b, c, d = load4(x, uint64(4) * i)
            a, b = kept(a, p, last, scale), kept(b, q, last, scale)
            c, d = kept(c, r, last, scale), kept(d, s, last, scale)
            if slope is not None:
                e, f, g, h = load4(z, uint64(4) * i)
                a, b, c, d = a * slope(e), b * slope(f), c * slope(g), d * slope(h)
            store4(y, uint64(4) * i, a, b, c, d)

    return kernel


def of(name):
    """:func:`body` with the derivative of that name."""
    return body(name and scalar(name))


@functools.cache
def masked(slope=None):
    """y = m / p x, and with a derivative f of an activation, m / p x f(z): the way back through dropout and activation.

    The arrays have a multiple of 4 elements, ``4 * fours``. The key of the mask stands in row ``counter[0] - ahead`` of a table
    with two words for each of so many `layers`; a unit stays where its word is at most `last`, and `scale` is 1/p.
    """
    return compiled(THREADS, 4)(body(slope))


def mask_body(m, k0, k1, fours, last):
    """The Python function of :func:`mask`."""
    k0, k1 = uint64(k0), uint64(k1)
    nothing = uint64(0)
    for i in range(uint64(cuda.grid(1)), uint64(fours), uint64(cuda.gridsize(1))):
        p, q, r, s = philox(i, nothing, nothing, nothing, k0, k1)
        a, b = float32(1) if p <= last else float32(0), float32(1) if q <= last else float32(0)
        c, d = float32(1) if r <= last else float32(0), float32(1) if s <= last else float32(0)
        store4(m, uint64(4) * i, a, b, c, d)


@functools.cache
def mask():
    """The mask itself, of ``4 * fours`` elements, for those who want it in memory; the key is two words."""
    return compiled(THREADS, 4)(mask_body)


def grid(fours):
    """(blocks, threads of a block) for so many times four elements, at least one."""
    return min(-(-fours // THREADS), 8 * processors()), min(THREADS, fours)
