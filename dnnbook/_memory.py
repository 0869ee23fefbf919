"""Arrays that begin where a cache line does.

NumPy's begin at a multiple of 16 bytes. A vector register of 64 bytes then reads and writes across two lines of the cache each
time; a loop that writes several arrays that are in a cache, such as a step of Adam, takes up to three times as long.
"""

import numpy as np

LINE = 64
"""Bytes of a cache line on most machines, and of the widest vector registers."""


def empty(shape, dtype):
    """An array of any content, as of :func:`numpy.empty`."""
    dtype = np.dtype(dtype)
    size = int(np.prod(shape)) * dtype.itemsize
    memory = np.empty(size + LINE, np.uint8)
    start = -memory.__array_interface__["data"][0] % LINE
    return memory[start : start + size].view(dtype).reshape(shape)


def empty_like(a):
    """An array of any content, of the shape and dtype of another."""
    return empty(a.shape, a.dtype)


def zeros_like(a):
    """An array of zeros, of the shape and dtype of another."""
    z = empty_like(a)
    z[...] = 0
    return z
