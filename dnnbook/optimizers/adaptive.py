"""A step size for every parameter, from the squares of its gradients: AdaGrad, RMSProp, Adadelta.

Adam, which averages the gradient too, has its own room.
"""

from typing import NamedTuple

import numpy as np

from dnnbook._jit import checked, kernel
from dnnbook._memory import zeros_like
from dnnbook.optimizers.common import first_state, hold, in_place, run


class AdagradState(NamedTuple):
    """State of :func:`adagrad`.

    Attributes
    ----------
    v : ndarray, in [0, inf)
        Sum of the squares of all gradients so far.
    """

    v: np.ndarray


class RmspropState(NamedTuple):
    """State of :func:`rmsprop`.

    Attributes
    ----------
    v : ndarray, in [0, inf)
        Running mean of the square of the gradient.
    """

    v: np.ndarray


class RmspropNesterovState(NamedTuple):
    """State of :func:`rmsprop_nesterov`.

    Attributes
    ----------
    v : ndarray, in [0, inf)
        Running mean of the square of the gradient.
    u : ndarray
        Velocity.
    """

    v: np.ndarray
    u: np.ndarray


class AdadeltaState(NamedTuple):
    """State of :func:`adadelta`.

    Attributes
    ----------
    v : ndarray, in [0, inf)
        Running mean of the square of the gradient.
    u : ndarray, in [0, inf)
        Running mean of the square of the steps.
    """

    v: np.ndarray
    u: np.ndarray


@first_state
def adagrad_init(w):
    """First state of :func:`adagrad`: zeros.

    Parameters
    ----------
    w : array_like
        Parameters.

    Returns
    -------
    AdagradState
        Zeros of the shape and dtype of `w`.

    Examples
    --------
    >>> adagrad_init([1.0, 2.0])
    AdagradState(v=array([0., 0.]))
    """
    return AdagradState(zeros_like(w))


@checked
def adagrad(w, g, state, eta=0.01, eps=1e-10):
    r"""One step of AdaGrad.

    .. math::
       :label: adagrad

       v_t &= v_{t-1} + g_t^2 \\
       w_t &= w_{t-1} - \eta \, \frac{g_t}{\sqrt{v_t} + \epsilon}

    Parameters
    ----------
    w : array_like
        Parameters before the step, :math:`w_{t-1}`.
    g : array_like
        Gradient of the loss, :math:`g_t`; shape of `w`.
    state : AdagradState
        State before the step: ``v`` is :math:`v_{t-1}`.
    eta : float, in [0, inf)
        Learning rate, :math:`\eta`.
    eps : float, in (0, inf)
        Guard against division by 0, :math:`\epsilon`.

    Returns
    -------
    w : ndarray
        Parameters after the step, :math:`w_t`.
    state : AdagradState
        State after the step: ``v`` is :math:`v_t`.

    Notes
    -----
    The diagonal form of the paper, whose :math:`\delta` is our :math:`\epsilon`: outside the root. The sum starts at 0.
    Source: :cite:p:`duchi2011`, figure 1 (diagonal matrices, no regularizer).

    Examples
    --------
    The first step has length :math:`\eta`, whatever the gradient; a steady gradient then gives shorter and shorter ones:

    >>> w, state = np.zeros(2), adagrad_init(np.zeros(2))
    >>> for _ in range(4):
    ...     w, state = adagrad(w, [100.0, 0.01], state, eta=1.0)
    >>> w  # 1 + 1/sqrt(2) + 1/sqrt(3) + 1/sqrt(4)
    array([-2.78445705, -2.78445703])
    """
    hold("adagrad", AdagradState, state, w, g=g)
    v = state.v + g * g
    return w - eta * g / (np.sqrt(v) + eps), AdagradState(v)


@kernel
def _adagrad(w, g, v, eta, eps):
    for i in range(len(w)):
        v[i] += g[i] * g[i]
        w[i] -= eta * g[i] / (np.sqrt(v[i]) + eps)


@in_place(adagrad, AdagradState)
def adagrad_(w, g, state, eta=0.01, eps=1e-10):
    """:func:`adagrad` in place: changes `w` and the arrays of `state`, returns the new state.

    Examples
    --------
    >>> w = np.zeros(1)
    >>> adagrad_(w, np.array([3.0]), adagrad_init(w), eta=1.0)
    AdagradState(v=array([9.]))
    >>> w
    array([-1.])
    """
    run(_adagrad, (w, g, state.v), (eta, eps))
    return state


@first_state
def rmsprop_init(w):
    """First state of :func:`rmsprop`: zeros.

    Parameters
    ----------
    w : array_like
        Parameters.

    Returns
    -------
    RmspropState
        Zeros of the shape and dtype of `w`.

    Examples
    --------
    >>> rmsprop_init([1.0, 2.0])
    RmspropState(v=array([0., 0.]))
    """
    return RmspropState(zeros_like(w))


