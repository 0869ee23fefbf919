"""Dropout: in training, units are left out at random. The mask that says which is an argument, so that maths is testable."""

import numpy as np

from dnnbook._check import FLOATS, as_scalar
from dnnbook._docstring import argument
from dnnbook._jit import elementwise

__all__ = ["dropout", "dropout_mask", "dropout_vjp"]

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


def dropout_mask(rng, shape, keep, dtype=np.float64):
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

    Returns
    -------
    ndarray
        Ones and zeros; the same in both dtypes.

    Raises
    ------
    TypeError
        `rng` is not a generator, `keep` not a number, or `dtype` another one.
    ValueError
        `keep` is out of range.

    Examples
    --------
    >>> dropout_mask(np.random.default_rng(0), (2, 4), keep=0.5)
    array([[0., 1., 1., 1.],
           [0., 0., 0., 0.]])
    """
    if not isinstance(rng, np.random.Generator):
        raise TypeError(f"dropout_mask: rng is {rng!r}, expected a numpy.random.Generator")
    if np.dtype(dtype) not in FLOATS:
        raise TypeError(f"dropout_mask: dtype is {np.dtype(dtype)}, expected float32 or float64")
    return (rng.random(shape) < as_scalar("dropout_mask", KEEP, keep)).astype(dtype)
