"""Dropout on the GPU, for float32 arrays, by the formulas of :mod:`dnnbook.dropout` and with its masks, bit by bit."""

import math

import numpy as np

from dnnbook import dropout as on_cpu
from dnnbook._check import as_scalar
from dnnbook.cuda.device import FLOAT, LIMIT, allocated, empty, interface_of, need, same_place, shape_of, to_host, whole

__all__ = ["dropout", "dropout_mask", "dropout_vjp"]


def dropout(x, mask, keep, stream=0):
    """:func:`dnnbook.dropout.dropout` on the GPU, for `x` and `mask` of one shape; the result is where they are."""
    return masked("dropout", "x", x, mask, keep, stream)


def dropout_vjp(g, mask, keep, stream=0):
    """:func:`dnnbook.dropout.dropout_vjp` on the GPU, for `g` and `mask` of one shape; the result is where they are."""
    return masked("dropout_vjp", "g", g, mask, keep, stream)


def masked(where, name, x, mask, keep, stream):
    """m / p x in one kernel."""
    from_host = [np.asarray(a, order="C") if interface_of(a) is None else a for a in (x, mask)]
    x, mask = (whole(where, n, a) for n, a in zip((name, "mask"), from_host, strict=True))
    shape, got = shape_of(x.memory), shape_of(mask.memory)
    if got != shape:
        raise ValueError(f"{where}: mask has shape {got}, expected {shape} as {name}")
    on_device = same_place(where, x, mask)
    keep = FLOAT.type(as_scalar(where, on_cpu.KEEP, keep))
    need(where)
    from dnnbook.cuda import _loops

    made = empty(where, x, shape)
    arrays = x.flat(stream), mask.flat(stream), whole(where, "y", made).flat(stream)
    _loops.launch(_loops.kept(), x.extent, *arrays, keep, stream=stream)
    return made if on_device else to_host(made, stream=stream)


def dropout_mask(rng, shape, keep, stream=0):
    """:func:`dnnbook.dropout.dropout_mask` on the GPU: the same mask for the same generator, in a new array on the device."""
    where = "dropout_mask"
    shape, last = np.broadcast_shapes(shape), on_cpu._last(where, keep)  # a number is the shape of a vector, as for NumPy
    size = math.prod(shape)
    if size >= LIMIT - 4:
        raise ValueError(f"{where}: shape {shape} has {size} elements, expected fewer than 2**31 - 4")
    need(where)
    key = int(on_cpu._key(where, rng))
    from dnnbook.cuda import _masked

    fours = -(-size // 4)
    made = allocated(where, 4 * fours)
    if fours:
        blocks, threads = _masked.grid(fours)
        words = [np.uint32(key & 0xFFFFFFFF), np.uint32(key >> 32)]
        _masked.mask()[blocks, threads, stream](made, *words, np.int32(fours), last)
    return made[:size].reshape(shape)