@checked
def rmsprop(w, g, state, eta=0.001, beta=0.9, eps=1e-8):
    r"""One step of RMSProp.

    .. math::
       :label: rmsprop

       v_t &= \beta \, v_{t-1} + (1 - \beta) \, g_t^2 \\
       w_t &= w_{t-1} - \eta \, \frac{g_t}{\sqrt{v_t} + \epsilon}

    Parameters
    ----------
    w : array_like
        Parameters before the step, :math:`w_{t-1}`.
    g : array_like
        Gradient of the loss, :math:`g_t`; shape of `w`.
    state : RmspropState
        State before the step: ``v`` is :math:`v_{t-1}`.
    eta : float, in [0, inf)
        Learning rate, :math:`\eta`.
    beta : float, in [0, 1)
        Decay of the mean of the square of the gradient, :math:`\beta`.
    eps : float, in (0, inf)
        Guard against division by 0, :math:`\epsilon`.

    Returns
    -------
    w : ndarray
        Parameters after the step, :math:`w_t`.
    state : RmspropState
        State after the step: ``v`` is :math:`v_t`.

    Notes
    -----
    The lecture divides by :math:`\sqrt{v_t}` and has no :math:`\epsilon`. Here it stands outside the root, as in PyTorch.
    Inside, :math:`\sqrt{v_t + \epsilon}` as in optax, the same number is far stronger: it is held against squares of gradients.
    The mean starts at 0 without correction, so the first step is :math:`1 / \sqrt{1 - \beta}` times as long as a steady one.
    Source: :cite:p:`hinton2012`, lecture 6e.

    Examples
    --------
    >>> w, state = rmsprop([0.0, 0.0], [100.0, -0.01], rmsprop_init([0.0, 0.0]), eta=1.0)
    >>> w
    array([-3.16227766,  3.16226766])
    """
    hold("rmsprop", RmspropState, state, w, g=g)
    v = beta * state.v + (1 - beta) * g * g
    return w - eta * g / (np.sqrt(v) + eps), RmspropState(v)


@kernel
def _rmsprop(w, g, v, eta, beta, rest, eps):
    for i in range(len(w)):
        v[i] = beta * v[i] + rest * g[i] * g[i]
        w[i] -= eta * g[i] / (np.sqrt(v[i]) + eps)


@in_place(rmsprop, RmspropState)
def rmsprop_(w, g, state, eta=0.001, beta=0.9, eps=1e-8):
    """:func:`rmsprop` in place: changes `w` and the arrays of `state`, returns the new state.

    Examples
    --------
    >>> w = np.zeros(1)
    >>> rmsprop_(w, np.array([2.0]), rmsprop_init(w), eta=1.0, beta=0.75)
    RmspropState(v=array([1.]))
    >>> w
    array([-1.99999998])
    """
    run(_rmsprop, (w, g, state.v), (eta, beta, 1 - beta, eps))
    return state


@first_state
def rmsprop_nesterov_init(w):
    """First state of :func:`rmsprop_nesterov`: zeros.

    Parameters
    ----------
    w : array_like
        Parameters.

    Returns
    -------
    RmspropNesterovState
        Zeros of the shape and dtype of `w`.

    Examples
    --------
    >>> rmsprop_nesterov_init([1.0])
    RmspropNesterovState(v=array([0.]), u=array([0.]))
    """
    return RmspropNesterovState(zeros_like(w), zeros_like(w))


@checked
def rmsprop_nesterov(w, g, state, eta=0.001, beta=0.9, gamma=0.9, eps=1e-8):
    r"""One step of RMSProp with Nesterov's momentum.

    .. math::
       :label: rmsprop-nesterov

       v_t &= \beta \, v_{t-1} + (1 - \beta) \, g_t^2 \\
       r_t &= \eta \, \frac{g_t}{\sqrt{v_t} + \epsilon} \\
       u_t &= \gamma \, u_{t-1} - r_t \\
       w_t &= w_{t-1} + \gamma \, u_t - r_t

    Parameters
    ----------
    w : array_like
        Parameters before the step, :math:`w_{t-1}`.
    g : array_like
        Gradient of the loss, :math:`g_t`; shape of `w`.
    state : RmspropNesterovState
        State before the step: ``v`` is :math:`v_{t-1}` and ``u`` is :math:`u_{t-1}`.
    eta : float, in [0, inf)
        Learning rate, :math:`\eta`.
    beta : float, in [0, 1)
        Decay of the mean of the square of the gradient, :math:`\beta`.
    gamma : float, in [0, 1)
        Share of the velocity that is kept, :math:`\gamma`.
    eps : float, in (0, inf)
        Guard against division by 0, :math:`\epsilon`.

    Returns
    -------
    w : ndarray
        Parameters after the step, :math:`w_t`.
    state : RmspropNesterovState
        State after the step: ``v`` is :math:`v_t` and ``u`` is :math:`u_t`.

    Notes
    -----
    :func:`nesterov_at_w` with the step of :func:`rmsprop`, :math:`r_t`, in the place of :math:`\eta g_t`: the form evaluated at
    the parameters themselves, equal to the look-ahead form of the source by the same change of variables.
    Source: :cite:p:`goodfellow2016`, algorithm 8.6; :cite:p:`hinton2012`, lecture 6e, names the combination.

    Examples
    --------
    >>> w, state = rmsprop_nesterov([0.0], [2.0], rmsprop_nesterov_init([0.0]), eta=1.0, beta=0.75)
    >>> w
    array([-3.79999996])
    """
    hold("rmsprop_nesterov", RmspropNesterovState, state, w, g=g)
    v = beta * state.v + (1 - beta) * g * g
    r = eta * g / (np.sqrt(v) + eps)
    u = gamma * state.u - r
    return w + (gamma * u - r), RmspropNesterovState(v, u)


