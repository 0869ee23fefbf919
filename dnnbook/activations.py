"""Activation functions: what a neuron does with its weighted sum.

An elementwise function ``f(z)`` takes an array of any shape; ``f_grad(z)`` is its derivative at every element, ``f_grad2(z)``
the second one. Functions without it are made of straight pieces: their second derivative is 0.
A function of a whole row (:func:`softmax`) has a vector-Jacobian product ``f_vjp(g, z)``: cotangent first. Its code works on
many rows at a time: there ``z[k, n]`` is number k of row n (:mod:`dnnbook._rows`).
"""

import numpy as np

from dnnbook import _elementary
from dnnbook._elementary import exp, exp_nonpositive, expm1, log1p
from dnnbook._jit import compiled, elementwise, kernel, scalar
from dnnbook._rows import rowwise

__all__ = [
    "absolute_relu",
    "absolute_relu_grad",
    "elu",
    "elu_grad",
    "elu_grad2",
    "leaky_relu",
    "leaky_relu_grad",
    "linear",
    "linear_grad",
    "log_softmax",
    "log_softmax_vjp",
    "maxout",
    "maxout_vjp",
    "noisy_relu",
    "noisy_relu_grad",
    "prelu",
    "prelu_grad",
    "prelu_vjp",
    "relu",
    "relu6",
    "relu6_grad",
    "relu_grad",
    "sigmoid",
    "sigmoid_grad",
    "sigmoid_grad2",
    "softmax",
    "softmax_vjp",
    "softplus",
    "softplus_grad",
    "softplus_grad2",
    "tanh",
    "tanh_grad",
    "tanh_grad2",
]


_sigmoid, _softplus, _tanh = _elementary.sigmoid, _elementary.softplus, _elementary.tanh
_sigmoid_grad, _tanh_grad = _elementary.sigmoid_grad, _elementary.tanh_grad


@scalar
def _leaky(z, alpha):
    if z > 0:
        return z
    return 0.0 if alpha == 0 and z < 0 else alpha * z  # 0 at z = -inf too


@scalar
def _leaky_grad(z, alpha):
    if z > 0:
        return 1.0
    return alpha if z <= 0 else z


@kernel
def _winners(z):
    """Of each row of a tile: the index of the largest value, the first of equals or the first NaN; and that value."""
    top, highest = np.zeros(z.shape[1], np.int32), z[0].copy()
    for k in range(1, z.shape[0]):
        for n in range(z.shape[1]):
            new, old = z[k, n], highest[n]
            wins = not new <= old and old == old
            top[n] = np.int32(k) if wins else top[n]
            highest[n] = new if wins else old
    return top, highest


@kernel
def _exponentials(z):
    """Of each row of a tile: exponentials over the largest one, index and value of that score, and the sum of the others."""
    e, (top, highest) = np.empty_like(z), _winners(z)
    for k in range(z.shape[0]):
        for n in range(z.shape[1]):
            e[k, n] = 0.0 if z[k, n] == highest[n] else z[k, n] - highest[n]
        for n in range(z.shape[1]):
            e[k, n] = exp_nonpositive(e[k, n])
    rest = 0 * e[0].astype(np.float64)  # NaN where all of them are
    for k in range(z.shape[0]):
        for n in range(z.shape[1]):
            rest[n] += 0.0 if k == top[n] else e[k, n]
    return e, top, highest, rest


@elementwise
def linear(z):
    r"""Linear (identity) activation.

    .. math::
       :label: linear

       g(z) = z

    Parameters
    ----------
    z : array_like
        Pre-activation, :math:`z`.

    Returns
    -------
    ndarray
        Activation, :math:`g(z)`; same shape and dtype as `z`.

    Notes
    -----
    The activation of output units in regression. Source: :cite:p:`goodfellow2016`, section 6.2.2.1.

    Examples
    --------
    >>> linear([-2.0, 0.0, 3.0])
    array([-2.,  0.,  3.])
    """
    return z


