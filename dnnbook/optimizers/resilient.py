"""RPROP, resilient backpropagation: steps whose length the signs of the gradients rule, in its four versions.

A plus stands for weight-backtracking, a step taken back; an "i" for the improved versions. All are made for the gradient of
all examples, and none has a learning rate.
"""

import math
from typing import NamedTuple

import numpy as np

from dnnbook._jit import checked, kernel, scalar
from dnnbook._memory import zeros_like
from dnnbook.optimizers.common import first_state, hold, in_place, run


class RpropState(NamedTuple):
    """State of :func:`rprop_minus` and :func:`irprop_minus`.

    Attributes
    ----------
    g : ndarray
        The gradient before, 0 where it is to be forgotten.
    delta : ndarray, in (0, inf)
        Length of the step of each parameter.
    """

    g: np.ndarray
    delta: np.ndarray


class RpropPlusState(NamedTuple):
    """State of :func:`rprop_plus`.

    Attributes
    ----------
    g : ndarray
        The gradient before, 0 where it is to be forgotten.
    step : ndarray
        The step before.
    delta : ndarray, in (0, inf)
        Length of the step of each parameter.
    """

    g: np.ndarray
    step: np.ndarray
    delta: np.ndarray


class IRpropPlusState(NamedTuple):
    """State of :func:`irprop_plus`.

    Attributes
    ----------
    g : ndarray
        The gradient before, 0 where it is to be forgotten.
    step : ndarray
        The step before.
    delta : ndarray, in (0, inf)
        Length of the step of each parameter.
    E : float
        The loss before.
    """

    g: np.ndarray
    step: np.ndarray
    delta: np.ndarray
    E: float


def _agreement(before, now):
    """1 where two gradients have the same sign, -1 where the sign has turned; a product of tiny ones would be 0."""
    return np.sign(before) * np.sign(now)


def _sizes(agreement, delta, eta_plus, eta_minus, delta_min, delta_max):
    longer, shorter = np.minimum(eta_plus * delta, delta_max), np.maximum(eta_minus * delta, delta_min)
    return np.where(agreement > 0, longer, np.where(agreement < 0, shorter, delta))


@scalar
def _size(agreement, delta, eta_plus, eta_minus, delta_min, delta_max):
    if agreement > 0:
        return min(eta_plus * delta, delta_max)
    return max(eta_minus * delta, delta_min) if agreement < 0 else delta


@first_state
def rprop_init(w, delta_init=0.1):
    """First state of :func:`rprop_minus` and :func:`irprop_minus`: no gradient yet, one length for all.

    Parameters
    ----------
    w : array_like
        Parameters.
    delta_init : float, in (0, inf)
        Length of the first step of every parameter.

    Returns
    -------
    RpropState
        Arrays of the shape and dtype of `w`.

    Examples
    --------
    >>> rprop_init([1.0])
    RpropState(g=array([0.]), delta=array([0.1]))
    """
    return RpropState(zeros_like(w), np.full_like(w, delta_init, order="C"))


