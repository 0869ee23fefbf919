"""Newton's method with damping: the step, how much of what it promised it kept, and what follows for the next one."""

import numpy as np

from dnnbook._jit import checked, compiled
from dnnbook.second_order.common import Counted, Minimum, start

NEGLIGIBLE = 1e-6  # damping this small beside the curvature is dropped: the last steps are Newton's own


@checked
def newton_step(H, g, lam=0.0):
    r"""Newton's step with damping: to the bottom of the local quadratic model, held back by the damping.

    .. math::
       :label: newton-step

       (\mathbf{H} + \lambda \, \mathbf{I}) \, \boldsymbol{\Delta} = -\mathbf{g}

    Parameters
    ----------
    H : array_like, shape (P, P)
        Hessian, :math:`\mathbf{H}`.
    g : array_like, shape (P,)
        Gradient, :math:`\mathbf{g}`.
    lam : float, in [0, inf)
        Damping, :math:`\lambda`; 0 for Newton's own step.

    Returns
    -------
    ndarray, shape (P,)
        Step, :math:`\boldsymbol{\Delta}`.

    Raises
    ------
    numpy.linalg.LinAlgError
        The damped Hessian is singular: the equation has no solution, or more than one.

    Notes
    -----
    Only where the damped Hessian is positive definite does the step lead downhill. Source: :cite:p:`nocedal2006`, section
    3.4; :cite:p:`goodfellow2016`, section 8.6.1.

    Examples
    --------
    >>> newton_step([[2.0, 0.0], [0.0, 200.0]], [2.0, 200.0])
    array([-1., -1.])
    """
    return np.linalg.solve(H + lam * np.eye(len(g), dtype=H.dtype), -g)


@compiled
def predicted_decrease(delta, g, d, lam):
    r"""Decrease of the quadratic model along a damped step.

    .. math::
       :label: predicted-decrease

       m = \frac{1}{2} \sum_{j=1}^{P} \Delta_j (\lambda \, d_j^2 \Delta_j - g_j)

    Parameters
    ----------
    delta : array_like, shape (P,)
        Step, :math:`\Delta_j`: the solution of the damped equation.
    g : array_like, shape (P,)
        Gradient, :math:`g_j`.
    d : array_like, shape (P,)
        Scale of each weight in the damping, :math:`d_j`; ones for the plain form.
    lam : float, in [0, inf)
        Damping, :math:`\lambda`.

    Returns
    -------
    float
        Decrease that the model predicts, :math:`m`; in the dtype of the arrays.

    Notes
    -----
    The model is :math:`-\mathbf{g}^\top \boldsymbol{\Delta} - \frac{1}{2} \boldsymbol{\Delta}^\top \mathbf{H}
    \boldsymbol{\Delta}`; at the solution of the damped equation the Hessian drops out. Source: :cite:p:`madsen2004`,
    section 3.2.

    Examples
    --------
    >>> predicted_decrease([-1.0, -1.0], [2.0, 200.0], [1.0, 1.0], 0.0)
    np.float64(101.0)
    """
    total = 0.0
    for j in range(len(g)):
        step = np.float64(delta[j])
        total += step * (lam * (np.float64(d[j]) * d[j]) * step - g[j])
    return 0.5 * total


@compiled
def gain_ratio(before, after, predicted):
    r"""Gain ratio: how much of the decrease that the model predicted the function has shown.

    .. math::
       :label: gain-ratio

       \rho_t = \frac{E_{t-1} - E_t}{m_t}

    Parameters
    ----------
    before : float
        Value before the step, :math:`E_{t-1}`.
    after : float
        Value after the step, :math:`E_t`.
    predicted : float
        Decrease that the model predicted, :math:`m_t`.

    Returns
    -------
    float
        Gain ratio, :math:`\rho_t`.

    Notes
    -----
    Near 1 the model can be trusted; at 0 and below, the step led uphill and is taken back. Source: :cite:p:`madsen2004`,
    section 2.4.

    Examples
    --------
    >>> gain_ratio(10.0, 7.0, 4.0)
    np.float64(0.75)
    """
    return np.float64(before - after) / predicted


@compiled
def nielsen_damping(lam, nu, rho):
    r"""Next damping from the gain ratio, by Nielsen's rule: smaller after a step that kept its promise, larger after a failure.

    .. math::
       :label: nielsen-damping

       \lambda_t &= \begin{cases} \lambda_{t-1} \max(\frac{1}{3}, 1 - (2 \rho_t - 1)^3) & \text{if } \rho_t > 0 \\
       \nu_{t-1} \, \lambda_{t-1} & \text{if } \rho_t \le 0 \end{cases} \\
       \nu_t &= \begin{cases} 2 & \text{if } \rho_t > 0 \\ 2 \nu_{t-1} & \text{if } \rho_t \le 0 \end{cases}

    Parameters
    ----------
    lam : float, in (0, inf)
        Damping, :math:`\lambda_{t-1}`.
    nu : float, in [2, inf)
        Factor for the next failure, :math:`\nu_{t-1}`; 2 at the start.
    rho : float
        Gain ratio of the step, :math:`\rho_t`.

    Returns
    -------
    lam : float
        Next damping, :math:`\lambda_t`.
    nu : float
        Next factor, :math:`\nu_t`.

    Notes
    -----
    Marquardt's own rule divides or multiplies by a constant; Nielsen's is continuous, and failures in a row grow it ever
    faster. Source: :cite:p:`madsen2004`, section 2.4; :cite:p:`nielsen1999`.

    Examples
    --------
    >>> nielsen_damping(0.9, 2.0, 1.0)
    (np.float64(0.3), np.float64(2.0))
    >>> nielsen_damping(0.5, 4.0, -1.0)
    (np.float64(2.0), np.float64(8.0))
    """
    if rho > 0:
        return lam * max(1 / 3, 1 - (2 * rho - 1) ** 3), 2.0
    return nu * lam, 2 * nu


