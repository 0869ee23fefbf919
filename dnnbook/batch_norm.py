"""Batch normalization: every unit is brought to mean 0 and variance 1, by the batch in training, by the past in prediction."""

import numpy as np

from dnnbook._jit import compiled, kernel, scalar, sums

__all__ = ["batch_norm", "batch_norm_inference", "batch_norm_inference_vjp", "batch_norm_vjp", "running_statistics"]


@sums
def _mean(x):
    total = np.zeros(x.shape[1])
    for n in range(x.shape[0]):
        for j in range(x.shape[1]):
            total[j] += x[n, j]
    return total / x.shape[0]


@sums
def _squares(x, mu):
    """Sum of the squared distances from the mean."""
    total = np.zeros(x.shape[1])
    for n in range(x.shape[0]):
        for j in range(x.shape[1]):
            d = x[n, j] - mu[j]
            total[j] += d * d
    return total


@kernel
def _normalize(x, gamma, beta, eps, mu, squares, y):
    """Normalize with a known mean and sum of squared distances; y is the result."""
    scale = gamma / np.sqrt(squares / x.shape[0] + eps)
    for n in range(x.shape[0]):
        for j in range(x.shape[1]):
            y[n, j] = (x[n, j] - mu[j]) * scale[j] + beta[j]


@scalar
def _across(g, g_mean, slope, d):
    """The part of an error that is neither constant nor along x."""
    return (g - g_mean) - slope * d


@kernel
def _normalize_vjp(g, x, gamma, eps, mu, squares, dx, dgamma, dbeta):
    """The way back; dx, dgamma and dbeta are the results."""
    N, D = x.shape
    g_mean, along = _mean(g), np.zeros(D)
    for n in range(N):
        for j in range(D):
            along[j] += (g[n, j] - g_mean[j]) * (x[n, j] - mu[j])
    slope = np.where(squares > 0, along / squares, 0.0)  # of the error along x
    rest, rest_along = np.zeros(D), np.zeros(D)
    for n in range(N):
        for j in range(D):
            d = x[n, j] - mu[j]
            across = _across(g[n, j], g_mean[j], slope[j], d)
            rest[j] += across
            rest_along[j] += across * d
    rest /= N
    rest_slope = np.where(squares > 0, rest_along / squares, 0.0)
    inverse = 1 / np.sqrt(squares / N + eps)
    through = eps * inverse * inverse  # what eps lets through of the error along x
    for n in range(N):
        for j in range(D):
            d = x[n, j] - mu[j]
            across = _across(g[n, j], g_mean[j], slope[j], d)
            kept = (across - rest[j]) - rest_slope[j] * d  # a second time: now orthogonal to the last digit
            dx[n, j] = gamma[j] * inverse[j] * (kept + slope[j] * d * through[j])
    for j in range(D):
        dgamma[j], dbeta[j] = along[j] * inverse[j], g_mean[j] * N


@compiled
def batch_norm(x, gamma, beta, eps=1e-5):
    r"""Batch normalization in training: by the mean and the variance of the batch itself.

    .. math::
       :label: batch-norm

       y_{nj} &= \gamma_j \, \hat x_{nj} + \beta_j \\
       &\text{where} \quad \mu_j = \frac{1}{N} \sum_{n=1}^{N} x_{nj}, \\
       \sigma_j^2 &= \frac{1}{N} \sum_{n=1}^{N} (x_{nj} - \mu_j)^2 \\
       \hat x_{nj} &= \frac{x_{nj} - \mu_j}{\sqrt{\sigma_j^2 + \epsilon}}

    Parameters
    ----------
    x : array_like, shape (N, D)
        Pre-activations of a batch, :math:`x_{nj}`.
    gamma : array_like, shape (D,)
        Scale of each unit, :math:`\gamma_j`; trained.
    beta : array_like, shape (D,)
        Shift of each unit, :math:`\beta_j`; trained.
    eps : float, in (0, inf)
        Guard against division by 0, :math:`\epsilon`.

    Returns
    -------
    ndarray, shape (N, D)
        Normalized pre-activations, :math:`y_{nj}`.

    Notes
    -----
    The variance is the biased one, with 1/N; epsilon is inside the root. A batch of one example becomes `beta`, whatever it
    was. Source: :cite:p:`ioffe2015`, algorithm 1.

    Examples
    --------
    >>> batch_norm([[1.0], [2.0], [3.0]], [1.0], [10.0]).round(3)
    array([[ 8.775],
           [10.   ],
           [11.225]])
    """
    mu, y = _mean(x), np.empty_like(x)
    _normalize(x, gamma, beta, eps, mu, _squares(x, mu), y)
    return y


