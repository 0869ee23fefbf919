"""The only place with compiler options, and the three ways to make a public function.

``@elementwise`` compiles a formula for one number into a NumPy-style function of arrays of any shape.
``@compiled`` compiles a formula for whole arrays. ``@checked`` leaves the body to NumPy.
All three read the docstring on the first call and hold every call against it (:mod:`dnnbook._check`).
"""

import functools

import numba
import numpy as np
from numba.np.ufunc.dufunc import DUFunc  # what numba.vectorize makes

from dnnbook._check import Contract

kernel = numba.njit(cache=True, error_model="numpy")
"""Compile an internal loop over arrays. The operations stay in the order written: stable forms depend on it."""

# Reordering lets a sum use vector registers. Not fastmath=True: it would make isnan False.
sums = numba.njit(cache=True, error_model="numpy", fastmath={"contract", "reassoc", "nsz", "arcp"})
"""Compile an internal sum whose terms may be added in any order."""

scalar = numba.njit(cache=True, error_model="numpy", inline="always")
"""Compile an internal helper of one number, to be used inside other formulas."""


class Ufunc(DUFunc):
    """A compiled formula for one number whose result has the type of its arguments, whoever calls it first.

    Numba would take the type from the body, where a literal makes float64 of float32, and would never add another loop.
    """

    def _compile_for_argtys(self, argtys, return_type=None):
        if return_type is None and all(isinstance(t, numba.types.Float) for t in argtys):
            return_type = max(argtys, key=lambda t: t.bitwidth)
        return super()._compile_for_argtys(argtys, return_type)

    def ready(self, dtype):
        """Compile for arguments of one dtype, unless that has happened."""
        if f"{dtype.char * self.nin}->{dtype.char}" not in self.types:
            self.add((numba.from_dtype(dtype),) * self.nin)


def elementwise(body):
    """Make a NumPy-style function out of a formula for one number.

    The function takes arrays of any shape that broadcast, and ``out=``; float32 stays float32, integers count as float64.
    """
    ufunc = Ufunc(body, cache=True)
    quiet = np.errstate(all="ignore")(ufunc)  # NaN and infinities go through silently
    contract = Contract(body, elementwise=True)
    compiled_types = set()
    alone = body.__code__.co_argcount == 1

    @functools.wraps(body)
    def function(*args, out=None, **kwargs):
        if alone and len(args) == 1 and out is None and not kwargs:
            z = args[0]
            if type(z) is np.ndarray and z.dtype in compiled_types:
                return quiet(z)  # nothing to convert and nothing to check: the common case, kept short
        values, dtype = contract.elementwise(args, kwargs)
        if dtype not in compiled_types:
            ufunc.ready(dtype)
            compiled_types.add(dtype)
        if out is not None:
            contract.output(out, values, dtype)
        return quiet(*values, out, dtype=dtype)  # the dtype, lest float32 run in a float64 loop compiled earlier

    function.kernel = ufunc
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
