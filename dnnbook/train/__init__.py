"""Training: mini-batches, an optimizer, and a record of what happened.

:func:`fit` copies the parameters once and then changes its copy in place; what the caller gave stays as it was. All chance
comes from the generator that the caller gives: the same seed gives the same bits, and so does a run that was interrupted and
resumed.
"""

import numpy as np  # noqa: F401 - the examples of all rooms run here

from dnnbook.train.batches import minibatches
from dnnbook.train.history import Fitted, History
from dnnbook.train.loop import fit
from dnnbook.train.measures import accuracy, confusion
from dnnbook.train.range_test import learning_rate_range_test

__all__ = ["Fitted", "History", "accuracy", "confusion", "fit", "learning_rate_range_test", "minibatches"]

# The rooms are no addresses: help() and errors say dnnbook.train.
for _name in __all__:
    globals()[_name].__module__ = __name__
