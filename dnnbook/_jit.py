"""The only place with compiler options, and the three ways to make a public function.

``@elementwise`` compiles a formula for one number into a NumPy-style function of arrays of any shape.
``@compiled`` compiles a formula for whole arrays. ``@checked`` leaves the body to NumPy.
All three read the docstring on the first call and hold every call against it (:mod:`dnnbook._check`).
"""

import functools

import numba
import numpy as np

from dnnbook._check import FLOATS, Contract

kernel = numba.njit(cache=True, error_model="numpy")
"""Compile an internal loop over arrays. The operations stay in the order written: stable forms depend on it."""

# Reordering lets a sum use vector registers. Not fastmath=True: it would make isnan False.
sums = numba.njit(cache=True, error_model="numpy", fastmath={"contract", "reassoc", "nsz", "arcp"})
"""Compile an internal sum whose terms may be added in any order."""

scalar = numba.njit(cache=True, error_model="numpy", inline="always")
"""Compile an internal helper of one number, to be used inside other formulas."""


# To be compiled into the loop around it, whatever its length: a call inside would keep the loop from using vector registers.
# FMA where the machine has it, but no reordering.
number = numba.njit(cache=True, error_model="numpy", fastmath={"contract"}, forceinline=True)
"""Compile a formula for one number."""


class Loops:
    """A formula for one number, compiled as loops over arrays: what `kernel` is for an elementwise function.

    Arguments are arrays and numbers of one dtype, float32 or float64; nothing is checked. Its results have that dtype.
    """

    def __init__(self, body):
        self.body, self.number, self.compiled = body, number(body), {}

    def __call__(self, *values, out=None):
        arrays = [v for v in values if type(v) is np.ndarray and v.ndim]
        if not arrays:
            y = self(*(np.full(1, v, v.dtype) for v in values))[0]
            return y if out is None else np.copyto(out, y) or out
        shape = arrays[0].shape
        if any(a.shape != shape or not a.flags.c_contiguous for a in arrays):
            return self.anyhow(values, out)
        if out is None:
            out = np.empty(shape, arrays[0].dtype)
        elif not out.flags.c_contiguous:
            out[...] = self(*values)
            return out
        if len(shape) != 1 or len(arrays) < len(values):
            values = [v if type(v) is not np.ndarray else v.reshape(-1) if v.ndim else v[()] for v in values]
        self.loop(values)(*values, out if len(shape) == 1 else out.reshape(-1))
        return out

    def anyhow(self, values, out):
        """Arrays that are not alike: broadcast, or not contiguous."""
        arrays = [v if type(v) is np.ndarray else np.asarray(v) for v in values]
        if out is None and all(a.flags.f_contiguous and a.shape == arrays[0].shape for a in arrays):
            return self(*(a.T for a in arrays)).T
        whole = np.broadcast_arrays(*arrays)
        y = self(*(np.ascontiguousarray(a) for a in whole))
        return y if out is None else np.copyto(out, y) or out

    def loop(self, values):
        """The loop for arrays at some places and numbers at others."""
        key = tuple([type(v) is np.ndarray and v.ndim > 0 for v in values])
        if key not in self.compiled:
            self.compiled[key] = self.compile(key)
        return self.compiled[key]

    def compile(self, key):
        code = self.body.__code__
        names = code.co_varnames[: len(key)]
        terms = [f"{n}[i]" if array else n for n, array in zip(names, key, strict=True)]
        name = f"{self.body.__name__}_{'_'.join('number' if not array else 'array' for array in key)}"
        text = f"def {name}({', '.join(names)}, out):\n    for i in range(out.size):\n        out[i] = f({', '.join(terms)})\n"
        space = {"f": self.number, "__name__": self.body.__module__}
        # Numba's cache wants a file and a line, and takes a change of that file for a change of the code.
        exec(compile("\n" * (code.co_firstlineno - 1) + text, code.co_filename, "exec"), space)
        return numba.njit(cache=True, error_model="numpy", nogil=True)(space[name])


def elementwise(body):
    """Make a NumPy-style function out of a formula for one number.

    The function takes arrays of any shape that broadcast, and ``out=``; float32 stays float32, integers count as float64.
    """
    loops = Loops(body)
    contract = Contract(body, elementwise=True)
    alone = body.__code__.co_argcount == 1

    @functools.wraps(body)
    def function(*args, out=None, **kwargs):
        if alone and len(args) == 1 and out is None and not kwargs:
            z = args[0]
            if type(z) is np.ndarray and z.dtype in FLOATS:
                return loops(z)  # nothing to convert and nothing to check: the common case, kept short
        values, dtype = contract.elementwise(args, kwargs)
        if out is not None:
            contract.output(out, values, dtype)
        return loops(*values, out=out)

    function.kernel = loops
    function.contract = contract
    return function


def _public(body, run, casts):
    contract = Contract(body, casts=casts)

    @functools.wraps(body)
    def function(*args, **kwargs):
        values, shapes, dtype = contract.bind(args, kwargs)
        return contract.finish(run(*values), shapes, dtype)

    function.kernel = run
    function.contract = contract
    return function


def compiled(body):
    """Make a public function out of a formula for whole arrays, compiled."""
    return _public(body, kernel(body), casts=True)


def checked(body):
    """Make a public function out of a formula for whole arrays, in plain NumPy."""
    return _public(body, np.errstate(all="ignore")(body), casts=False)