@checked
def rprop_minus(w, g, state, eta_plus=1.2, eta_minus=0.5, delta_min=1e-6, delta_max=50.0):
    r"""One step of RPROP-: only the sign of the gradient counts, every parameter has its own length of step.

    .. math::
       :label: rprop-minus

       \Delta_t &= \begin{cases}
       \min(\eta^+ \Delta_{t-1}, \Delta_{\mathrm{max}}) & \text{if } g_{t-1} g_t > 0 \\
       \max(\eta^- \Delta_{t-1}, \Delta_{\mathrm{min}}) & \text{if } g_{t-1} g_t < 0 \\
       \Delta_{t-1} & \text{otherwise} \end{cases} \\
       w_t &= w_{t-1} - \operatorname{sgn}(g_t) \, \Delta_t

    Parameters
    ----------
    w : array_like
        Parameters before the step, :math:`w_{t-1}`.
    g : array_like
        Gradient of the loss over all examples, :math:`g_t`; shape of `w`.
    state : RpropState
        State before the step: ``g`` is :math:`g_{t-1}` and ``delta`` is :math:`\Delta_{t-1}`.
    eta_plus : float, in (1, inf)
        Growth of the length where the sign stays, :math:`\eta^+`.
    eta_minus : float, in (0, 1)
        Shrinking of the length where the sign turns, :math:`\eta^-`.
    delta_min : float, in [0, inf)
        Shortest length that shrinking reaches, :math:`\Delta_{\mathrm{min}}`.
    delta_max : float, in (0, inf)
        Longest length that growth reaches, :math:`\Delta_{\mathrm{max}}`.

    Returns
    -------
    w : ndarray
        Parameters after the step, :math:`w_t`.
    state : RpropState
        State after the step: ``g`` is :math:`g_t` and ``delta`` is :math:`\Delta_t`.

    Notes
    -----
    Without weight-backtracking: where the sign turns, the step is shortened and taken. For the gradient of all examples; that
    of a mini-batch changes its sign by chance.
    Source: :cite:p:`riedmiller1994`; :cite:p:`igel2003`, algorithm 2 (their name for it).

    Examples
    --------
    >>> w, state = np.array([1.0]), rprop_init([1.0], delta_init=0.5)
    >>> for _ in range(4):  # on the bowl w^2 / 2
    ...     w, state = rprop_minus(w, w, state)
    ...     print(w, state.delta)
    [0.5] [0.5]
    [-0.1] [0.6]
    [0.2] [0.3]
    [0.05] [0.15]
    """
    hold("rprop_minus", RpropState, state, w, g=g)
    delta = _sizes(_agreement(state.g, g), state.delta, eta_plus, eta_minus, delta_min, delta_max)
    return w - np.sign(g) * delta, RpropState(np.array(g), delta)


@kernel
def _rprop_minus(w, g, before, delta, eta_plus, eta_minus, delta_min, delta_max):
    for i in range(len(w)):
        agreement = np.sign(before[i]) * np.sign(g[i])
        delta[i] = _size(agreement, delta[i], eta_plus, eta_minus, delta_min, delta_max)
        before[i] = g[i]
        w[i] -= np.sign(g[i]) * delta[i]


@in_place(rprop_minus, RpropState)
def rprop_minus_(w, g, state, eta_plus=1.2, eta_minus=0.5, delta_min=1e-6, delta_max=50.0):
    """:func:`rprop_minus` in place: changes `w` and the arrays of `state`, returns the new state.

    Examples
    --------
    >>> w = np.array([1.0, 1.0])
    >>> state = rprop_minus_(w, np.array([3.0, -0.1]), rprop_init(w, delta_init=0.5))
    >>> w
    array([0.5, 1.5])
    """
    run(_rprop_minus, (w, g, state.g, state.delta), (eta_plus, eta_minus, delta_min, delta_max))
    return state


@checked
def irprop_minus(w, g, state, eta_plus=1.2, eta_minus=0.5, delta_min=1e-6, delta_max=50.0):
    r"""One step of iRPROP-: where the sign of the gradient turns, the parameter rests for one step.

    .. math::
       :label: irprop-minus

       \Delta_t &= \begin{cases}
       \min(\eta^+ \Delta_{t-1}, \Delta_{\mathrm{max}}) & \text{if } \tilde g_{t-1} g_t > 0 \\
       \max(\eta^- \Delta_{t-1}, \Delta_{\mathrm{min}}) & \text{if } \tilde g_{t-1} g_t < 0 \\
       \Delta_{t-1} & \text{otherwise} \end{cases} \\
       \tilde g_t &= \begin{cases} 0 & \text{if } \tilde g_{t-1} g_t < 0 \\ g_t & \text{otherwise} \end{cases} \\
       w_t &= w_{t-1} - \operatorname{sgn}(\tilde g_t) \, \Delta_t

    Parameters
    ----------
    w : array_like
        Parameters before the step, :math:`w_{t-1}`.
    g : array_like
        Gradient of the loss over all examples, :math:`g_t`; shape of `w`.
    state : RpropState
        State before the step: ``g`` is :math:`\tilde g_{t-1}` and ``delta`` is :math:`\Delta_{t-1}`.
    eta_plus : float, in (1, inf)
        Growth of the length where the sign stays, :math:`\eta^+`.
    eta_minus : float, in (0, 1)
        Shrinking of the length where the sign turns, :math:`\eta^-`.
    delta_min : float, in [0, inf)
        Shortest length that shrinking reaches, :math:`\Delta_{\mathrm{min}}`.
    delta_max : float, in (0, inf)
        Longest length that growth reaches, :math:`\Delta_{\mathrm{max}}`.

    Returns
    -------
    w : ndarray
        Parameters after the step, :math:`w_t`.
    state : RpropState
        State after the step: ``g`` is :math:`\tilde g_t` and ``delta`` is :math:`\Delta_t`.

    Notes
    -----
    Improved RPROP-: the gradient that turned is forgotten, so that the length is not changed twice. For the gradient of all
    examples. This is what PyTorch's `Rprop` computes.
    Source: :cite:p:`igel2003`, algorithm 4.

    Examples
    --------
    >>> w, state = np.array([1.0]), rprop_init([1.0], delta_init=0.5)
    >>> for _ in range(4):  # on the bowl w^2 / 2
    ...     w, state = irprop_minus(w, w, state)
    ...     print(w, state.delta)
    [0.5] [0.5]
    [-0.1] [0.6]
    [-0.1] [0.3]
    [0.2] [0.3]
    """
    hold("irprop_minus", RpropState, state, w, g=g)
    agreement = _agreement(state.g, g)
    delta = _sizes(agreement, state.delta, eta_plus, eta_minus, delta_min, delta_max)
    kept = np.where(agreement < 0, 0, g)
    return w - np.sign(kept) * delta, RpropState(kept, delta)


