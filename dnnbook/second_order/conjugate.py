"""Nonlinear conjugate gradients: directions that do not undo each other's work, from gradients alone."""

import warnings

import numpy as np
from scipy.optimize import line_search

from dnnbook._jit import checked, compiled
from dnnbook.second_order.common import Counted, Minimum, start


@compiled
def fletcher_reeves_beta(g, g_prev):
    r"""Fletcher and Reeves' factor: how much of the last direction is kept.

    .. math::
       :label: fletcher-reeves-beta

       \beta_t = \frac{\mathbf{g}_t^\top \mathbf{g}_t}{\mathbf{g}_{t-1}^\top \mathbf{g}_{t-1}}

    Parameters
    ----------
    g : array_like, shape (P,)
        Gradient, :math:`\mathbf{g}_t`.
    g_prev : array_like, shape (P,)
        Gradient one step before, :math:`\mathbf{g}_{t-1}`.

    Returns
    -------
    float
        Factor, :math:`\beta_t`; in the dtype of the arrays.

    Notes
    -----
    Source: :cite:p:`fletcher1964`; :cite:p:`nocedal2006`, equation 5.41a.

    Examples
    --------
    >>> fletcher_reeves_beta([1.0, 1.0], [2.0, 0.0])
    np.float64(0.5)
    """
    above, below = 0.0, 0.0
    for j in range(len(g)):
        above += np.float64(g[j]) * g[j]
        below += np.float64(g_prev[j]) * g_prev[j]
    return above / below


@compiled
def polak_ribiere_plus_beta(g, g_prev):
    r"""Polak and Ribiere's factor, not below 0: where the gradient has hardly changed, the past is forgotten.

    .. math::
       :label: polak-ribiere-plus-beta

       \beta_t = \max \left( 0, \frac{\mathbf{g}_t^\top (\mathbf{g}_t - \mathbf{g}_{t-1})}
       {\mathbf{g}_{t-1}^\top \mathbf{g}_{t-1}} \right)

    Parameters
    ----------
    g : array_like, shape (P,)
        Gradient, :math:`\mathbf{g}_t`.
    g_prev : array_like, shape (P,)
        Gradient one step before, :math:`\mathbf{g}_{t-1}`.

    Returns
    -------
    float
        Factor, :math:`\beta_t`; in the dtype of the arrays.

    Notes
    -----
    The + names the maximum with 0, without which the method can fail to converge. Source: :cite:p:`polak1969`;
    :cite:p:`nocedal2006`, equations 5.44 and 5.45.

    Examples
    --------
    >>> polak_ribiere_plus_beta([1.0, 1.0], [2.0, 0.0])
    np.float64(0.0)
    >>> polak_ribiere_plus_beta([-1.0, 1.0], [2.0, 0.0])
    np.float64(1.0)
    """
    above, below = 0.0, 0.0
    for j in range(len(g)):
        above += np.float64(g[j]) * (np.float64(g[j]) - g_prev[j])
        below += np.float64(g_prev[j]) * g_prev[j]
    beta = above / below
    return 0.0 if beta < 0 else beta


@checked
def conjugate_direction(g, p, beta):
    r"""Next direction of search: downhill, with a part of the last direction.

    .. math::
       :label: conjugate-direction

       \mathbf{p}_t = -\mathbf{g}_t + \beta_t \, \mathbf{p}_{t-1}

    Parameters
    ----------
    g : array_like, shape (P,)
        Gradient, :math:`\mathbf{g}_t`.
    p : array_like, shape (P,)
        Last direction, :math:`\mathbf{p}_{t-1}`.
    beta : float, in [0, inf)
        How much of it is kept, :math:`\beta_t`; 0 is a restart.

    Returns
    -------
    ndarray, shape (P,)
        Direction, :math:`\mathbf{p}_t`.

    Notes
    -----
    Source: :cite:p:`fletcher1964`; :cite:p:`nocedal2006`, algorithm 5.4.

    Examples
    --------
    >>> conjugate_direction([1.0, 0.0], [0.0, 2.0], beta=0.5)
    array([-1.,  1.])
    """
    return -g + g.dtype.type(beta) * p


