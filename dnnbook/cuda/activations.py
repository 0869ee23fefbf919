"""Activation functions and their derivatives on the GPU, for float32 arrays, by the formulas of :mod:`dnnbook.activations`."""

import numpy as np

from dnnbook.cuda.device import empty, interface_of, need, shape_of, to_host, whole
from dnnbook.cuda.products import ACTIVATIONS

__all__ = sorted([*ACTIVATIONS, *[f"{name}_grad" for name in ACTIVATIONS]])


def elementwise(name):
    """The function of that name on the GPU: one kernel that reads every element once and writes it once."""

    def function(z, stream=0):
        from dnnbook.cuda import _loops

        z = whole(name, "z", np.asarray(z, order="C") if interface_of(z) is None else z)
        need(name)
        made = empty(name, z, shape_of(z.memory))
        _loops.launch(_loops.mapped(name), z.extent, z.flat(stream), whole(name, "y", made).flat(stream), stream=stream)
        return made if z.on_device else to_host(made, stream=stream)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f":func:`dnnbook.activations.{name}` on the GPU; the result is where `z` is."
    return function


globals().update({name: elementwise(name) for name in __all__})