@kernel
def _irprop_minus(w, g, before, delta, eta_plus, eta_minus, delta_min, delta_max):
    for i in range(len(w)):
        agreement = np.sign(before[i]) * np.sign(g[i])
        delta[i] = _size(agreement, delta[i], eta_plus, eta_minus, delta_min, delta_max)
        before[i] = 0 if agreement < 0 else g[i]
        w[i] -= np.sign(before[i]) * delta[i]


@in_place(irprop_minus, RpropState)
def irprop_minus_(w, g, state, eta_plus=1.2, eta_minus=0.5, delta_min=1e-6, delta_max=50.0):
    """:func:`irprop_minus` in place: changes `w` and the arrays of `state`, returns the new state.

    Examples
    --------
    >>> w = np.array([1.0, 1.0])
    >>> state = irprop_minus_(w, np.array([3.0, -0.1]), rprop_init(w, delta_init=0.5))
    >>> w
    array([0.5, 1.5])
    """
    run(_irprop_minus, (w, g, state.g, state.delta), (eta_plus, eta_minus, delta_min, delta_max))
    return state


@first_state
def rprop_plus_init(w, delta_init=0.1):
    """First state of :func:`rprop_plus`: no gradient yet, one length for all.

    Parameters
    ----------
    w : array_like
        Parameters.
    delta_init : float, in (0, inf)
        Length of the first step of every parameter.

    Returns
    -------
    RpropPlusState
        Arrays of the shape and dtype of `w`.

    Examples
    --------
    >>> rprop_plus_init([1.0])
    RpropPlusState(g=array([0.]), step=array([0.]), delta=array([0.1]))
    """
    return RpropPlusState(zeros_like(w), zeros_like(w), np.full_like(w, delta_init, order="C"))