@elementwise
def linear_grad(z):
    r"""Derivative of :func:`linear`.

    .. math::
       :label: linear-grad

       g'(z) = 1

    Parameters
    ----------
    z : array_like
        Pre-activation, :math:`z`.

    Returns
    -------
    ndarray
        Derivative, :math:`g'(z)`; same shape and dtype as `z`.

    Notes
    -----
    Source: :cite:p:`goodfellow2016`, section 6.2.2.1.

    Examples
    --------
    >>> linear_grad([-2.0, 0.0, 3.0])
    array([1., 1., 1.])
    """
    return 1.0 if z == z else z  # a NaN stays


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
    The code takes the exponential of :math:`-|z|` only, which cannot overflow. Source: :cite:p:`goodfellow2016`, section
    3.10.

    Examples
    --------
    >>> sigmoid([-1000.0, 0.0, 1000.0])
    array([0. , 0.5, 1. ])
    """
    return _sigmoid(z)


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
    The code uses :math:`1 - \sigma(z) = \sigma(-z)`, which loses no digits for large `z`. Source: :cite:p:`goodfellow2016`,
    section 3.10.

    Examples
    --------
    >>> sigmoid_grad([-1000.0, 0.0, 1000.0])
    array([0.  , 0.25, 0.  ])
    """
    return _sigmoid_grad(z)


@elementwise
def sigmoid_grad2(z):
    r"""Second derivative of :func:`sigmoid`; it changes its sign at 0.

    .. math::
       :label: sigmoid-grad2

       \sigma''(z) = \sigma(z) \, (1 - \sigma(z)) \, (1 - 2 \sigma(z))

    Here :math:`\sigma` is :func:`sigmoid`.

    Parameters
    ----------
    z : array_like
        Pre-activation, :math:`z`.

    Returns
    -------
    ndarray
        Second derivative, :math:`\sigma''(z)`; same shape and dtype as `z`.

    Notes
    -----
    With :math:`e = e^{-|z|}` the code computes :math:`\pm e \, (1 - e) / (1 + e)^3`, which loses no digits. Source:
    :cite:p:`goodfellow2016`, section 3.10, differentiated.

    Examples
    --------
    >>> sigmoid_grad2([-1.0, 1.0]).round(4)
    array([ 0.0909, -0.0909])
    """
    x = -abs(np.float64(z))  # in float32 the two exponentials add up to 2.8 ULP
    e = exp(x)
    half = e * expm1(x) / ((1 + e) * (1 + e) * (1 + e))
    return half if z > 0 else -half


@elementwise
def tanh(z):
    r"""Hyperbolic tangent.

    .. math::
       :label: tanh

       g(z) = \tanh(z)

    Parameters
    ----------
    z : array_like
        Pre-activation, :math:`z`.

    Returns
    -------
    ndarray
        Activation in [-1, 1], :math:`g(z)`; same shape and dtype as `z`.

    Notes
    -----
    A rescaled sigmoid: :math:`\tanh(z) = 2 \sigma(2 z) - 1`. Source: :cite:p:`goodfellow2016`, section 6.3.2.

    Examples
    --------
    >>> tanh([-1000.0, 0.0, 1000.0])
    array([-1.,  0.,  1.])
    """
    return _tanh(z)


@elementwise
def tanh_grad(z):
    r"""Derivative of :func:`tanh`; its maximum is 1, at 0.

    .. math::
       :label: tanh-grad

       g'(z) = 1 - \tanh^2(z)

    Parameters
    ----------
    z : array_like
        Pre-activation, :math:`z`.

    Returns
    -------
    ndarray
        Derivative in [0, 1], :math:`g'(z)`; same shape and dtype as `z`.

    Notes
    -----
    With :math:`e = e^{-2 |z|}` the code computes :math:`4 e / (1 + e)^2`, which loses no digits where :math:`\tanh(z)` is
    near 1. Source: :cite:p:`goodfellow2016`, section 6.3.2.

    Examples
    --------
    >>> tanh_grad([-1000.0, 0.0, 1000.0])
    array([0., 1., 0.])
    """
    return _tanh_grad(z)


