"""Gradient descent, and its two kinds of momentum."""

from typing import NamedTuple

import numpy as np

from dnnbook._jit import checked, kernel
from dnnbook._memory import zeros_like
from dnnbook.optimizers.common import first_state, hold, in_place, run


class MomentumState(NamedTuple):
    """State of :func:`momentum`, :func:`nesterov` and :func:`nesterov_at_w`.

    Attributes
    ----------
    v : ndarray
        Velocity.
    """

    v: np.ndarray


@checked
def sgd(w, g, eta=0.01):
    r"""One step of gradient descent.

    .. math::
       :label: sgd

       w_t = w_{t-1} - \eta \, g_t

    Parameters
    ----------
    w : array_like
        Parameters before the step, :math:`w_{t-1}`.
    g : array_like
        Gradient of the loss, :math:`g_t`; shape of `w`.
    eta : float, in [0, inf)
        Learning rate, :math:`\eta`.

    Returns
    -------
    ndarray
        Parameters after the step, :math:`w_t`.

    Notes
    -----
    Stochastic where the gradient is that of a few samples.
    Source: :cite:p:`robbins1951`; :cite:p:`goodfellow2016`, section 8.3.1.

    Examples
    --------
    >>> sgd([1.0, 2.0], [10.0, -10.0], eta=0.1)
    array([0., 3.])
    """
    hold("sgd", None, None, w, g=g)
    return w - eta * g


@kernel
def _sgd(w, g, eta):
    for i in range(len(w)):
        w[i] -= eta * g[i]


@in_place(sgd)
def sgd_(w, g, eta=0.01):
    """:func:`sgd` in place: changes `w`, returns nothing.

    Examples
    --------
    >>> w = np.array([1.0, 2.0])
    >>> sgd_(w, np.array([10.0, -10.0]), eta=0.1)
    >>> w
    array([0., 3.])
    """
    run(_sgd, (w, g), (eta,))


@first_state
def momentum_init(w):
    """First state of :func:`momentum`, :func:`nesterov` and :func:`nesterov_at_w`: at rest.

    Parameters
    ----------
    w : array_like
        Parameters.

    Returns
    -------
    MomentumState
        Zeros of the shape and dtype of `w`.

    Examples
    --------
    >>> momentum_init([1.0, 2.0])
    MomentumState(v=array([0., 0.]))
    """
    return MomentumState(zeros_like(w))


@checked
def momentum(w, g, state, eta=0.01, gamma=0.9):
    r"""One step of gradient descent with momentum (Polyak's heavy ball).

    .. math::
       :label: momentum

       v_t &= \gamma \, v_{t-1} - \eta \, g_t \\
       w_t &= w_{t-1} + v_t

    Parameters
    ----------
    w : array_like
        Parameters before the step, :math:`w_{t-1}`.
    g : array_like
        Gradient of the loss, :math:`g_t`; shape of `w`.
    state : MomentumState
        State before the step: ``v`` is :math:`v_{t-1}`.
    eta : float, in [0, inf)
        Learning rate, :math:`\eta`.
    gamma : float, in [0, 1)
        Share of the velocity that is kept, :math:`\gamma`.

    Returns
    -------
    w : ndarray
        Parameters after the step, :math:`w_t`.
    state : MomentumState
        State after the step: ``v`` is :math:`v_t`.

    Notes
    -----
    The learning rate is inside the velocity. PyTorch's `SGD` has it outside, which differs where the rate changes.
    Source: :cite:p:`polyak1964`; :cite:p:`sutskever2013`, equations 1 and 2.

    Examples
    --------
    >>> momentum([1.0], [10.0], momentum_init([1.0]), eta=0.1)
    (array([0.]), MomentumState(v=array([-1.])))
    """
    hold("momentum", MomentumState, state, w, g=g)
    v = gamma * state.v - eta * g
    return w + v, MomentumState(v)


@kernel
def _momentum(w, g, v, eta, gamma):
    for i in range(len(w)):
        v[i] = gamma * v[i] - eta * g[i]
        w[i] += v[i]


@in_place(momentum, MomentumState)
def momentum_(w, g, state, eta=0.01, gamma=0.9):
    """:func:`momentum` in place: changes `w` and the arrays of `state`, returns the new state.

    Examples
    --------
    >>> w = np.array([1.0])
    >>> momentum_(w, np.array([10.0]), momentum_init(w), eta=0.1)
    MomentumState(v=array([-1.]))
    >>> w
    array([0.])
    """
    run(_momentum, (w, g, state.v), (eta, gamma))
    return state


@checked
def nesterov_point(w, state, gamma=0.9):
    r"""The point ahead, where :func:`nesterov` wants the gradient.

    .. math::
       :label: nesterov-point

       \tilde w_t = w_{t-1} + \gamma \, v_{t-1}

    Parameters
    ----------
    w : array_like
        Parameters before the step, :math:`w_{t-1}`.
    state : MomentumState
        State before the step: ``v`` is :math:`v_{t-1}`.
    gamma : float, in [0, 1)
        Share of the velocity that is kept, :math:`\gamma`.

    Returns
    -------
    ndarray
        Where the velocity alone would carry the parameters, :math:`\tilde w_t`.

    Notes
    -----
    Source: :cite:p:`sutskever2013`, equation 3, the argument of the gradient.

    Examples
    --------
    >>> nesterov_point([1.0], MomentumState(np.array([-0.5])), gamma=0.9)
    array([0.55])
    """
    hold("nesterov_point", MomentumState, state, w)
    return w + gamma * state.v


