r"""Surfaces of two weights on which optimizers are watched: a value, a gradient and a Hessian, each printed and verified.

A point is an array ``w`` of shape (2,). Any axes may come before: a whole grid of points is evaluated in one call.
"""

import numpy as np

from dnnbook._jit import compiled, kernel

__all__ = [
    "beale",
    "beale_grad",
    "beale_hessian",
    "quadratic",
    "quadratic_grad",
    "quadratic_hessian",
    "rosenbrock",
    "rosenbrock_grad",
    "rosenbrock_hessian",
    "saddle",
    "saddle_grad",
    "saddle_hessian",
]


@kernel
def _lost(H, w):
    """A constant Hessian is none where the point is NaN."""
    for n in range(len(w)):
        if not (w[n, 0] == w[n, 0] and w[n, 1] == w[n, 1]):
            H[n] = np.nan
    return H


@compiled
def beale(w):
    r"""Beale's function: a curved valley between steep walls, with its minimum 0 at (3, 1/2).

    .. math::
       :label: beale

       f(\mathbf{w}) &= r_1^2 + r_2^2 + r_3^2 \\
       &\text{where} \quad r_1 = 1.5 - w_1 (1 - w_2), \\
       &\quad r_2 = 2.25 - w_1 (1 - w_2^2), \\
       &\quad r_3 = 2.625 - w_1 (1 - w_2^3)

    Parameters
    ----------
    w : array_like, shape (..., 2)
        Points, :math:`\mathbf{w}` with elements :math:`w_i`.

    Returns
    -------
    ndarray, shape (...)
        Values, :math:`f(\mathbf{w})`.

    Notes
    -----
    Source: :cite:p:`more1981`, problem 5.

    Examples
    --------
    >>> beale([[3.0, 0.5], [0.0, 0.0]])
    array([ 0.      , 14.203125])
    """
    f = np.empty(len(w), w.dtype)
    for n in range(len(w)):
        a, b = np.float64(w[n, 0]), np.float64(w[n, 1])
        r1, r2, r3 = 1.5 - a * (1 - b), 2.25 - a * ((1 - b) * (1 + b)), 2.625 - a * ((1 - b) * (1 + b + b * b))
        f[n] = r1 * r1 + r2 * r2 + r3 * r3
    return f


@compiled
def beale_grad(w):
    r"""Gradient of :func:`beale`.

    .. math::
       :label: beale-grad

       \frac{\partial f}{\partial \mathbf{w}} &= \begin{pmatrix} -2 r_1 (1 - w_2) - 2 r_2 (1 - w_2^2) - 2 r_3 (1 - w_2^3) \\
       2 w_1 (r_1 + 2 w_2 r_2 + 3 w_2^2 r_3) \end{pmatrix} \\
       &\text{where} \quad r_1 = 1.5 - w_1 (1 - w_2), \\
       &\quad r_2 = 2.25 - w_1 (1 - w_2^2), \\
       &\quad r_3 = 2.625 - w_1 (1 - w_2^3)

    Parameters
    ----------
    w : array_like, shape (..., 2)
        Points, :math:`\mathbf{w}` with elements :math:`w_i`.

    Returns
    -------
    ndarray, shape (..., 2)
        Gradients, :math:`\frac{\partial f}{\partial \mathbf{w}}`; same shape and dtype as `w`.

    Notes
    -----
    Source: :cite:p:`more1981`, problem 5.

    Examples
    --------
    >>> beale_grad([0.0, 0.0])
    array([-12.75,   0.  ])
    """
    g = np.empty_like(w)
    for n in range(len(w)):
        a, b = np.float64(w[n, 0]), np.float64(w[n, 1])
        u1, u2, u3 = 1 - b, (1 - b) * (1 + b), (1 - b) * (1 + b + b * b)
        r1, r2, r3 = 1.5 - a * u1, 2.25 - a * u2, 2.625 - a * u3
        g[n, 0] = -2 * (r1 * u1 + r2 * u2 + r3 * u3)
        g[n, 1] = 2 * a * (r1 + 2 * b * r2 + 3 * b * b * r3)
    return g