@elementwise
def tanh_grad2(z):
    r"""Second derivative of :func:`tanh`.

    .. math::
       :label: tanh-grad2

       g''(z) = -2 \tanh(z) \, (1 - \tanh^2(z))

    Parameters
    ----------
    z : array_like
        Pre-activation, :math:`z`.

    Returns
    -------
    ndarray
        Second derivative, :math:`g''(z)`; same shape and dtype as `z`.

    Notes
    -----
    With :math:`e = e^{-2 |z|}` the code computes :math:`\mp 8 e \, (1 - e) / (1 + e)^3`, which loses no digits where
    :math:`\tanh(z)` is near 1. Source: :cite:p:`goodfellow2016`, section 6.3.2, differentiated twice.

    Examples
    --------
    >>> tanh_grad2([-0.5, 0.5]).round(4)
    array([ 0.7269, -0.7269])
    """
    e = exp(-2 * abs(z))
    half = 8 * e * expm1(-2 * abs(z)) / ((1 + e) * (1 + e) * (1 + e))
    return half if z > 0 else -half


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
    Source: :cite:p:`glorot2011`.

    Examples
    --------
    >>> relu([-2.0, 0.0, 3.0])
    array([0., 0., 3.])
    """
    return 0.0 if z <= 0 else z  # a NaN fails the test and passes through


@elementwise
def relu_grad(z):
    r"""Derivative of :func:`relu`; 0 at the kink by convention.

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
    Any number from 0 to 1 is a subgradient at the kink; we take 0, as PyTorch and JAX do. Source: :cite:p:`glorot2011`,
    section 3.

    Examples
    --------
    >>> relu_grad([-2.0, 0.0, 3.0])
    array([0., 0., 1.])
    """
    if z > 0:
        return 1.0
    return 0.0 if z <= 0 else z


@elementwise
def absolute_relu(z):
    r"""Absolute value as an activation (absolute value rectification).

    .. math::
       :label: absolute-relu

       g(z) = |z|

    Parameters
    ----------
    z : array_like
        Pre-activation, :math:`z`.

    Returns
    -------
    ndarray
        Activation, :math:`g(z)`; same shape and dtype as `z`.

    Notes
    -----
    Source: :cite:p:`jarrett2009`.

    Examples
    --------
    >>> absolute_relu([-2.0, 0.0, 3.0])
    array([2., 0., 3.])
    """
    return abs(z)


@elementwise
def absolute_relu_grad(z):
    r"""Derivative of :func:`absolute_relu`; 0 at the kink by convention.

    .. math::
       :label: absolute-relu-grad

       g'(z) = \begin{cases} 1 & \text{if } z > 0 \\ 0 & \text{if } z = 0 \\ -1 & \text{if } z < 0 \end{cases}

    Parameters
    ----------
    z : array_like
        Pre-activation, :math:`z`.

    Returns
    -------
    ndarray
        Derivative, :math:`g'(z)`; same shape and dtype as `z`.

    Notes
    -----
    Any number from -1 to 1 is a subgradient at the kink; we take 0, the sign of 0. Source: :cite:p:`jarrett2009`, section
    2.

    Examples
    --------
    >>> absolute_relu_grad([-2.0, 0.0, 3.0])
    array([-1.,  0.,  1.])
    """
    if z > 0:
        return 1.0
    return -1.0 if z < 0 else z  # 0 stays 0, and a NaN stays


@elementwise
def leaky_relu(z, alpha=0.01):
    r"""Leaky rectified linear unit: a small fixed slope on the negative side.

    .. math::
       :label: leaky-relu

       \operatorname{lrelu}(z) = \begin{cases} z & \text{if } z > 0 \\ \alpha z & \text{if } z \le 0 \end{cases}

    Parameters
    ----------
    z : array_like
        Pre-activation, :math:`z`.
    alpha : float, in [0, inf)
        Slope of the negative side, :math:`\alpha`.

    Returns
    -------
    ndarray
        Activation, :math:`\operatorname{lrelu}(z)`; same shape and dtype as `z`.

    Notes
    -----
    Source: :cite:p:`maas2013`.

    Examples
    --------
    >>> leaky_relu([-2.0, 0.0, 3.0], alpha=0.5)
    array([-1.,  0.,  3.])
    """
    return _leaky(z, alpha)


@elementwise
def leaky_relu_grad(z, alpha=0.01):
    r"""Derivative of :func:`leaky_relu`; that of the negative side at the kink.

    .. math::
       :label: leaky-relu-grad

       \operatorname{lrelu}'(z) = \begin{cases} 1 & \text{if } z > 0 \\ \alpha & \text{if } z \le 0 \end{cases}

    Parameters
    ----------
    z : array_like
        Pre-activation, :math:`z`.
    alpha : float, in [0, inf)
        Slope of the negative side, :math:`\alpha`.

    Returns
    -------
    ndarray
        Derivative, :math:`\operatorname{lrelu}'(z)`; same shape and dtype as `z`.

    Notes
    -----
    Any number between the two slopes is a subgradient at the kink; we take the slope of the negative side, as PyTorch does.
    Source: :cite:p:`maas2013`.

    Examples
    --------
    >>> leaky_relu_grad([-2.0, 0.0, 3.0], alpha=0.5)
    array([0.5, 0.5, 1. ])
    """
    return _leaky_grad(z, alpha)


@elementwise
def prelu(z, alpha):
    r"""Parametric rectified linear unit: the slope of the negative side is learned.

    .. math::
       :label: prelu

       \operatorname{prelu}(z) = \begin{cases} z & \text{if } z > 0 \\ \alpha z & \text{if } z \le 0 \end{cases}

    Parameters
    ----------
    z : array_like
        Pre-activation, :math:`z`.
    alpha : array_like
        Slope of the negative side, :math:`\alpha`; broadcasts against `z`, one number per channel in the paper.

    Returns
    -------
    ndarray
        Activation, :math:`\operatorname{prelu}(z)`; `z` and `alpha` broadcast.

    Notes
    -----
    The same function as :func:`leaky_relu`, with the slope an array to be trained. Source: :cite:p:`he2015`, section 2.1.

    Examples
    --------
    >>> prelu([[-2.0, -2.0], [3.0, 3.0]], [0.25, 0.5])
    array([[-0.5, -1. ],
           [ 3. ,  3. ]])
    """
    return _leaky(z, alpha)


@elementwise
def prelu_grad(z, alpha):
    r"""Derivative of :func:`prelu` with respect to its input; that of the negative side at the kink.

    .. math::
       :label: prelu-grad

       \operatorname{prelu}'(z) = \begin{cases} 1 & \text{if } z > 0 \\ \alpha & \text{if } z \le 0 \end{cases}

    Parameters
    ----------
    z : array_like
        Pre-activation, :math:`z`.
    alpha : array_like
        Slope of the negative side, :math:`\alpha`; broadcasts against `z`, one number per channel in the paper.

    Returns
    -------
    ndarray
        Derivative, :math:`\operatorname{prelu}'(z)`; `z` and `alpha` broadcast.

    Notes
    -----
    The derivative with respect to the slope is in :func:`prelu_vjp`. Source: :cite:p:`he2015`, section 2.1.

    Examples
    --------
    >>> prelu_grad([[-2.0, -2.0], [3.0, 3.0]], [0.25, 0.5])
    array([[0.25, 0.5 ],
           [1.  , 1.  ]])
    """
    return _leaky_grad(z, alpha)


@compiled
def prelu_vjp(g, z, alpha):
    r"""Vector-Jacobian product of :func:`prelu` with one trained slope per channel.

    .. math::
       :label: prelu-vjp

       \bar z_{nc} &= \begin{cases} \bar a_{nc} & \text{if } z_{nc} > 0 \\
       \alpha_c \, \bar a_{nc} & \text{if } z_{nc} \le 0 \end{cases} \\
       \bar \alpha_c &= \sum_{n=1}^{N} \bar a_{nc} \min(0, z_{nc})

    Parameters
    ----------
    g : array_like, shape (N, C)
        Cotangent of the activations, :math:`\bar a_{nc}`.
    z : array_like, shape (N, C)
        Pre-activations, :math:`z_{nc}`.
    alpha : array_like, shape (C,)
        Slope of each channel, :math:`\alpha_c`.

    Returns
    -------
    dz : ndarray, shape (N, C)
        Cotangent of the pre-activations, :math:`\bar z_{nc}`.
    dalpha : ndarray, shape (C,)
        Cotangent of the slopes, :math:`\bar \alpha_c`; summed over the batch.

    Notes
    -----
    Source: :cite:p:`he2015`, section 2.1.

    Examples
    --------
    >>> dz, dalpha = prelu_vjp([[1.0], [1.0]], [[-2.0], [3.0]], [0.25])
    >>> dz
    array([[0.25],
           [1.  ]])
    >>> dalpha
    array([-2.])
    """
    dz, dalpha = np.empty_like(z), np.zeros(z.shape[1])
    for n in range(z.shape[0]):
        for c in range(z.shape[1]):
            dz[n, c] = g[n, c] * _leaky_grad(z[n, c], alpha[c])
            dalpha[c] += 0.0 if z[n, c] > 0 else g[n, c] * np.float64(z[n, c])
    return dz, dalpha.astype(z.dtype)


@elementwise
def noisy_relu(z, noise):
    r"""Noisy rectified linear unit; the noise is an argument.

    .. math::
       :label: noisy-relu

       \operatorname{nrelu}(z) = \max(0, z + \xi)

    Parameters
    ----------
    z : array_like
        Pre-activation, :math:`z`.
    noise : array_like
        Noise added to the pre-activation, :math:`\xi`; broadcasts against `z`. In the paper it is drawn from a normal
        distribution.

    Returns
    -------
    ndarray
        Activation, :math:`\operatorname{nrelu}(z)`; `z` and `noise` broadcast.

    Notes
    -----
    The paper draws :math:`\xi` from a normal distribution whose variance is :math:`\sigma(z)`; we leave the draw to the
    caller. Source: :cite:p:`nair2010`, section 2.

    Examples
    --------
    >>> noisy_relu([-2.0, 0.0, 3.0], [0.0, 0.5, -0.5])
    array([0. , 0.5, 2.5])
    """
    a = z + noise
    return 0.0 if a <= 0 else a


@elementwise
def noisy_relu_grad(z, noise):
    r"""Derivative of :func:`noisy_relu` with respect to its input; 0 at the kink by convention.

    .. math::
       :label: noisy-relu-grad

       \operatorname{nrelu}'(z) = \begin{cases} 1 & \text{if } z + \xi > 0 \\ 0 & \text{if } z + \xi \le 0 \end{cases}

    Parameters
    ----------
    z : array_like
        Pre-activation, :math:`z`.
    noise : array_like
        Noise added to the pre-activation, :math:`\xi`; broadcasts against `z`. In the paper it is drawn from a normal
        distribution.

    Returns
    -------
    ndarray
        Derivative, :math:`\operatorname{nrelu}'(z)`; `z` and `noise` broadcast.

    Notes
    -----
    The noise counts as a constant. Source: :cite:p:`nair2010`, section 2.

    Examples
    --------
    >>> noisy_relu_grad([-2.0, 0.0, 3.0], [0.0, 0.5, -0.5])
    array([0., 1., 1.])
    """
    a = z + noise
    if a > 0:
        return 1.0
    return 0.0 if a <= 0 else a


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
        Activation, :math:`\operatorname{elu}(z)`; same shape and dtype as `z`.

    Notes
    -----
    Source: :cite:p:`clevert2016`, section 3.

    Examples
    --------
    >>> elu([-1000.0, 0.0, 3.0])
    array([-1.,  0.,  3.])
    """
    return z if z > 0 else alpha * expm1(z)