@checked
def nesterov(w, g, state, eta=0.01, gamma=0.9):
    r"""One step of Nesterov's momentum: the gradient is that at the point ahead.

    .. math::
       :label: nesterov

       v_t &= \gamma \, v_{t-1} - \eta \, \tilde g_t \\
       w_t &= w_{t-1} + v_t

    Parameters
    ----------
    w : array_like
        Parameters before the step, :math:`w_{t-1}`.
    g : array_like
        Gradient of the loss at the point ahead, :math:`\tilde g_t`; shape of `w`. The point comes from :func:`nesterov_point`.
    state : MomentumState
        State before the step: ``v`` is :math:`v_{t-1}`. The first one comes from :func:`momentum_init`.
    eta : float, in [0, inf)
        Learning rate, :math:`\eta`.
    gamma : float, in [0, 1)
        Share of the velocity that is kept, :math:`\gamma`.

    Returns
    -------
    w : ndarray
        Parameters after the step, :math:`w_t`.
    state : MomentumState
        State after the step: ``v`` is :math:`v_t`.

    Notes
    -----
    The look-ahead form. All that tells it from :func:`momentum` is where the gradient was taken. A training loop that has the
    gradient at its own parameters takes the equal form :func:`nesterov_at_w`.
    Source: :cite:p:`nesterov1983`; :cite:p:`sutskever2013`, equations 3 and 4.

    Examples
    --------
    Two steps on the bowl :math:`w^2 / 2`, whose gradient is :math:`w`:

    >>> w, state = np.array([1.0]), momentum_init([1.0])
    >>> for _ in range(2):
    ...     w, state = nesterov(w, nesterov_point(w, state), state, eta=0.1)
    >>> w
    array([0.729])
    """
    hold("nesterov", MomentumState, state, w, g=g)
    v = gamma * state.v - eta * g
    return w + v, MomentumState(v)


@in_place(nesterov, MomentumState)
def nesterov_(w, g, state, eta=0.01, gamma=0.9):
    """:func:`nesterov` in place: changes `w` and the arrays of `state`, returns the new state.

    Examples
    --------
    >>> w = np.array([1.0])
    >>> nesterov_(w, np.array([10.0]), momentum_init(w), eta=0.1)
    MomentumState(v=array([-1.]))
    >>> w
    array([0.])
    """
    run(_momentum, (w, g, state.v), (eta, gamma))
    return state


@checked
def nesterov_at_w(w, g, state, eta=0.01, gamma=0.9):
    r"""One step of Nesterov's momentum, kept at the point ahead: the gradient is that at the parameters themselves.

    .. math::
       :label: nesterov-at-w

       v_t &= \gamma \, v_{t-1} - \eta \, g_t \\
       w_t &= w_{t-1} + \gamma \, v_t - \eta \, g_t

    Parameters
    ----------
    w : array_like
        Parameters before the step, :math:`w_{t-1}`.
    g : array_like
        Gradient of the loss, :math:`g_t`; shape of `w`.
    state : MomentumState
        State before the step: ``v`` is :math:`v_{t-1}`. The first one comes from :func:`momentum_init`.
    eta : float, in [0, inf)
        Learning rate, :math:`\eta`.
    gamma : float, in [0, 1)
        Share of the velocity that is kept, :math:`\gamma`.

    Returns
    -------
    w : ndarray
        Parameters after the step, :math:`w_t`.
    state : MomentumState
        State after the step: ``v`` is :math:`v_t`.

    Notes
    -----
    The same path as :func:`nesterov`, seen from the point ahead: what is called :math:`w` here is the :math:`\tilde w` of
    :func:`nesterov_point`, so one starts where that one does and ends :math:`\gamma v_t` further. ``optimizer("nesterov")`` is
    this form, for training loops.
    Source: :cite:p:`bengio2013`, section 3.5.

    Examples
    --------
    >>> nesterov_at_w([1.0], [1.0], momentum_init([1.0]), eta=0.1)
    (array([0.81]), MomentumState(v=array([-0.1])))
    """
    hold("nesterov_at_w", MomentumState, state, w, g=g)
    v = gamma * state.v - eta * g
    return w + (gamma * v - eta * g), MomentumState(v)


@kernel
def _nesterov_at_w(w, g, v, eta, gamma):
    for i in range(len(w)):
        v[i] = gamma * v[i] - eta * g[i]
        w[i] += gamma * v[i] - eta * g[i]


@in_place(nesterov_at_w, MomentumState)
def nesterov_at_w_(w, g, state, eta=0.01, gamma=0.9):
    """:func:`nesterov_at_w` in place: changes `w` and the arrays of `state`, returns the new state.

    Examples
    --------
    >>> w = np.array([1.0])
    >>> nesterov_at_w_(w, np.array([1.0]), momentum_init(w), eta=0.1)
    MomentumState(v=array([-0.1]))
    >>> w
    array([0.81])
    """
    run(_nesterov_at_w, (w, g, state.v), (eta, gamma))
    return state
