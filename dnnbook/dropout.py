"""Dropout: in training, units are left out at random. The mask that says which is an argument, so that maths is testable."""

import math

import numpy as np

from dnnbook import _random
from dnnbook._check import FLOATS, as_scalar
from dnnbook._docstring import argument
from dnnbook._jit import elementwise, kernel

__all__ = ["dropout", "dropout_", "dropout_mask", "dropout_vjp"]

KEEP = argument("keep", "float, in (0, 1]", "")


@elementwise
def dropout(x, mask, keep):
    r"""Inverted dropout: units whose mask is 0 are left out, the others are scaled up to keep the expected value.

    .. math::
       :label: dropout

       y = \frac{m}{p} \, x

    Parameters
    ----------
    x : array_like
        Activations, :math:`x`.
    mask : array_like, in [0, 1]
        Mask, :math:`m`: 1 for units that stay, 0 for others; from :func:`dropout_mask`.
    keep : float, in (0, 1]
        Probability to stay, :math:`p`.

    Returns
    -------
    ndarray
        Activations in training, :math:`y`; `x` and `mask` broadcast.

    Notes
    -----
    Inverted: scaled in training, so that prediction needs nothing. The paper scales the weights by p in prediction instead.
    PyTorch's `Dropout` has the probability to be left out, :math:`1 - p`. Source: :cite:p:`srivastava2014`, section 10.

    Examples
    --------
    >>> dropout([1.0, 2.0, 3.0], [1.0, 0.0, 1.0], keep=0.5)
    array([2., 0., 6.])
    """
    return mask / keep * x


@elementwise
def dropout_vjp(g, mask, keep):
    r"""Vector-Jacobian product of :func:`dropout`: the error takes the same way as the activation.

    .. math::
       :label: dropout-vjp

       \bar x = \frac{m}{p} \, \bar y

    Parameters
    ----------
    g : array_like
        Cotangent of the activations in training, :math:`\bar y`.
    mask : array_like, in [0, 1]
        Mask, :math:`m`, of the forward pass.
    keep : float, in (0, 1]
        Probability to stay, :math:`p`.

    Returns
    -------
    ndarray
        Cotangent of the activations, :math:`\bar x`; `g` and `mask` broadcast.

    Notes
    -----
    Source: :cite:p:`srivastava2014`, section 5.1.

    Examples
    --------
    >>> dropout_vjp([1.0, 1.0, 1.0], [1.0, 0.0, 1.0], keep=0.5)
    array([2., 0., 2.])
    """
    return mask / keep * g


def dropout_mask(rng, shape, keep, dtype=np.float64, out=None):
    """Draw a mask: every unit stays with the same probability, independently.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of randomness.
    shape : tuple of int
        Shape of the activations.
    keep : float, in (0, 1]
        Probability to stay.
    dtype : dtype
        float32 or float64.
    out : ndarray, optional
        Contiguous array of this shape and dtype, to be filled instead of a new one.

    Returns
    -------
    ndarray
        Ones and zeros; the same in both dtypes.

    Raises
    ------
    TypeError
        `rng` is not a generator, `keep` not a number, or `dtype` another one.
    ValueError
        `keep` is out of range, or `out` does not fit.

    Notes
    -----
    `rng` gives one number, the key of a counter-based generator (Philox4x32-10) that computes many units at a time. A unit
    stays where its random word of 32 bits is below :math:`2^{32} p`. Source: :cite:p:`salmon2011`.

    Examples
    --------
    >>> dropout_mask(np.random.default_rng(5), (2, 4), keep=0.5)
    array([[0., 0., 1., 1.],
           [1., 1., 0., 1.]])
    """
    if np.dtype(dtype) not in FLOATS:
        raise TypeError(f"dropout_mask: dtype is {np.dtype(dtype)}, expected float32 or float64")
    last, key = _last("dropout_mask", keep), _key("dropout_mask", rng)
    if out is not None:
        _fitting("dropout_mask", "out", out, tuple(shape), np.dtype(dtype))
    mask = np.empty(shape, dtype) if out is None else out
    _fill(mask.reshape(-1), last, key)
    return mask


def dropout_(rng, x, keep, mask, out):
    """Draw a mask and apply it in one pass: what :func:`dropout_mask` and :func:`dropout` do, into given arrays.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of randomness.
    x : ndarray
        Activations, contiguous, float32 or float64.
    keep : float, in (0, 1]
        Probability to stay.
    mask : ndarray
        Becomes the mask; an array like `x`.
    out : ndarray
        Becomes the activations in training; an array like `x`, or `x` itself.

    Raises
    ------
    TypeError
        `rng` is not a generator, or `keep` not a number.
    ValueError
        `keep` is out of range, or an array does not fit.

    Examples
    --------
    >>> x, mask = np.ones((2, 4)), np.empty((2, 4))
    >>> dropout_(np.random.default_rng(5), x, 0.5, mask, out=x)
    >>> mask
    array([[0., 0., 1., 1.],
           [1., 1., 0., 1.]])
    >>> x
    array([[0., 0., 2., 2.],
           [2., 2., 0., 2.]])
    """
    last, key = _last("dropout_", keep), _key("dropout_", rng)
    for name, array in (("x", x), ("mask", mask), ("out", out)):
        _fitting("dropout_", name, array, np.shape(x), getattr(x, "dtype", None))
    _fill_and_apply(x.reshape(-1), x.dtype.type(keep), mask.reshape(-1), out.reshape(-1), last, key)


def _last(where, keep):
    """The largest random word of a unit that stays."""
    return np.uint32(math.ceil(as_scalar(where, KEEP, keep) * 2**32) - 1)


def _key(where, rng):
    if not isinstance(rng, np.random.Generator):
        raise TypeError(f"{where}: rng is {rng!r}, expected a numpy.random.Generator")
    return _random.draw_key(rng)


def _fitting(where, name, array, shape, dtype):
    if not isinstance(array, np.ndarray) or array.dtype not in FLOATS or not array.flags.c_contiguous:
        raise ValueError(f"{where}: {name} is no contiguous array of float32 or float64")
    if array.shape != shape or array.dtype != dtype:
        raise ValueError(f"{where}: {name} is {array.dtype} {array.shape}, expected an array of {dtype} {shape}")


_words, _dropout = _random.fill, dropout.kernel.number


@kernel
def _fill(mask, last, key):
    words = np.empty(_random.BLOCK, np.uint32)
    for start in range(0, mask.size, words.size):
        _words(words, start, key)
        part = mask[start : start + words.size]
        for i in range(part.size):
            part[i] = 1 if words[i] <= last else 0


@kernel
def _fill_and_apply(x, keep, mask, out, last, key):
    words, y = np.empty(_random.BLOCK, np.uint32), np.empty(_random.BLOCK, x.dtype)
    for start in range(0, mask.size, words.size):
        _words(words, start, key)
        stop = start + words.size
        part, of_x, of_out = mask[start:stop], x[start:stop], out[start:stop]
        for i in range(part.size):
            part[i] = 1 if words[i] <= last else 0
        for i in range(part.size):
            y[i] = _dropout(of_x[i], part[i], keep)
        for i in range(part.size):  # out may be x
            of_out[i] = y[i]