@elementwise
def elu_grad(z, alpha=1.0):
    r"""Derivative of :func:`elu`; that of the negative side at 0.

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
    For :math:`\alpha = 1` there is no kink. Source: :cite:p:`clevert2016`, section 3.

    Examples
    --------
    >>> elu_grad([-1000.0, 0.0, 3.0])
    array([0., 1., 1.])
    """
    return 1.0 if z > 0 else alpha * exp_nonpositive(z)


@elementwise
def elu_grad2(z, alpha=1.0):
    r"""Second derivative of :func:`elu`; that of the negative side at 0.

    .. math::
       :label: elu-grad2

       \operatorname{elu}''(z) = \begin{cases} 0 & \text{if } z > 0 \\ \alpha \, e^{z} & \text{if } z \le 0 \end{cases}

    Parameters
    ----------
    z : array_like
        Pre-activation, :math:`z`.
    alpha : float, in [0, inf)
        Depth of the negative side, :math:`\alpha`.

    Returns
    -------
    ndarray
        Second derivative, :math:`\operatorname{elu}''(z)`; same shape and dtype as `z`.

    Notes
    -----
    At 0 it jumps, even for :math:`\alpha = 1`. Source: :cite:p:`clevert2016`, section 3, which has the first derivative.

    Examples
    --------
    >>> elu_grad2([-1000.0, 0.0, 3.0])
    array([0., 1., 0.])
    """
    return 0.0 if z > 0 else alpha * exp_nonpositive(z)


