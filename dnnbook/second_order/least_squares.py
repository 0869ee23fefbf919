"""Least squares: Gauss-Newton and Levenberg-Marquardt, which need the Jacobian of the residuals and no second derivative."""

import numpy as np
from scipy.linalg import solve_triangular

from dnnbook._jit import checked
from dnnbook.second_order.common import Counted, Minimum, start
from dnnbook.second_order.newton import gain_ratio, nielsen_damping, predicted_decrease


def solve(A, b):
    """The shortest of the vectors that make |A x - b| smallest; NaN where the arguments have NaN or infinities."""
    if not (np.isfinite(A).all() and np.isfinite(b).all()):
        return np.full(A.shape[1], np.nan, A.dtype)
    return np.linalg.lstsq(A, b, rcond=None)[0]


def damped(J, r, scale):
    """The solution of (J^T J + diag(scale^2)) x = -J^T r, without the product J^T J.

    A triangle R with R^T R = J^T J + diag(scale^2) comes from J with diag(scale) below it. With R alone the solution would lose
    digits where the equation is badly conditioned; a second solution, for what the first has left, brings them back.
    """
    A = np.concatenate([J, np.diag(scale)])
    R = np.linalg.qr(A, mode="r")
    pivots = np.abs(np.diag(R))
    if not pivots.min() > len(A) * np.finfo(J.dtype).eps * pivots.max():
        return solve(A, np.concatenate([-r, np.zeros(len(scale), J.dtype)]))
    x = np.zeros_like(scale)
    for _ in range(2):
        rest = -J.T @ (r + J @ x) - scale * (scale * x)
        x = x + solve_triangular(R, solve_triangular(R, rest, trans="T", check_finite=False), check_finite=False)
    return x


@checked
def gauss_newton_step(J, r):
    r"""Gauss-Newton step: to the least squares of the linearized residuals.

    .. math::
       :label: gauss-newton-step

       \mathbf{J}^\top \mathbf{J} \, \boldsymbol{\Delta} = -\mathbf{J}^\top \mathbf{r}

    Parameters
    ----------
    J : array_like, shape (N, P)
        Jacobian of the residuals, :math:`\mathbf{J}`: one row per residual, one column per weight.
    r : array_like, shape (N,)
        Residuals, :math:`\mathbf{r}`.

    Returns
    -------
    ndarray, shape (P,)
        Step, :math:`\boldsymbol{\Delta}`; the shortest one where several solve the equation.

    Notes
    -----
    Newton's step with :math:`\mathbf{J}^\top \mathbf{J}` in the place of the Hessian of
    :math:`\frac{1}{2} \lVert \mathbf{r} \rVert^2`. The code does not form this product, which would square the condition
    number: it solves the least-squares problem itself. Source: :cite:p:`nocedal2006`, section 10.3.

    Examples
    --------
    >>> gauss_newton_step([[1.0, 0.0], [0.0, 2.0], [0.0, 0.0]], [3.0, 4.0, 5.0])
    array([-3., -2.])
    """
    return solve(J, -r)


@checked
def levenberg_marquardt_step(J, r, lam):
    r"""Levenberg-Marquardt step: Gauss-Newton with damping, the same for every weight.

    .. math::
       :label: levenberg-marquardt-step

       (\mathbf{J}^\top \mathbf{J} + \lambda \, \mathbf{I}) \, \boldsymbol{\Delta} = -\mathbf{J}^\top \mathbf{r}

    Parameters
    ----------
    J : array_like, shape (N, P)
        Jacobian of the residuals, :math:`\mathbf{J}`: one row per residual, one column per weight.
    r : array_like, shape (N,)
        Residuals, :math:`\mathbf{r}`.
    lam : float, in [0, inf)
        Damping, :math:`\lambda`: 0 is Gauss-Newton, a large one a short step down the gradient.

    Returns
    -------
    ndarray, shape (P,)
        Step, :math:`\boldsymbol{\Delta}`.

    Notes
    -----
    Levenberg's form. The code factors :math:`\mathbf{J}` with :math:`\sqrt{\lambda} \, \mathbf{I}` below it. Source:
    :cite:p:`levenberg1944`; :cite:p:`nocedal2006`, section 10.3; of the code, :cite:p:`bjorck1987`.

    Examples
    --------
    >>> levenberg_marquardt_step([[1.0, 0.0], [0.0, 3.0]], [2.0, 10.0], lam=1.0)
    array([-1., -3.])
    """
    return damped(J, r, np.full(J.shape[1], np.sqrt(lam), J.dtype))


