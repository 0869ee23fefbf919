"""Optimizers: how a gradient changes the weights.

Each is a pure transition, ``adam(w, g, state) -> (w, state)``, and its twin in place, ``adam_(w, g, state) -> state``, which
changes `w` and the arrays of the state in one compiled pass and gives the same numbers. ``adam_init(w)`` makes the first state.
:func:`optimizer` fixes the numbers of one of them for a training loop.
"""

from collections.abc import Callable
from types import MappingProxyType
from typing import NamedTuple

import numpy as np  # noqa: F401 - the examples of all rooms run here

from dnnbook._check import as_scalar
from dnnbook.optimizers.adaptive import (
    AdadeltaState,
    AdagradState,
    RmspropNesterovState,
    RmspropState,
    adadelta,
    adadelta_,
    adadelta_init,
    adagrad,
    adagrad_,
    adagrad_init,
    rmsprop,
    rmsprop_,
    rmsprop_init,
    rmsprop_nesterov,
    rmsprop_nesterov_,
    rmsprop_nesterov_init,
)
from dnnbook.optimizers.descent import (
    MomentumState,
    momentum,
    momentum_,
    momentum_init,
    nesterov,
    nesterov_,
    nesterov_at_w,
    nesterov_at_w_,
    nesterov_point,
    sgd,
    sgd_,
)
from dnnbook.optimizers.moments import AdamState, adam, adam_, adam_init, adam_uncorrected, adam_uncorrected_, adamw, adamw_
from dnnbook.optimizers.resilient import (
    IRpropPlusState,
    RpropPlusState,
    RpropState,
    irprop_minus,
    irprop_minus_,
    irprop_plus,
    irprop_plus_,
    irprop_plus_init,
    rprop_init,
    rprop_minus,
    rprop_minus_,
    rprop_plus,
    rprop_plus_,
    rprop_plus_init,
)
from dnnbook.optimizers.variants import VARIANTS, Variant

__all__ = [
    "VARIANTS",
    "AdadeltaState",
    "AdagradState",
    "AdamState",
    "IRpropPlusState",
    "MomentumState",
    "Optimizer",
    "RmspropNesterovState",
    "RmspropState",
    "RpropPlusState",
    "RpropState",
    "Variant",
    "adadelta",
    "adadelta_",
    "adadelta_init",
    "adagrad",
    "adagrad_",
    "adagrad_init",
    "adam",
    "adam_",
    "adam_init",
    "adam_uncorrected",
    "adam_uncorrected_",
    "adamw",
    "adamw_",
    "irprop_minus",
    "irprop_minus_",
    "irprop_plus",
    "irprop_plus_",
    "irprop_plus_init",
    "momentum",
    "momentum_",
    "momentum_init",
    "nesterov",
    "nesterov_",
    "nesterov_at_w",
    "nesterov_at_w_",
    "nesterov_point",
    "optimizer",
    "rmsprop",
    "rmsprop_",
    "rmsprop_init",
    "rmsprop_nesterov",
    "rmsprop_nesterov_",
    "rmsprop_nesterov_init",
    "rprop_init",
    "rprop_minus",
    "rprop_minus_",
    "rprop_plus",
    "rprop_plus_",
    "rprop_plus_init",
    "sgd",
    "sgd_",
]


class Optimizer(NamedTuple):
    """An optimizer with its numbers fixed, for training loops.

    Attributes
    ----------
    name : str
        Name of the pure function.
    init : callable
        ``init(w) -> state``.
    update_ : callable
        ``update_(w, g, state) -> state``; changes `w` in place. Where `wants_loss`, ``update_(w, g, state, E)``.
    wants_loss : bool
        Does the step depend on the loss at `w`?
    numbers : dict
        Those that :func:`optimizer` was given: ``optimizer(name, **numbers)`` makes the same again.
    elementwise : bool
        Does every parameter move by itself, whatever array it stands in? Then a loop may step all arrays as one.
    """

    name: str
    init: Callable
    update_: Callable
    wants_loss: bool = False
    numbers: dict = MappingProxyType({})
    elementwise: bool = False


TWINS = {
    "sgd": (sgd, None, sgd_),
    "momentum": (momentum, momentum_init, momentum_),
    "nesterov": (nesterov, momentum_init, nesterov_),
    "nesterov_at_w": (nesterov_at_w, momentum_init, nesterov_at_w_),
    "adagrad": (adagrad, adagrad_init, adagrad_),
    "rmsprop": (rmsprop, rmsprop_init, rmsprop_),
    "rmsprop_nesterov": (rmsprop_nesterov, rmsprop_nesterov_init, rmsprop_nesterov_),
    "adadelta": (adadelta, adadelta_init, adadelta_),
    "adam": (adam, adam_init, adam_),
    "adam_uncorrected": (adam_uncorrected, adam_init, adam_uncorrected_),
    "adamw": (adamw, adam_init, adamw_),
    "rprop_plus": (rprop_plus, rprop_plus_init, rprop_plus_),
    "rprop_minus": (rprop_minus, rprop_init, rprop_minus_),
    "irprop_plus": (irprop_plus, irprop_plus_init, irprop_plus_),
    "irprop_minus": (irprop_minus, rprop_init, irprop_minus_),
}
IN_TRAINING = {"nesterov": "nesterov_at_w"}  # a loop has the gradient at w, not at the point ahead


def optimizer(name, **numbers):
    """Fix the numbers of an optimizer.

    Parameters
    ----------
    name : str
        Which one: the name of the pure function. ``"nesterov"`` is :func:`nesterov_at_w`, the form that a loop can use: what it
        trains is the point ahead.
    **numbers : float
        Those of its arguments, or of its first state's, that differ from their defaults, such as ``eta`` or ``delta_init``.

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
    name = IN_TRAINING.get(name, name)
    if name not in TWINS:
        raise ValueError(f"optimizer: name is {name!r}, expected one of {', '.join(map(repr, TWINS))}")
    pure, init, step = TWINS[name]
    of_step = floats(pure.contract)
    of_init = floats(init.held_by) if init else {}
    known = of_step | of_init
    for key, x in numbers.items():
        if key not in known:
            raise TypeError(f"optimizer: {name} has no argument {key!r}, expected some of {', '.join(map(repr, known))}")
        numbers[key] = as_scalar(f"optimizer: {name}", known[key], x)
    update_ = step.with_numbers([numbers.get(key, pure.contract.defaults[key]) for key in of_step])
    if init is None:
        return Optimizer(name, lambda w: None, lambda w, g, state=None: update_(w, g), False, numbers, True)
    first = {key: numbers[key] for key in of_init if key in numbers}
    return Optimizer(name, lambda w: init(w, **first), update_, "E" in pure.contract.names, numbers, True)


def floats(contract):
    """The numbers that have a default, by name."""
    return {a.name: a for a in contract.arguments if a.name in contract.defaults}


# The rooms are no addresses: the verifier, help(), errors and pickles say dnnbook.optimizers.
for _name in set(__all__) - {"VARIANTS"}:
    globals()[_name].__module__ = __name__