def minimize_newton(f, grad, w0, *, hess=None, hvp=None, tol=1e-8, max_iter=200):
    """Minimize a function by Newton's method, damped where the model fails.

    The first trial of every step uses the damping that :func:`nielsen_damping` has left, none at the start. It is raised while
    the damped Hessian is not positive definite, or the step does not lead downhill.

    Parameters
    ----------
    f : function
        ``f(w) -> float``.
    grad : function
        ``grad(w) -> ndarray``, the gradient.
    w0 : array_like, shape (P,)
        Where to start.
    hess : function, optional
        ``hess(w) -> ndarray``, the Hessian (P, P): the step is solved for exactly.
    hvp : function, optional
        ``hvp(w, v) -> ndarray``, the Hessian times a vector: the step is solved for by linear conjugate gradients, more
        exactly as the minimum comes nearer. The Hessian is never formed. Either `hess` or `hvp` must be given.
    tol : float
        Stop where no element of the gradient is larger.
    max_iter : int
        Most steps to try, those taken back included.

    Returns
    -------
    Minimum

    Raises
    ------
    ValueError
        Neither or both of `hess` and `hvp`, `w0` is no vector of finite numbers, `tol` or `max_iter` is not positive.

    Examples
    --------
    >>> from dnnbook.surfaces import rosenbrock, rosenbrock_grad, rosenbrock_hessian
    >>> found = minimize_newton(rosenbrock, rosenbrock_grad, [-1.2, 1.0], hess=rosenbrock_hessian)
    >>> found.w.round(6), found.converged
    (array([1., 1.]), True)
    """
    if (hess is None) == (hvp is None):
        raise ValueError("minimize_newton: expected one of hess and hvp")
    w = start("minimize_newton", w0, tol=tol, max_iter=max_iter)
    f, grad = Counted("minimize_newton: f", f), Counted("minimize_newton: grad", grad)
    E, g, lam, nu, ones = float(f(w)), grad(w), 0.0, 2.0, np.ones(len(w))
    history, message, model = [E], "", None
    for _ in range(max_iter):
        if np.max(np.abs(g)) <= tol:
            message = "the gradient is below tol"
            break
        if model is None:
            model = Dense(hess(w)) if hvp is None else MatrixFree(lambda v, w=w: hvp(w, v))
            curvature = np.linalg.norm(model.times(g)) / np.linalg.norm(g)
        if lam < NEGLIGIBLE * curvature:
            lam = 0.0
        delta = model.solve(g, lam)
        rho = -1.0  # no minimum of the model: like a step uphill
        if delta is not None:
            predicted = predicted_decrease(delta, g, ones, lam)
            if predicted <= np.finfo(float).eps * abs(E):
                message = "the predicted decrease is below round-off"
                break
            after = float(f(w + delta))
            rho = float(gain_ratio(E, after, predicted)) if np.isfinite(after) else -1.0
        if rho > 0:
            w, E, model = w + delta, after, None
            g = grad(w)
            history.append(E)
        lam, nu = nielsen_damping(max(lam, 1e-3 * curvature) if rho <= 0 else max(lam, 1e-300), nu, rho)
    return Minimum(
        w, E, len(history) - 1, f.calls, grad.calls, np.array(history), bool(message), message or "max_iter steps were tried"
    )


class Dense:
    """A quadratic model with its Hessian at hand."""

    def __init__(self, H):
        self.H = np.asarray(H, dtype=np.float64)

    def times(self, v):
        return self.H @ v

    def solve(self, g, lam):
        """The damped step, or None where the model has no minimum."""
        try:
            np.linalg.cholesky(self.H + lam * np.eye(len(g)))
        except np.linalg.LinAlgError:
            return None
        return newton_step(self.H, g, lam)


class MatrixFree:
    """A quadratic model known by the products of its Hessian with vectors."""

    def __init__(self, times):
        self.times = times

    def solve(self, g, lam):
        """The damped step by linear conjugate gradients, or None where they meet a direction without a minimum."""
        size = np.linalg.norm(g)
        delta, r = np.zeros_like(g), -g
        p = r.copy()
        for _ in range(2 * len(g)):
            Ap = self.times(p) + lam * p
            curvature = p @ Ap
            if not curvature > 0:
                return None
            alpha = (r @ r) / curvature
            delta += alpha * p
            r_next = r - alpha * Ap
            if np.linalg.norm(r_next) <= min(0.5, np.sqrt(size)) * size:
                break
            p, r = r_next + (r_next @ r_next) / (r @ r) * p, r_next
        return delta
