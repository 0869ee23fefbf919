"""Initializers: how wide to draw the first weights, and the draws themselves.

The formulas (:func:`he_std`, :func:`glorot_limit`, ...) say how wide. The samplers draw a weight matrix of shape
``(n_in, n_out)`` from a generator that the caller owns, so that a seed gives the same weights every time.
"""

import math
import operator

import numpy as np

from dnnbook._check import FLOATS, as_scalar
from dnnbook._docstring import argument
from dnnbook._jit import checked

__all__ = [
    "glorot_limit",
    "glorot_normal",
    "glorot_std",
    "glorot_uniform",
    "he_limit",
    "he_normal",
    "he_std",
    "he_uniform",
    "lecun_limit",
    "lecun_normal",
    "lecun_std",
    "lecun_uniform",
    "normal",
    "uniform",
]


@checked
def lecun_std(n_in):
    r"""Standard deviation of LeCun's initialization.

    .. math::
       :label: lecun-std

       s = \frac{1}{\sqrt{n_\mathrm{in}}}

    Parameters
    ----------
    n_in : int, in [1, inf)
        Inputs of a unit (fan-in), :math:`n_\mathrm{in}`.

    Returns
    -------
    float
        Standard deviation, :math:`s`.

    Notes
    -----
    Gain 1, fan-in: keeps the variance of the pre-activations at 1 for inputs of variance 1. Source: :cite:p:`lecun1998`,
    section 4.6.

    Examples
    --------
    >>> lecun_std(100)
    np.float64(0.1)
    """
    return 1 / math.sqrt(n_in)


@checked
def glorot_std(n_in, n_out):
    r"""Standard deviation of Glorot's (Xavier's) initialization.

    .. math::
       :label: glorot-std

       s = \sqrt{\frac{2}{n_\mathrm{in} + n_\mathrm{out}}}

    Parameters
    ----------
    n_in : int, in [1, inf)
        Inputs of a unit (fan-in), :math:`n_\mathrm{in}`.
    n_out : int, in [1, inf)
        Units fed by an input (fan-out), :math:`n_\mathrm{out}`.

    Returns
    -------
    float
        Standard deviation, :math:`s`.

    Notes
    -----
    Gain 1, mean of fan-in and fan-out: a compromise between the forward and the backward pass of a linear network. Source:
    :cite:p:`glorot2010`, equation 12.

    Examples
    --------
    >>> glorot_std(100, 100)
    np.float64(0.1)
    """
    return math.sqrt(2 / (n_in + n_out))


@checked
def he_std(n_in):
    r"""Standard deviation of He's (Kaiming's) initialization.

    .. math::
       :label: he-std

       s = \sqrt{\frac{2}{n_\mathrm{in}}}

    Parameters
    ----------
    n_in : int, in [1, inf)
        Inputs of a unit (fan-in), :math:`n_\mathrm{in}`.

    Returns
    -------
    float
        Standard deviation, :math:`s`.

    Notes
    -----
    Gain :math:`\sqrt{2}`, fan-in: makes up for the half of the units that a ReLU silences. Source: :cite:p:`he2015`,
    equation 10.

    Examples
    --------
    >>> he_std(200)
    np.float64(0.1)
    """
    return math.sqrt(2 / n_in)


@checked
def lecun_limit(n_in):
    r"""Bound of LeCun's initialization with a uniform distribution.

    .. math::
       :label: lecun-limit

       a = \sqrt{\frac{3}{n_\mathrm{in}}}

    Parameters
    ----------
    n_in : int, in [1, inf)
        Inputs of a unit (fan-in), :math:`n_\mathrm{in}`.

    Returns
    -------
    float
        Bound of the uniform distribution, :math:`a`.

    Notes
    -----
    A uniform distribution on :math:`[-a, a]` has standard deviation :math:`a / \sqrt{3}`. Gain 1, fan-in. Source:
    :cite:p:`lecun1998`, section 4.6.

    Examples
    --------
    >>> lecun_limit(300)
    np.float64(0.1)
    """
    return math.sqrt(3 / n_in)