@checked
def rprop_plus(w, g, state, eta_plus=1.2, eta_minus=0.5, delta_min=1e-6, delta_max=50.0):
    r"""One step of RPROP+: where the sign of the gradient turns, the last step is taken back.

    .. math::
       :label: rprop-plus

       \Delta_t &= \begin{cases}
       \min(\eta^+ \Delta_{t-1}, \Delta_{\mathrm{max}}) & \text{if } \tilde g_{t-1} g_t > 0 \\
       \max(\eta^- \Delta_{t-1}, \Delta_{\mathrm{min}}) & \text{if } \tilde g_{t-1} g_t < 0 \\
       \Delta_{t-1} & \text{otherwise} \end{cases} \\
       \Delta w_t &= \begin{cases} -\Delta w_{t-1} & \text{if } \tilde g_{t-1} g_t < 0 \\
       -\operatorname{sgn}(g_t) \, \Delta_t & \text{otherwise} \end{cases} \\
       \tilde g_t &= \begin{cases} 0 & \text{if } \tilde g_{t-1} g_t < 0 \\ g_t & \text{otherwise} \end{cases} \\
       w_t &= w_{t-1} + \Delta w_t

    Parameters
    ----------
    w : array_like
        Parameters before the step, :math:`w_{t-1}`.
    g : array_like
        Gradient of the loss over all examples, :math:`g_t`; shape of `w`.
    state : RpropPlusState
        State before the step: ``g`` is :math:`\tilde g_{t-1}`, ``step`` is :math:`\Delta w_{t-1}` and ``delta`` is
        :math:`\Delta_{t-1}`.
    eta_plus : float, in (1, inf)
        Growth of the length where the sign stays, :math:`\eta^+`.
    eta_minus : float, in (0, 1)
        Shrinking of the length where the sign turns, :math:`\eta^-`.
    delta_min : float, in [0, inf)
        Shortest length that shrinking reaches, :math:`\Delta_{\mathrm{min}}`.
    delta_max : float, in (0, inf)
        Longest length that growth reaches, :math:`\Delta_{\mathrm{max}}`.

    Returns
    -------
    w : ndarray
        Parameters after the step, :math:`w_t`.
    state : RpropPlusState
        State after the step: ``g`` is :math:`\tilde g_t`, ``step`` is :math:`\Delta w_t` and ``delta`` is :math:`\Delta_t`.

    Notes
    -----
    The original, with weight-backtracking. The gradient that turned is forgotten, so that the length is not changed twice. For
    the gradient of all examples.
    Source: :cite:p:`riedmiller1993`; :cite:p:`igel2003`, algorithm 1 (their name for it).

    Examples
    --------
    >>> w, state = np.array([1.0]), rprop_plus_init([1.0], delta_init=0.5)
    >>> for _ in range(4):  # on the bowl w^2 / 2
    ...     w, state = rprop_plus(w, w, state)
    ...     print(w, state.delta)
    [0.5] [0.5]
    [-0.1] [0.6]
    [0.5] [0.3]
    [0.2] [0.3]
    """
    hold("rprop_plus", RpropPlusState, state, w, g=g)
    agreement = _agreement(state.g, g)
    delta = _sizes(agreement, state.delta, eta_plus, eta_minus, delta_min, delta_max)
    turned = agreement < 0
    step = np.where(turned, -state.step, -np.sign(g) * delta)
    return w + step, RpropPlusState(np.where(turned, 0, g), step, delta)


@kernel
def _rprop_plus(w, g, before, step, delta, back, eta_plus, eta_minus, delta_min, delta_max):
    for i in range(len(w)):
        agreement = np.sign(before[i]) * np.sign(g[i])
        delta[i] = _size(agreement, delta[i], eta_plus, eta_minus, delta_min, delta_max)
        if agreement < 0:
            step[i] = -step[i] if back > 0 else 0
        else:
            step[i] = -np.sign(g[i]) * delta[i]
        before[i] = 0 if agreement < 0 else g[i]
        w[i] += step[i]


@in_place(rprop_plus, RpropPlusState)
def rprop_plus_(w, g, state, eta_plus=1.2, eta_minus=0.5, delta_min=1e-6, delta_max=50.0):
    """:func:`rprop_plus` in place: changes `w` and the arrays of `state`, returns the new state.

    Examples
    --------
    >>> w = np.array([1.0, 1.0])
    >>> state = rprop_plus_(w, np.array([3.0, -0.1]), rprop_plus_init(w, delta_init=0.5))
    >>> w
    array([0.5, 1.5])
    """
    run(_rprop_plus, (w, g, state.g, state.step, state.delta), (1.0, eta_plus, eta_minus, delta_min, delta_max))
    return state


@first_state
def irprop_plus_init(w, delta_init=0.1):
    """First state of :func:`irprop_plus`: no gradient yet, one length for all.

    Parameters
    ----------
    w : array_like
        Parameters.
    delta_init : float, in (0, inf)
        Length of the first step of every parameter.

    Returns
    -------
    IRpropPlusState
        Arrays of the shape and dtype of `w`.

    Examples
    --------
    >>> irprop_plus_init([1.0])
    IRpropPlusState(g=array([0.]), step=array([0.]), delta=array([0.1]), E=inf)
    """
    return IRpropPlusState(zeros_like(w), zeros_like(w), np.full_like(w, delta_init, order="C"), math.inf)


