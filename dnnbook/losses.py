"""Losses: one number for how wrong the outputs are, and its gradient with respect to the first argument.

Every loss is the mean over the N samples of a batch of a sum over the K outputs. Sums are kept in float64.
Where a loss has ``_hvp``, that is the product of its Hessian with a direction: how the gradient changes along it.
"""

import numpy as np

from dnnbook._elementary import log1p
from dnnbook._jit import compiled, sums
from dnnbook._rows import rowwise
from dnnbook.activations import _exponentials, _sigmoid, _sigmoid_grad, _softplus, log_softmax_vjp, softmax_vjp

__all__ = [
    "binary_cross_entropy",
    "binary_cross_entropy_grad",
    "cross_entropy",
    "cross_entropy_grad",
    "mean_squared_error",
    "mean_squared_error_grad",
    "mean_squared_error_hvp",
    "sigmoid_cross_entropy",
    "sigmoid_cross_entropy_grad",
    "sigmoid_cross_entropy_hvp",
    "softmax_cross_entropy",
    "softmax_cross_entropy_grad",
    "softmax_cross_entropy_hvp",
]

_log_softmax_vjp, _softmax_vjp = log_softmax_vjp.kernel.tile, softmax_vjp.kernel.tile


@sums
def _sum_of_squares(a, b):
    total = 0.0
    for n in range(a.shape[0]):
        for k in range(a.shape[1]):
            total += (np.float64(a[n, k]) - b[n, k]) ** 2
    return total


@compiled
def mean_squared_error(y_hat, y):
    r"""Mean squared error: the mean over samples of the summed squares over outputs.

    .. math::
       :label: mean-squared-error

       E = \frac{1}{N} \sum_{n=1}^{N} \sum_{k=1}^{K} (\hat y_{nk} - y_{nk})^2

    Parameters
    ----------
    y_hat : array_like, shape (N, K) or (N,)
        Predictions, :math:`\hat y_{nk}`.
    y : array_like, shape (N, K) or (N,)
        Targets, :math:`y_{nk}`.

    Returns
    -------
    float
        Loss, :math:`E`; in the dtype of the arrays.

    Notes
    -----
    PyTorch's `MSELoss` divides by `N K` instead of `N`; some books print a factor 1/2. Source: :cite:p:`goodfellow2016`,
    section 5.1.4.

    Examples
    --------
    >>> mean_squared_error([1.0, 2.0], [1.0, 4.0])
    np.float64(2.0)
    """
    return _sum_of_squares(y_hat, y) / y.shape[0]


@compiled
def mean_squared_error_grad(y_hat, y):
    r"""Gradient of :func:`mean_squared_error` with respect to the predictions.

    .. math::
       :label: mean-squared-error-grad

       \frac{\partial E}{\partial \hat y_{nk}} = \frac{2}{N} (\hat y_{nk} - y_{nk})

    Parameters
    ----------
    y_hat : array_like, shape (N, K) or (N,)
        Predictions, :math:`\hat y_{nk}`.
    y : array_like, shape (N, K) or (N,)
        Targets, :math:`y_{nk}`.

    Returns
    -------
    ndarray, shape (N, K) or (N,)
        Gradient with respect to the predictions, :math:`\frac{\partial E}{\partial \hat y_{nk}}`; in their shape and dtype.

    Notes
    -----
    Source: :cite:p:`goodfellow2016`, section 5.1.4.

    Examples
    --------
    >>> mean_squared_error_grad([1.0, 2.0], [1.0, 4.0])
    array([ 0., -2.])
    """
    d = np.empty_like(y)
    for n in range(y.shape[0]):
        for k in range(y.shape[1]):
            d[n, k] = 2 * (np.float64(y_hat[n, k]) - y[n, k]) / y.shape[0]
    return d


