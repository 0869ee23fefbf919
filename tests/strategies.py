"""One table of all public functions, and arguments for each of them drawn from what its docstring promises."""

import importlib
import math

import numpy as np
from hypothesis import strategies as st

from dnnbook import _docstring, optimizers

MODULES = ("activations", "losses", "dense", "initializers", "optimizers")


def public():
    """All public functions that have a contract, by full name."""
    out = {}
    for m in MODULES:
        module = importlib.import_module(f"dnnbook.{m}")
        for name in module.__all__:
            f = getattr(module, name)
            if hasattr(f, "contract"):
                out[f"{m}.{name}"] = f
    return out


FUNCTIONS = public()
ELEMENTWISE = {n: f for n, f in FUNCTIONS.items() if f.contract.is_elementwise}
WHOLE = {n: f for n, f in FUNCTIONS.items() if not f.contract.is_elementwise}
WITH_ARRAYS = {n: f for n, f in FUNCTIONS.items() if any(a.kind == "array" for a in f.contract.arguments)}

SHAPES = st.lists(st.integers(0, 4), max_size=3).map(tuple)
SIZES = st.integers(1, 5)


def ends(domain, reach=8.0):
    """The part of an interval that lies within reach, as two numbers."""
    return (-reach, reach) if domain is None else (max(domain.low, -reach), min(domain.high, reach))


@st.composite
def array(draw, shape, domain=None, dtype=np.float64, whole=False):
    """An array of a shape with values inside an interval; float64 values are float32 numbers too."""
    low, high = ends(domain)
    above = domain is not None and not domain.has_low and low == domain.low
    floats = st.floats(low, high, width=32, allow_subnormal=False, exclude_min=above)
    one = st.integers(math.ceil(low) + above, math.floor(high)) if whole else floats
    n = math.prod(shape)
    values = draw(st.lists(one, min_size=n, max_size=n))
    return np.array(values, np.int64 if whole else dtype).reshape(shape)


@st.composite
def arguments(draw, f, dtype=np.float64, whole=False, shape=None):
    """Valid arguments of a function, in order. With `whole`, its arrays hold integers."""
    c, sizes, values = f.contract, {}, []
    lead = draw(st.lists(SIZES, max_size=2).map(tuple))
    if shape is None:
        shape = draw(SHAPES)
    for a in c.arguments:
        if a.kind == "choice":
            values.append(draw(st.sampled_from(a.choices)))
        elif a.kind == "int":
            values.append(draw(st.integers(1, 1000)))
        elif a.kind == "float":
            low, high = ends(a.domain, 2.0)
            values.append(draw(st.floats(low + 1e-6, high - 1e-6)))
        elif a.kind == "array":
            own = shape if a.shape is None else lead * a.lead + tuple(sizes.setdefault(d, draw(SIZES)) for d in a.shape)
            values.append(draw(array(own, a.domain, dtype, whole)))
        else:  # the state of an optimizer
            values.append(draw(state(getattr(optimizers, a.type), shape, np.float64 if whole else dtype)))
    return values


@st.composite
def state(draw, cls, shape, dtype):
    """A state of an optimizer, its fields inside what its docstring says."""
    of_kind = {
        "array": lambda a: array(shape, a.domain, dtype),
        "int": lambda a: st.integers(0, 9),
        "float": lambda a: st.floats(-8.0, 8.0),
    }
    return cls(*[draw(of_kind[a.kind](a)) for a in _docstring.read(cls).parameters])


def flat(results, numbers=True):
    """Results of any public function as a list of arrays; a state's plain Python numbers only if asked for."""
    out = []
    for r in results if isinstance(results, tuple) else [results]:
        if isinstance(r, tuple):
            out += flat(r, numbers)
        elif numbers or type(r) not in (int, float):
            out.append(np.asarray(r))
    return out
