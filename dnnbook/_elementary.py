"""Elementary functions that the compiler can vectorize: exp, expm1, log1p, tanh, sigmoid and softplus of one number.

The C library's functions stop vectorization: they are calls, and they branch. These have no call and no branch, only
selections, so that a loop over an array works on 4 to 16 numbers at a time. Each is right to 2 units in the last place:
``python -m dnnbook verify --all-float32`` tries every float32 number, and the tests many of float64. One body serves both
types; :data:`SINGLE` and :data:`DOUBLE` have the constants.

The exponential takes :math:`k \\log 2` off its argument and leaves :math:`|r| \\le \\frac{1}{2} \\log 2`, where
:math:`e^r = 1 + r + r^2 q(r)` with a polynomial q; logarithms go the other way, with
:math:`\\log \\frac{1 + s}{1 - s} = 2 s + s^3 R(s^2)`. The polynomials have the least largest error (Remez' exchange): less than
:math:`2^{-31}` relative in float32, :math:`2^{-61}` in float64.
"""

import math
from typing import NamedTuple

import numba
import numpy as np
from numba import types
from numba.extending import overload

# FMA where the machine has it, but no reordering: the corrections of round-off below depend on the order.
part = numba.njit(cache=True, error_model="numpy", fastmath={"contract"}, forceinline=True)


class Constants(NamedTuple):
    """What differs between float32 and float64; polynomials with the lowest power first."""

    zero: float
    one: float
    half: float
    quarter: float
    slope: float
    magic: float  # adding it rounds to an integer, which then stands in the low bits
    big: float  # a power of two that lifts all subnormal numbers out of their range
    small: float  # 1 / big
    four_small: float
    log2_e: float
    log_2_high: float  # few digits: its multiples are exact
    log_2_low: float
    overflow: float  # exp of more is infinite
    underflow: float  # four times exp of less is 0
    minus_one: float  # expm1 of less is -1
    tanh_one: float  # tanh of more is 1
    tiny: float  # expm1(x) = log1p(x) = tanh(x) = x for less
    infinity: float
    exp: tuple
    log: tuple  # for |s| up to (sqrt(2) - 1) / (sqrt(2) + 1)
    log_unit: tuple  # for s from 0 to 1/3


def _of(dtype, *numbers):
    return Constants(*[tuple(map(dtype, x)) if isinstance(x, tuple) else dtype(x) for x in numbers])


SINGLE = _of(
    np.float32, 0, 1, 0.5, 0.25, 2.5, 1.5 * 2**23, 2.0**64, 2.0**-64, 2.0**-62,
    1.4426950408889634, 0.693359375, -2.12194440054690583e-4,
    89.0, -110.0, -20.0, 10.0, 1e-10, np.inf,
    (
        0.5000000046662544, 0.16666666818179024, 0.0416663535374585, 0.008333272769399618, 0.0013941102599457265,
        0.00019914334089884693,
    ),
    (0.6666666564136573, 0.40000336201193054, 0.2853723951167862, 0.23583546696320665),
    (0.6666667566937512, 0.39998872905628524, 0.28617034923280493, 0.2142585165145018, 0.24308331365018193),
)  # fmt: skip
DOUBLE = _of(
    np.float64, 0, 1, 0.5, 0.25, 2.5, 1.5 * 2**52, 2.0**512, 2.0**-512, 2.0**-510,
    1.4426950408889634, 6.93147180369123816490e-01, 1.90821492927058770002e-10,
    710.0, -750.0, -40.0, 20.0, 1e-20, np.inf,
    (
        0.5, 0.16666666666666677, 0.0416666666666667, 0.008333333333321532, 0.0013888888888866568, 0.00019841269886401448,
        2.480158736105145e-05, 2.7557243911311184e-06, 2.755724235657965e-07, 2.5109147518962238e-08,
        2.0924563680858004e-09,
    ),
    (
        0.6666666666666666, 0.40000000000006286, 0.28571428569072965, 0.22222222648753057, 0.1818177550815928,
        0.15387097672038902, 0.13249961459675613, 0.13252760603410402,
    ),
    (
        0.6666666666666667, 0.3999999999999391, 0.2857142857252055, 0.22222222124626878, 0.18181823241607792,
        0.15384450839280195, 0.13336825485298545, 0.1171572470668572, 0.1097417122152201, 0.06987834577224873,
        0.16478665457897027,
    ),
)  # fmt: skip


