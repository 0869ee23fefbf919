"""Optimizers: how a gradient changes the weights.

Each is a pure transition, ``adam(w, g, state) -> (w, state)``, and its twin in place, ``adam_(w, g, state) -> state``, which
changes `w` and the arrays of the state in one compiled pass and gives the same numbers. ``adam_init(w)`` makes the first state.
"""

import functools
import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from dnnbook._check import FLOATS, as_float, as_scalar
from dnnbook._jit import checked, kernel

__all__ = [
    "AdamState",
    "MomentumState",
    "Optimizer",
    "adam",
    "adam_",
    "adam_init",
    "momentum",
    "momentum_",
    "momentum_init",
    "optimizer",
    "sgd",
    "sgd_",
]


class MomentumState(NamedTuple):
    """State of :func:`momentum`.

    Attributes
    ----------
    v : ndarray
        Velocity.
    """

    v: np.ndarray


class AdamState(NamedTuple):
    """State of :func:`adam`.

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


def _hold(where, expected, state, w, **arrays):
    """The arrays of the state by name; an error unless they and the given arrays have the shape and dtype of `w`."""
    if expected is not None and type(state) is not expected:
        raise TypeError(f"{where}: state is {type(state).__name__}, expected {expected.__name__}")
    if expected is AdamState and not (isinstance(state.t, int | np.integer) and state.t >= 0):
        raise ValueError(f"{where}: state.t is {state.t!r}, expected an integer in [0, inf)")
    of_state = {} if expected is None else {f"state.{n}": x for n, x in state._asdict().items() if n != "t"}
    for name, x in {**arrays, **of_state}.items():
        if not isinstance(x, np.ndarray | np.generic):
            raise TypeError(f"{where}: {name} is {type(x).__name__}, expected an array")
        if x.shape != w.shape or x.dtype != w.dtype:
            raise ValueError(f"{where}: {name} is {x.dtype} {x.shape}, expected {w.dtype} {w.shape} as w")
    return of_state


def in_place(pure, state_class=None):
    """Make a step in place. Its arguments are those of its pure twin, held against that one's docstring but never copied."""

    def decorate(body):
        where = body.__name__

        @functools.wraps(body)
        def step(*args, **kwargs):
            w, g, *rest = pure.contract.given(args, kwargs, where)
            if not isinstance(w, np.ndarray) or w.dtype not in FLOATS:
                got = w.dtype if isinstance(w, np.ndarray) else type(w).__name__
                raise TypeError(f"{where}: w is {got}, expected an array of float32 or float64")
            state = rest.pop(0) if state_class else None
            changed = {"w": w, **_hold(where, state_class, state, w, g=g)}
            for name, x in changed.items():
                if not x.flags.writeable or not x.flags.c_contiguous:
                    wrong = "not C-contiguous" if x.flags.writeable else "read-only"
                    raise ValueError(f"{where}: {name} is {wrong}, expected an array to change in place")
            numbers = [as_scalar(where, a, x) for a, x in zip(pure.contract.arguments[-len(rest) :], rest, strict=True)]
            return body(w, np.ascontiguousarray(g), *([state] if state_class else []), *numbers)

        return step

    return decorate


def _flat(*arrays):
    """Views of contiguous arrays with one axis."""
    return [a.reshape(-1) for a in arrays]


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
    _hold("sgd", None, None, w, g=g)
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
    _sgd(*_flat(w, g), w.dtype.type(eta))


def momentum_init(w):
    """First state of :func:`momentum`: at rest.

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
    return MomentumState(np.zeros_like(as_float("momentum_init", "w", w), order="C"))


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
    _hold("momentum", MomentumState, state, w, g=g)
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
    _momentum(*_flat(w, g, state.v), w.dtype.type(eta), w.dtype.type(gamma))
    return state


def adam_init(w):
    """First state of :func:`adam`: zeros.

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
    w = as_float("adam_init", "w", w)
    return AdamState(np.zeros_like(w, order="C"), np.zeros_like(w, order="C"), 0)


def _correction(beta, t):
    """1 minus the power of beta, without loss of digits where beta is nearly 1."""
    return -math.expm1(t * math.log(beta)) if beta > 0 else 1.0


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
    _hold("adam", AdamState, state, w, g=g)
    t = state.t + 1
    m = beta1 * state.m + (1 - beta1) * g
    v = beta2 * state.v + (1 - beta2) * g * g
    m_hat, v_hat = m / _correction(beta1, t), v / _correction(beta2, t)
    return w - eta * m_hat / (np.sqrt(v_hat) + eps), AdamState(m, v, t)


@kernel
def _adam(w, g, m, v, eta, beta1, rest1, beta2, rest2, correction1, correction2, eps):
    for i in range(len(w)):
        m[i] = beta1 * m[i] + rest1 * g[i]
        v[i] = beta2 * v[i] + rest2 * g[i] * g[i]
        w[i] -= eta * (m[i] / correction1) / (np.sqrt(v[i] / correction2) + eps)


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
    numbers = [eta, beta1, 1 - beta1, beta2, 1 - beta2, _correction(beta1, t), _correction(beta2, t), eps]
    _adam(*_flat(w, g, state.m, state.v), *[w.dtype.type(x) for x in numbers])
    return state._replace(t=t)


class Optimizer(NamedTuple):
    """An optimizer with its numbers fixed, for training loops.

    Attributes
    ----------
    name : str
        Name of the pure function.
    init : callable
        ``init(w) -> state``.
    update_ : callable
        ``update_(w, g, state) -> state``; changes `w` in place.
    """

    name: str
    init: Callable
    update_: Callable


TWINS = {"sgd": (sgd, None, sgd_), "momentum": (momentum, momentum_init, momentum_), "adam": (adam, adam_init, adam_)}


def optimizer(name, **numbers):
    """Fix the numbers of an optimizer.

    Parameters
    ----------
    name : {"sgd", "momentum", "adam"}
        Which one.
    **numbers : float
        Those of its arguments that differ from their defaults, such as ``eta``.

    Returns
    -------
    Optimizer
        How to make a first state, and how to step.

    Examples
    --------
    >>> adam2 = optimizer("adam", eta=0.5)
    >>> w = np.array([1.0, 2.0])
    >>> state = adam2.update_(w, np.array([10.0, -0.1]), adam2.init(w))
    >>> w
    array([0.5       , 2.49999995])
    """
    if name not in TWINS:
        raise ValueError(f"optimizer: name is {name!r}, expected one of {', '.join(map(repr, TWINS))}")
    pure, init, step = TWINS[name]
    known = {a.name: a for a in pure.contract.arguments if a.kind == "float"}
    for key, x in numbers.items():
        if key not in known:
            raise TypeError(f"optimizer: {name} has no argument {key!r}, expected some of {', '.join(map(repr, known))}")
        as_scalar(f"optimizer: {name}", known[key], x)
    values = [numbers.get(key, pure.contract.defaults[key]) for key in known]
    if init is None:
        return Optimizer(name, lambda w: None, lambda w, g, state=None: step(w, g, *values))
    return Optimizer(name, init, lambda w, g, state: step(w, g, state, *values))
