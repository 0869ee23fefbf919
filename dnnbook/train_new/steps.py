"""One training step, and all that can be done to its gradients and weights."""

import math
from typing import NamedTuple

from dnnbook import gradients, network, optimizers, regularization
from dnnbook._check import as_scalar
from dnnbook._docstring import argument

NUMBERS = {
    "l1": "float, in [0, inf)",
    "l2": "float, in [0, inf)",
    "decay": "float, in [0, inf)",
    "max_norm": "float, in (0, inf)",
    "clip_value": "float, in (0, inf)",
    "clip_norm": "float, in (0, inf)",
}


class Rules(NamedTuple):
    """What is done around a step of the optimizer; 0 or None where nothing is. Penalties, decay and max-norm are for weights."""

    l1: float = 0.0
    l2: float = 0.0
    decay: float = 0.0
    max_norm: float | None = None
    clip_value: float | None = None
    clip_norm: float | None = None


def rules(where, **numbers):
    """Rules, every number inside its range."""
    return Rules(**{k: x and as_scalar(where, argument(k, NUMBERS[k], ""), x) for k, x in numbers.items()})


def is_weight(w):
    """Is this a matrix of weights, rather than biases or the scales and shifts of batch normalization?"""
    return w.ndim > 1


def rate(where, optimizer):
    """The learning rate of an optimizer."""
    twins = optimizers.TWINS.get(optimizer.name)
    defaults = twins[0].contract.defaults if twins else {}
    if "eta" not in defaults:
        raise ValueError(f"{where}: decay and schedule need an optimizer with a learning rate, {optimizer.name} has none")
    return optimizer.numbers.get("eta", defaults["eta"])


@network.quiet
def take_step(optimizer, rules, weights, grads, states, E):
    """One step for every array, in place: penalties, clipping, decay, optimizer, max-norm.

    Returns the new states, and the length of the gradient before it was clipped to a length, or None.
    """
    grads, norm = list(grads), None
    for i, w in enumerate(weights):
        if rules.l2 and is_weight(w):
            grads[i] = grads[i] + regularization.l2_grad(w, rules.l2)
            E += float(regularization.l2(w, rules.l2))
        if rules.l1 and is_weight(w):
            grads[i] = grads[i] + regularization.l1_grad(w, rules.l1)
            E += float(regularization.l1(w, rules.l1))
    if rules.clip_value:
        grads = [gradients.clip_by_value(g, rules.clip_value) for g in grads]
    if rules.clip_norm:
        norm = float(gradients.euclidean(gradients.layer_norms(grads)))
        if not math.isfinite(norm):
            raise FloatingPointError(f"fit: the length of the gradient is {norm}")
        grads = [gradients.clip(g, norm, rules.clip_norm) for g in grads]
    if rules.decay:
        eta = rate("fit", optimizer)
        for w in filter(is_weight, weights):
            regularization.decoupled_decay(w, eta, rules.decay, out=w)
    loss = (E,) if optimizer.wants_loss else ()
    states = [optimizer.update_(w, g, s, *loss) for w, g, s in zip(weights, grads, states, strict=True)]
    if rules.max_norm:
        for w in filter(is_weight, weights):
            w[:] = regularization.max_norm(w, rules.max_norm)
    return states, norm


def with_eta(optimizer, eta):
    """The same optimizer with another learning rate."""
    return optimizers.optimizer(optimizer.name, **optimizer.numbers | {"eta": eta})