def _constants(x):
    """The constants of the type of x."""


def _raised(y, t):
    """y times 2 to the power k, where t is k plus the magic number: k then goes straight into the exponent bits."""


def _split(y):
    """(k, m): a positive y is 2 to the power k times m, which is from sqrt(1/2) to sqrt(2)."""


def _polynomial(coefficients, x):
    """The value of a polynomial, by Horner's rule."""


INLINE = {"forceinline": True, "error_model": "numpy", "fastmath": {"contract"}}


@overload(_constants, jit_options=INLINE)
def _(x):
    return (lambda x: SINGLE) if x == types.float32 else (lambda x: DOUBLE)


@overload(_raised, jit_options=INLINE)
def _(y, t):
    def single(y, t):
        return np.int32(np.float32(y).view(np.int32) + np.int32(np.float32(t).view(np.int32) << np.int32(23))).view(np.float32)

    def double(y, t):
        return np.int64(np.float64(y).view(np.int64) + (np.float64(t).view(np.int64) << 52)).view(np.float64)

    return single if t == types.float32 else double


ROOT32 = int(np.float32(math.sqrt(0.5)).view(np.int32))
ROOT64 = int(np.float64(math.sqrt(0.5)).view(np.int64))
MAGIC32 = int(SINGLE.magic.view(np.int32))
MAGIC64 = int(DOUBLE.magic.view(np.int64))


@overload(_split, jit_options=INLINE)
def _(y):
    def single(y):
        i = np.float32(y).view(np.int32)
        e = np.int32(np.int32(i - np.int32(ROOT32)) >> np.int32(23))
        k = np.int32(e + np.int32(MAGIC32)).view(np.float32) - SINGLE.magic
        return k, np.int32(i - np.int32(e << np.int32(23))).view(np.float32)

    def double(y):
        i = np.float64(y).view(np.int64)
        e = (i - ROOT64) >> 52
        return np.int64(e + MAGIC64).view(np.float64) - DOUBLE.magic, np.int64(i - (e << 52)).view(np.float64)

    return single if y == types.float32 else double


@overload(_polynomial, jit_options=INLINE)
def _(coefficients, x):
    if len(coefficients) == 1:
        return lambda coefficients, x: coefficients[0]
    # a loop would stay a loop where the function around it is long, and stop vectorization
    return lambda coefficients, x: _polynomial(coefficients[1:], x) * x + coefficients[0]


@part
def _reduced(x):
    """(r, p, t): e to the power r is 1 + r + p, and x is k log 2 + r, where t is k plus the magic number."""
    c = _constants(x)
    t = x * c.log2_e + c.magic
    k = t - c.magic
    r = (x - k * c.log_2_high) - k * c.log_2_low
    return r, r * r * _polynomial(c.exp, r), t


@part
def _reduced_exactly(x):
    """The same, where p also has what the rounding of r took away."""
    c = _constants(x)
    t = x * c.log2_e + c.magic
    k = t - c.magic
    a, b = x - k * c.log_2_high, k * c.log_2_low
    r = a - b
    return r, r * r * _polynomial(c.exp, r) + ((a - r) - b), t


@part
def _expm1_reduced(r, p, t):
    """2^k (1 + r + p) - 1, and what its rounding took away."""
    c = _constants(r)
    s = _raised(c.half, t)  # half of 2^k, which may itself be too large
    b = s - c.half
    y = s * r + b
    e = (b - y) + s * r + s * p
    z = y + e
    lost = (y - z) + e
    return z + z, lost + lost


