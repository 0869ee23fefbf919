"""What the minimizers share: the result, and functions that count how often they are computed."""

from typing import NamedTuple

import numpy as np


class Minimum(NamedTuple):
    """Where a minimizer ended, and how it came there.

    Attributes
    ----------
    w : ndarray
        Last weights.
    value : float
        Value there.
    iterations : int
        Steps taken.
    evaluations : int
        How often the function (the residuals) was computed.
    derivatives : int
        How often the gradient (the Jacobian) was computed.
    history : ndarray
        Value at the start and after each step.
    converged : bool
        Whether a stopping rule was met: a point where no step promises more, rather than the end of the allowance.
    message : str
        Which rule.
    """

    w: np.ndarray
    value: float
    iterations: int
    evaluations: int
    derivatives: int
    history: np.ndarray
    converged: bool
    message: str


class Counted:
    """A function that counts its computations, and does not repeat the last one."""

    def __init__(self, name, f):
        if not callable(f):
            raise TypeError(f"{name} is {f!r}, expected a function")
        self.f, self.calls, self.at, self.result = f, 0, None, None

    def __call__(self, w):
        if self.at is None or not np.array_equal(self.at, w):
            self.at, self.result, self.calls = w.copy(), self.f(w), self.calls + 1
        return self.result


def start(where, w0, **numbers):
    """The first weights as a vector of float64; an error if they, or the numbers of the stopping rules, make no sense."""
    w = np.array(w0, dtype=np.float64)
    if w.ndim != 1 or w.size == 0 or not np.isfinite(w).all():
        raise ValueError(f"{where}: w0 has shape {w.shape}, expected a vector of at least one finite number")
    for name, x in numbers.items():
        if not x > 0:
            raise ValueError(f"{where}: {name} is {x!r}, expected a positive number")
    return w