@compiled
def beale_hessian(w):
    r"""Hessian of :func:`beale`.

    .. math::
       :label: beale-hessian

       \mathbf{H}(\mathbf{w}) &= \begin{pmatrix} 2 u_1^2 + 2 u_2^2 + 2 u_3^2 & 2 s - 2 w_1 q \\
       2 s - 2 w_1 q & k \end{pmatrix} \\
       &\text{where} \quad u_1 = 1 - w_2, \quad u_2 = 1 - w_2^2, \quad u_3 = 1 - w_2^3, \\
       &\quad r_1 = 1.5 - w_1 u_1, \quad r_2 = 2.25 - w_1 u_2, \\
       &\quad r_3 = 2.625 - w_1 u_3, \quad s = r_1 + 2 w_2 r_2 + 3 w_2^2 r_3, \\
       &\quad q = u_1 + 2 w_2 u_2 + 3 w_2^2 u_3, \\
       &\quad k = 2 w_1^2 (1 + 4 w_2^2 + 9 w_2^4) + 4 w_1 (r_2 + 3 w_2 r_3)

    Parameters
    ----------
    w : array_like, shape (..., 2)
        Points, :math:`\mathbf{w}` with elements :math:`w_i`.

    Returns
    -------
    ndarray, shape (..., 2, 2)
        Hessians, :math:`\mathbf{H}(\mathbf{w})`.

    Notes
    -----
    Source: :cite:p:`more1981`, problem 5.

    Examples
    --------
    >>> beale_hessian([3.0, 0.5])  # at the minimum
    array([[  3.15625, -11.4375 ],
           [-11.4375 ,  46.125  ]])
    """
    H = np.empty((len(w), 2, 2), w.dtype)
    for n in range(len(w)):
        a, b = np.float64(w[n, 0]), np.float64(w[n, 1])
        u1, u2, u3 = 1 - b, (1 - b) * (1 + b), (1 - b) * (1 + b + b * b)
        r1, r2, r3 = 1.5 - a * u1, 2.25 - a * u2, 2.625 - a * u3
        H[n, 0, 0] = 2 * (u1 * u1 + u2 * u2 + u3 * u3)
        H[n, 0, 1] = 2 * (r1 + 2 * b * r2 + 3 * b * b * r3) - 2 * a * (u1 + 2 * b * u2 + 3 * b * b * u3)
        H[n, 1, 0] = H[n, 0, 1]
        H[n, 1, 1] = 2 * a * a * (1 + 4 * b * b + 9 * b**4) + 4 * a * (r2 + 3 * b * r3)
    return H


@compiled
def rosenbrock(w):
    r"""Rosenbrock's function: a bent, flat valley, with its minimum 0 at (1, 1).

    .. math::
       :label: rosenbrock

       f(\mathbf{w}) = 100 (w_2 - w_1^2)^2 + (1 - w_1)^2

    Parameters
    ----------
    w : array_like, shape (..., 2)
        Points, :math:`\mathbf{w}` with elements :math:`w_i`.

    Returns
    -------
    ndarray, shape (...)
        Values, :math:`f(\mathbf{w})`.

    Notes
    -----
    Source: :cite:p:`rosenbrock1960`; :cite:p:`more1981`, problem 1.

    Examples
    --------
    >>> rosenbrock([[1.0, 1.0], [-1.2, 1.0]]).round(6)
    array([ 0. , 24.2])
    """
    f = np.empty(len(w), w.dtype)
    for n in range(len(w)):
        a, b = np.float64(w[n, 0]), np.float64(w[n, 1])
        f[n] = 100 * (b - a * a) ** 2 + (1 - a) ** 2
    return f


@compiled
def rosenbrock_grad(w):
    r"""Gradient of :func:`rosenbrock`.

    .. math::
       :label: rosenbrock-grad

       \frac{\partial f}{\partial \mathbf{w}} =
       \begin{pmatrix} -400 w_1 (w_2 - w_1^2) - 2 (1 - w_1) \\ 200 (w_2 - w_1^2) \end{pmatrix}

    Parameters
    ----------
    w : array_like, shape (..., 2)
        Points, :math:`\mathbf{w}` with elements :math:`w_i`.

    Returns
    -------
    ndarray, shape (..., 2)
        Gradients, :math:`\frac{\partial f}{\partial \mathbf{w}}`; same shape and dtype as `w`.

    Notes
    -----
    Source: :cite:p:`rosenbrock1960`.

    Examples
    --------
    >>> rosenbrock_grad([0.0, 1.0])
    array([ -2., 200.])
    """
    g = np.empty_like(w)
    for n in range(len(w)):
        a, b = np.float64(w[n, 0]), np.float64(w[n, 1])
        g[n, 0] = -400 * a * (b - a * a) - 2 * (1 - a)
        g[n, 1] = 200 * (b - a * a)
    return g