@elementwise
def relu6(z):
    r"""Rectified linear unit that saturates at 6.

    .. math::
       :label: relu6

       g(z) = \min(\max(0, z), 6)

    Parameters
    ----------
    z : array_like
        Pre-activation, :math:`z`.

    Returns
    -------
    ndarray
        Activation in [0, 6], :math:`g(z)`; same shape and dtype as `z`.

    Notes
    -----
    Source: :cite:p:`krizhevsky2010`.

    Examples
    --------
    >>> relu6([-2.0, 3.0, 8.0])
    array([0., 3., 6.])
    """
    if z <= 0:
        return 0.0
    return 6.0 if z >= 6 else z


@elementwise
def relu6_grad(z):
    r"""Derivative of :func:`relu6`; 0 at both kinks by convention.

    .. math::
       :label: relu6-grad

       g'(z) = \begin{cases} 1 & \text{if } 0 < z < 6 \\ 0 & \text{otherwise} \end{cases}

    Parameters
    ----------
    z : array_like
        Pre-activation, :math:`z`.

    Returns
    -------
    ndarray
        Derivative, :math:`g'(z)`; same shape and dtype as `z`.

    Notes
    -----
    Any number from 0 to 1 is a subgradient at a kink; we take 0, as PyTorch does. Source: :cite:p:`krizhevsky2010`.

    Examples
    --------
    >>> relu6_grad([-2.0, 3.0, 8.0])
    array([0., 1., 0.])
    """
    if 0 < z < 6:
        return 1.0
    return 0.0 if z == z else z


