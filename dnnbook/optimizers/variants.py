"""Where this book, PyTorch and optax call different things by one name."""

from typing import NamedTuple


class Variant(NamedTuple):
    """One difference, as text for a table.

    Attributes
    ----------
    optimizer : str
        Name of the function of this package.
    book, pytorch, optax : str
        What each does; a dash where it has nothing of the kind.
    consequence : str
        What follows for one who compares or converts.
    """

    optimizer: str
    book: str
    pytorch: str
    optax: str
    consequence: str


VARIANTS = (
    Variant(
        "momentum",
        "learning rate inside the velocity",
        "outside: it multiplies the velocity at every step",
        "outside",
        "The same path at a constant rate. Where the rate changes, the old velocity here keeps the rate that it was made with.",
    ),
    Variant(
        "nesterov",
        "look-ahead form: the gradient is taken at the point ahead",
        "not offered",
        "not offered",
        "Compare after the change of variables, with nesterov_at_w.",
    ),
    Variant(
        "nesterov_at_w",
        "form evaluated at w; learning rate inside the velocity",
        "SGD(nesterov=True): the same at a constant rate",
        "sgd(nesterov=True): the same at a constant rate",
        "Their w is the point ahead, not the w of the look-ahead form.",
    ),
    Variant(
        "adagrad",
        "epsilon outside the root, 1e-10; the sum starts at 0",
        "the same",
        "epsilon inside the root, 1e-7; the sum starts at 0.1",
        "optax's first steps are shorter wherever the gradient is not far above 0.3.",
    ),
    Variant(
        "rmsprop",
        "epsilon outside the root; decay 0.9",
        "epsilon outside; decay (alpha) 0.99",
        "epsilon inside by default (eps_in_sqrt=False moves it out); decay 0.9",
        "At 1e-8 inside the root, gradients below 1e-4 count as small; outside, below 1e-8.",
    ),
    Variant(
        "rmsprop_nesterov",
        "Nesterov's momentum, form evaluated at w",
        "not offered: RMSprop(momentum=...) is Polyak's, learning rate outside",
        "rmsprop(momentum=..., nesterov=True): the same",
        "PyTorch's momentum gives another path.",
    ),
    Variant(
        "adadelta",
        "the paper's form without learning rate; rho 0.95",
        "a learning rate, 1 by default; rho 0.9",
        "a learning rate, none by default; rho 0.9",
        "The same with the same rho and a learning rate of 1. Without one, optax's step has no minus sign: it climbs.",
    ),
    Variant(
        "adam",
        "epsilon outside the root, 1e-8",
        "the same",
        "the same; eps_root puts a second one inside",
        "None at the defaults, the learning rate apart, which optax wants to be given.",
    ),
    Variant(
        "adam_uncorrected",
        "no bias correction, for the ablation",
        "not offered",
        "not offered",
        "The slide's Adam, without the power t, is this with eta times sqrt(1 - beta2) / (1 - beta1): 0.32 at the defaults.",
    ),
    Variant(
        "adamw",
        "decay multiplied by the learning rate; weight_decay 0.01",
        "the same",
        "the same; weight_decay 1e-4",
        "Give weight_decay explicitly. The paper's own decay is ours times its alpha.",
    ),
    Variant(
        "irprop_minus",
        "signs compared; first length 0.1",
        "Rprop: the sign of the product of two gradients; first length (lr) 0.01",
        "rprop: the same rule, but every step is taken one call late: the first call moves nothing",
        "A product of gradients below 1e-162 (1e-22 in float32) is 0, and their sign is lost; here it is not.",
    ),
    Variant(
        "rprop_plus, rprop_minus, irprop_plus",
        "the other versions of Igel and Huesken",
        "not offered",
        "not offered",
        "What the libraries call Rprop is iRPROP-: it neither takes a step back nor looks at the loss.",
    ),
)
"""Differences between this book and its peers, for a table."""
