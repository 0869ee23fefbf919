"""Arrays on a simulated device, and a product of them."""

import numpy as np

from dnnbook.cuda import products
from dnnbook.cuda.device import argument


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


def multiply(hold, tile, shape, order=(False, False), parts=1, fours=False, last=(), pitch=0, shift=0):
    """One product with a tile of our choice, held against float64 by `hold`; tells whether it used 128-bit access."""
    M, N, K = shape
    a, b, bias, z = drawn(M, K), drawn(K, N, seed=1), drawn(N, seed=2), drawn(M, N, seed=3)
    round_up = 4 if fours else 1

    def placed(values, transposed=False):
        width = values.shape[0] if transposed else values.shape[1]
        return Device(values, transposed, -(-(width + pitch) // round_up) * round_up, shift)

    kinds = dict(zip(("bias", "activation", "z"), last, strict=False))
    given_ = {"bias": Device(bias, shift=shift), "z": placed(z)}
    arrays = {
        "a": placed(a, order[0]),
        "b": placed(b, order[1]),
        "c": placed(np.full((M, N), np.nan)),
        "bias": given_["bias"] if kinds.get("bias") else None,
        "z": given_["z"] if kinds.get("z") else None,
    }
    held = {n: v and argument("test", n, v, *("N" if n == "bias" else "MN")) for n, v in arrays.items()}
    products.run(tile, parts, held["a"], held["b"], held["bias"], kinds.get("activation"), held["z"], held["c"])
    assert all(v.untouched() for v in arrays.values() if v)
    chosen = {"bias": bias if kinds.get("bias") else None, "z": z if kinds.get("z") else None}
    hold(arrays["c"].values, a, b, activation=kinds.get("activation"), **chosen)
    return held["a"].fours and held["b"].fours and held["c"].fours