@compiled
def batch_norm_vjp(g, x, gamma, eps=1e-5):
    r"""Vector-Jacobian product of :func:`batch_norm`: mean and variance depend on every example, so errors mix.

    .. math::
       :label: batch-norm-vjp

       \bar x_{nj} &= \frac{\gamma_j}{\sqrt{\sigma_j^2 + \epsilon}}
       \left( \bar y_{nj} - \frac{1}{N} \bar \beta_j - \frac{1}{N} \hat x_{nj} \bar \gamma_j \right) \\
       &\text{where} \quad \mu_j = \frac{1}{N} \sum_{n=1}^{N} x_{nj}, \\
       \sigma_j^2 &= \frac{1}{N} \sum_{n=1}^{N} (x_{nj} - \mu_j)^2 \\
       \hat x_{nj} &= \frac{x_{nj} - \mu_j}{\sqrt{\sigma_j^2 + \epsilon}} \\
       \bar \gamma_j &= \sum_{n=1}^{N} \bar y_{nj} \, \hat x_{nj} \\
       \bar \beta_j &= \sum_{n=1}^{N} \bar y_{nj}

    Parameters
    ----------
    g : array_like, shape (N, D)
        Cotangent of the normalized pre-activations, :math:`\bar y_{nj}`.
    x : array_like, shape (N, D)
        Pre-activations of a batch, :math:`x_{nj}`.
    gamma : array_like, shape (D,)
        Scale of each unit, :math:`\gamma_j`.
    eps : float, in (0, inf)
        Guard against division by 0, :math:`\epsilon`.

    Returns
    -------
    dx : ndarray, shape (N, D)
        Cotangent of the pre-activations, :math:`\bar x_{nj}`.
    dgamma : ndarray, shape (D,)
        Cotangent of the scales, :math:`\bar \gamma_j`; summed over the batch.
    dbeta : ndarray, shape (D,)
        Cotangent of the shifts, :math:`\bar \beta_j`; summed over the batch.

    Notes
    -----
    What is left of the error of a unit has mean 0 and, but for epsilon, no component along :math:`\hat x`: moving or stretching
    a whole batch changes nothing. The difference in the print loses its digits where little is left. The code takes the error
    apart instead: across :math:`\hat x` it is kept, along :math:`\hat x` its share :math:`\epsilon / (\sigma^2 + \epsilon)` is.
    Source: :cite:p:`ioffe2015`, section 3, six equations by the chain rule that are summed up here.

    Examples
    --------
    >>> dx, dgamma, dbeta = batch_norm_vjp([[1.0], [0.0], [0.0]], [[1.0], [2.0], [3.0]], [1.0])
    >>> dx.round(3)
    array([[ 0.204],
           [-0.408],
           [ 0.204]])
    >>> dgamma.round(3), dbeta
    (array([-1.225]), array([1.]))
    """
    mu, dx = _mean(x), np.empty_like(x)
    dgamma, dbeta = np.empty_like(gamma), np.empty_like(gamma)
    _normalize_vjp(g, x, gamma, eps, mu, _squares(x, mu), dx, dgamma, dbeta)
    return dx, dgamma, dbeta


@compiled
def batch_norm_inference(x, gamma, beta, mean, var, eps=1e-5):
    r"""Batch normalization in prediction: by the mean and the variance that training has kept.

    .. math::
       :label: batch-norm-inference

       y_{nj} = \gamma_j \, \frac{x_{nj} - m_j}{\sqrt{v_j + \epsilon}} + \beta_j

    Parameters
    ----------
    x : array_like, shape (N, D)
        Pre-activations, :math:`x_{nj}`.
    gamma : array_like, shape (D,)
        Scale of each unit, :math:`\gamma_j`.
    beta : array_like, shape (D,)
        Shift of each unit, :math:`\beta_j`.
    mean : array_like, shape (D,)
        Running mean of each unit, :math:`m_j`.
    var : array_like, shape (D,), in [0, inf)
        Running variance of each unit, :math:`v_j`.
    eps : float, in (0, inf)
        Guard against division by 0, :math:`\epsilon`.

    Returns
    -------
    ndarray, shape (N, D)
        Normalized pre-activations, :math:`y_{nj}`.

    Notes
    -----
    No example depends on the others: a straight line for each unit. Source: :cite:p:`ioffe2015`, algorithm 2.

    Examples
    --------
    >>> batch_norm_inference([[1.0], [3.0]], [2.0], [10.0], [1.0], [4.0], eps=1e-12)
    array([[10.],
           [12.]])
    """
    y = np.empty_like(x)
    scale = gamma / np.sqrt(var + np.float64(eps))
    for n in range(x.shape[0]):
        for j in range(x.shape[1]):
            y[n, j] = (x[n, j] - np.float64(mean[j])) * scale[j] + beta[j]
    return y


