"""The training loop."""

import math
import operator
import time

import numpy as np
from dnnbook.train.history import Fitted, History
from dnnbook.train.measures import accuracy
from tqdm import tqdm

from dnnbook import network, optimizers

ADVICE = "try a smaller eta, or look for NaN and huge numbers in x and y"


def fit(
    layers,
    params,
    x,
    y,
    *,
    loss="softmax_cross_entropy",
    optimizer="adam",
    batch_size=32,
    epochs=10,
    rng,
    validation=None,
    callback=None,
    progress=True,
):
    """Train a network on mini-batches.

    Parameters
    ----------
    layers : sequence of Layer
        The network.
    params : sequence of tuples of ndarray
        Where to start, from :func:`dnnbook.network.init`; left unchanged. Training happens in their dtype.
    x : array_like, shape (N, D)
        Examples.
    y : array_like, shape (N,) or (N, K)
        Integer labels for the cross-entropies, or an array of targets; see :func:`dnnbook.network.targets`.
    loss : str
        Name of a function in :mod:`dnnbook.losses` that has a ``_grad``.
    optimizer : str or Optimizer
        Name of an optimizer at its defaults, or ``optimizers.optimizer("sgd", eta=0.1)``. ``"nesterov"`` is the form evaluated
        at the parameters; the RPROPs are made for batch learning.
    batch_size : int
        Examples per step: 1 is on-line learning; N or more is batch learning, which does not shuffle. The last batch of an
        epoch may be smaller.
    epochs : int
        Passes over the data.
    rng : numpy.random.Generator
        Shuffles the examples anew for each epoch.
    validation : tuple of array_like, optional
        Examples and labels ``(x, y)`` to measure on after each epoch.
    callback : function, optional
        ``callback(epoch, params, history)`` is called after each epoch, counted from 1; if it returns True, training stops. The
        arrays in `params` change later: copy what is to be kept.
    progress : bool
        Show a progress bar; it shows only in a terminal.

    Returns
    -------
    Fitted
        ``params`` and ``history``.

    Raises
    ------
    ValueError, TypeError
        An argument does not fit; nothing was computed.
    FloatingPointError
        The loss became NaN or infinite.

    Examples
    --------
    >>> from dnnbook import network
    >>> x, y = [[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]], [0, 1, 1, 0]
    >>> layers, rng = network.mlp([2, 8, 2], "tanh"), np.random.default_rng(0)
    >>> params = network.init(layers, rng)
    >>> params, history = fit(layers, params, x, y, epochs=500, batch_size=4, rng=rng, progress=False)
    >>> accuracy(network.predict(layers, params, x), y)
    1.0
    """
    where = "fit"
    batch_size = _count(where, "batch_size", batch_size)
    epochs = _count(where, "epochs", epochs)
    rng = _generator(where, rng)
    if isinstance(optimizer, str):
        optimizer = optimizers.optimizer(optimizer)
    params = _copy(params)
    x, t = _data(where, layers, params, x, y, loss)
    if validation is not None:
        x_validation, labels = validation
        labels = np.asarray(labels)
        x_validation, t_validation = _data(where, layers, params, x_validation, labels, loss)

    loss_value, _ = network.loss_functions(loss)
    states = [optimizer.init(w) for p in params for w in p]
    history = History()
    with tqdm(total=epochs, unit="epoch", disable=None if progress else True) as bar:
        for epoch in range(1, epochs + 1):
            start = time.perf_counter()
            total = 0.0
            for step, (xb, tb) in enumerate(minibatches(rng, batch_size, x, t), 1):
                E, grads = network.loss_and_gradients(layers, params, xb, tb, loss)
                if not math.isfinite(E):
                    raise FloatingPointError(f"fit: the loss is {E} at epoch {epoch}, step {step}; {ADVICE}")
                states = _update(optimizer, params, grads, states, E)
                history.step_loss.append(E)
                total += E * len(xb)
            history.seconds.append(time.perf_counter() - start)
            history.loss.append(total / len(x))
            if validation is not None:
                z = network.predict(layers, params, x_validation)
                history.validation_loss.append(float(loss_value(z, t_validation)))
                if labels.ndim == 1 and labels.dtype.kind in "iu":
                    history.validation_accuracy.append(accuracy(z - 0.5 if loss == "binary_cross_entropy" else z, labels))
            bar.set_postfix(loss=f"{history.loss[-1]:.4f}", refresh=False)
            bar.update()
            if callback is not None and callback(epoch, params, history):
                break
    return Fitted(params, history)