@elementwise
def softplus(z):
    r"""Softplus: a smooth rectifier.

    .. math::
       :label: softplus

       \operatorname{softplus}(z) = \log(1 + e^{z})

    Parameters
    ----------
    z : array_like
        Pre-activation, :math:`z`.

    Returns
    -------
    ndarray
        Activation, :math:`\operatorname{softplus}(z)`; same shape and dtype as `z`.

    Notes
    -----
    The code computes :math:`\max(z, 0) + \log(1 + e^{-|z|})`, which cannot overflow. Source: :cite:p:`dugas2001`;
    :cite:p:`goodfellow2016`, section 3.10.

    Examples
    --------
    >>> softplus([-1000.0, 1000.0])
    array([   0., 1000.])
    """
    return _softplus(z)


@elementwise
def softplus_grad(z):
    r"""Derivative of :func:`softplus`: the sigmoid.

    .. math::
       :label: softplus-grad

       \operatorname{softplus}'(z) = \sigma(z)

    Here :math:`\sigma` is :func:`sigmoid`.

    Parameters
    ----------
    z : array_like
        Pre-activation, :math:`z`.

    Returns
    -------
    ndarray
        Derivative in [0, 1], :math:`\operatorname{softplus}'(z)`; same shape and dtype as `z`.

    Notes
    -----
    Source: :cite:p:`goodfellow2016`, section 3.10.

    Examples
    --------
    >>> softplus_grad([-1000.0, 0.0, 1000.0])
    array([0. , 0.5, 1. ])
    """
    return _sigmoid(z)


