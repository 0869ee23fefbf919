"""dnnbook: the formulas of deep neural networks, printed, tested and fast.

Every public function prints its formula in its docstring; ``python -m dnnbook verify`` holds the code against that print.
Submodules load on first use: ``import dnnbook`` alone is cheap.
"""

import importlib

__version__ = "0.1.0"
__all__ = [
    "activations",
    "augmentation",
    "batch_norm",
    "datasets",
    "dense",
    "dropout",
    "exercises",
    "figures",
    "formula",
    "gradients",
    "initializers",
    "layers",
    "losses",
    "network",
    "optimizers",
    "regularization",
    "schedules",
    "second_order",
    "surfaces",
    "train",
]


def __getattr__(name):
    if name in __all__:
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    return sorted([*globals(), *__all__])
