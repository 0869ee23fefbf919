"""One training step, and what can be done to its gradients and weights beside what the optimizer does."""

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
    "clip_norm": "float, in (0, inf]",
}
PENALTIES = {
    "l1": (regularization.l1.kernel, regularization.l1_grad.kernel),
    "l2": (regularization.l2.kernel, regularization.l2_grad.kernel),
}


class Rules(NamedTuple):
    """What is done around a step; 0 or None where nothing is. Biases, scales and shifts are clipped, but not regularized."""

    l1: float
    l2: float
    decay: float
    max_norm: float | None
    clip_value: float | None
    clip_norm: float | None


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


@network.quiet
def adjusted(rules, weights, grads, E):
    """Gradients with those of the penalties, clipped; the loss with the penalties; the length of the gradient, or None."""
    for name, (value, gradient) in PENALTIES.items():
        strength = getattr(rules, name)
        if strength:
            grads = [g + gradient(w, strength) if is_weight(w) else g for w, g in zip(weights, grads, strict=True)]
            E += sum(float(value(w, strength)) for w in weights if is_weight(w))
    if rules.clip_value is not None:
        grads = [gradients.clip_by_value(g, rules.clip_value) for g in grads]
    if rules.clip_norm is None:
        return grads, E, None
    norm = float(gradients.global_norm.kernel(gradients.layer_norms(grads)))
    if rules.clip_norm < norm < float("inf"):
        grads = [gradients.clip(g, norm, rules.clip_norm) for g in grads]
    return grads, E, norm


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


@network.quiet
def limit(rules, weights):
    """Max-norm, in place."""
    for w in filter(is_weight, weights):
        w[:] = regularization.max_norm.kernel(w, rules.max_norm)
