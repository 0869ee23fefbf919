"""Regularization by weights: penalties added to the loss, decay beside it, and a limit on their length.

The penalties take one array of weights; the penalty of a network is the sum over its arrays. Biases, and the scales and shifts
of batch normalization, are left out by convention: they do not make a network wild.
"""

import numpy as np

from dnnbook._jit import checked, compiled, elementwise
from dnnbook.gradients import euclidean

__all__ = ["decoupled_decay", "l1", "l1_grad", "l2", "l2_grad", "max_norm"]


@compiled
def l2(w, strength):
    r"""L2 penalty: half the sum of the squares of the weights.

    .. math::
       :label: l2

       R = \frac{\lambda}{2} \sum_{j=1}^{D} \sum_{i=1}^{M} w_{ji}^2

    Parameters
    ----------
    w : array_like, shape (D, M) or (D,)
        Weights, :math:`w_{ji}`.
    strength : float, in [0, inf)
        Strength, :math:`\lambda`.

    Returns
    -------
    float
        Penalty, :math:`R`; in the dtype of the weights.

    Notes
    -----
    With the factor 1/2, which makes its gradient :math:`\lambda w`. Added to a loss that is a mean over samples: the strength
    does not depend on their number. Source: :cite:p:`krogh1992`; :cite:p:`goodfellow2016`, section 7.1.1.

    Examples
    --------
    >>> l2([[3.0, 4.0]], strength=0.5)
    np.float64(6.25)
    """
    total = 0.0
    for j in range(w.shape[0]):
        for i in range(w.shape[1]):
            total += np.float64(w[j, i]) * w[j, i]
    return strength / 2 * total


@checked
def l2_grad(w, strength):
    r"""Gradient of :func:`l2`: every weight is drawn towards 0 in proportion to itself.

    .. math::
       :label: l2-grad

       \frac{\partial R}{\partial w_{ji}} = \lambda \, w_{ji}

    Parameters
    ----------
    w : array_like, shape (D, M) or (D,)
        Weights, :math:`w_{ji}`.
    strength : float, in [0, inf)
        Strength, :math:`\lambda`.

    Returns
    -------
    ndarray, shape (D, M) or (D,)
        Gradient, :math:`\frac{\partial R}{\partial w_{ji}}`; shape and dtype of the weights.

    Notes
    -----
    What PyTorch's `SGD` adds to the gradient for its `weight_decay`. Source: :cite:p:`krogh1992`.

    Examples
    --------
    >>> l2_grad([[3.0, -4.0]], strength=0.5)
    array([[ 1.5, -2. ]])
    """
    return strength * w


@compiled
def l1(w, strength):
    r"""L1 penalty: the sum of the absolute weights.

    .. math::
       :label: l1

       R = \lambda \sum_{j=1}^{D} \sum_{i=1}^{M} |w_{ji}|

    Parameters
    ----------
    w : array_like, shape (D, M) or (D,)
        Weights, :math:`w_{ji}`.
    strength : float, in [0, inf)
        Strength, :math:`\lambda`.

    Returns
    -------
    float
        Penalty, :math:`R`; in the dtype of the weights.

    Notes
    -----
    Source: :cite:p:`tibshirani1996`; :cite:p:`goodfellow2016`, section 7.1.2.

    Examples
    --------
    >>> l1([[3.0, -4.0]], strength=0.5)
    np.float64(3.5)
    """
    total = 0.0
    for j in range(w.shape[0]):
        for i in range(w.shape[1]):
            total += abs(np.float64(w[j, i]))
    return strength * total


@checked
def l1_grad(w, strength):
    r"""Gradient of :func:`l1`: the same pull towards 0 for every weight; 0 at 0 by convention.

    .. math::
       :label: l1-grad

       \frac{\partial R}{\partial w_{ji}} = \lambda \operatorname{sgn}(w_{ji})

    Parameters
    ----------
    w : array_like, shape (D, M) or (D,)
        Weights, :math:`w_{ji}`.
    strength : float, in [0, inf)
        Strength, :math:`\lambda`.

    Returns
    -------
    ndarray, shape (D, M) or (D,)
        Gradient, :math:`\frac{\partial R}{\partial w_{ji}}`; shape and dtype of the weights.

    Notes
    -----
    Any number from :math:`-\lambda` to :math:`\lambda` is a subgradient at 0; we take 0, the sign of 0, as PyTorch does. A step
    of gradient descent jumps over 0 rather than stopping there: weights become small, not exactly 0.
    Source: :cite:p:`goodfellow2016`, equation 7.20.

    Examples
    --------
    >>> l1_grad([[3.0, 0.0, -4.0]], strength=0.5)
    array([[ 0.5,  0. , -0.5]])
    """
    return strength * np.sign(w)


@elementwise
def decoupled_decay(w, eta, strength):
    r"""Weight decay beside the gradient: shrinks the weights before a step, whatever the optimizer makes of the gradient.

    .. math::
       :label: decoupled-decay

       w_t = (1 - \eta \lambda) \, w_{t-1}

    Parameters
    ----------
    w : array_like
        Weights before, :math:`w_{t-1}`.
    eta : float, in [0, inf)
        Learning rate, :math:`\eta`.
    strength : float, in [0, inf)
        Strength, :math:`\lambda`.

    Returns
    -------
    ndarray
        Weights after, :math:`w_t`; shape and dtype of `w`.

    Notes
    -----
    For plain gradient descent the same as the gradient of :func:`l2`; for Adam not. The numbers are those of PyTorch's
    `AdamW`, where the learning rate multiplies the decay. Source: :cite:p:`loshchilov2019`, algorithms 1 and 2.

    Examples
    --------
    >>> decoupled_decay([1.0, -2.0], eta=0.5, strength=0.5)
    array([ 0.75, -1.5 ])
    """
    return (1 - eta * strength) * w


@checked
def max_norm(W, c):
    r"""Max-norm constraint: the incoming weights of every unit, as a vector, are at most so long.

    .. math::
       :label: max-norm

       \tilde w_{ji} = w_{ji} \min \left( 1, \frac{c}{n_i} \right) \quad \text{where} \quad n_i^2 = \sum_{j=1}^{D} w_{ji}^2

    Parameters
    ----------
    W : array_like, shape (D, M)
        Weights, :math:`w_{ji}`, from unit j to unit i.
    c : float, in (0, inf)
        Longest allowed, :math:`c`.

    Returns
    -------
    ndarray, shape (D, M)
        Weights after, :math:`\tilde w_{ji}`.

    Notes
    -----
    A projection after each step, not a penalty. Columns that are short enough stay as they are.
    Source: :cite:p:`srivastava2014`, section 5.1.

    Examples
    --------
    >>> max_norm([[3.0, 0.3], [4.0, 0.4]], c=1.0)
    array([[0.6, 0.3],
           [0.8, 0.4]])
    """
    return (W * np.minimum(1, c / euclidean(W, axis=0))).astype(W.dtype, copy=False)
