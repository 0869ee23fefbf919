"""The only place with compiler options, and the ways to make a public function.

``@elementwise`` compiles a formula for one number into a NumPy-style function of arrays of any shape.
``@compiled`` compiles a formula for whole arrays. ``@checked`` leaves the body to NumPy. ``@rowwise``, for functions of rows,
is in :mod:`dnnbook._rows`. All read the docstring on the first call and hold every call against it (:mod:`dnnbook._check`).
"""

import functools

import numba
import numpy as np

from dnnbook import _threads
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
NUMBER = {"error_model": "numpy", "fastmath": {"contract"}, "forceinline": True}
number = numba.njit(cache=True, **NUMBER)
"""Compile a formula for one number."""


class Loops:
    """A formula for one number, compiled as loops over arrays: what `kernel` is for an elementwise function.

    Arguments are arrays and numbers of one dtype, float32 or float64; nothing is checked. Its results have that dtype.
    The loop runs on the calling thread, unless `share` is true and :mod:`dnnbook._threads` finds it long enough.
    """

    def __init__(self, body):
        self.body, self.number, self.compiled, self.short = body, number(body), {}, None
        self.cost = 1.0 if uses_elementary(body) else 0.05  # nanoseconds for each number, about

    def __call__(self, *values, out=None, share=False):
        arrays = [v for v in values if type(v) is np.ndarray and v.ndim]
        if not arrays:
            y = self(*(np.full(1, v, v.dtype) for v in values))[0]
            return y if out is None else np.copyto(out, y) or out
        shape = arrays[0].shape
        if any(a.shape != shape or not a.flags.c_contiguous for a in arrays):
            kinds = by_columns(values, out)
            return self.columns(kinds, values, out, share) if kinds else self.anyhow(values, out, share)
        if out is None:
            result, place = np.empty(shape, arrays[0].dtype), None
        elif out.flags.c_contiguous:
            result, place = out, next((i for i, v in enumerate(values) if v is out), None)
        else:
            out[...] = self(*values, share=share)
            return out
        loop = self.loop(values, place)
        if len(shape) != 1 or len(arrays) < len(values):
            values = [v if type(v) is not np.ndarray else v.reshape(-1) if v.ndim else v[()] for v in values]
        self.run(loop, result.size, share, *values, result.reshape(-1))
        return result

    def run(self, loop, size, share, *values):
        if share and size * self.cost >= _threads.LEAST:
            _threads.share(loop, size * self.cost, *values)
        else:
            loop(*values)

    def single(self, z, numbers=()):
        """The short way for one contiguous array, with numbers behind it; large ones are shared."""
        result = y = np.empty(z.shape, z.dtype)
        if z.ndim > 1:
            z, y = z.reshape(-1), y.reshape(-1)
        if self.short is None:
            self.short = self.loop((z, *numbers))
        if y.size * self.cost < _threads.LEAST:
            self.short(z, *numbers, y)
        else:
            _threads.share(self.short, y.size * self.cost, z, *numbers, y)
        return result

    def columns(self, kinds, values, out, share):
        """An array, and beside it numbers for each of its columns."""
        shape = values[0].shape
        result, place = (np.empty(shape, values[0].dtype), None) if out is None else (out, 0 if out is values[0] else None)
        key = place, *kinds
        if key not in self.compiled:
            self.compiled[key] = self.compile_columns(place, kinds)
        flat = lambda a: a.reshape(-1, shape[-1])  # noqa: E731
        form = {"number": lambda v: v[()], "array": flat, "column": lambda v: (v,)}  # what is in a tuple is not cut for threads
        values = [form[kind](v) for kind, v in zip(kinds, values, strict=True)]
        self.run(self.compiled[key], result.size, share, *values, flat(result))
        return result

    def anyhow(self, values, out, share):
        """Arrays that are not alike: broadcast, or not contiguous."""
        arrays = [v if type(v) is np.ndarray else np.asarray(v) for v in values]
        if out is None and all(a.flags.f_contiguous and a.shape == arrays[0].shape for a in arrays):
            return self(*(a.T for a in arrays), share=share).T
        shape = np.broadcast_shapes(*(a.shape for a in arrays))
        whole = [np.ascontiguousarray(a) if a.shape == shape else np.broadcast_to(a, shape).copy() for a in arrays]
        y = self(*whole, share=share)
        return y if out is None else np.copyto(out, y) or out

    def loop(self, values, place=None):
        """The loop for arrays at some places and numbers at others; it may write into the array at `place`."""
        key = place, *[type(v) is np.ndarray and v.ndim > 0 for v in values]
        if key not in self.compiled:
            self.compiled[key] = self.compile(place, key[1:])
        return self.compiled[key]

    def compile(self, place, arrays):
        code = self.body.__code__
        names = code.co_varnames[: len(arrays)]
        terms = [f"{n}[i]" if array else n for n, array in zip(names, arrays, strict=True)]
        # The compiler must see that the result lies in an argument: of overlapping arrays it takes one number at a time.
        target = "out" if place is None else names[place]
        name = "_".join([self.body.__name__, *("array" if a else "number" for a in arrays), target])
        text = f"def {name}({', '.join(names)}, out):\n"
        text += f"    for i in range(out.size):\n        {target}[i] = f({', '.join(terms)})\n"
        space = {"f": self.number, "__name__": self.body.__module__}
        # Numba's cache wants a file and a line, and takes a change of that file for a change of the code.
        exec(compile("\n" * (code.co_firstlineno - 1) + text, code.co_filename, "exec"), space)
        return numba.njit(cache=True, error_model="numpy", nogil=True)(space[name])

    def compile_columns(self, place, kinds):
        code = self.body.__code__
        names = code.co_varnames[: len(kinds)]
        arrays, columns = ([n for n, kind in zip(names, kinds, strict=True) if kind == k] for k in ("array", "column"))
        index = {"number": "", "array": "_[i]", "column": "[i]"}
        terms = [n + index[kind] for n, kind in zip(names, kinds, strict=True)]
        target = "out" if place is None else names[place]
        name = "_".join([self.body.__name__, *kinds, target])
        text = f"def {name}({', '.join(names)}, out):\n"
        text += "".join(f"    {n} = repeated({n}[0])\n" for n in columns)
        text += f"    step = len({columns[0]})\n"
        text += "".join(f"    {n} = {n}.reshape(-1)\n" for n in [*arrays, "out"])
        text += "    for low in range(0, len(out), step):\n"
        text += "".join(f"        {n}_ = {n}[low : low + step]\n" for n in [*arrays, "out"])
        text += f"        for i in range(len(out_)):\n            {target}_[i] = f({', '.join(terms)})\n"
        space = {"f": self.number, "repeated": repeated, "__name__": self.body.__module__}
        exec(compile("\n" * (code.co_firstlineno - 1) + text, code.co_filename, "exec"), space)
        return numba.njit(cache=True, error_model="numpy", nogil=True)(space[name])