@checked
def glorot_limit(n_in, n_out):
    r"""Bound of Glorot's (Xavier's) initialization with a uniform distribution.

    .. math::
       :label: glorot-limit

       a = \sqrt{\frac{6}{n_\mathrm{in} + n_\mathrm{out}}}

    Parameters
    ----------
    n_in : int, in [1, inf)
        Inputs of a unit (fan-in), :math:`n_\mathrm{in}`.
    n_out : int, in [1, inf)
        Units fed by an input (fan-out), :math:`n_\mathrm{out}`.

    Returns
    -------
    float
        Bound of the uniform distribution, :math:`a`.

    Notes
    -----
    A uniform distribution on :math:`[-a, a]` has standard deviation :math:`a / \sqrt{3}`. Gain 1, mean of fan-in and
    fan-out. Source: :cite:p:`glorot2010`, equation 16.

    Examples
    --------
    >>> glorot_limit(300, 300)
    np.float64(0.1)
    """
    return math.sqrt(6 / (n_in + n_out))


@checked
def he_limit(n_in):
    r"""Bound of He's (Kaiming's) initialization with a uniform distribution.

    .. math::
       :label: he-limit

       a = \sqrt{\frac{6}{n_\mathrm{in}}}

    Parameters
    ----------
    n_in : int, in [1, inf)
        Inputs of a unit (fan-in), :math:`n_\mathrm{in}`.

    Returns
    -------
    float
        Bound of the uniform distribution, :math:`a`.

    Notes
    -----
    A uniform distribution on :math:`[-a, a]` has standard deviation :math:`a / \sqrt{3}`. Gain :math:`\sqrt{2}`, fan-in;
    the paper itself draws from a normal distribution. Source: :cite:p:`he2015`, equation 10.

    Examples
    --------
    >>> he_limit(600)
    np.float64(0.1)
    """
    return math.sqrt(6 / n_in)


def _ready(where, rng, shape, dtype, **width):
    """The shape, the dtype and the width of a draw, held against what the samplers promise."""
    if not isinstance(rng, np.random.Generator):
        raise TypeError(f"{where}: rng is {rng!r}, expected a numpy.random.Generator")
    try:
        sizes = tuple(operator.index(n) for n in shape)
    except TypeError:
        raise TypeError(f"{where}: shape is {shape!r}, expected a tuple of integers") from None
    if any(n < 1 for n in sizes):
        raise ValueError(f"{where}: shape is {shape!r}, expected sizes of at least 1")
    if not width and len(sizes) != 2:
        raise ValueError(f"{where}: shape is {shape!r}, expected (n_in, n_out)")
    try:
        known = np.dtype(dtype) in FLOATS
    except TypeError:
        known = False
    if not known:
        name = np.dtype(dtype).name if isinstance(dtype, type) else repr(dtype)
        raise TypeError(f"{where}: dtype is {name}, expected float32 or float64")
    numbers = [as_scalar(where, _width(name), x) for name, x in width.items()]
    return sizes, np.dtype(dtype), *numbers


def _width(name):
    return argument(name, "float, in [0, inf)", "")


def normal(rng, shape, std, dtype=np.float64):
    """Draw from a normal distribution with mean 0.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of randomness.
    shape : tuple of int
        Shape of the array.
    std : float, in [0, inf)
        Standard deviation.
    dtype : dtype
        float32 or float64.

    Returns
    -------
    ndarray
        The draw. Draws in float32 are those of float64, rounded.

    Examples
    --------
    >>> normal(np.random.default_rng(0), (2, 3), std=0.1).shape
    (2, 3)
    """
    sizes, dtype, std = _ready("normal", rng, shape, dtype, std=std)
    return (std * rng.standard_normal(sizes)).astype(dtype)


def uniform(rng, shape, limit, dtype=np.float64):
    """Draw from a uniform distribution between -limit and limit.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of randomness.
    shape : tuple of int
        Shape of the array.
    limit : float, in [0, inf)
        Bound.
    dtype : dtype
        float32 or float64.

    Returns
    -------
    ndarray
        The draw. Draws in float32 are those of float64, rounded.

    Examples
    --------
    >>> bool(abs(uniform(np.random.default_rng(0), (2, 3), limit=0.1)).max() <= 0.1)
    True
    """
    sizes, dtype, limit = _ready("uniform", rng, shape, dtype, limit=limit)
    return (limit * (2 * rng.random(sizes) - 1)).astype(dtype)


