"""Parameters of a network in one vector on the device, so that one kernel can step them all."""

import itertools
import math
from typing import NamedTuple

import numpy as np

from dnnbook import network
from dnnbook.cuda._stages import KINDS, Matrix, kind
from dnnbook.cuda.device import FLOAT, allocated


class Part(NamedTuple):
    """Where one array stands in the vector."""

    start: int
    shape: tuple

    @property
    def stop(self):
        """The next one begins on a multiple of 16 bytes: what is between stays 0."""
        return self.start + -(-math.prod(self.shape) // 4) * 4


class Layout:
    """Arrays of all layers in one vector.

    Parameters
    ----------
    where : str
        What errors call it.
    entries : sequence of sequences of ndarray
        One entry for each layer.
    """

    def __init__(self, where, entries):
        start, self.parts = 0, []
        for arrays in entries:
            self.parts.append([])
            for a in arrays:
                self.parts[-1].append(Part(start, a.shape))
                start = self.parts[-1][-1].stop
        self.where, self.size = where, max(start, 4)

    def vector(self, entries=None):
        """A vector on the device with these arrays, or with zeros."""
        host = np.zeros(self.size, FLOAT)
        for part, a in zip(itertools.chain(*self.parts), itertools.chain(*(entries or ())), strict=entries is not None):
            host[part.start : part.start + a.size] = a.reshape(-1)
        made = allocated(self.where, self.size)
        made.copy_to_device(host)
        return made

    def matrices(self, vector):
        """The arrays as parts of a vector on the device, for kernels."""
        return tuple(tuple(Matrix(vector[p.start : p.stop], *((1, *p.shape)[-2:])) for p in entry) for entry in self.parts)

    def arrays(self, vector):
        """The arrays as parts of a vector, wherever it is."""
        return tuple(
            tuple(vector[p.start : p.start + math.prod(p.shape)].reshape(p.shape) for p in entry) for entry in self.parts
        )


def checked(where, layers, params):
    """The widths of the input and of the output of a network that can be on the device."""
    for i, layer in enumerate(layers):
        if kind(layer)[0] is None:
            expected = ", ".join(sorted({name.replace("pointwise", "elementwise activation") for name in KINDS.values()}))
            raise ValueError(f"{where}: layer {i} is {layer.name}, expected one of these on the GPU: {expected}")
    if not isinstance(params, list | tuple) or not all(isinstance(p, list | tuple) for p in params):
        raise TypeError(f"{where}: params is no sequence of tuples of arrays, one for each layer, as network.init gives it")
    network._match(where, "params", layers, params)
    arrays = list(itertools.chain(*params))
    if not arrays:
        raise ValueError(f"{where}: the network has no parameters, expected at least one dense layer")
    for a in arrays:
        if not isinstance(a, np.ndarray) or a.dtype != FLOAT:
            raise TypeError(f"{where}: params has a {getattr(a, 'dtype', type(a).__name__)}, expected arrays of float32")
    width = arrays[0].shape[0]
    return width, network.predict(layers, params, np.zeros((1, width), FLOAT)).shape[1]
