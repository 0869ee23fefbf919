"""Arrays on a simulated device."""

import numpy as np


class Device:
    """An array "on the device": all that the package sees of it is the interface; around it everything is NaN."""

    def __init__(self, values, transposed=False, pitch=0, shift=0):
        values = np.asarray(values, np.float32)
        stored = values.T if transposed else values
        height, width = stored.shape if stored.ndim == 2 else (1, stored.shape[0])
        pitch = max(width, pitch)
        self.base = np.full(64 + shift + height * pitch + 64, np.nan, np.float32)
        start = next(i for i in range(64) if self.base[i:].ctypes.data % 16 == 0) + 32 + shift
        self.inside = np.zeros(self.base.size, bool)
        block = np.lib.stride_tricks.as_strided
        for base in (self.base, self.inside):
            view = block(base[start:], (height, width), (pitch * base.itemsize, base.itemsize))
            view[...] = True if base is self.inside else stored.reshape(height, width)
        size = self.base.itemsize
        strides = (size,) if values.ndim == 1 else (size, pitch * size) if transposed else (pitch * size, size)
        self.values = block(self.base[start:], values.shape, strides)
        self.__cuda_array_interface__ = {
            "shape": values.shape,
            "typestr": "<f4",
            "data": (self.values.ctypes.data, False),
            "strides": strides,
            "version": 3,
        }

    def untouched(self):
        return bool(np.isnan(self.base[~self.inside]).all())


def drawn(*shape, seed=0):
    return np.random.default_rng([seed, *shape]).standard_normal(shape).astype(np.float32)