@checked
def marquardt_step(J, r, d, lam):
    r"""Levenberg-Marquardt step with the damping in each weight's own scale.

    .. math::
       :label: marquardt-step

       (\mathbf{J}^\top \mathbf{J} + \lambda \operatorname{diag}(\mathbf{d} \odot \mathbf{d})) \, \boldsymbol{\Delta} =
       -\mathbf{J}^\top \mathbf{r}

    Parameters
    ----------
    J : array_like, shape (N, P)
        Jacobian of the residuals, :math:`\mathbf{J}`: one row per residual, one column per weight.
    r : array_like, shape (N,)
        Residuals, :math:`\mathbf{r}`.
    d : array_like, shape (P,)
        Scale of each weight, :math:`\mathbf{d}`; in Marquardt's form the lengths of the columns of the Jacobian.
    lam : float, in [0, inf)
        Damping, :math:`\lambda`.

    Returns
    -------
    ndarray, shape (P,)
        Step, :math:`\boldsymbol{\Delta}`.

    Notes
    -----
    With the lengths of the columns, measuring a weight in other units changes nothing. Source: :cite:p:`marquardt1963`;
    :cite:p:`nocedal2006`, section 10.3.

    Examples
    --------
    >>> marquardt_step([[1.0, 0.0], [0.0, 3.0]], [2.0, 6.0], [1.0, 3.0], lam=1.0)
    array([-1., -1.])
    """
    return damped(J, r, d.dtype.type(np.sqrt(lam)) * d)


def levenberg_marquardt(residuals, jacobian, w0, *, scaled=False, lam=1e-3, tol=1e-8, max_iter=200):
    r"""Minimize half the sum of squared residuals.

    Steps by :func:`marquardt_step`, or by :func:`levenberg_marquardt_step` if not `scaled`; damping by
    :func:`nielsen_damping`. The scale of a weight is the greatest length that its column of the Jacobian has had.

    Parameters
    ----------
    residuals : function
        ``residuals(w) -> ndarray``, shape (N,).
    jacobian : function
        ``jacobian(w) -> ndarray``, shape (N, P).
    w0 : array_like, shape (P,)
        Where to start.
    scaled : bool
        Whether the damping of a weight is in that weight's own scale.
    lam : float
        First damping, relative to the largest curvature if not `scaled`.
    tol : float
        Stop where the residuals are at right angles to every column of the Jacobian (the cosine is at most `tol`), or where
        the step is at most `tol` times the weights, or the decrease, predicted and real, at most `tol` times the value.
    max_iter : int
        Most steps to try, those taken back included.

    Returns
    -------
    Minimum
        Its value is half the sum of squares.

    Raises
    ------
    ValueError
        `w0` is no vector of finite numbers, the residuals at `w0` are not finite, or a number is not positive.

    Examples
    --------
    >>> t = np.arange(5.0)
    >>> y = 2 * np.exp(-0.5 * t)
    >>> found = levenberg_marquardt(
    ...     lambda w: w[0] * np.exp(-w[1] * t) - y,
    ...     lambda w: np.stack([np.exp(-w[1] * t), -w[0] * t * np.exp(-w[1] * t)], axis=1),
    ...     [1.0, 1.0],
    ... )
    >>> found.w.round(6)
    array([2. , 0.5])
    """
    w = start("levenberg_marquardt", w0, lam=lam, tol=tol, max_iter=max_iter)
    residuals, jacobian = (
        Counted("levenberg_marquardt: residuals", residuals),
        Counted("levenberg_marquardt: jacobian", jacobian),
    )
    r, J = residuals(w), jacobian(w)
    E = 0.5 * float(r @ r)
    if not np.isfinite(E):
        raise ValueError("levenberg_marquardt: the residuals at w0 are not finite")
    lengths = np.linalg.norm(J, axis=0)
    d = np.where(lengths > 0, lengths, 1.0) if scaled else np.full(len(w), np.max(lengths) or 1.0)
    nu, g, history, message = 2.0, J.T @ r, [E], ""
    for _ in range(max_iter):
        if np.all(np.abs(g) <= tol * lengths * np.linalg.norm(r)):
            message = "the residuals are at right angles to the Jacobian"
            break
        delta = marquardt_step(J, r, d, lam)
        predicted = float(predicted_decrease(delta, g, d, lam))
        after = residuals(w + delta)
        E_after = 0.5 * float(after @ after)
        rho = float(gain_ratio(E, E_after, predicted)) if np.isfinite(E_after) and predicted > 0 else -1.0
        small_step = np.linalg.norm(d * delta) <= tol * np.linalg.norm(d * w)
        small_gain = predicted <= tol * E and abs(E - E_after) <= tol * E
        if rho > 0:
            w, r, E = w + delta, after, E_after
            history.append(E)
        if small_step or small_gain:
            message = "the step is below tol" if small_step else "the predicted decrease is below tol"
            break
        if rho > 0:
            J = jacobian(w)
            g, lengths = J.T @ r, np.linalg.norm(J, axis=0)
            d = np.maximum(d, lengths) if scaled else d
        lam, nu = nielsen_damping(lam, nu, rho)
    return Minimum(
        w,
        E,
        len(history) - 1,
        residuals.calls,
        jacobian.calls,
        np.array(history),
        bool(message),
        message or "max_iter steps were tried",
    )