@compiled
def batch_norm_inference_vjp(g, x, gamma, mean, var, eps=1e-5):
    r"""Vector-Jacobian product of :func:`batch_norm_inference`: mean and variance are constants.

    .. math::
       :label: batch-norm-inference-vjp

       \bar x_{nj} &= \frac{\gamma_j}{\sqrt{v_j + \epsilon}} \, \bar y_{nj} \\
       \bar \gamma_j &= \sum_{n=1}^{N} \bar y_{nj} \, \frac{x_{nj} - m_j}{\sqrt{v_j + \epsilon}} \\
       \bar \beta_j &= \sum_{n=1}^{N} \bar y_{nj}

    Parameters
    ----------
    g : array_like, shape (N, D)
        Cotangent of the normalized pre-activations, :math:`\bar y_{nj}`.
    x : array_like, shape (N, D)
        Pre-activations, :math:`x_{nj}`.
    gamma : array_like, shape (D,)
        Scale of each unit, :math:`\gamma_j`.
    mean : array_like, shape (D,)
        Running mean of each unit, :math:`m_j`.
    var : array_like, shape (D,), in [0, inf)
        Running variance of each unit, :math:`v_j`.
    eps : float, in (0, inf)
        Guard against division by 0, :math:`\epsilon`.

    Returns
    -------
    dx : ndarray, shape (N, D)
        Cotangent of the pre-activations, :math:`\bar x_{nj}`.
    dgamma : ndarray, shape (D,)
        Cotangent of the scales, :math:`\bar \gamma_j`; summed over the batch.
    dbeta : ndarray, shape (D,)
        Cotangent of the shifts, :math:`\bar \beta_j`; summed over the batch.

    Notes
    -----
    What a trained network does to a change of its input. Source: :cite:p:`ioffe2015`, algorithm 2.

    Examples
    --------
    >>> batch_norm_inference_vjp([[1.0]], [[3.0]], [2.0], [1.0], [4.0], eps=1e-12)[0]
    array([[1.]])
    """
    D = x.shape[1]
    dx, dgamma, dbeta = np.empty_like(x), np.zeros(D), np.zeros(D)
    inverse = 1 / np.sqrt(var + np.float64(eps))
    for n in range(x.shape[0]):
        for j in range(D):
            dx[n, j] = gamma[j] * inverse[j] * g[n, j]
            dgamma[j] += g[n, j] * (x[n, j] - np.float64(mean[j])) * inverse[j]
            dbeta[j] += g[n, j]
    return dx, dgamma.astype(x.dtype), dbeta.astype(x.dtype)


@compiled
def running_statistics(mean, var, x, momentum=0.1):
    r"""Running mean and variance of every unit, moved towards those of a batch.

    .. math::
       :label: running-statistics

       \tilde m_j &= (1 - \alpha) \, m_j + \alpha \, \mu_j \\
       \tilde v_j &= (1 - \alpha) \, v_j + \frac{\alpha}{N - 1} \sum_{n=1}^{N} (x_{nj} - \mu_j)^2 \\
       &\text{where} \quad \mu_j = \frac{1}{N} \sum_{n=1}^{N} x_{nj}

    Parameters
    ----------
    mean : array_like, shape (D,)
        Running mean before, :math:`m_j`.
    var : array_like, shape (D,), in [0, inf)
        Running variance before, :math:`v_j`.
    x : array_like, shape (N, D)
        Pre-activations of a batch, :math:`x_{nj}`.
    momentum : float, in [0, 1]
        Share of the new batch, :math:`\alpha`.

    Returns
    -------
    mean : ndarray, shape (D,)
        Running mean after, :math:`\tilde m_j`.
    var : ndarray, shape (D,)
        Running variance after, :math:`\tilde v_j`; NaN for a batch of one example, which has no variance.

    Notes
    -----
    The variance kept for prediction is the unbiased one, with :math:`1/(N-1)`, as in the paper; :func:`batch_norm` divides by
    the biased one. The paper averages over many batches after training; a running mean is what PyTorch keeps, with the same
    meaning of `momentum`. Source: :cite:p:`ioffe2015`, algorithm 2, step 10.

    Examples
    --------
    >>> running_statistics([0.0], [1.0], [[1.0], [3.0]], momentum=0.5)
    (array([1.]), array([1.5]))
    """
    mu = _mean(x)
    spread = _squares(x, mu) / (x.shape[0] - 1)
    kept = 1 - np.float64(momentum)
    return (kept * mean + momentum * mu).astype(x.dtype), (kept * var + momentum * spread).astype(x.dtype)
