"""Activation functions: what a neuron does with its weighted sum.

An elementwise function ``f(z)`` takes an array of any shape; ``f_grad(z)`` is its derivative at every element.
A function of a whole row (:func:`softmax`) has a vector-Jacobian product ``f_vjp(g, z)``: cotangent first.
"""

import math

import numpy as np

from dnnbook._jit import compiled, elementwise

__all__ = ["elu", "elu_grad", "relu", "relu_grad", "sigmoid", "sigmoid_grad", "softmax", "softmax_vjp"]


@elementwise
def relu(z):
    r"""Rectified linear unit.

    .. math::
       :label: relu

       \operatorname{relu}(z) = \max(0, z)

    Parameters
    ----------
    z : array_like
        Pre-activation, :math:`z`.

    Returns
    -------
    ndarray
        Activation, :math:`\operatorname{relu}(z)`; same shape and dtype as `z`.

    Notes
    -----
    Source: :cite:p:`glorot2011`, section 3.

    Examples
    --------
    >>> relu([-2.0, 0.0, 3.0])
    array([0., 0., 3.])
    """
    return 0.0 if z <= 0 else z  # a NaN fails the test and passes through


@elementwise
def relu_grad(z):
    r"""Derivative of :func:`relu`; at the kink it is 0 by convention.

    .. math::
       :label: relu-grad

       \operatorname{relu}'(z) = \begin{cases} 1 & \text{if } z > 0 \\ 0 & \text{if } z \le 0 \end{cases}

    Parameters
    ----------
    z : array_like
        Pre-activation, :math:`z`.

    Returns
    -------
    ndarray
        Derivative, :math:`\operatorname{relu}'(z)`; same shape and dtype as `z`.

    Notes
    -----
    Any number from 0 to 1 is a subgradient at the kink. We take 0, as PyTorch and JAX do.
    Source: :cite:p:`glorot2011`, section 3.

    Examples
    --------
    >>> relu_grad([-2.0, 0.0, 3.0])
    array([0., 0., 1.])
    """
    return 1.0 if z > 0 else 0.0 * z  # 0 times NaN is NaN


@elementwise
def sigmoid(z):
    r"""Logistic sigmoid.

    .. math::
       :label: sigmoid

       \sigma(z) = \frac{1}{1 + e^{-z}}

    Parameters
    ----------
    z : array_like
        Pre-activation, :math:`z`.

    Returns
    -------
    ndarray
        Activation in [0, 1], :math:`\sigma(z)`; same shape and dtype as `z`.

    Notes
    -----
    Source: :cite:p:`goodfellow2016`, equation 3.30.

    Examples
    --------
    >>> sigmoid([-1000.0, 0.0, 1000.0])
    array([0. , 0.5, 1. ])
    """
    return 1 / (1 + math.exp(-z))


@elementwise
def sigmoid_grad(z):
    r"""Derivative of :func:`sigmoid`; its maximum is 1/4, at 0.

    .. math::
       :label: sigmoid-grad

       \sigma'(z) = \sigma(z) \, (1 - \sigma(z))

    Here :math:`\sigma` is :func:`sigmoid`.

    Parameters
    ----------
    z : array_like
        Pre-activation, :math:`z`.

    Returns
    -------
    ndarray
        Derivative in [0, 1/4], :math:`\sigma'(z)`; same shape and dtype as `z`.

    Notes
    -----
    The code uses :math:`1 - \sigma(z) = \sigma(-z)`, which loses no digits for large `z`.
    Source: :cite:p:`goodfellow2016`, equation 3.34.

    Examples
    --------
    >>> sigmoid_grad(0.0)
    np.float64(0.25)
    """
    e = math.exp(-abs(z))
    return e / ((1 + e) * (1 + e))


