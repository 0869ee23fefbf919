"""Holds a call against its docstring: shapes, dtypes and ranges, with one wording of every error."""

import inspect
import math
import operator

import numpy as np

from dnnbook import _docstring

FLOATS = (np.dtype(np.float32), np.dtype(np.float64))


def as_float(where, name, value):
    """An array of float32 or float64; integers and booleans become float64."""
    if type(value) is np.ndarray and value.dtype in FLOATS:
        return value
    try:
        a = np.asarray(value)
    except ValueError as error:
        raise ValueError(f"{where}: {name} is not an array of one shape") from error
    if a.dtype in FLOATS:
        return a
    if a.dtype.kind in "biu":
        return a.astype(np.float64)
    raise TypeError(f"{where}: {name} has dtype {a.dtype}, expected float32, float64 or integers")


def as_scalar(where, argument, value, integer=False):
    """A number inside the interval that the docstring states."""
    try:
        if isinstance(value, str) or (isinstance(value, np.ndarray) and value.ndim > 0):
            raise TypeError
        x = operator.index(value) if integer else float(value)
    except (TypeError, ValueError):
        expected = "an integer" if integer else "a number"
        raise TypeError(f"{where}: {argument.name} is {value!r}, expected {expected}") from None
    if argument.domain is not None and x not in argument.domain:
        raise ValueError(f"{where}: {argument.name} is {value!r}, expected a number in {argument.domain.text}")
    return x


def hold_range(where, argument, value):
    """An error if a number of the array lies outside the interval that the docstring states; NaN passes."""
    d = argument.domain
    if d is None or value.size == 0:
        return
    low, high = d.low > -math.inf and value.min(), d.high < math.inf and value.max()
    for x in (low, high):
        if x is not False and x == x and x not in d:
            raise ValueError(f"{where}: {argument.name} has a value {x}, expected values in {d.text}")


def shape_text(argument):
    """The declared shape as written, to tell which result has the shape of which argument."""
    return argument.type.partition("shape ")[2].split(", in ")[0]