@compiled
def rosenbrock_hessian(w):
    r"""Hessian of :func:`rosenbrock`.

    .. math::
       :label: rosenbrock-hessian

       \mathbf{H}(\mathbf{w}) = \begin{pmatrix} 1200 w_1^2 - 400 w_2 + 2 & -400 w_1 \\ -400 w_1 & 200 \end{pmatrix}

    Parameters
    ----------
    w : array_like, shape (..., 2)
        Points, :math:`\mathbf{w}` with elements :math:`w_i`.

    Returns
    -------
    ndarray, shape (..., 2, 2)
        Hessians, :math:`\mathbf{H}(\mathbf{w})`.

    Notes
    -----
    At the minimum its eigenvalues are 1001.6 and 0.4. Source: :cite:p:`rosenbrock1960`.

    Examples
    --------
    >>> rosenbrock_hessian([1.0, 1.0])
    array([[ 802., -400.],
           [-400.,  200.]])
    """
    H = np.empty((len(w), 2, 2), w.dtype)
    for n in range(len(w)):
        a, b = np.float64(w[n, 0]), np.float64(w[n, 1])
        H[n, 0, 0] = 1200 * a * a - 400 * b + 2
        H[n, 0, 1] = H[n, 1, 0] = -400 * a
        H[n, 1, 1] = 200
    return H


@compiled
def saddle(w):
    r"""The saddle: up along one axis, down along the other, flat at (0, 0).

    .. math::
       :label: saddle

       f(\mathbf{w}) = w_1^2 - w_2^2

    Parameters
    ----------
    w : array_like, shape (..., 2)
        Points, :math:`\mathbf{w}` with elements :math:`w_i`.

    Returns
    -------
    ndarray, shape (...)
        Values, :math:`f(\mathbf{w})`.

    Notes
    -----
    It has no minimum: a path that leaves the ridge at 0 falls for ever. The code computes
    :math:`(w_1 - w_2)(w_1 + w_2)`, which keeps the digits near the diagonals. Source: :cite:p:`goodfellow2016`, section 8.2.3.

    Examples
    --------
    >>> saddle([[2.0, 0.0], [0.0, 2.0]])
    array([ 4., -4.])
    """
    f = np.empty(len(w), w.dtype)
    for n in range(len(w)):
        a, b = np.float64(w[n, 0]), np.float64(w[n, 1])
        f[n] = (a - b) * (a + b)
    return f


@compiled
def saddle_grad(w):
    r"""Gradient of :func:`saddle`.

    .. math::
       :label: saddle-grad

       \frac{\partial f}{\partial \mathbf{w}} = \begin{pmatrix} 2 w_1 \\ -2 w_2 \end{pmatrix}

    Parameters
    ----------
    w : array_like, shape (..., 2)
        Points, :math:`\mathbf{w}` with elements :math:`w_i`.

    Returns
    -------
    ndarray, shape (..., 2)
        Gradients, :math:`\frac{\partial f}{\partial \mathbf{w}}`; same shape and dtype as `w`.

    Notes
    -----
    Source: :cite:p:`goodfellow2016`, section 8.2.3.

    Examples
    --------
    >>> saddle_grad([1.0, 1.0])
    array([ 2., -2.])
    """
    g = np.empty_like(w)
    for n in range(len(w)):
        g[n, 0], g[n, 1] = 2 * w[n, 0], -2 * w[n, 1]
    return g


