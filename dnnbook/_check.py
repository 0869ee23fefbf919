"""Holds a call against its docstring: shapes, dtypes and ranges, with one wording of every error."""

import inspect
import operator

import numpy as np

from dnnbook import _docstring

FLOATS = (np.dtype(np.float32), np.dtype(np.float64))


def as_float(where, name, value):
    """An array of float32 or float64; integers and booleans become float64."""
    try:
        a = np.asarray(value)
    except ValueError as error:
        raise ValueError(f"{where}: {name} is not an array of one shape: {error}") from None
    if a.dtype in FLOATS:
        return a
    if a.dtype.kind in "biu":
        return a.astype(np.float64)
    raise TypeError(f"{where}: {name} has dtype {a.dtype}, expected float32, float64 or integers")


def as_scalar(where, argument, value, integer=False):
    """A number inside the interval that the docstring states."""
    try:
        x = operator.index(value) if integer else float(value)
    except (TypeError, ValueError):
        expected = "an integer" if integer else "a number"
        raise TypeError(f"{where}: {argument.name} is {value!r}, expected {expected}") from None
    if argument.domain is not None and x not in argument.domain:
        raise ValueError(f"{where}: {argument.name} is {value!r}, expected a number in {argument.domain.text}")
    return x


def shape_text(argument):
    """The declared shape as written, to tell which result has the shape of which argument."""
    return argument.type.partition("shape ")[2].split(", in ")[0]


class Contract:
    """What the docstring of one function promises about its arguments and results; read on the first call."""

    def __init__(self, body, elementwise=False):
        self.body, self.name, self.is_elementwise = body, body.__name__, elementwise

    def __getattr__(self, name):
        if name not in ("signature", "doc", "arguments"):
            raise AttributeError(name)
        self.signature = inspect.signature(self.body)
        self.doc = _docstring.read(self.body)
        by_name = {a.name: a for a in self.doc.parameters}
        missing = [p for p in self.signature.parameters if p not in by_name]
        if missing:
            raise TypeError(f"{self.name}: the docstring does not describe {', '.join(missing)}")
        self.arguments = [by_name[p] for p in self.signature.parameters]
        return self.__dict__[name]

    def given(self, args, kwargs):
        """The values of all parameters in order, defaults filled in."""
        if not kwargs and len(args) == len(self.arguments):
            return args
        try:
            bound = self.signature.bind(*args, **kwargs)
        except TypeError as error:
            raise TypeError(f"{self.name}: {error}") from None
        bound.apply_defaults()
        return bound.arguments.values()

    def elementwise(self, args, kwargs):
        """Arguments of an elementwise function in one dtype, ready to broadcast."""
        values = list(self.given(args, kwargs))
        for i, a in enumerate(self.arguments):
            values[i] = as_scalar(self.name, a, values[i]) if a.kind == "float" else as_float(self.name, a.name, values[i])
        arrays = [v for v in values if isinstance(v, np.ndarray)]
        dtype = np.result_type(*arrays)
        if len(arrays) > 1:
            try:
                np.broadcast_shapes(*(v.shape for v in arrays))
            except ValueError:
                named = zip(self.arguments, values, strict=True)
                shapes = ", ".join(f"{a.name} {v.shape}" for a, v in named if isinstance(v, np.ndarray))
                raise ValueError(f"{self.name}: the shapes do not broadcast: {shapes}") from None
        return [np.asarray(v, dtype) for v in values], dtype

    def output(self, out, values, dtype):
        """The array that `out=` names, if it fits."""
        shape = np.broadcast_shapes(*(v.shape for v in values))
        if not isinstance(out, np.ndarray) or out.shape != shape or out.dtype != dtype:
            got = f"{out.dtype} {out.shape}" if isinstance(out, np.ndarray) else repr(out)
            raise ValueError(f"{self.name}: out is {got}, expected an array of {dtype} {shape}")
        return out

    def bind(self, args, kwargs):
        """Arguments as the body wants them: contiguous, one dtype, their declared number of axes."""
        values, sizes, lead = list(self.given(args, kwargs)), {}, {}
        floats = []
        for i, a in enumerate(self.arguments):
            if a.kind == "array" and not a.integer:
                values[i] = as_float(self.name, a.name, values[i])
                floats.append(values[i].dtype)
            elif a.kind == "array":
                values[i] = np.asarray(values[i])
                if values[i].dtype.kind not in "iu":
                    raise TypeError(f"{self.name}: {a.name} has dtype {values[i].dtype}, expected integers")
        dtype = np.result_type(*floats) if floats else None
        for i, a in enumerate(self.arguments):
            if a.kind == "array":
                values[i] = self.shaped(a, values[i], sizes, lead, None if a.integer else dtype)
            elif a.kind in ("float", "int"):
                values[i] = as_scalar(self.name, a, values[i], a.kind == "int")
                if a.kind == "float" and dtype is not None:
                    values[i] = dtype.type(values[i])
            elif a.kind == "choice" and values[i] not in a.choices:
                raise ValueError(f"{self.name}: {a.name} is {values[i]!r}, expected one of {', '.join(map(repr, a.choices))}")
        return values, lead, dtype

    def shaped(self, a, value, sizes, lead, dtype):
        """One array held against its declared shape; leading axes are folded into one."""
        if a.shape is None:
            return value if dtype is None else np.asarray(value, dtype)
        got = value.shape
        wrong = f"{self.name}: {a.name} has shape {got}, expected {a.shape_text}"
        if a.flat and value.ndim == len(a.shape) - 1:
            value = value[:, None]
        fits = value.ndim >= len(a.shape) if a.lead else value.ndim == len(a.shape)
        if not fits:
            raise ValueError(wrong)
        front = value.ndim - len(a.shape)
        for letter, n in zip(a.shape, value.shape[front:], strict=True):
            expected, owner = (int(letter), "") if letter.isdigit() else sizes.setdefault(letter, (n, f" as in {a.name} {got}"))
            if n != expected:
                raise ValueError(f"{wrong} with {letter} = {expected}{owner}")
            if n == 0:
                raise ValueError(f"{wrong} with {letter} at least 1")
        if a.lead:
            if lead.setdefault("...", value.shape[:front]) != value.shape[:front]:
                raise ValueError(f"{wrong} with ... = {lead['...']}")
            value = value.reshape(-1, *value.shape[front:])
        if a.below is not None and value.size and not 0 <= value.min() <= value.max() < sizes[a.below][0]:
            n = sizes[a.below][0]
            raise ValueError(f"{self.name}: {a.name} has values from {value.min()} to {value.max()}, expected 0 to {n - 1}")
        lead[shape_text(a)] = got  # a result declared with the same shape gets this one back
        return np.ascontiguousarray(value, dtype)

    def finish(self, result, shapes, dtype):
        """Results in the dtype and with the axes of the arguments."""
        if type(result) is not tuple:
            return self.restored(self.doc.returns[0], result, shapes, dtype)
        return tuple(self.restored(r, y, shapes, dtype) for r, y in zip(self.doc.returns, result, strict=True))

    def restored(self, r, y, shapes, dtype):
        if r.kind == "float":
            return (dtype or np.dtype(np.float64)).type(y)
        if r.kind != "array":
            return y
        if r.lead:
            return y.reshape(shapes["..."] + y.shape[1:])[()]
        if r.flat:
            return y.reshape(shapes[shape_text(r)])
        return y