@compiled
def mean_squared_error_hvp(u):
    r"""Hessian-vector product of :func:`mean_squared_error`: how its gradient changes when the predictions move.

    .. math::
       :label: mean-squared-error-hvp

       \dot{\bar y}_{nk} = \frac{2}{N} \, \dot{\hat y}_{nk}

    Parameters
    ----------
    u : array_like, shape (N, K) or (N,)
        Direction in which the predictions move, :math:`\dot{\hat y}_{nk}`.

    Returns
    -------
    ndarray, shape (N, K) or (N,)
        Change of the gradient, :math:`\dot{\bar y}_{nk}`; in the shape and dtype of `u`.

    Notes
    -----
    The gradient is linear: neither predictions nor targets matter. Source: :cite:p:`pearlmutter1994`.

    Examples
    --------
    >>> mean_squared_error_hvp([1.0, -1.0])
    array([ 1., -1.])
    """
    d = np.empty_like(u)
    for n in range(u.shape[0]):
        for k in range(u.shape[1]):
            d[n, k] = 2 * np.float64(u[n, k]) / u.shape[0]
    return d


@compiled
def cross_entropy(p, y):
    r"""Cross-entropy of probabilities: the mean over samples.

    .. math::
       :label: cross-entropy

       E = -\frac{1}{N} \sum_{n=1}^{N} \sum_{k=1}^{K} y_{nk} \log p_{nk}

    Parameters
    ----------
    p : array_like, shape (N, K), in [0, 1]
        Probabilities, :math:`p_{nk}`.
    y : array_like, shape (N, K), in [0, inf)
        Targets, :math:`y_{nk}`; one-hot rows for classes.

    Returns
    -------
    float
        Loss, :math:`E`; in the dtype of the arrays.

    Notes
    -----
    Here :math:`0 \log 0` counts as 0. From scores, :func:`softmax_cross_entropy` is the
    accurate form. Source: :cite:p:`bishop2006`, equation 4.108, which sums over samples.

    Examples
    --------
    >>> cross_entropy([[0.5, 0.5], [0.0, 1.0]], [[1.0, 0.0], [0.0, 1.0]])
    np.float64(0.34657359027997264)
    """
    total = 0.0
    for n in range(p.shape[0]):
        for k in range(p.shape[1]):
            if y[n, k] != 0 or p[n, k] != 0:
                total -= np.float64(y[n, k]) * np.log(np.float64(p[n, k]))
    return total / p.shape[0]


@compiled
def cross_entropy_grad(p, y):
    r"""Gradient of :func:`cross_entropy` with respect to the probabilities.

    .. math::
       :label: cross-entropy-grad

       \frac{\partial E}{\partial p_{nk}} = -\frac{1}{N} \frac{y_{nk}}{p_{nk}}

    Parameters
    ----------
    p : array_like, shape (N, K), in [0, 1]
        Probabilities, :math:`p_{nk}`.
    y : array_like, shape (N, K), in [0, inf)
        Targets, :math:`y_{nk}`; one-hot rows for classes.

    Returns
    -------
    ndarray, shape (N, K)
        Gradient with respect to the probabilities, :math:`\frac{\partial E}{\partial p_{nk}}`; in their shape and dtype.

    Notes
    -----
    Here :math:`0/0` counts as 0. Source: :cite:p:`bishop2006`, section 4.3.4.

    Examples
    --------
    >>> cross_entropy_grad([[0.5, 0.5], [0.0, 1.0]], [[1.0, 0.0], [0.0, 1.0]])
    array([[-1. ,  0. ],
           [ 0. , -0.5]])
    """
    d = np.zeros_like(p)
    for n in range(p.shape[0]):
        for k in range(p.shape[1]):
            if y[n, k] != 0 or p[n, k] != 0:
                d[n, k] -= np.float64(y[n, k]) / p[n, k] / p.shape[0]
    return d


