"""One training step, and what can be done to its gradients and weights beside what the optimizer does."""

import math
from typing import NamedTuple

import numpy as np

from dnnbook import gradients, network, optimizers, regularization
from dnnbook._check import as_scalar
from dnnbook._docstring import argument
from dnnbook._jit import kernel, sums

NUMBERS = {
    "l1": "float, in [0, inf)",
    "l2": "float, in [0, inf)",
    "decay": "float, in [0, inf)",
    "max_norm": "float, in (0, inf)",
    "clip_value": "float, in (0, inf)",
    "clip_norm": "float, in (0, inf]",
}


class Rules(NamedTuple):
    """What is done around a step; 0 or None where nothing is. Biases, scales and shifts are clipped, but not regularized."""

    l1: float
    l2: float
    decay: float
    max_norm: float | None
    clip_value: float | None
    clip_norm: float | None

    @property
    def adjust(self):
        """Is anything done to the gradient?"""
        return bool(self.l1 or self.l2) or self.clip_value is not None or self.clip_norm is not None


def rules(where, **numbers):
    """Rules, every number inside its range."""
    return Rules(**{k: None if x is None else as_scalar(where, argument(k, NUMBERS[k], ""), x) for k, x in numbers.items()})


def is_weight(w):
    """Is this a matrix of weights?"""
    return w.ndim > 1


def rate(where, optimizer):
    """The learning rate of an optimizer, one that this package made: others do not tell."""
    pure = optimizers.TWINS[optimizer.name][0] if optimizer.name in optimizers.TWINS else None
    defaults = pure.contract.defaults if pure and type(optimizer.numbers) is dict else {}
    if "eta" not in defaults:
        raise ValueError(f"{where}: optimizer is {optimizer.name}, expected one with a learning rate for schedule and decay")
    return optimizer.numbers.get("eta", defaults["eta"])


def with_rate(optimizer, eta):
    """The same optimizer with another learning rate."""
    return optimizers.optimizer(optimizer.name, **optimizer.numbers | {"eta": eta})


def moved(optimizer, vector, entries):
    """What an optimizer moves: all parameters as one vector if it may, else array by array."""
    return [vector] if optimizer.elementwise else [a for p in entries for a in p]


@sums
def _penalize(g, w, l1, l2):
    """Gradient of both penalties, added to `g`; their values."""
    absolute = squares = 0.0
    for j in range(w.shape[0]):
        for i in range(w.shape[1]):
            g[j, i] += l1 * np.sign(w[j, i]) + l2 * w[j, i]
            absolute += abs(np.float64(w[j, i]))
            squares += np.float64(w[j, i]) * w[j, i]
    return np.float64(l1) * absolute + np.float64(l2) / 2 * squares


@sums
def _length(g):
    """Length of a vector; scaled, so that squares neither overflow nor vanish."""
    top, total = 0.0, 0.0
    for i in range(len(g)):
        top = max(top, abs(np.float64(g[i])))
    if top == np.inf or top == 0:
        top = 1.0
    for i in range(len(g)):
        total += (g[i] / top) ** 2
    return top * math.sqrt(total)


def adjust(rules, weights, grads, vector, E):
    """Add the gradients of the penalties, and clip, in place: the loss with the penalties; the length of the gradient, or None.

    `vector` holds all of `grads`.
    """
    if rules.l1 or rules.l2:
        for w, g in zip(weights, grads, strict=True):
            if is_weight(w):
                E += _penalize(g, w, w.dtype.type(rules.l1), w.dtype.type(rules.l2))
    if rules.clip_value is not None:
        gradients.clip_by_value(vector, rules.clip_value, out=vector)
    if rules.clip_norm is None:
        return E, None
    norm = _length(vector)
    if rules.clip_norm < norm < math.inf:
        gradients.clip(vector, norm, rules.clip_norm, out=vector)
    return E, norm


@network.quiet
def update(optimizer, weights, grads, states, E):
    """One step of the optimizer for every array, in place; the new states."""
    loss = (E,) if optimizer.wants_loss else ()
    return [optimizer.update_(w, g, state, *loss) for w, g, state in zip(weights, grads, states, strict=True)]


@network.quiet
def decay(rules, optimizer, weights):
    """Decoupled weight decay, in place."""
    eta = rate("fit", optimizer)
    for w in filter(is_weight, weights):
        regularization.decoupled_decay(w, eta, rules.decay, out=w)


@kernel
def _limit(W, c):
    """Max-norm in place; columns that are short enough stay as they are."""
    top, squares = np.zeros(W.shape[1]), np.zeros(W.shape[1])
    for j in range(W.shape[0]):
        for i in range(W.shape[1]):
            top[i] = max(top[i], abs(np.float64(W[j, i])))
    top[(top == 0) | (top == np.inf)] = 1
    for j in range(W.shape[0]):
        for i in range(W.shape[1]):
            squares[i] += (W[j, i] / top[i]) ** 2
    for i in range(W.shape[1]):
        length = top[i] * math.sqrt(squares[i])
        top[i] = c / length if length > c else 1.0
    for j in range(W.shape[0]):
        for i in range(W.shape[1]):
            W[j, i] *= top[i]


def limit(rules, weights):
    """Max-norm, in place."""
    for w in filter(is_weight, weights):
        _limit(w, rules.max_norm)
