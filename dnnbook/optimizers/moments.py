"""Adam: running means of the gradient and of its square; without their correction; with decoupled weight decay."""

import math
from typing import NamedTuple

import numpy as np

from dnnbook._jit import checked, kernel
from dnnbook._memory import zeros_like
from dnnbook.optimizers.common import first_state, hold, in_place, run


class AdamState(NamedTuple):
    """State of :func:`adam`, :func:`adam_uncorrected` and :func:`adamw`.

    Attributes
    ----------
    m : ndarray
        Running mean of the gradient.
    v : ndarray, in [0, inf)
        Running mean of its square.
    t : int, in [0, inf)
        Steps taken.
    """

    m: np.ndarray
    v: np.ndarray
    t: int


@first_state
def adam_init(w):
    """First state of :func:`adam`, :func:`adam_uncorrected` and :func:`adamw`: zeros.

    Parameters
    ----------
    w : array_like
        Parameters.

    Returns
    -------
    AdamState
        Zeros of the shape and dtype of `w`, and no step taken.

    Examples
    --------
    >>> adam_init([1.0, 2.0])
    AdamState(m=array([0., 0.]), v=array([0., 0.]), t=0)
    """
    return AdamState(zeros_like(w), zeros_like(w), 0)


def _correction(beta, t):
    """1 minus the power of beta, without loss of digits where beta is nearly 1."""
    return -math.expm1(t * math.log(beta)) if beta > 0 else 1.0


def _corrected(eta, beta1, beta2, t):
    """What corrects the bias of both means without a division for each of their elements: the factors of m and of v."""
    return eta / _correction(beta1, t), 1 / _correction(beta2, t)


@checked
def adam(w, g, state, eta=0.001, beta1=0.9, beta2=0.999, eps=1e-8):
    r"""One step of Adam.

    .. math::
       :label: adam

       m_t &= \beta_1 m_{t-1} + (1 - \beta_1) \, g_t \\
       v_t &= \beta_2 v_{t-1} + (1 - \beta_2) \, g_t^2 \\
       \hat m_t &= \frac{m_t}{1 - \beta_1^t} \\
       \hat v_t &= \frac{v_t}{1 - \beta_2^t} \\
       w_t &= w_{t-1} - \eta \, \frac{\hat m_t}{\sqrt{\hat v_t} + \epsilon}

    Parameters
    ----------
    w : array_like
        Parameters before the step, :math:`w_{t-1}`.
    g : array_like
        Gradient of the loss, :math:`g_t`; shape of `w`.
    state : AdamState
        State before the step: ``m`` is :math:`m_{t-1}`, ``v`` is :math:`v_{t-1}` and ``t`` is :math:`t - 1`.
    eta : float, in [0, inf)
        Learning rate, :math:`\eta`.
    beta1 : float, in [0, 1)
        Decay of the mean of the gradient, :math:`\beta_1`.
    beta2 : float, in [0, 1)
        Decay of the mean of its square, :math:`\beta_2`.
    eps : float, in (0, inf)
        Guard against division by 0, :math:`\epsilon`.

    Returns
    -------
    w : ndarray
        Parameters after the step, :math:`w_t`.
    state : AdamState
        State after the step: ``m`` is :math:`m_t`, ``v`` is :math:`v_t` and ``t`` is :math:`t`.

    Notes
    -----
    The form of the paper's algorithm 1: :math:`\epsilon` stands outside the root, and the bias of both means is corrected.
    The code computes :math:`1 - \beta^t` without loss of digits where :math:`\beta` is nearly 1.
    Source: :cite:p:`kingma2015`, algorithm 1.

    Examples
    --------
    >>> w, state = adam([1.0, 2.0], [10.0, -0.1], adam_init([1.0, 2.0]), eta=0.5)
    >>> w
    array([0.5       , 2.49999995])
    """
    hold("adam", AdamState, state, w, g=g)
    t = state.t + 1
    m = beta1 * state.m + (1 - beta1) * g
    v = beta2 * state.v + (1 - beta2) * g * g
    rate, scale = _corrected(eta, beta1, beta2, t)
    return w - rate * m / (np.sqrt(scale * v) + eps), AdamState(m, v, t)