def minibatches(rng, batch_size, *arrays):
    """One epoch: the rows of all arrays in one random order, cut into batches.

    Parameters
    ----------
    rng : numpy.random.Generator
        Draws the order.
    batch_size : int
        Rows per batch; the last batch has what is left. With all rows in one batch there is nothing to shuffle: the arrays
        themselves come back.
    *arrays : ndarray, shape (N, ...)
        Arrays of the same length.

    Yields
    ------
    tuple of ndarray
        The same rows of every array.

    Examples
    --------
    >>> x = np.arange(5)
    >>> [len(batch) for batch, _ in minibatches(np.random.default_rng(0), 2, x, x)]
    [2, 2, 1]
    """
    n = len(arrays[0])
    if batch_size >= n:
        yield arrays
        return
    order = rng.permutation(n)
    for start in range(0, n, batch_size):
        rows = order[start : start + batch_size]
        yield tuple(a.take(rows, axis=0) for a in arrays)


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
    batch_size = _count(where, "batch_size", batch_size)
    steps = _count(where, "steps", steps)
    rng = _generator(where, rng)
    if not 0 < eta_min < eta_max < math.inf:
        raise ValueError(f"{where}: eta_min is {eta_min} and eta_max {eta_max}, expected 0 < eta_min < eta_max")
    params = _copy(params)
    x, t = _data(where, layers, params, x, y, loss)
    etas, values = np.geomspace(eta_min, eta_max, steps), []
    states = [optimizers.optimizer(optimizer).init(w) for p in params for w in p]
    batches = _endless(rng, batch_size, x, t)
    for eta, (xb, tb) in zip(etas, batches, strict=False):
        E, grads = network.loss_and_gradients(layers, params, xb, tb, loss)
        if not math.isfinite(E):
            break
        values.append(E)
        states = _update(optimizers.optimizer(optimizer, eta=float(eta)), params, grads, states, E)
    return etas[: len(values)], np.array(values)


@network.quiet
def _update(optimizer, params, grads, states, E):
    """One step for every parameter array, in place; the new states."""
    loss = (E,) if optimizer.wants_loss else ()
    pairs = ((w, g) for p, q in zip(params, grads, strict=True) for w, g in zip(p, q, strict=True))
    return [optimizer.update_(w, g, state, *loss) for (w, g), state in zip(pairs, states, strict=True)]


def _copy(params):
    return tuple(tuple(np.array(a, order="C") for a in p) for p in params)


def _data(where, layers, params, x, y, loss):
    """Examples and targets in the dtype of the parameters; raises what training would raise at the first step."""
    network.loss_functions(loss)
    x = network.as_table(where, "x", x, network.dtype_of(params))
    if len(x) == 0:
        raise ValueError(f"{where}: x has shape {x.shape}, expected at least one example")
    outputs = network.predict(layers, params, x[:1]).shape[1]
    return x, network.targets(y, (len(x), outputs), loss, x.dtype)


def _endless(rng, batch_size, *arrays):
    while True:
        yield from minibatches(rng, batch_size, *arrays)


def _count(where, name, value):
    try:
        count = operator.index(value)
    except TypeError:
        raise TypeError(f"{where}: {name} is {value!r}, expected an integer") from None
    if count < 1:
        raise ValueError(f"{where}: {name} is {value!r}, expected at least 1")
    return count


def _generator(where, rng):
    if not isinstance(rng, np.random.Generator):
        raise TypeError(f"{where}: rng is {rng!r}, expected a numpy.random.Generator such as numpy.random.default_rng(0)")
    return rng