@part
def exp(x):
    """The exponential."""
    c = _constants(x)
    z = c.overflow if x > c.overflow else x
    z = c.underflow if z < c.underflow else z
    r, p, t = _reduced(z)
    # in two steps: 2^k may be subnormal, or too large
    up, down = (c.big, c.small) if x < c.zero else (c.small, c.big)
    return (c.one + (r + p)) * _raised(up, t) * down


@part
def exp_scaled(x):
    """The exponential of x <= 0 times a number so large, `big`, that it is not subnormal."""
    c = _constants(x)
    r, p, t = _reduced_exactly(c.underflow if x < c.underflow else x)
    y = c.one + r
    return (y + ((c.one - y) + r + p)) * _raised(c.big, t)


@part
def exp_nonpositive(x):
    """The exponential of x <= 0."""
    return exp_scaled(x) * _constants(x).small


@part
def expm1(x):
    """The exponential minus 1."""
    c = _constants(x)
    z = c.overflow if x > c.overflow else x
    z = c.minus_one if z < c.minus_one else z
    r, p, t = _reduced_exactly(z)
    return _expm1_reduced(r, p, t)[0] if abs(x) > c.tiny else x


@part
def log1p(x):
    """The logarithm of 1 + x."""
    c = _constants(x)
    y = c.one + x
    a = y - c.one
    lost = (c.one - (y - a)) + (x - a)  # what the rounding of y took away
    k, m = _split(y)
    f = m - c.one
    s = f / (c.one + c.one + f)
    w = s * s
    half = c.half * f * f
    z = k * c.log_2_high - ((half - (s * (half + w * _polynomial(c.log, w)) + (k * c.log_2_low + lost / y))) - f)
    z = z if x < c.infinity else x
    z = z if x > -c.one else (-c.infinity if x == -c.one else c.infinity - c.infinity)
    return z if abs(x) > c.tiny else x


@part
def tanh(x):
    """The hyperbolic tangent."""
    c = _constants(x)
    a = abs(x)
    a = c.tanh_one if a > c.tanh_one else a
    r, p, t = _reduced_exactly(-a - a)
    t, below = _expm1_reduced(r, p, t)
    d = c.one + c.one + t
    lost = t - (d - c.one - c.one)  # what the rounding of d took away
    y = -t / d
    e = c.one + y  # 2 / (2 + t)
    y = y - c.half * e * (e * below + y * lost)
    return math.copysign(y if abs(x) > c.tiny else x, x)


@part
def sigmoid(x):
    """The logistic sigmoid, 1 / (1 + exp(-x))."""
    c = _constants(x)
    e = exp_nonpositive(-abs(x))
    q = e / (c.one + e)  # the sigmoid of -|x|, not yet close enough
    y = e if x < c.zero else c.one
    return y - y * q


@part
def sigmoid_grad(x):
    """The derivative of the sigmoid, e / (1 + e)^2 with e = exp(-|x|)."""
    c = _constants(x)
    e = exp_nonpositive(-abs(x))
    return _over_square(e, e, c.one)


@part
def tanh_grad(x):
    """The derivative of the hyperbolic tangent, 4 e / (1 + e)^2 with e = exp(-2 |x|)."""
    c = _constants(x)
    large = exp_scaled(-abs(x) - abs(x))
    return _over_square(large * c.four_small, large * c.small, c.quarter)  # 4 e may be normal where e is not


@part
def _over_square(a, e, share):
    """a / (1 + e)^2, for e from 0 to 1, where e is a `share` of a."""
    c = _constants(e)
    more = e * (c.one + c.one + e)
    d = c.one + more
    lost = more - (d - c.one)  # what the rounding of d took away
    y = a / d
    return y - y * lost * (c.one - c.slope * share * y)  # the last factor is 1 / d to 10 %


@part
def softplus(x):
    """The logarithm of 1 + exp(x)."""
    c = _constants(x)
    u = exp_nonpositive(-abs(x))
    s = u / (c.one + c.one + u)
    w = s * s
    return ((c.zero if x < c.zero else x) - s * (u - w * _polynomial(c.log_unit, w))) + u