@compiled
def binary_cross_entropy(p, y):
    r"""Cross-entropy of K independent yes-or-no outputs: the mean over samples of the sum over outputs.

    .. math::
       :label: binary-cross-entropy

       E = -\frac{1}{N} \sum_{n=1}^{N} \sum_{k=1}^{K} \left( y_{nk} \log p_{nk} + (1 - y_{nk}) \log(1 - p_{nk}) \right)

    Parameters
    ----------
    p : array_like, shape (N, K) or (N,), in [0, 1]
        Probabilities of the positive class, :math:`p_{nk}`.
    y : array_like, shape (N, K) or (N,), in [0, 1]
        Targets, :math:`y_{nk}`; 1 for the positive class.

    Returns
    -------
    float
        Loss, :math:`E`; in the dtype of the arrays.

    Notes
    -----
    Here :math:`0 \log 0` counts as 0. PyTorch's `BCELoss` divides by `N K` instead of
    `N`, and cuts the logarithms off at -100. Source: :cite:p:`bishop2006`, equation 4.90, which sums over samples.

    Examples
    --------
    >>> binary_cross_entropy([0.5, 1.0], [1.0, 1.0])
    np.float64(0.34657359027997264)
    """
    total = 0.0
    for n in range(p.shape[0]):
        for k in range(p.shape[1]):
            q, t = np.float64(p[n, k]), np.float64(y[n, k])
            if t != 0 or q != 0:
                total -= t * np.log(q)
            if t != 1 or q != 1:
                total -= (1 - t) * np.log1p(-q)
    return total / p.shape[0]


@compiled
def binary_cross_entropy_grad(p, y):
    r"""Gradient of :func:`binary_cross_entropy` with respect to the probabilities.

    .. math::
       :label: binary-cross-entropy-grad

       \frac{\partial E}{\partial p_{nk}} = \frac{1}{N} \left( \frac{1 - y_{nk}}{1 - p_{nk}} - \frac{y_{nk}}{p_{nk}} \right)

    Parameters
    ----------
    p : array_like, shape (N, K) or (N,), in [0, 1]
        Probabilities of the positive class, :math:`p_{nk}`.
    y : array_like, shape (N, K) or (N,), in [0, 1]
        Targets, :math:`y_{nk}`; 1 for the positive class.

    Returns
    -------
    ndarray, shape (N, K) or (N,)
        Gradient with respect to the probabilities, :math:`\frac{\partial E}{\partial p_{nk}}`; in their shape and dtype.

    Notes
    -----
    Here :math:`0/0` counts as 0. Source: :cite:p:`bishop2006`, section 4.3.2.

    Examples
    --------
    >>> binary_cross_entropy_grad([0.5, 1.0], [1.0, 1.0])
    array([-1. , -0.5])
    """
    d = np.empty_like(p)
    for n in range(p.shape[0]):
        for k in range(p.shape[1]):
            q, t = np.float64(p[n, k]), np.float64(y[n, k])
            slope = 0.0
            if t != 1 or q != 1:
                slope += (1 - t) / (1 - q)
            if t != 0 or q != 0:
                slope -= t / q
            d[n, k] = slope / p.shape[0]
    return d


@rowwise("mean")
def softmax_cross_entropy(z, y):
    r"""Cross-entropy of the softmax of scores, in one stable step: the mean over samples.

    .. math::
       :label: softmax-cross-entropy

       E &= -\frac{1}{N} \sum_{n=1}^{N} \sum_{k=1}^{K} y_{nk} \log p_{nk} \\
       &\text{where} \quad p_{nk} = \frac{e^{z_{nk}}}{\sum_{j=1}^{K} e^{z_{nj}}}

    Parameters
    ----------
    z : array_like, shape (N, K)
        Scores (logits), :math:`z_{nk}`.
    y : array_like, shape (N, K), in [0, inf)
        Targets, :math:`y_{nk}`; one-hot rows for classes.

    Returns
    -------
    float
        Loss, :math:`E`; in the dtype of the arrays.

    Notes
    -----
    The loss of PyTorch's `CrossEntropyLoss` with targets given as probabilities. The code never forms the probabilities, so
    that a wrong answer with a score 1000 too low costs 1000, and not infinity. Source: :cite:p:`bishop2006`, equation
    4.108, which sums over samples.

    Examples
    --------
    >>> softmax_cross_entropy([[1000.0, 0.0]], [[0.0, 1.0]])
    np.float64(1000.0)
    """
    _, _, highest, rest = _exponentials(z)
    cost, weight = np.zeros(z.shape[1]), np.zeros(z.shape[1])
    for k in range(z.shape[0]):
        for n in range(z.shape[1]):
            weight[n] += y[k, n]
            far = np.float64(highest[n]) - z[k, n]
            cost[n] += 0.0 if y[k, n] == 0 or z[k, n] == highest[n] else y[k, n] * far
    for n in range(z.shape[1]):
        cost[n] += weight[n] * log1p(rest[n])
    return cost


