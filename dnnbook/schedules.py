"""Schedules: the learning rate as a function of the step.

Steps are counted from 0: ``t`` is how many were taken before. :func:`schedule` makes a function of ``t`` alone out of each of
these, for ``train.fit(schedule=...)``; what it takes for ``eta`` may itself be such a function.
"""

import math

from dnnbook._jit import checked

__all__ = ["constant", "cosine", "exponential", "schedule", "step", "warm_up"]


@checked
def constant(t, eta):
    r"""The same learning rate all the time.

    .. math::
       :label: constant

       \eta(t) = \eta_0

    Parameters
    ----------
    t : int, in [0, inf)
        Steps taken before, :math:`t`.
    eta : float, in [0, inf)
        Learning rate, :math:`\eta_0`.

    Returns
    -------
    float
        Learning rate of this step, :math:`\eta(t)`.

    Examples
    --------
    >>> constant(7, eta=0.5)
    np.float64(0.5)
    """
    return eta


@checked
def step(t, eta, gamma, every):
    r"""Step decay: the learning rate falls by a factor, again and again after so many steps.

    .. math::
       :label: step

       \eta(t) = \eta_0 \, \gamma^{\lfloor t / T \rfloor}

    Parameters
    ----------
    t : int, in [0, inf)
        Steps taken before, :math:`t`.
    eta : float, in [0, inf)
        First learning rate, :math:`\eta_0`.
    gamma : float, in (0, 1]
        Factor, :math:`\gamma`.
    every : int, in [1, inf)
        Steps from one fall to the next, :math:`T`.

    Returns
    -------
    float
        Learning rate of this step, :math:`\eta(t)`.

    Notes
    -----
    Source: :cite:p:`krizhevsky2012`, section 5, with :math:`\gamma = 0.1`, by hand.

    Examples
    --------
    >>> [float(step(t, eta=1.0, gamma=0.5, every=2)) for t in range(5)]
    [1.0, 1.0, 0.5, 0.5, 0.25]
    """
    return eta * gamma ** (t // every)


@checked
def exponential(t, eta, gamma):
    r"""Exponential decay: every step is shorter by the same factor.

    .. math::
       :label: exponential

       \eta(t) = \eta_0 \, \gamma^t

    Parameters
    ----------
    t : int, in [0, inf)
        Steps taken before, :math:`t`.
    eta : float, in [0, inf)
        First learning rate, :math:`\eta_0`.
    gamma : float, in (0, 1]
        Factor of one step, :math:`\gamma`; ``0.1 ** (1 / T)`` for a tenth after T steps.

    Returns
    -------
    float
        Learning rate of this step, :math:`\eta(t)`.

    Notes
    -----
    Source: :cite:p:`senior2013`.

    Examples
    --------
    >>> [float(exponential(t, eta=1.0, gamma=0.5)) for t in range(3)]
    [1.0, 0.5, 0.25]
    """
    return eta * gamma**t


@checked
def cosine(t, eta, steps, eta_min=0.0):
    r"""Cosine decay: half a wave from the first learning rate down to the last.

    .. math::
       :label: cosine

       \eta(t) &= \eta_{\mathrm{min}} + \frac{1}{2} (\eta_0 - \eta_{\mathrm{min}})
       \left( 1 + \cos \left( \frac{\pi \tau}{T} \right) \right) \\
       &\text{where} \quad \tau = \min(t, T)

    Parameters
    ----------
    t : int, in [0, inf)
        Steps taken before, :math:`t`.
    eta : float, in [0, inf)
        First learning rate, :math:`\eta_0`.
    steps : int, in [1, inf)
        Steps of the decay, :math:`T`; afterwards the rate stays.
    eta_min : float, in [0, inf)
        Last learning rate, :math:`\eta_{\mathrm{min}}`.

    Returns
    -------
    float
        Learning rate of this step, :math:`\eta(t)`.

    Notes
    -----
    One period, without the warm restarts of the paper. The code mixes the two rates with weights that are squares of sines and
    add up to 1: no difference loses digits, and the ends are exact.
    Source: :cite:p:`loshchilov2017`, equation 5.

    Examples
    --------
    >>> [float(cosine(t, eta=1.0, steps=4).round(3)) for t in range(6)]
    [1.0, 0.854, 0.5, 0.146, 0.0, 0.0]
    """
    gone = 0.5 * math.pi * min(t, steps) / steps
    left = 0.5 * math.pi * (steps - min(t, steps)) / steps
    return eta * math.sin(left) ** 2 + eta_min * math.sin(gone) ** 2


@checked
def warm_up(t, eta, steps):
    r"""Linear warm-up: the first steps are shorter, the first one the shortest.

    .. math::
       :label: warm-up

       \eta(t) = \eta_0 \min \left( 1, \frac{t + 1}{T} \right)

    Parameters
    ----------
    t : int, in [0, inf)
        Steps taken before, :math:`t`.
    eta : float, in [0, inf)
        Learning rate after the warm-up, :math:`\eta_0`; that of another schedule, to combine the two.
    steps : int, in [1, inf)
        Steps of the warm-up, :math:`T`; the last of them has the full length.

    Returns
    -------
    float
        Learning rate of this step, :math:`\eta(t)`.

    Notes
    -----
    Source: :cite:p:`goyal2017`, section 2.2.

    Examples
    --------
    >>> [float(warm_up(t, eta=1.0, steps=4)) for t in range(5)]
    [0.25, 0.5, 0.75, 1.0, 1.0]
    """
    return eta * min(1, (t + 1) / steps)


NAMES = {f.__name__: f for f in (constant, step, exponential, cosine, warm_up)}


def schedule(name, eta, **numbers):
    """Fix the numbers of a schedule.

    Parameters
    ----------
    name : str
        Name of a function of this module.
    eta : float or function
        Its learning rate; or another schedule, such as a decay to be warmed up.
    **numbers
        Its other numbers.

    Returns
    -------
    function
        ``eta(t)``: the learning rate of step t, counted from 0.

    Raises
    ------
    ValueError, TypeError
        There is no such schedule, or a number does not fit.

    Examples
    --------
    >>> eta = schedule("warm_up", eta=schedule("exponential", eta=0.8, gamma=0.5), steps=2)
    >>> [eta(t) for t in range(4)]
    [0.4, 0.4, 0.2, 0.1]
    """
    if name not in NAMES:
        raise ValueError(f"schedule: name is {name!r}, expected one of {', '.join(map(repr, NAMES))}")
    at = NAMES[name]

    def eta_of(t):
        return float(at(t, eta(t) if callable(eta) else eta, **numbers))

    eta_of(0)  # complains now rather than in the middle of training
    return eta_of