@checked
def irprop_plus(w, g, state, E, eta_plus=1.2, eta_minus=0.5, delta_min=1e-6, delta_max=50.0):
    r"""One step of iRPROP+: where the sign of the gradient turns, the last step is taken back only if the loss has grown.

    .. math::
       :label: irprop-plus

       \Delta_t &= \begin{cases}
       \min(\eta^+ \Delta_{t-1}, \Delta_{\mathrm{max}}) & \text{if } \tilde g_{t-1} g_t > 0 \\
       \max(\eta^- \Delta_{t-1}, \Delta_{\mathrm{min}}) & \text{if } \tilde g_{t-1} g_t < 0 \\
       \Delta_{t-1} & \text{otherwise} \end{cases} \\
       \Delta w_t &= \begin{cases} -\mathbb{1}[E_t > E_{t-1}] \, \Delta w_{t-1} & \text{if } \tilde g_{t-1} g_t < 0 \\
       -\operatorname{sgn}(g_t) \, \Delta_t & \text{otherwise} \end{cases} \\
       \tilde g_t &= \begin{cases} 0 & \text{if } \tilde g_{t-1} g_t < 0 \\ g_t & \text{otherwise} \end{cases} \\
       w_t &= w_{t-1} + \Delta w_t

    Parameters
    ----------
    w : array_like
        Parameters before the step, :math:`w_{t-1}`.
    g : array_like
        Gradient of the loss over all examples, :math:`g_t`; shape of `w`.
    state : IRpropPlusState
        State before the step: ``g`` is :math:`\tilde g_{t-1}`, ``step`` is :math:`\Delta w_{t-1}`, ``delta`` is
        :math:`\Delta_{t-1}` and ``E`` is :math:`E_{t-1}`.
    E : float
        Loss at `w`, :math:`E_t`.
    eta_plus : float, in (1, inf)
        Growth of the length where the sign stays, :math:`\eta^+`.
    eta_minus : float, in (0, 1)
        Shrinking of the length where the sign turns, :math:`\eta^-`.
    delta_min : float, in [0, inf)
        Shortest length that shrinking reaches, :math:`\Delta_{\mathrm{min}}`.
    delta_max : float, in (0, inf)
        Longest length that growth reaches, :math:`\Delta_{\mathrm{max}}`.

    Returns
    -------
    w : ndarray
        Parameters after the step, :math:`w_t`.
    state : IRpropPlusState
        State after the step: ``g`` is :math:`\tilde g_t`, ``step`` is :math:`\Delta w_t`, ``delta`` is :math:`\Delta_t` and
        ``E`` is :math:`E_t`.

    Notes
    -----
    Improved RPROP+: a step across a minimum that has lowered the loss stays. For the gradient and the loss of all examples,
    both at the parameters before the step.
    Source: :cite:p:`igel2003`, algorithm 3.

    Examples
    --------
    >>> w, state = np.array([1.0]), irprop_plus_init([1.0], delta_init=0.5)
    >>> for _ in range(4):  # on the bowl w^2 / 2
    ...     w, state = irprop_plus(w, w, state, float(w[0]) ** 2 / 2)
    ...     print(w, state.delta)
    [0.5] [0.5]
    [-0.1] [0.6]
    [-0.1] [0.3]
    [0.2] [0.3]
    """
    hold("irprop_plus", IRpropPlusState, state, w, g=g)
    agreement = _agreement(state.g, g)
    delta = _sizes(agreement, state.delta, eta_plus, eta_minus, delta_min, delta_max)
    turned = agreement < 0
    back = -state.step if E > state.E else np.zeros_like(state.step)
    step = np.where(turned, back, -np.sign(g) * delta)
    return w + step, IRpropPlusState(np.where(turned, 0, g), step, delta, E)


@in_place(irprop_plus, IRpropPlusState)
def irprop_plus_(w, g, state, E, eta_plus=1.2, eta_minus=0.5, delta_min=1e-6, delta_max=50.0):
    """:func:`irprop_plus` in place: changes `w` and the arrays of `state`, returns the new state.

    Examples
    --------
    >>> w = np.array([1.0, 1.0])
    >>> state = irprop_plus_(w, np.array([3.0, -0.1]), irprop_plus_init(w, delta_init=0.5), 0.5)
    >>> w
    array([0.5, 1.5])
    """
    back = float(E > state.E)
    run(_rprop_plus, (w, g, state.g, state.step, state.delta), (back, eta_plus, eta_minus, delta_min, delta_max))
    return state._replace(E=E)