@rowwise("row / N")
def softmax_cross_entropy_grad(z, y):
    r"""Gradient of :func:`softmax_cross_entropy` with respect to the scores.

    .. math::
       :label: softmax-cross-entropy-grad

       \frac{\partial E}{\partial z_{nk}} &= \frac{1}{N} \left( p_{nk} \sum_{j=1}^{K} y_{nj} - y_{nk} \right) \\
       &\text{where} \quad p_{nk} = \frac{e^{z_{nk}}}{\sum_{j=1}^{K} e^{z_{nj}}}

    Parameters
    ----------
    z : array_like, shape (N, K)
        Scores (logits), :math:`z_{nk}`.
    y : array_like, shape (N, K), in [0, inf)
        Targets, :math:`y_{nk}`; one-hot rows for classes.

    Returns
    -------
    ndarray, shape (N, K)
        Gradient with respect to the scores, :math:`\frac{\partial E}{\partial z_{nk}}`; in their shape and dtype.

    Notes
    -----
    Where the targets of a row sum to 1 this is :math:`\frac{1}{N} (p_{nk} - y_{nk})`. Source: :cite:p:`bishop2006`, section
    4.3.4.

    Examples
    --------
    >>> softmax_cross_entropy_grad([[0.0, 0.0]], [[1.0, 0.0]])
    array([[-0.5,  0.5]])
    """
    d = _log_softmax_vjp(y, z)  # of the sum of y times log p: the loss, but for its sign and the mean
    for k in range(z.shape[0]):
        for n in range(z.shape[1]):
            d[k, n] = -d[k, n]
    return d


@rowwise("row / N")
def softmax_cross_entropy_hvp(u, z, y):
    r"""Hessian-vector product of :func:`softmax_cross_entropy`: how its gradient changes when the scores move.

    .. math::
       :label: softmax-cross-entropy-hvp

       \dot{\bar z}_{nk} &= \frac{s_n}{N} \, p_{nk} \left( \dot z_{nk} - \sum_{j=1}^{K} p_{nj} \, \dot z_{nj} \right) \\
       &\text{where} \quad s_n = \sum_{j=1}^{K} y_{nj}, \quad p_{nk} = \frac{e^{z_{nk}}}{\sum_{j=1}^{K} e^{z_{nj}}}

    Parameters
    ----------
    u : array_like, shape (N, K)
        Direction in which the scores move, :math:`\dot z_{nk}`.
    z : array_like, shape (N, K)
        Scores (logits), :math:`z_{nk}`.
    y : array_like, shape (N, K), in [0, inf)
        Targets, :math:`y_{nk}`; one-hot rows for classes.

    Returns
    -------
    ndarray, shape (N, K)
        Change of the gradient, :math:`\dot{\bar z}_{nk}`; in the shape and dtype of `z`.

    Notes
    -----
    A Hessian is symmetric, so this is also the vector-Jacobian product of the gradient. Source: :cite:p:`pearlmutter1994`.

    Examples
    --------
    >>> softmax_cross_entropy_hvp([[1.0, 0.0]], [[0.0, 0.0]], [[1.0, 0.0]])
    array([[ 0.25, -0.25]])
    """
    d, weight = _softmax_vjp(u, z), np.zeros(z.shape[1])
    for k in range(z.shape[0]):
        for n in range(z.shape[1]):
            weight[n] += y[k, n]
    for k in range(z.shape[0]):
        for n in range(z.shape[1]):
            d[k, n] *= weight[n]
    return d