@compiled
def saddle_hessian(w):
    r"""Hessian of :func:`saddle`: everywhere the same, with one negative eigenvalue.

    .. math::
       :label: saddle-hessian

       \mathbf{H}(\mathbf{w}) = \begin{pmatrix} 2 & 0 \\ 0 & -2 \end{pmatrix}

    Parameters
    ----------
    w : array_like, shape (..., 2)
        Points, :math:`\mathbf{w}` with elements :math:`w_i`.

    Returns
    -------
    ndarray, shape (..., 2, 2)
        Hessians, :math:`\mathbf{H}(\mathbf{w})`.

    Notes
    -----
    Source: :cite:p:`goodfellow2016`, section 8.2.3.

    Examples
    --------
    >>> saddle_hessian([1.0, 1.0])
    array([[ 2.,  0.],
           [ 0., -2.]])
    """
    H = np.zeros((len(w), 2, 2), w.dtype)
    for n in range(len(w)):
        H[n, 0, 0], H[n, 1, 1] = 2, -2
    return _lost(H, w)


@compiled
def quadratic(w, kappa=100.0):
    r"""A bowl with the condition number given: its minimum is 0 at (0, 0).

    .. math::
       :label: quadratic

       f(\mathbf{w}) = \frac{1}{2} (w_1^2 + \kappa \, w_2^2)

    Parameters
    ----------
    w : array_like, shape (..., 2)
        Points, :math:`\mathbf{w}` with elements :math:`w_i`.
    kappa : float, in [1, inf)
        Condition number, :math:`\kappa`: the ratio of the two curvatures.

    Returns
    -------
    ndarray, shape (...)
        Values, :math:`f(\mathbf{w})`.

    Notes
    -----
    Source: :cite:p:`nocedal2006`, section 3.3.

    Examples
    --------
    >>> quadratic([1.0, 1.0], kappa=9.0)
    np.float64(5.0)
    """
    f = np.empty(len(w), w.dtype)
    for n in range(len(w)):
        a, b = np.float64(w[n, 0]), np.float64(w[n, 1])
        f[n] = 0.5 * (a * a + kappa * (b * b))
    return f


@compiled
def quadratic_grad(w, kappa=100.0):
    r"""Gradient of :func:`quadratic`.

    .. math::
       :label: quadratic-grad

       \frac{\partial f}{\partial \mathbf{w}} = \begin{pmatrix} w_1 \\ \kappa \, w_2 \end{pmatrix}

    Parameters
    ----------
    w : array_like, shape (..., 2)
        Points, :math:`\mathbf{w}` with elements :math:`w_i`.
    kappa : float, in [1, inf)
        Condition number, :math:`\kappa`: the ratio of the two curvatures.

    Returns
    -------
    ndarray, shape (..., 2)
        Gradients, :math:`\frac{\partial f}{\partial \mathbf{w}}`; same shape and dtype as `w`.

    Notes
    -----
    Source: :cite:p:`nocedal2006`, section 3.3.

    Examples
    --------
    >>> quadratic_grad([1.0, 1.0], kappa=9.0)
    array([1., 9.])
    """
    g = np.empty_like(w)
    for n in range(len(w)):
        g[n, 0], g[n, 1] = w[n, 0], kappa * w[n, 1]
    return g


@compiled
def quadratic_hessian(w, kappa=100.0):
    r"""Hessian of :func:`quadratic`: everywhere the same.

    .. math::
       :label: quadratic-hessian

       \mathbf{H}(\mathbf{w}) = \begin{pmatrix} 1 & 0 \\ 0 & \kappa \end{pmatrix}

    Parameters
    ----------
    w : array_like, shape (..., 2)
        Points, :math:`\mathbf{w}` with elements :math:`w_i`.
    kappa : float, in [1, inf)
        Condition number, :math:`\kappa`: the ratio of the two curvatures.

    Returns
    -------
    ndarray, shape (..., 2, 2)
        Hessians, :math:`\mathbf{H}(\mathbf{w})`.

    Notes
    -----
    Source: :cite:p:`nocedal2006`, section 3.3.

    Examples
    --------
    >>> quadratic_hessian([1.0, 1.0], kappa=9.0)
    array([[1., 0.],
           [0., 9.]])
    """
    H = np.zeros((len(w), 2, 2), w.dtype)
    for n in range(len(w)):
        H[n, 0, 0], H[n, 1, 1] = 1, kappa
    return _lost(H, w)