@elementwise
def softplus_grad2(z):
    r"""Second derivative of :func:`softplus`: the derivative of the sigmoid.

    .. math::
       :label: softplus-grad2

       \operatorname{softplus}''(z) = \sigma'(z)

    Here :math:`\sigma` is :func:`sigmoid`.

    Parameters
    ----------
    z : array_like
        Pre-activation, :math:`z`.

    Returns
    -------
    ndarray
        Second derivative, :math:`\operatorname{softplus}''(z)`; same shape and dtype as `z`.

    Notes
    -----
    Its maximum is 1/4, at 0. Source: :cite:p:`goodfellow2016`, section 3.10.

    Examples
    --------
    >>> softplus_grad2([-1000.0, 0.0, 1000.0])
    array([0.  , 0.25, 0.  ])
    """
    return _sigmoid_grad(z)


@rowwise("row")
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
    overflowing. Infinite scores share the probability equally. Source: :cite:p:`goodfellow2016`, equation 6.29.

    Examples
    --------
    >>> softmax([1000.0, 1000.0])
    array([0.5, 0.5])
    """
    p, _, _, rest = _exponentials(z)
    total = (1 + rest).astype(z.dtype)
    for k in range(z.shape[0]):
        for n in range(z.shape[1]):
            p[k, n] /= total[n]
    return p


@rowwise("row")
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
    A constant added to all :math:`\bar p_k` of a row changes nothing in the formula. The code subtracts the one of the
    largest score, which keeps the digits where one probability is nearly 1. Source: :cite:p:`goodfellow2016`, section
    6.2.2.3.

    Examples
    --------
    >>> softmax_vjp([1.0, 0.0], [0.0, 0.0])
    array([ 0.25, -0.25])
    """
    e, top, _, rest = _exponentials(z)
    pivot, inner = np.empty_like(g[0]), np.zeros(z.shape[1])
    for n in range(z.shape[1]):
        pivot[n] = g[top[n], n]
    for k in range(z.shape[0]):
        for n in range(z.shape[1]):
            g[k, n] -= pivot[n]
            inner[n] += np.float64(e[k, n]) * g[k, n]
    total, inner = (1 + rest).astype(z.dtype), (inner / (1 + rest)).astype(z.dtype)
    for k in range(z.shape[0]):
        for n in range(z.shape[1]):
            z[k, n] = e[k, n] / total[n] * (g[k, n] - inner[n])
    return z


@rowwise("row")
def log_softmax(z):
    r"""Logarithm of :func:`softmax`.

    .. math::
       :label: log-softmax

       \ell_k = z_k - \log \sum_{j=1}^{K} e^{z_j}

    Parameters
    ----------
    z : array_like, shape (..., K)
        Scores (logits), :math:`z_k`.

    Returns
    -------
    ndarray, shape (..., K)
        Logarithms of the probabilities, :math:`\ell_k`; same shape and dtype as `z`.

    Notes
    -----
    The code shifts each row by its largest score, and takes the logarithm of 1 plus the other exponentials, which keeps the
    digits where one probability is nearly 1. Source: :cite:p:`goodfellow2016`, equation 6.30.

    Examples
    --------
    >>> log_softmax([1000.0, 0.0])
    array([    0., -1000.])
    """
    _, _, highest, rest = _exponentials(z)
    log_total = np.empty_like(z[0])
    for n in range(z.shape[1]):
        log_total[n] = log1p(rest[n])
    for k in range(z.shape[0]):
        for n in range(z.shape[1]):
            z[k, n] = 0.0 if z[k, n] == highest[n] else z[k, n] - highest[n]
            z[k, n] -= log_total[n]
    return z


