"""How well a network does."""

import numpy as np


def accuracy(z, labels):
    """Share of the rows whose largest score is that of their label.

    Parameters
    ----------
    z : array_like, shape (N, K)
        Scores: logits or probabilities. A single column (K = 1) is a logit: above 0 it says class 1, else class 0.
    labels : array_like of int, shape (N,)
        Classes, counted from 0.

    Returns
    -------
    float
        From 0 to 1.

    Raises
    ------
    ValueError
        The shapes do not fit.
    TypeError
        The labels are not integers.

    Examples
    --------
    >>> accuracy([[2.0, 1.0], [0.0, 3.0], [5.0, 4.0]], [0, 1, 1])
    0.6666666666666666
    """
    guesses, labels = _guesses("accuracy", z, labels)
    return float(np.mean(guesses == labels))


def confusion(z, labels):
    """How often each class was taken for each other.

    Parameters
    ----------
    z, labels
        As in :func:`accuracy`.

    Returns
    -------
    ndarray of int, shape (K, K)
        Row: the label; column: the class with the largest score (2 by 2 for a single column).

    Raises
    ------
    ValueError, TypeError
        As in :func:`accuracy`.

    Examples
    --------
    >>> confusion([[2.0, 1.0], [0.0, 3.0], [5.0, 4.0]], [0, 1, 1])
    array([[1, 0],
           [1, 1]])
    """
    guesses, labels = _guesses("confusion", z, labels)
    k = max(np.shape(z)[1], 2)
    if not 0 <= labels.min() <= labels.max() < k:
        raise ValueError(f"confusion: labels has values from {labels.min()} to {labels.max()}, expected 0 to {k - 1}")
    return np.bincount(k * labels + guesses, minlength=k * k).reshape(k, k)


def _guesses(where, z, labels):
    z, labels = np.asarray(z), np.asarray(labels)
    if z.ndim != 2 or 0 in z.shape:
        raise ValueError(f"{where}: z has shape {z.shape}, expected (N, K)")
    if labels.shape != z.shape[:1]:
        raise ValueError(f"{where}: labels has shape {labels.shape}, expected ({len(z)},)")
    if labels.dtype.kind not in "iu":
        raise TypeError(f"{where}: labels has dtype {labels.dtype}, expected integers")
    guesses = z.argmax(axis=1) if z.shape[1] > 1 else (z[:, 0] > 0).astype(int)
    return guesses, labels.astype(int)
