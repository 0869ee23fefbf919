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

        step.with_numbers = functools.partial(with_numbers, step, body, state_class)
        return step

    return decorate


def with_numbers(step, body, state_class, values):
    """A step in place with its numbers fixed, for loops.

    Arrays that fit as they are go straight to the compiled code. For others `step` says what is wrong, or makes a copy.
    """
    of_state = state_class or type(None)
    parts = [i for i, kind in enumerate(state_class.__annotations__.values()) if kind is np.ndarray] if state_class else []

    def fit(w, g, state):
        if type(w) is not np.ndarray or w.dtype not in FLOATS or type(g) is not np.ndarray or type(state) is not of_state:
            return False
        if not (w.flags.carray and g.flags.c_contiguous and g.shape == w.shape and g.dtype == w.dtype):
            return False
        for i in parts:
            x = state[i]
            if type(x) is not np.ndarray or not x.flags.carray or x.shape != w.shape or x.dtype != w.dtype:
                return False
        return True

    def update_(w, g, *rest):
        if fit(w, g, rest[0] if rest else None):
            return body(w, g, *rest, *values)
        return step(w, g, *rest, *values)

    return update_


def run(loop, arrays, *numbers):
    """Run a compiled loop on contiguous arrays of one shape, taken as vectors, and on numbers in their dtype.

    Numbers that stay the same from step to step stand in a tuple of their own.
    """
    w = arrays[0]
    if w.ndim != 1:
        arrays = [a.reshape(-1) for a in arrays]
    loop(*arrays, *[x for few in numbers for x in cast(w.dtype.type, few)])


@functools.lru_cache(maxsize=32)
def cast(kind, numbers):
    """Numbers in another type, so that float32 stays float32 in compiled code."""
    return [kind(x) for x in numbers]
