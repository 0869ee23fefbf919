"""What the rooms share: first states, the checks of a state, and how a step in place is made from its pure twin."""

import functools
import numbers

import numpy as np

from dnnbook._check import FLOATS, Contract, as_scalar


def first_state(body):
    """Make the function that gives the first state: its arguments are held against its docstring."""
    contract = Contract(body, casts=False)

    @functools.wraps(body)
    def init(*args, **kwargs):
        return body(*contract.bind(args, kwargs)[0])

    init.held_by = contract
    return init


def zeros(w):
    return np.zeros_like(w, order="C")


def hold(where, expected, state, w, **arrays):
    """The arrays of the state by name; an error unless they and the given arrays have the shape and dtype of `w`."""
    of_state = {}
    if expected is not None:
        if type(state) is not expected:
            raise TypeError(f"{where}: state is {type(state).__name__}, expected {expected.__name__}")
        for name, x in zip(expected._fields, state, strict=True):
            kind = expected.__annotations__[name]
            if kind is np.ndarray:
                of_state[f"state.{name}"] = x
            elif kind is int and not (isinstance(x, int | np.integer) and x >= 0):
                raise ValueError(f"{where}: state.{name} is {x!r}, expected an integer in [0, inf)")
            elif kind is float and not isinstance(x, numbers.Real):
                raise TypeError(f"{where}: state.{name} is {x!r}, expected a number")
    for name, x in {**arrays, **of_state}.items():
        if not isinstance(x, np.ndarray | np.generic):
            raise TypeError(f"{where}: {name} is {type(x).__name__}, expected an array")
        if x.shape != w.shape or x.dtype != w.dtype:
            raise ValueError(f"{where}: {name} is {x.dtype} {x.shape}, expected {w.dtype} {w.shape} as w")
    return of_state


def in_place(pure, state_class=None):
    """Make a step in place. Its arguments are those of its pure twin, held against that one's docstring but never copied."""

    def decorate(body):
        where = body.__name__

        @functools.wraps(body)
        def step(*args, **kwargs):
            w, g, *rest = pure.contract.given(args, kwargs, where)
            if not isinstance(w, np.ndarray) or w.dtype not in FLOATS:
                got = w.dtype if isinstance(w, np.ndarray) else type(w).__name__
                raise TypeError(f"{where}: w is {got}, expected an array of float32 or float64")
            state = rest.pop(0) if state_class else None
            changed = {"w": w, **hold(where, state_class, state, w, g=g)}
            for name, x in changed.items():
                if not x.flags.writeable or not x.flags.c_contiguous:
                    wrong = "not C-contiguous" if x.flags.writeable else "read-only"
                    raise ValueError(f"{where}: {name} is {wrong}, expected an array to change in place")
            values = [as_scalar(where, a, x) for a, x in zip(pure.contract.arguments[-len(rest) :], rest, strict=True)]
            return body(w, np.ascontiguousarray(g), *([state] if state_class else []), *values)

        return step

    return decorate


def flat(*arrays):
    """Views of contiguous arrays with one axis."""
    return [a.reshape(-1) for a in arrays]


def cast(w, *values):
    """Numbers in the dtype of `w`, so that float32 stays float32 in compiled code."""
    return [w.dtype.type(x) for x in values]
