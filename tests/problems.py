"""Least-squares problems of known minima: residuals, their Jacobian, where to start."""

from typing import NamedTuple

import numpy as np

from dnnbook import network, second_order


class Problem(NamedTuple):
    residuals: object
    jacobian: object
    w0: np.ndarray

    def f(self, w):
        r = self.residuals(w)
        return 0.5 * float(r @ r)

    def grad(self, w):
        return self.jacobian(w).T @ self.residuals(w)


def rosenbrock():
    return Problem(
        lambda w: np.array([10 * (w[1] - w[0] ** 2), 1 - w[0]]),
        lambda w: np.array([[-20 * w[0], 10.0], [-1.0, 0.0]]),
        np.array([-1.2, 1.0]),
    )


def beale():
    powers, y = np.array([1, 2, 3]), np.array([1.5, 2.25, 2.625])
    return Problem(
        lambda w: y - w[0] * (1 - w[1] ** powers),
        lambda w: np.stack([w[1] ** powers - 1, w[0] * powers * w[1] ** (powers - 1)], axis=1),
        np.array([1.0, 1.0]),
    )


def powell():
    """Powell's singular function: at the minimum, 0, the Jacobian has rank 2 of 4."""
    a, b = np.sqrt(5.0), np.sqrt(10.0)

    def jacobian(w):
        u, v = 2 * (w[1] - 2 * w[2]), 2 * b * (w[0] - w[3])
        return np.array([[1, 10, 0, 0], [0, 0, a, -a], [0, u, -2 * u, 0], [v, 0, 0, -v]])

    return Problem(
        lambda w: np.array([w[0] + 10 * w[1], a * (w[2] - w[3]), (w[1] - 2 * w[2]) ** 2, b * (w[0] - w[3]) ** 2]),
        jacobian,
        np.array([3.0, -1.0, 0.0, 1.0]),
    )


def curve():
    """A falling exponential with an offset, through 30 noisy points."""
    t = np.linspace(0, 4, 30)
    y = 2.5 * np.exp(-1.3 * t) + 0.5 + 0.02 * np.random.default_rng(0).normal(size=30)
    return Problem(
        lambda w: w[0] * np.exp(-w[1] * t) + w[2] - y,
        lambda w: np.stack([np.exp(-w[1] * t), -w[0] * t * np.exp(-w[1] * t), np.ones(30)], axis=1),
        np.array([1.0, 0.3, 0.0]),
    )


def network_fit():
    """Ten parameters: one input, three hidden units, 25 noisy points of a sine."""
    rng = np.random.default_rng(0)
    x = np.linspace(-2, 2, 25)[:, None]
    y = np.sin(1.5 * x[:, 0]) + 0.1 * rng.normal(size=25)
    layers = network.mlp([1, 3, 1], "tanh")
    o = second_order.objective(layers, network.init(layers, rng), x, y, "mean_squared_error")
    return Problem(o.residuals, o.jacobian, o.w0)


PROBLEMS = {f.__name__: f() for f in (rosenbrock, beale, powell, curve, network_fit)}