@elementwise
def elu(z, alpha=1.0):
    r"""Exponential linear unit.

    .. math::
       :label: elu

       \operatorname{elu}(z) = \begin{cases} z & \text{if } z > 0 \\ \alpha \, (e^{z} - 1) & \text{if } z \le 0 \end{cases}

    Parameters
    ----------
    z : array_like
        Pre-activation, :math:`z`.
    alpha : float, in [0, inf)
        Depth of the negative side, :math:`\alpha`.

    Returns
    -------
    ndarray
        Activation above :math:`-\alpha`, :math:`\operatorname{elu}(z)`; same shape and dtype as `z`.

    Notes
    -----
    Source: :cite:p:`clevert2016`, equation 15.

    Examples
    --------
    >>> elu([-1000.0, 0.0, 3.0])
    array([-1.,  0.,  3.])
    """
    return z if z > 0 else alpha * math.expm1(z)


@elementwise
def elu_grad(z, alpha=1.0):
    r"""Derivative of :func:`elu` with respect to its input.

    .. math::
       :label: elu-grad

       \operatorname{elu}'(z) = \begin{cases} 1 & \text{if } z > 0 \\ \alpha \, e^{z} & \text{if } z \le 0 \end{cases}

    Parameters
    ----------
    z : array_like
        Pre-activation, :math:`z`.
    alpha : float, in [0, inf)
        Depth of the negative side, :math:`\alpha`.

    Returns
    -------
    ndarray
        Derivative, :math:`\operatorname{elu}'(z)`; same shape and dtype as `z`.

    Notes
    -----
    Source: :cite:p:`clevert2016`, equation 15.

    Examples
    --------
    >>> elu_grad([-1000.0, 0.0, 3.0])
    array([0., 1., 1.])
    """
    return 1.0 if z > 0 else alpha * math.exp(z)


@compiled
def softmax(z):
    r"""Softmax of each row: scores become probabilities.

    .. math::
       :label: softmax

       p_k = \frac{e^{z_k}}{\sum_{j=1}^{K} e^{z_j}}

    Parameters
    ----------
    z : array_like, shape (..., K)
        Scores (logits), :math:`z_k`.

    Returns
    -------
    ndarray, shape (..., K)
        Probabilities that sum to 1, :math:`p_k`; same shape and dtype as `z`.

    Notes
    -----
    The code shifts each row by its largest score, which changes nothing in the formula and keeps the exponentials from
    overflowing. Source: :cite:p:`goodfellow2016`, equation 6.29.

    Examples
    --------
    >>> softmax([1000.0, 1000.0])
    array([0.5, 0.5])
    """
    p = np.empty_like(z)
    for n in range(len(z)):
        top = np.max(z[n])
        total = 0.0
        for k in range(z.shape[1]):
            p[n, k] = 1.0 if z[n, k] == top else math.exp(z[n, k] - top)
            total += p[n, k]
        for k in range(z.shape[1]):
            p[n, k] /= total
    return p


_softmax = softmax.kernel


@compiled
def softmax_vjp(g, z):
    r"""Vector-Jacobian product of :func:`softmax`.

    .. math::
       :label: softmax-vjp

       \bar z_k = p_k \left( \bar p_k - \sum_{j=1}^{K} \bar p_j \, p_j \right), \quad \text{where} \quad
       p_k = \frac{e^{z_k}}{\sum_{j=1}^{K} e^{z_j}}

    Parameters
    ----------
    g : array_like, shape (..., K)
        Cotangent of the probabilities, :math:`\bar p_k`.
    z : array_like, shape (..., K)
        Scores (logits), :math:`z_k`.

    Returns
    -------
    ndarray, shape (..., K)
        Cotangent of the scores, :math:`\bar z_k`; same shape and dtype as `z`.

    Notes
    -----
    Source: :cite:p:`goodfellow2016`, section 6.2.2.3.

    Examples
    --------
    >>> softmax_vjp([1.0, 0.0], [0.0, 0.0])
    array([ 0.25, -0.25])
    """
    p = _softmax(z)
    for n in range(len(z)):
        inner = np.sum(g[n] * p[n])
        for k in range(z.shape[1]):
            p[n, k] *= g[n, k] - inner
    return p