@rowwise("row")
def log_softmax_vjp(g, z):
    r"""Vector-Jacobian product of :func:`log_softmax`.

    .. math::
       :label: log-softmax-vjp

       \bar z_k = \bar \ell_k - p_k \sum_{j=1}^{K} \bar \ell_j, \quad \text{where} \quad
       p_k = \frac{e^{z_k}}{\sum_{j=1}^{K} e^{z_j}}

    Parameters
    ----------
    g : array_like, shape (..., K)
        Cotangent of the logarithms, :math:`\bar \ell_k`.
    z : array_like, shape (..., K)
        Scores (logits), :math:`z_k`.

    Returns
    -------
    ndarray, shape (..., K)
        Cotangent of the scores, :math:`\bar z_k`; same shape and dtype as `z`.

    Notes
    -----
    For the largest score the code uses :math:`1 - p_k`, computed from the other exponentials, which keeps the digits where
    :math:`p_k` is nearly 1. Source: :cite:p:`goodfellow2016`, section 6.2.2.3.

    Examples
    --------
    >>> log_softmax_vjp([1.0, 0.0], [0.0, 0.0])
    array([ 0.5, -0.5])
    """
    p, top, _, rest = _exponentials(z)
    total, others, weight = (1 + rest).astype(z.dtype), np.zeros(z.shape[1]), np.empty_like(g[0])
    for k in range(z.shape[0]):
        for n in range(z.shape[1]):
            others[n] += 0.0 if k == top[n] else g[k, n]
    for n in range(z.shape[1]):
        weight[n] = others[n] + g[top[n], n]
    for k in range(z.shape[0]):
        for n in range(z.shape[1]):
            p[k, n] /= total[n]
            z[k, n] = g[k, n] - p[k, n] * weight[n]
    for n in range(z.shape[1]):
        k = top[n]
        z[k, n] = g[k, n] * (rest[n] / (1 + rest[n])) - p[k, n] * others[n]
    return z


@rowwise("number")
def maxout(z):
    r"""Maxout: the largest of a group of linear units.

    .. math::
       :label: maxout

       a = \max_{j} z_j

    Parameters
    ----------
    z : array_like, shape (..., K)
        Values of the K linear units of a group, :math:`z_j`.

    Returns
    -------
    ndarray, shape (...)
        Activation of each group, :math:`a`.

    Notes
    -----
    A group is the last axis: reshape the values of `M K` linear units to `(..., M, K)`. Source: :cite:p:`goodfellow2013`,
    section 3.

    Examples
    --------
    >>> maxout([[1.0, 3.0], [2.0, -2.0]])
    array([3., 2.])
    """
    return _winners(z)[1]


@rowwise("row")
def maxout_vjp(g, z):
    r"""Vector-Jacobian product of :func:`maxout`: the gradient goes to the winner only.

    .. math::
       :label: maxout-vjp

       \bar z_j = \mathbb{1}[j = j^*] \, \bar a, \quad \text{where} \quad j^* = \arg\max_i z_i

    Parameters
    ----------
    g : array_like, shape (...)
        Cotangent of the activations, :math:`\bar a`.
    z : array_like, shape (..., K)
        Values of the K linear units of a group, :math:`z_j`.

    Returns
    -------
    ndarray, shape (..., K)
        Cotangent of the linear units, :math:`\bar z_j`; same shape and dtype as `z`.

    Notes
    -----
    Where several units tie, the first of them is the winner. Source: :cite:p:`goodfellow2013`, section 3.

    Examples
    --------
    >>> maxout_vjp([1.0, 1.0], [[1.0, 3.0], [2.0, 2.0]])
    array([[0., 1.],
           [1., 0.]])
    """
    top, _ = _winners(z)
    for k in range(z.shape[0]):
        for n in range(z.shape[1]):
            z[k, n] = g[n] if k == top[n] else 0.0
    return z
