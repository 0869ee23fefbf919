"""Second-order methods: steps that know the curvature.

Newton's method, Gauss-Newton, Levenberg-Marquardt and nonlinear conjugate gradients: each step a printed formula, each method
built from these very functions; and the curvature of a network's loss, exactly (:func:`hessian_vector_product`).
"""

import numpy as np  # noqa: F401 - the examples of all rooms run here

from dnnbook import network  # noqa: F401 - and here
from dnnbook.second_order.common import Minimum
from dnnbook.second_order.conjugate import (
    conjugate_direction,
    conjugate_gradients,
    fletcher_reeves_beta,
    polak_ribiere_plus_beta,
)
from dnnbook.second_order.curvature import (
    Objective,
    flatten,
    hessian,
    hessian_vector_product,
    network_jacobian,
    network_residuals,
    objective,
    unflatten,
)
from dnnbook.second_order.least_squares import (
    gauss_newton_step,
    levenberg_marquardt,
    levenberg_marquardt_step,
    marquardt_step,
)
from dnnbook.second_order.newton import gain_ratio, minimize_newton, newton_step, nielsen_damping, predicted_decrease

__all__ = [
    "Minimum",
    "Objective",
    "conjugate_direction",
    "conjugate_gradients",
    "flatten",
    "fletcher_reeves_beta",
    "gain_ratio",
    "gauss_newton_step",
    "hessian",
    "hessian_vector_product",
    "levenberg_marquardt",
    "levenberg_marquardt_step",
    "marquardt_step",
    "minimize_newton",
    "network_jacobian",
    "network_residuals",
    "newton_step",
    "nielsen_damping",
    "objective",
    "polak_ribiere_plus_beta",
    "predicted_decrease",
    "unflatten",
]

# The rooms are no addresses: the verifier, help() and errors say dnnbook.second_order.
for _name in __all__:
    globals()[_name].__module__ = __name__
