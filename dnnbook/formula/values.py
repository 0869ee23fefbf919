"""Arithmetic as printed: exact numbers (mpmath), object arrays of them, and the identity matrix of any size.

A product of two letters means different things for numbers, vectors and matrices; here each meaning has its rule, and
whatever has none is an error.
"""

import mpmath
import numpy as np
from mpmath import mpf

FUNCTIONS = {
    "exp": mpmath.exp,
    "log": mpmath.log,
    "ln": mpmath.log,
    "sin": mpmath.sin,
    "cos": mpmath.cos,
    "tan": mpmath.tan,
    "sinh": mpmath.sinh,
    "cosh": mpmath.cosh,
    "tanh": mpmath.tanh,
    "arctan": mpmath.atan,
    "erf": mpmath.erf,
    "arsinh": mpmath.asinh,
    "sgn": mpmath.sign,
    "sign": mpmath.sign,
}


class Identity:
    """c times the identity matrix, of whatever size the place asks for."""

    def __init__(self, c=mpf(1)):  # noqa: B008 - a number
        self.c = c

    def like(self, a):
        return diag([self.c] * len(a))


class Row(np.ndarray):
    """A transposed vector: times a vector it is a number, which a matrix of one row is not."""


def diag(values):
    out = np.full((len(values), len(values)), mpf(0), dtype=object)
    for i, v in enumerate(values):
        out[i, i] = v
    return out


def exact(x):
    """A float or array of floats as exact numbers."""
    a = np.asarray(x)
    if a.ndim == 0:
        return mpf(a.item())
    out = np.empty(a.shape, dtype=object)
    out.flat[:] = [mpf(v) for v in a.ravel().tolist()]
    return out


def shape(x):
    return x.shape if isinstance(x, np.ndarray) else ()


def elementwise(f, *xs):
    return np.frompyfunc(f, len(xs), 1)(*xs) if any(isinstance(x, np.ndarray) for x in xs) else f(*xs)


def add(a, b):
    if isinstance(a, Identity) or isinstance(b, Identity):
        a, b = (a.like(b), b) if isinstance(a, Identity) else (a, b.like(a))
    if shape(a) != shape(b):
        raise ValueError(f"cannot add shapes {shape(a)} and {shape(b)}")
    return a + b


def times(a, b):
    if isinstance(a, Identity) or isinstance(b, Identity):
        e, other = (a, b) if isinstance(a, Identity) else (b, a)
        return Identity(e.c * other) if shape(other) == () else e.c * other
    sa, sb = shape(a), shape(b)
    if sa == () or sb == ():
        return a * b
    if len(sa) == 1 and isinstance(b, Row):
        return np.outer(a, np.asarray(b)[0])
    if len(sa) == 1:
        raise ValueError(r"two vectors side by side: write \mathbf a^\top \mathbf b, \mathbf a \mathbf b^\top or \odot")
    if sa[1] != sb[0]:
        raise ValueError(f"cannot multiply shapes {sa} and {sb}")
    out = np.asarray(a) @ np.asarray(b)
    if isinstance(a, Row):
        return out.item() if len(sb) == 1 else out.view(Row)
    return out


def dot(op, a, b):
    if op == r"\odot":
        if shape(a) != shape(b) or shape(a) == ():
            raise ValueError(rf"\odot needs two arrays of one shape, got {shape(a)} and {shape(b)}")
        return a * b
    if shape(a) and shape(b):
        raise ValueError(rf"{op} between two arrays: write \odot or ^\top")
    return a * b


def divide(a, b):
    if shape(b) not in ((), shape(a)) and shape(a) != ():
        raise ValueError(f"cannot divide shapes {shape(a)} and {shape(b)}")
    return elementwise(quotient, a, b)


def quotient(a, b):
    """a / b with the limits of the extended real line; 0 / 0 is undefined."""
    if b != 0:
        return a / b
    return mpf("nan") if a == 0 or mpmath.isnan(a) else mpf("inf") * mpmath.sign(a)


def log(x):
    """The real logarithm: undefined left of 0, minus infinity at 0."""
    return mpf("nan") if x < 0 else mpf("-inf") if x == 0 else mpmath.log(x)


def sqrt(x):
    return mpf("nan") if x < 0 else mpmath.sqrt(x)


FUNCTIONS |= {"log": log, "ln": log}


def power(a, p):
    if len(shape(a)) == 2:
        if p != -1:
            raise ValueError("a matrix has no power but ^{-1}")
        return np.array((mpmath.matrix(a.tolist()) ** -1).tolist(), dtype=object).reshape(a.shape)
    return elementwise(lambda x: real_power(x, p), a)


def real_power(x, p):
    """x^p of real numbers; undefined where it would be complex, or a division by 0."""
    undefined = (x == 0 and p < 0) or (x < 0 and p != mpmath.floor(p))
    return mpf("nan") if undefined else mpmath.power(x, p)


def transpose(a):
    if shape(a) == ():
        raise ValueError(r"^\top on a number")
    if isinstance(a, Row):
        return np.asarray(a)[0]
    return a.reshape(1, -1).view(Row) if a.ndim == 1 else a.T
