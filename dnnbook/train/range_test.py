"""Trying learning rates."""

import itertools
import math

import numpy as np

from dnnbook import optimizers
from dnnbook.train.batches import count, data, generator, shuffled
from dnnbook.train.steps import update
from dnnbook.train.workspace import Workspaces, together


def learning_rate_range_test(
    layers,
    params,
    x,
    y,
    *,
    loss="softmax_cross_entropy",
    optimizer="sgd",
    batch_size=32,
    eta_min=1e-5,
    eta_max=10.0,
    steps=100,
    rng,
):
    """Try learning rates from small to large, one step each, to see where training begins to work and where it breaks.

    Parameters
    ----------
    layers, params, x, y, loss, batch_size, rng
        As in :func:`fit`.
    optimizer : str
        Name of an optimizer; its other numbers stay at their defaults.
    eta_min, eta_max : float
        First and last learning rate; those between lie evenly on a logarithmic axis.
    steps : int
        How many.

    Returns
    -------
    etas : ndarray, shape (S,)
        Learning rates tried. S is less than `steps` if the loss became NaN or infinite: then the rest is left out.
    losses : ndarray, shape (S,)
        Loss of each mini-batch before the step with its learning rate.

    Raises
    ------
    ValueError, TypeError
        An argument does not fit; nothing was computed.

    Notes
    -----
    Source: :cite:p:`smith2017`, section 3.3.

    Examples
    --------
    >>> from dnnbook import network
    >>> rng = np.random.default_rng(0)
    >>> layers = network.mlp([2, 8, 2])
    >>> x = rng.normal(size=(100, 2))
    >>> etas, losses = learning_rate_range_test(
    ...     layers, network.init(layers, rng), x, (x[:, 0] > 0).astype(int), steps=5, rng=rng
    ... )
    >>> etas.round(5)
    array([1.0000e-05, 3.2000e-04, 1.0000e-02, 3.1623e-01, 1.0000e+01])
    """
    where = "learning_rate_range_test"
    batch_size = count(where, "batch_size", batch_size)
    steps = count(where, "steps", steps)
    rng = generator(where, rng)
    if not 0 < eta_min < eta_max < math.inf:
        raise ValueError(f"{where}: eta_min is {eta_min} and eta_max {eta_max}, expected 0 < eta_min < eta_max")
    x, t = data(where, layers, params, x, y, loss)
    vector, params = together(layers, params)
    spaces = Workspaces(layers, params, x, t, loss, rng)
    etas, values = np.geomspace(eta_min, eta_max, steps), []
    states = [optimizers.optimizer(optimizer).init(vector)]
    batches = itertools.chain.from_iterable(shuffled(rng, len(x), batch_size) for _ in itertools.count())
    for eta, rows in zip(etas, batches, strict=False):
        E = spaces.load(rows)()
        if not math.isfinite(E):
            break
        values.append(E)
        states = update(optimizers.optimizer(optimizer, eta=float(eta)), [vector], [spaces.vector], states, E)
    return etas[: len(values)], np.array(values)