class Contract:
    """What the docstring of one function promises about its arguments and results; read on the first call."""

    def __init__(self, body, elementwise=False, casts=True):
        self.body, self.name, self.is_elementwise = body, body.__name__, elementwise
        self.casts = casts  # numbers are cast to the dtype of the arrays, as compiled code wants them
        self.ready = {}  # shapes and dtypes of calls that needed no conversion

    def __getattr__(self, name):
        if name not in ("signature", "doc", "arguments", "names", "defaults"):
            raise AttributeError(name)
        self.signature = inspect.signature(self.body)
        self.doc = _docstring.read(self.body)
        self.names = list(self.signature.parameters)
        self.defaults = {n: p.default for n, p in self.signature.parameters.items() if p.default is not p.empty}
        by_name = {a.name: a for a in self.doc.parameters}
        missing = [p for p in self.names if p not in by_name]
        if missing:
            raise TypeError(f"{self.name}: the docstring does not describe {', '.join(missing)}")
        self.arguments = [by_name[p] for p in self.names]
        return self.__dict__[name]

    def given(self, args, kwargs, where=None):
        """The values of all parameters in order, defaults filled in."""
        names, defaults = self.names, self.defaults
        if not kwargs and len(args) == len(names):
            return list(args)
        rest = names[len(args) :]
        if len(args) <= len(names) and kwargs.keys() <= set(rest) and all(n in kwargs or n in defaults for n in rest):
            return [*args, *[kwargs[n] if n in kwargs else defaults[n] for n in rest]]
        try:
            self.signature.bind(*args, **kwargs)
        except TypeError as error:
            raise TypeError(f"{where or self.name}: {error}") from None

    def elementwise(self, args, kwargs):
        """Arguments of an elementwise function in one dtype, ready to broadcast."""
        given = self.given(args, kwargs)
        key = tuple([(v.shape, v.dtype) if type(v) is np.ndarray else None for v in given])
        if key in self.ready:
            return given, self.ready[key]
        values, arrays = list(given), []
        for i, a in enumerate(self.arguments):
            if a.kind == "float":
                values[i] = as_scalar(self.name, a, values[i])
            else:
                arrays.append((values[i], as_float(self.name, a.name, values[i])))
                values[i] = arrays[-1][1]
        dtype = self.common(arrays)
        if len(arrays) > 1 and any(v.shape != arrays[0][1].shape for _, v in arrays):
            try:
                np.broadcast_shapes(*[v.shape for _, v in arrays])
            except ValueError:
                named = zip(self.arguments, values, strict=True)
                shapes = ", ".join(f"{a.name} {v.shape}" for a, v in named if a.kind == "array")
                raise ValueError(f"{self.name}: the shapes do not broadcast: {shapes}") from None
        cast = [dtype.type(v) if type(v) is float else v if v.dtype is dtype else v.astype(dtype) for v in values]
        if None not in key and len(self.ready) < 64 and all(map(operator.is_, cast, given)):
            self.ready[key] = dtype  # nothing to convert, and nothing to find wrong: the next call skips the work above
        return cast, dtype

    @staticmethod
    def common(arrays):
        """The dtype of pairs (argument, array); as in NumPy, a Python number adapts to the others."""
        dtypes = {a.dtype for v, a in arrays if type(v) not in (int, float)}
        return dtypes.pop() if len(dtypes) == 1 else np.result_type(*dtypes) if dtypes else FLOATS[1]

    def output(self, out, values, dtype):
        """The array that `out=` names, if it fits."""
        shape = np.broadcast_shapes(*(v.shape for v in values))
        if not isinstance(out, np.ndarray) or out.shape != shape or out.dtype != dtype:
            got = f"{out.dtype} {out.shape}" if isinstance(out, np.ndarray) else repr(out)
            raise ValueError(f"{self.name}: out is {got}, expected an array of {dtype} {shape}")
        return out

    def bind(self, args, kwargs):
        """Arguments as the body wants them: contiguous, one dtype, their declared number of axes."""
        values = self.given(args, kwargs)
        key = tuple([(v.shape, v.dtype) if type(v) is np.ndarray and v.flags.c_contiguous else None for v in values])
        if key not in self.ready:
            arrays, shapes, dtype = self.arrays(values)
            if len(self.ready) < 64 and all(new is old for new, old in zip(arrays, values, strict=True)):
                self.ready[key] = shapes, dtype  # such arrays need no change: the next call skips the work above
            values = arrays
        else:
            shapes, dtype = self.ready[key]
        for i, a in enumerate(self.arguments):
            if a.kind == "array":
                if a.domain is not None:
                    hold_range(self.name, a, values[i])
                elif a.below is not None:
                    self.hold_integers(a, values[i], shapes[a.below])
            elif a.kind in ("float", "int"):
                x = as_scalar(self.name, a, values[i], a.kind == "int")
                values[i] = dtype.type(x) if self.casts and a.kind == "float" and dtype is not None else x
            elif a.kind == "choice" and values[i] not in a.choices:
                raise ValueError(f"{self.name}: {a.name} is {values[i]!r}, expected one of {', '.join(map(repr, a.choices))}")
        return values, shapes, dtype

    def arrays(self, values):
        """The array arguments converted, the shapes that their declarations name, and the common dtype."""
        values, shapes = list(values), {}
        for i, a in enumerate(self.arguments):
            if a.kind == "array" and a.integer:
                values[i] = np.asarray(values[i])
                if values[i].dtype.kind not in "iu":
                    raise TypeError(f"{self.name}: {a.name} has dtype {values[i].dtype}, expected integers")
            elif a.kind == "array":
                values[i] = as_float(self.name, a.name, values[i])
        floats = [v.dtype for v, a in zip(values, self.arguments, strict=True) if a.kind == "array" and not a.integer]
        dtype = np.result_type(*floats) if floats else None
        for i, a in enumerate(self.arguments):
            if a.kind == "array" and a.shape is not None:
                values[i] = self.shaped(a, values[i], shapes)
            if a.kind == "array" and not a.integer:
                values[i] = np.asarray(values[i], dtype, order="C")
        return values, shapes, dtype

    def shaped(self, a, value, shapes):
        """One array held against its declared shape; leading axes are folded into one."""
        got = value.shape
        wrong = f"{self.name}: {a.name} has shape {got}, expected {shape_text(a)}"
        if a.flat and value.ndim == len(a.shape) - 1:
            value = value[:, None]
        fits = value.ndim >= len(a.shape) if a.lead else value.ndim == len(a.shape)
        if not fits:
            raise ValueError(wrong)
        front = value.ndim - len(a.shape)
        for letter, n in zip(a.shape, value.shape[front:], strict=True):
            expected, owner = (
                (int(letter), "") if letter.isdigit() else shapes.setdefault(letter, (n, f" as in {a.name} {got}"))
            )
            if n != expected:
                raise ValueError(f"{wrong} with {letter} = {expected}{owner}")
            if n == 0:
                raise ValueError(f"{wrong} with {letter} at least 1")
        if a.lead:
            lead = shapes.setdefault("...", value.shape[:front])
            if lead != value.shape[:front]:
                raise ValueError(f"{wrong} with ... = {lead}")
            if front != 1:
                value = value.reshape(-1, *value.shape[front:])
        same = shapes.setdefault(shape_text(a), got)  # a result declared with the same shape gets this one back
        if a.flat and same != got:
            owner = next(b.name for b in self.arguments if b.kind == "array" and shape_text(b) == shape_text(a))
            raise ValueError(f"{self.name}: {a.name} has shape {got}, expected {same} as {owner}")
        return value

    def hold_integers(self, a, value, size):
        """An error if an integer of the array is no index below the size that the docstring names."""
        if value.size and not 0 <= value.min() <= value.max() < size[0]:
            text = f"has values from {value.min()} to {value.max()}, expected 0 to {size[0] - 1}"
            raise ValueError(f"{self.name}: {a.name} {text}")

    def finish(self, result, shapes, dtype):
        """Results in the dtype and with the axes of the arguments."""
        if type(result) is not tuple:
            return self.restored(self.doc.returns[0], result, shapes, dtype)
        return tuple(self.restored(r, y, shapes, dtype) for r, y in zip(self.doc.returns, result, strict=True))

    def restored(self, r, y, shapes, dtype):
        if r.kind == "float":
            with np.errstate(all="ignore"):  # a loss beyond the range of float32 becomes infinite
                return (dtype or FLOATS[1]).type(y)
        if r.kind != "array":
            return y
        if r.lead:
            return y.reshape(shapes["..."] + y.shape[1:])[()]
        if r.flat:
            return y.reshape(shapes[shape_text(r)])
        return y