@kernel
def _adam(w, g, m, v, rate, scale, beta1, rest1, beta2, rest2, eps):
    for i in range(len(w)):
        m[i] = beta1 * m[i] + rest1 * g[i]
        v[i] = beta2 * v[i] + rest2 * g[i] * g[i]
        w[i] -= rate * m[i] / (np.sqrt(scale * v[i]) + eps)


@in_place(adam, AdamState)
def adam_(w, g, state, eta=0.001, beta1=0.9, beta2=0.999, eps=1e-8):
    """:func:`adam` in place: changes `w` and the arrays of `state`, returns the new state.

    Examples
    --------
    >>> w = np.array([1.0, 2.0])
    >>> adam_(w, np.array([10.0, -0.1]), adam_init(w), eta=0.5).t
    1
    >>> w
    array([0.5       , 2.49999995])
    """
    t = state.t + 1
    factors = _corrected(eta, beta1, beta2, t)
    run(_adam, (w, g, state.m, state.v), factors, (beta1, 1 - beta1, beta2, 1 - beta2, eps))
    return AdamState(state.m, state.v, t)


@checked
def adam_uncorrected(w, g, state, eta=0.001, beta1=0.9, beta2=0.999, eps=1e-8):
    r"""One step of Adam without the correction of the bias, to see what the correction is worth.

    .. math::
       :label: adam-uncorrected

       m_t &= \beta_1 m_{t-1} + (1 - \beta_1) \, g_t \\
       v_t &= \beta_2 v_{t-1} + (1 - \beta_2) \, g_t^2 \\
       w_t &= w_{t-1} - \eta \, \frac{m_t}{\sqrt{v_t} + \epsilon}

    Parameters
    ----------
    w : array_like
        Parameters before the step, :math:`w_{t-1}`.
    g : array_like
        Gradient of the loss, :math:`g_t`; shape of `w`.
    state : AdamState
        State before the step: ``m`` is :math:`m_{t-1}`, ``v`` is :math:`v_{t-1}` and ``t`` is :math:`t - 1`.
    eta : float, in [0, inf)
        Learning rate, :math:`\eta`.
    beta1 : float, in [0, 1)
        Decay of the mean of the gradient, :math:`\beta_1`.
    beta2 : float, in [0, 1)
        Decay of the mean of its square, :math:`\beta_2`.
    eps : float, in (0, inf)
        Guard against division by 0, :math:`\epsilon`.

    Returns
    -------
    w : ndarray
        Parameters after the step, :math:`w_t`.
    state : AdamState
        State after the step: ``m`` is :math:`m_t`, ``v`` is :math:`v_t` and ``t`` is :math:`t`.

    Notes
    -----
    Both means start at 0, and the mean of the squares, which forgets more slowly, stays too small for longer: the first step is
    :math:`(1 - \beta_1) / \sqrt{1 - \beta_2}` times as long as that of :func:`adam`, 3.2 times at the defaults.
    Source: :cite:p:`kingma2015`, section 6.4, where this is compared with :func:`adam`.

    Examples
    --------
    >>> w, state = adam_uncorrected([0.0, 0.0], [10.0, -0.1], adam_init([0.0, 0.0]), eta=0.5)
    >>> w
    array([-1.58113878,  1.58113383])
    """
    hold("adam_uncorrected", AdamState, state, w, g=g)
    m = beta1 * state.m + (1 - beta1) * g
    v = beta2 * state.v + (1 - beta2) * g * g
    return w - eta * m / (np.sqrt(v) + eps), AdamState(m, v, state.t + 1)


@in_place(adam_uncorrected, AdamState)
def adam_uncorrected_(w, g, state, eta=0.001, beta1=0.9, beta2=0.999, eps=1e-8):
    """:func:`adam_uncorrected` in place: changes `w` and the arrays of `state`, returns the new state.

    Examples
    --------
    >>> w = np.zeros(2)
    >>> state = adam_uncorrected_(w, np.array([10.0, -0.1]), adam_init(w), eta=0.5)
    >>> w
    array([-1.58113878,  1.58113383])
    """
    run(_adam, (w, g, state.m, state.v), (eta, 1.0, beta1, 1 - beta1, beta2, 1 - beta2, eps))
    return AdamState(state.m, state.v, state.t + 1)