def lecun_normal(rng, shape, dtype=np.float64):
    """Draw weights from a normal distribution with standard deviation :func:`lecun_std`.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of randomness.
    shape : tuple of int
        ``(n_in, n_out)``.
    dtype : dtype
        float32 or float64.

    Returns
    -------
    ndarray
        Weights of shape ``(n_in, n_out)``.

    Examples
    --------
    >>> lecun_normal(np.random.default_rng(0), (784, 30)).shape
    (784, 30)
    """
    (n_in, _), _ = _ready("lecun_normal", rng, shape, dtype)
    return normal(rng, shape, lecun_std(n_in), dtype)


def lecun_uniform(rng, shape, dtype=np.float64):
    """Draw weights from a uniform distribution with bound :func:`lecun_limit`.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of randomness.
    shape : tuple of int
        ``(n_in, n_out)``.
    dtype : dtype
        float32 or float64.

    Returns
    -------
    ndarray
        Weights of shape ``(n_in, n_out)``.

    Examples
    --------
    >>> lecun_uniform(np.random.default_rng(0), (784, 30)).shape
    (784, 30)
    """
    (n_in, _), _ = _ready("lecun_uniform", rng, shape, dtype)
    return uniform(rng, shape, lecun_limit(n_in), dtype)


def glorot_normal(rng, shape, dtype=np.float64):
    """Draw weights from a normal distribution with standard deviation :func:`glorot_std`.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of randomness.
    shape : tuple of int
        ``(n_in, n_out)``.
    dtype : dtype
        float32 or float64.

    Returns
    -------
    ndarray
        Weights of shape ``(n_in, n_out)``.

    Examples
    --------
    >>> glorot_normal(np.random.default_rng(0), (784, 30)).shape
    (784, 30)
    """
    (n_in, n_out), _ = _ready("glorot_normal", rng, shape, dtype)
    return normal(rng, shape, glorot_std(n_in, n_out), dtype)


def glorot_uniform(rng, shape, dtype=np.float64):
    """Draw weights from a uniform distribution with bound :func:`glorot_limit`.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of randomness.
    shape : tuple of int
        ``(n_in, n_out)``.
    dtype : dtype
        float32 or float64.

    Returns
    -------
    ndarray
        Weights of shape ``(n_in, n_out)``.

    Examples
    --------
    >>> glorot_uniform(np.random.default_rng(0), (784, 30)).shape
    (784, 30)
    """
    (n_in, n_out), _ = _ready("glorot_uniform", rng, shape, dtype)
    return uniform(rng, shape, glorot_limit(n_in, n_out), dtype)


def he_normal(rng, shape, dtype=np.float64):
    """Draw weights from a normal distribution with standard deviation :func:`he_std`.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of randomness.
    shape : tuple of int
        ``(n_in, n_out)``.
    dtype : dtype
        float32 or float64.

    Returns
    -------
    ndarray
        Weights of shape ``(n_in, n_out)``.

    Examples
    --------
    >>> he_normal(np.random.default_rng(0), (784, 30)).shape
    (784, 30)
    """
    (n_in, _), _ = _ready("he_normal", rng, shape, dtype)
    return normal(rng, shape, he_std(n_in), dtype)


def he_uniform(rng, shape, dtype=np.float64):
    """Draw weights from a uniform distribution with bound :func:`he_limit`.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of randomness.
    shape : tuple of int
        ``(n_in, n_out)``.
    dtype : dtype
        float32 or float64.

    Returns
    -------
    ndarray
        Weights of shape ``(n_in, n_out)``.

    Examples
    --------
    >>> he_uniform(np.random.default_rng(0), (784, 30)).shape
    (784, 30)
    """
    (n_in, _), _ = _ready("he_uniform", rng, shape, dtype)
    return uniform(rng, shape, he_limit(n_in), dtype)