@compiled
def sigmoid_cross_entropy(z, y):
    r"""Binary cross-entropy of the sigmoid of scores, in one stable step: the mean over samples of the sum over outputs.

    .. math::
       :label: sigmoid-cross-entropy

       E &= -\frac{1}{N} \sum_{n=1}^{N} \sum_{k=1}^{K} \left( y_{nk} \log p_{nk} + (1 - y_{nk}) \log(1 - p_{nk}) \right) \\
       &\text{where} \quad p_{nk} = \sigma(z_{nk})

    Here :math:`\sigma` is :func:`dnnbook.activations.sigmoid`.

    Parameters
    ----------
    z : array_like, shape (N, K) or (N,)
        Scores (logits), :math:`z_{nk}`.
    y : array_like, shape (N, K) or (N,), in [0, 1]
        Targets, :math:`y_{nk}`; 1 for the positive class.

    Returns
    -------
    float
        Loss, :math:`E`; in the dtype of the arrays.

    Notes
    -----
    Here :math:`1 - \sigma(z) = \sigma(-z)`, and the code uses :math:`-\log \sigma(z) = \log(1 + e^{-z})`. PyTorch's
    `BCEWithLogitsLoss` divides by `N K` instead of `N`. Source: :cite:p:`bishop2006`, equation 4.90, which sums over
    samples.

    Examples
    --------
    >>> sigmoid_cross_entropy([1000.0, -1000.0], [0.0, 0.0])
    np.float64(500.0)
    """
    total = 0.0
    for n in range(z.shape[0]):
        for k in range(z.shape[1]):
            s, t = np.float64(z[n, k]), np.float64(y[n, k])
            if t != 0:
                total += t * _softplus(-s)
            if t != 1:
                total += (1 - t) * _softplus(s)
    return total / z.shape[0]


@compiled
def sigmoid_cross_entropy_grad(z, y):
    r"""Gradient of :func:`sigmoid_cross_entropy` with respect to the scores.

    .. math::
       :label: sigmoid-cross-entropy-grad

       \frac{\partial E}{\partial z_{nk}} = \frac{1}{N} (\sigma(z_{nk}) - y_{nk})

    Here :math:`\sigma` is :func:`dnnbook.activations.sigmoid`.

    Parameters
    ----------
    z : array_like, shape (N, K) or (N,)
        Scores (logits), :math:`z_{nk}`.
    y : array_like, shape (N, K) or (N,), in [0, 1]
        Targets, :math:`y_{nk}`; 1 for the positive class.

    Returns
    -------
    ndarray, shape (N, K) or (N,)
        Gradient with respect to the scores, :math:`\frac{\partial E}{\partial z_{nk}}`; in their shape and dtype.

    Notes
    -----
    The code computes :math:`(1 - y) \, \sigma(z) - y \, \sigma(-z)`, which keeps the digits where :math:`\sigma(z)` is
    nearly 1. Source: :cite:p:`bishop2006`, equation 4.91.

    Examples
    --------
    >>> sigmoid_cross_entropy_grad([0.0, -1000.0], [1.0, 0.0])
    array([-0.25,  0.  ])
    """
    d = np.empty_like(z)
    for n in range(z.shape[0]):
        for k in range(z.shape[1]):
            s, t = np.float64(z[n, k]), np.float64(y[n, k])
            d[n, k] = ((1 - t) * _sigmoid(s) - t * _sigmoid(-s)) / z.shape[0]
    return d


@compiled
def sigmoid_cross_entropy_hvp(u, z):
    r"""Hessian-vector product of :func:`sigmoid_cross_entropy`: how its gradient changes when the scores move.

    .. math::
       :label: sigmoid-cross-entropy-hvp

       \dot{\bar z}_{nk} = \frac{1}{N} \, \sigma'(z_{nk}) \, \dot z_{nk}

    Here :math:`\sigma` is :func:`dnnbook.activations.sigmoid`.

    Parameters
    ----------
    u : array_like, shape (N, K) or (N,)
        Direction in which the scores move, :math:`\dot z_{nk}`.
    z : array_like, shape (N, K) or (N,)
        Scores (logits), :math:`z_{nk}`.

    Returns
    -------
    ndarray, shape (N, K) or (N,)
        Change of the gradient, :math:`\dot{\bar z}_{nk}`; in the shape and dtype of `z`.

    Notes
    -----
    The targets do not matter. Source: :cite:p:`pearlmutter1994`.

    Examples
    --------
    >>> sigmoid_cross_entropy_hvp([1.0, 1.0], [0.0, 1000.0])
    array([0.125, 0.   ])
    """
    d = np.empty_like(z)
    for n in range(z.shape[0]):
        for k in range(z.shape[1]):
            d[n, k] = _sigmoid_grad(np.float64(z[n, k])) * u[n, k] / z.shape[0]
    return d