@checked
def adamw(w, g, state, eta=0.001, beta1=0.9, beta2=0.999, eps=1e-8, weight_decay=0.01):
    r"""One step of AdamW: Adam with weight decay that does not pass through the means.

    .. math::
       :label: adamw

       m_t &= \beta_1 m_{t-1} + (1 - \beta_1) \, g_t \\
       v_t &= \beta_2 v_{t-1} + (1 - \beta_2) \, g_t^2 \\
       \hat m_t &= \frac{m_t}{1 - \beta_1^t} \\
       \hat v_t &= \frac{v_t}{1 - \beta_2^t} \\
       w_t &= w_{t-1} - \eta \left( \frac{\hat m_t}{\sqrt{\hat v_t} + \epsilon} + \lambda \, w_{t-1} \right)

    Parameters
    ----------
    w : array_like
        Parameters before the step, :math:`w_{t-1}`.
    g : array_like
        Gradient of the loss, :math:`g_t`; shape of `w`.
    state : AdamState
        State before the step: ``m`` is :math:`m_{t-1}`, ``v`` is :math:`v_{t-1}` and ``t`` is :math:`t - 1`.
    eta : float, in [0, inf)
        Learning rate, :math:`\eta`.
    beta1 : float, in [0, 1)
        Decay of the mean of the gradient, :math:`\beta_1`.
    beta2 : float, in [0, 1)
        Decay of the mean of its square, :math:`\beta_2`.
    eps : float, in (0, inf)
        Guard against division by 0, :math:`\epsilon`.
    weight_decay : float, in [0, inf)
        Strength of the decay, :math:`\lambda`.

    Returns
    -------
    w : ndarray
        Parameters after the step, :math:`w_t`.
    state : AdamState
        State after the step: ``m`` is :math:`m_t`, ``v`` is :math:`v_t` and ``t`` is :math:`t`.

    Notes
    -----
    The paper writes the step :math:`\eta_t (\alpha \hat m_t / (\sqrt{\hat v_t} + \epsilon) + \lambda w)`, where its schedule
    :math:`\eta_t` multiplies both terms. Here :math:`\eta` is its :math:`\eta_t \alpha`, so that one number is scheduled, and
    :math:`\lambda` is its :math:`\lambda / \alpha`: the same steps, in the parameters of PyTorch and optax.
    Source: :cite:p:`loshchilov2019`, algorithm 2.

    Examples
    --------
    >>> w, state = adamw([1.0, 2.0], [10.0, -0.1], adam_init([1.0, 2.0]), eta=0.5, weight_decay=0.1)
    >>> w
    array([0.45      , 2.39999995])
    """
    hold("adamw", AdamState, state, w, g=g)
    t = state.t + 1
    m = beta1 * state.m + (1 - beta1) * g
    v = beta2 * state.v + (1 - beta2) * g * g
    rate, scale = _corrected(eta, beta1, beta2, t)
    return w - (rate * m / (np.sqrt(scale * v) + eps) + eta * weight_decay * w), AdamState(m, v, t)


@kernel
def _adamw(w, g, m, v, rate, scale, beta1, rest1, beta2, rest2, eps, decay):
    for i in range(len(w)):
        m[i] = beta1 * m[i] + rest1 * g[i]
        v[i] = beta2 * v[i] + rest2 * g[i] * g[i]
        w[i] -= rate * m[i] / (np.sqrt(scale * v[i]) + eps) + decay * w[i]


@in_place(adamw, AdamState)
def adamw_(w, g, state, eta=0.001, beta1=0.9, beta2=0.999, eps=1e-8, weight_decay=0.01):
    """:func:`adamw` in place: changes `w` and the arrays of `state`, returns the new state.

    Examples
    --------
    >>> w = np.array([1.0, 2.0])
    >>> adamw_(w, np.array([10.0, -0.1]), adam_init(w), eta=0.5, weight_decay=0.1).t
    1
    >>> w
    array([0.45      , 2.39999995])
    """
    t = state.t + 1
    factors = _corrected(eta, beta1, beta2, t)
    run(_adamw, (w, g, state.m, state.v), factors, (beta1, 1 - beta1, beta2, 1 - beta2, eps, eta * weight_decay))
    return AdamState(state.m, state.v, t)
