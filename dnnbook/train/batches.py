"""What training is given: checked, copied, and cut into batches."""

import operator

import numpy as np

from dnnbook import network


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
    for rows in shuffled(rng, len(arrays[0]), batch_size):
        yield arrays if rows is None else tuple(a.take(rows, axis=0) for a in arrays)


def shuffled(rng, n, batch_size):
    """The rows of each batch of one epoch; None for all rows in their order."""
    if batch_size >= n:
        yield None
        return
    order = rng.permutation(n)
    for start in range(0, n, batch_size):
        yield order[start : start + batch_size]


def data(where, layers, params, x, y, loss):
    """Examples and targets in the dtype of the parameters; raises what training would raise at the first step."""
    network.loss_functions(loss)
    x = network.as_table(where, "x", x, network.dtype_of(params))
    if len(x) == 0:
        raise ValueError(f"{where}: x has shape {x.shape}, expected at least one example")
    outputs = network.predict(layers, params, x[:1]).shape[1]
    return x, network.targets(y, (len(x), outputs), loss, x.dtype)


def augmented(augment, rng, x):
    """A batch changed at random; the arrays that training was given stay as they are."""
    changed = network.as_table("fit", "augment(rng, x)", augment(rng, x.copy()), x.dtype)
    if changed.shape != x.shape:
        raise ValueError(f"fit: augment(rng, x) has shape {changed.shape}, expected {x.shape} as x")
    return changed


def copy(params):
    return tuple(tuple(np.array(a, order="C") for a in p) for p in params)


def flat(entries):
    """The arrays of all layers in one list."""
    return [a for p in entries for a in p]


def count(where, name, value):
    try:
        number = operator.index(value)
    except TypeError:
        raise TypeError(f"{where}: {name} is {value!r}, expected an integer") from None
    if number < 1:
        raise ValueError(f"{where}: {name} is {value!r}, expected at least 1")
    return number


def generator(where, rng):
    if not isinstance(rng, np.random.Generator):
        raise TypeError(f"{where}: rng is {rng!r}, expected a numpy.random.Generator such as numpy.random.default_rng(0)")
    return rng