@kernel
def repeated(column):
    """A vector repeated, so that the numbers of several short rows can be taken together."""
    times, n = max(1, 1024 // len(column)), len(column)
    out = np.empty(times * n, column.dtype)
    for i in range(times):
        out[i * n : (i + 1) * n] = column
    return out


def by_columns(values, out):
    """What each argument is, if the first one is an array and the others fit its rows without a copy; else nothing."""
    z, kinds = values[0], []
    if type(z) is not np.ndarray or z.ndim < 2 or z.size == 0:
        return None
    if out is not None and not (out.flags.c_contiguous and out.shape == z.shape):
        return None
    for v in values:
        if type(v) is not np.ndarray or v.ndim == 0:
            kinds.append("number")
        elif not v.flags.c_contiguous or v.shape not in (z.shape, z.shape[-1:]):
            return None
        else:
            kinds.append("array" if v.shape == z.shape else "column")
    return kinds


def uses_elementary(body):
    """Whether a formula uses one of the functions of :mod:`dnnbook._elementary`, itself or in a helper: it is a long one."""
    if body.__module__ == "dnnbook._elementary":
        return True
    used = [body.__globals__.get(n) for n in body.__code__.co_names]
    return any(uses_elementary(f.py_func) for f in used if hasattr(f, "py_func"))


def elementwise(body):
    """Make a NumPy-style function out of a formula for one number.

    The function takes arrays of any shape that broadcast, and ``out=``; float32 stays float32, integers count as float64.
    """
    loops = Loops(body)
    contract = Contract(body, elementwise=True)
    defaults = body.__defaults__ or ()
    alone = body.__code__.co_argcount == 1 + len(defaults)
    numbers = {dtype: [dtype.type(v) for v in defaults] for dtype in FLOATS}

    @functools.wraps(body)
    def function(*args, out=None, **kwargs):
        if alone and len(args) == 1 and out is None and not kwargs:
            z = args[0]
            if type(z) is np.ndarray and z.dtype in FLOATS and z.flags.c_contiguous and z.ndim:
                # nothing to convert and nothing to check: the common case, kept short
                return loops.single(z, numbers[z.dtype]) if defaults else loops.single(z)
        values, dtype = contract.elementwise(args, kwargs)
        if out is None:
            return loops(*values, share=True)
        contract.output(out, values, dtype)
        if any(v is not out and np.may_share_memory(v, out) for v in values):
            out[...] = loops(*values, share=True)
            return out
        return loops(*values, out=out, share=True)

    function.kernel = loops
    function.contract = contract
    return function


def public(body, run, casts, kernel=None):
    """Make a public function that holds its arguments against the docstring, and then does `run`."""
    contract = Contract(body, casts=casts)

    @functools.wraps(body)
    def function(*args, **kwargs):
        values, shapes, dtype = contract.bind(args, kwargs)
        return contract.finish(run(*values), shapes, dtype)

    function.kernel = kernel or run
    function.contract = contract
    return function


def compiled(body):
    """Make a public function out of a formula for whole arrays, compiled."""
    return public(body, kernel(body), casts=True)


def checked(body):
    """Make a public function out of a formula for whole arrays, in plain NumPy."""
    return public(body, np.errstate(all="ignore")(body), casts=False)
