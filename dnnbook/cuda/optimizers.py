"""Optimizers on the GPU: the steps in place of :mod:`dnnbook.optimizers`, from the same source, one kernel for each step.

``adam_(w, g, state)`` changes `w` and the arrays of `state`, which lie on the device or are NumPy arrays. All parameters of a
network that lie in one array take one kernel.
"""

import functools
import types

import numpy as np

from dnnbook import optimizers
from dnnbook._check import as_scalar
from dnnbook.cuda.device import copied, need, same_place, shape_of, to_host, whole, writable

__all__ = [
    "adam_",
    "adam_init",
    "momentum_",
    "momentum_init",
    "nesterov_",
    "nesterov_at_w_",
    "rmsprop_",
    "rmsprop_init",
    "sgd_",
]


def on_device(step):
    """A step in place of the CPU, on the GPU.

    The body of the step runs as it stands: it works out its numbers, flattens its arrays, and calls the loop over elements.
    Only what it calls is ours: the loop is a kernel, and flat arrays are on the device.
    """
    where = step.__name__
    _, body, state_class = step.with_numbers.args
    pure = getattr(optimizers, where[:-1])
    fields = [n for n, kind in state_class.__annotations__.items() if kind is np.ndarray] if state_class else []

    @functools.wraps(step)
    def on_gpu(*args, stream=0, **kwargs):
        w, g, *rest = pure.contract.given(args, kwargs, where)
        state = rest.pop(0) if state_class else None
        if state_class and type(state) is not state_class:
            raise TypeError(f"{where}: state is {type(state).__name__}, expected {state_class.__name__}")
        shape = shape_of(w)
        arrays = [whole(where, "w", w), whole(where, "g", g, shape)]
        arrays += [whole(where, f"state.{n}", getattr(state, n), shape) for n in fields]
        for a in (arrays[0], *arrays[2:]):
            if not writable(a.memory):
                raise ValueError(f"{where}: {a.name} cannot be changed in place")
        numbers = [as_scalar(where, a, x) for a, x in zip(pure.contract.arguments[-len(rest) :], rest, strict=True)]
        on_gpu_already = same_place(where, *arrays)
        need(where)
        from dnnbook.cuda import _loops

        flat = [a.flat(stream) for a in arrays]
        order = {id(a.memory): f for a, f in zip(arrays, flat, strict=True)}

        def run(loop, arrays, *numbers):
            """What a step calls to run its loop, in place of the CPU's."""
            singles = [np.float32(x) for few in numbers for x in few]
            _loops.launch(_loops.dealt(loop.py_func), flat[0].size, *[order[id(x)] for x in arrays], *singles, stream=stream)

        on_this = types.FunctionType(body.__code__, body.__globals__ | {"run": run})
        result = on_this(w, g, *([state] if state_class else []), *numbers)
        if not on_gpu_already:
            for a, f in zip((arrays[0], *arrays[2:]), (flat[0], *flat[2:]), strict=True):
                to_host(f, a.memory.reshape(-1), stream)
        return result

    on_gpu.__doc__ = f""":func:`dnnbook.optimizers.{where}` on the GPU, for float32 arrays on the device or in NumPy.

    It takes the same arguments and returns the same, and a `stream` to run in.
    """
    return on_gpu


def first_state(name):
    """The function that gives the first state of an optimizer: zeros where `w` is."""
    *_, state_class = getattr(optimizers, f"{name}_").with_numbers.args

    def init(w):
        given = whole(f"{name}_init", "w", w)
        if not given.on_device:
            return getattr(optimizers, f"{name}_init")(w)
        need(f"{name}_init")
        zeros = np.zeros(shape_of(w), np.float32)
        kinds = state_class.__annotations__.values()
        return state_class(*[copied(given.where, zeros) if kind is np.ndarray else 0 for kind in kinds])

    init.__name__ = init.__qualname__ = f"{name}_init"
    init.__doc__ = f":func:`dnnbook.optimizers.{name}_init` where `w` is: zeros on the device for an array there."
    return init


sgd_ = on_device(optimizers.sgd_)
momentum_ = on_device(optimizers.momentum_)
nesterov_ = on_device(optimizers.nesterov_)
nesterov_at_w_ = on_device(optimizers.nesterov_at_w_)
rmsprop_ = on_device(optimizers.rmsprop_)
adam_ = on_device(optimizers.adam_)
momentum_init, rmsprop_init, adam_init = map(first_state, ("momentum", "rmsprop", "adam"))