@kernel
def _rmsprop_nesterov(w, g, v, u, eta, beta, rest, gamma, eps):
    for i in range(len(w)):
        v[i] = beta * v[i] + rest * g[i] * g[i]
        r = eta * g[i] / (np.sqrt(v[i]) + eps)
        u[i] = gamma * u[i] - r
        w[i] += gamma * u[i] - r


@in_place(rmsprop_nesterov, RmspropNesterovState)
def rmsprop_nesterov_(w, g, state, eta=0.001, beta=0.9, gamma=0.9, eps=1e-8):
    """:func:`rmsprop_nesterov` in place: changes `w` and the arrays of `state`, returns the new state.

    Examples
    --------
    >>> w = np.zeros(1)
    >>> state = rmsprop_nesterov_(w, np.array([2.0]), rmsprop_nesterov_init(w), eta=1.0, beta=0.75)
    >>> w
    array([-3.79999996])
    """
    run(_rmsprop_nesterov, (w, g, state.v, state.u), (eta, beta, 1 - beta, gamma, eps))
    return state


@first_state
def adadelta_init(w):
    """First state of :func:`adadelta`: zeros.

    Parameters
    ----------
    w : array_like
        Parameters.

    Returns
    -------
    AdadeltaState
        Zeros of the shape and dtype of `w`.

    Examples
    --------
    >>> adadelta_init([1.0])
    AdadeltaState(v=array([0.]), u=array([0.]))
    """
    return AdadeltaState(zeros_like(w), zeros_like(w))


@checked
def adadelta(w, g, state, rho=0.95, eps=1e-6):
    r"""One step of Adadelta, which has no learning rate.

    .. math::
       :label: adadelta

       v_t &= \rho \, v_{t-1} + (1 - \rho) \, g_t^2 \\
       \Delta w_t &= -\frac{\sqrt{u_{t-1} + \epsilon}}{\sqrt{v_t + \epsilon}} \, g_t \\
       u_t &= \rho \, u_{t-1} + (1 - \rho) \, \Delta w_t^2 \\
       w_t &= w_{t-1} + \Delta w_t

    Parameters
    ----------
    w : array_like
        Parameters before the step, :math:`w_{t-1}`.
    g : array_like
        Gradient of the loss, :math:`g_t`; shape of `w`.
    state : AdadeltaState
        State before the step: ``v`` is :math:`v_{t-1}` and ``u`` is :math:`u_{t-1}`.
    rho : float, in [0, 1)
        Decay of both means, :math:`\rho`.
    eps : float, in (0, inf)
        Sets the first steps going and guards against division by 0, :math:`\epsilon`.

    Returns
    -------
    w : ndarray
        Parameters after the step, :math:`w_t`.
    state : AdadeltaState
        State after the step: ``v`` is :math:`v_t` and ``u`` is :math:`u_t`.

    Notes
    -----
    The paper's algorithm 1, with :math:`\epsilon` inside both roots. Its size sets how long the first steps are: at most
    :math:`\sqrt{\epsilon / (1 - \rho)}`, so learning starts slowly.
    Source: :cite:p:`zeiler2012`, algorithm 1.

    Examples
    --------
    >>> w, state = adadelta([0.0, 0.0], [1.0, -100.0], adadelta_init([0.0, 0.0]))
    >>> w
    array([-0.00447209,  0.00447214])
    """
    hold("adadelta", AdadeltaState, state, w, g=g)
    v = rho * state.v + (1 - rho) * g * g
    step = -(np.sqrt(state.u + eps) / np.sqrt(v + eps) * g)
    u = rho * state.u + (1 - rho) * step * step
    return w + step, AdadeltaState(v, u)


@kernel
def _adadelta(w, g, v, u, rho, rest, eps):
    for i in range(len(w)):
        v[i] = rho * v[i] + rest * g[i] * g[i]
        step = -(np.sqrt(u[i] + eps) / np.sqrt(v[i] + eps) * g[i])
        u[i] = rho * u[i] + rest * step * step
        w[i] += step


@in_place(adadelta, AdadeltaState)
def adadelta_(w, g, state, rho=0.95, eps=1e-6):
    """:func:`adadelta` in place: changes `w` and the arrays of `state`, returns the new state.

    Examples
    --------
    >>> w = np.zeros(2)
    >>> state = adadelta_(w, np.array([1.0, -100.0]), adadelta_init(w))
    >>> w
    array([-0.00447209,  0.00447214])
    """
    run(_adadelta, (w, g, state.v, state.u), (rho, 1 - rho, eps))
    return state