BETAS = {"fletcher_reeves": fletcher_reeves_beta, "polak_ribiere": polak_ribiere_plus_beta}
RESTARTS = {"fletcher_reeves": 0.2, "polak_ribiere": np.inf}  # Powell's test; Polak and Ribiere's factor restarts by itself


def conjugate_gradients(f, grad, w0, variant="polak_ribiere", *, c1=1e-4, c2=0.2, tol=1e-5, max_iter=None):
    """Minimize a function by nonlinear conjugate gradients with a line search.

    Each step goes along :func:`conjugate_direction` to a point where the strong Wolfe conditions hold
    (:func:`scipy.optimize.line_search`). It starts afresh, straight down the gradient, where the direction does not lead
    downhill clearly enough, where the search along it fails, and with Fletcher and Reeves' factor also where two gradients in
    a row are far from being at right angles (Powell's test :cite:p:`powell1977`), without which that variant can creep.

    Parameters
    ----------
    f : function
        ``f(w) -> float``.
    grad : function
        ``grad(w) -> ndarray``, the gradient.
    w0 : array_like, shape (P,)
        Where to start.
    variant : {"polak_ribiere", "fletcher_reeves"}
        Which factor: :func:`polak_ribiere_plus_beta` or :func:`fletcher_reeves_beta`.
    c1, c2 : float
        The step must show a decrease of `c1` times what the slope promises, and a slope of at most `c2` times the first.
    tol : float
        Stop where no element of the gradient is larger.
    max_iter : int, optional
        Most steps; 200 for each weight if left out.

    Returns
    -------
    Minimum

    Raises
    ------
    ValueError
        An unknown variant, `w0` is no vector of finite numbers, or a number is out of range.

    Examples
    --------
    >>> from dnnbook.surfaces import rosenbrock, rosenbrock_grad
    >>> found = conjugate_gradients(rosenbrock, rosenbrock_grad, [-1.2, 1.0])
    >>> found.w.round(4), found.converged
    (array([1., 1.]), True)
    """
    if variant not in BETAS:
        raise ValueError(f"conjugate_gradients: variant is {variant!r}, expected one of {', '.join(map(repr, BETAS))}")
    if not 0 < c1 < c2 < 1:
        raise ValueError(f"conjugate_gradients: c1 and c2 are {c1!r} and {c2!r}, expected 0 < c1 < c2 < 1")
    w = start("conjugate_gradients", w0, tol=tol, max_iter=1 if max_iter is None else max_iter)
    f, grad = Counted("conjugate_gradients: f", f), Counted("conjugate_gradients: grad", grad)
    E, g = float(f(w)), grad(w)
    E_prev, p, fresh = E + np.linalg.norm(g) / 2, -g, True  # the first trial is a step of length 1, as in SciPy's own methods
    history, message, converged = [E], "max_iter steps were taken", False
    for _ in range(200 * len(w) if max_iter is None else max_iter):
        if np.max(np.abs(g)) <= tol:
            message, converged = "the gradient is below tol", True
            break
        step = wolfe(f, grad, w, p, g, E, E_prev, c1, c2)
        if step is None and not fresh:
            p = -g
            step = wolfe(f, grad, w, p, g, E, E_prev, c1, c2)
        if step is None:
            message = "the line search found no step"
            break
        w = w + step * p
        E_prev, E, g_prev, g = E, float(f(w)), g, grad(w)
        history.append(E)
        p = conjugate_direction(g, p, BETAS[variant](g, g_prev))
        fresh = g @ p > -0.01 * (g @ g) or abs(g @ g_prev) > RESTARTS[variant] * (g @ g)
        if fresh:
            p = -g
    return Minimum(w, E, len(history) - 1, f.calls, grad.calls, np.array(history), converged, message)


def wolfe(f, grad, w, p, g, E, E_prev, c1, c2):
    """Length of a step that satisfies the strong Wolfe conditions, or None."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")  # None says it
        return line_search(f, grad, w, p, g, E, E_prev, c1=c1, c2=c2, maxiter=50)[0]
