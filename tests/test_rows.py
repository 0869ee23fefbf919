"""Functions of rows on tiles: where a tile ends, and which thread takes it, changes no bit."""

import numpy as np
import pytest

from dnnbook import _rows, _threads, activations, losses

NAMES = ["softmax", "softmax_vjp", "log_softmax", "log_softmax_vjp", "maxout", "maxout_vjp"]
NAMES += ["softmax_cross_entropy", "softmax_cross_entropy_grad", "softmax_cross_entropy_hvp"]
LENGTHS = (1, 2, 10, 127, 1000)


def function(name):
    return getattr(losses if "entropy" in name else activations, name)


def values(name, N, K, dtype, seed=0):
    """Arguments for N rows of K numbers: scores, and beside them cotangents, directions or targets."""
    rng = np.random.default_rng(seed)
    z = rng.normal(0, 5, (N, K)).astype(dtype)
    given = {"z": z, "g": rng.normal(size=(N, K)).astype(dtype), "u": rng.normal(size=(N, K)).astype(dtype)}
    given["y"] = rng.random((N, K)).astype(dtype)
    if name == "maxout_vjp":
        given["g"] = given["g"][:, 0].copy()
    return [given[a] for a in function(name).contract.names]


def one_by_one(name, arguments):
    """The same function of each row alone, put together."""
    rows = [function(name).kernel(*(v[n : n + 1] for v in arguments)) for n in range(len(arguments[-1]))]
    return {"row": np.vstack, "row / N": np.vstack, "number": np.hstack, "mean": np.array}[function(name).kernel.result](rows)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("K", LENGTHS)
@pytest.mark.parametrize("name", NAMES)
def test_rows_do_not_see_each_other(name, K, dtype):
    rows, N = function(name).kernel, _rows.height(K) + 13  # a tile, and a part of one
    arguments = values(name, N, K, dtype)
    got, alone = rows(*arguments), one_by_one(name, arguments)
    if rows.result == "mean":
        assert got == pytest.approx(alone.mean(), rel=1e-14)
    elif rows.result == "row / N":
        assert np.array_equal(got, alone / dtype(N))
    else:
        assert got.dtype == dtype
        assert np.array_equal(got, alone)


@pytest.mark.parametrize("rows", [1, 7, 8, 9, 409, 410, 818, 820])
@pytest.mark.parametrize("name", ["softmax", "maxout", "maxout_vjp"])
def test_every_row_is_written_whatever_is_left_for_the_last_tile(name, rows):
    arguments = values(name, rows, 10, np.float64)
    z = arguments[-1]
    e = np.exp(z - z.max(axis=1, keepdims=True))
    expected = {
        "softmax": e / e.sum(axis=1, keepdims=True),
        "maxout": z.max(axis=1),
        "maxout_vjp": np.where(z == z.max(axis=1, keepdims=True), arguments[0][:, None], 0),
    }[name]
    np.testing.assert_allclose(function(name).kernel(*arguments), expected, rtol=1e-14)


@pytest.mark.parametrize("name", NAMES)
def test_threads_change_no_bit(name, monkeypatch):
    arguments = values(name, 20_011, 10, np.float32)
    alone = function(name).kernel(*arguments)
    calls, real = [], _threads._spread
    monkeypatch.setattr(_threads, "_spread", lambda *a: (calls.append(a), real(*a)))
    for count in (2, 3):
        monkeypatch.setattr(_threads, "cores", lambda count=count: count)
        monkeypatch.setattr(_threads, "_team", None)
        got = function(name)(*arguments)
        assert np.array_equal(got, alone if got.ndim else np.float32(alone))
    assert len(calls) == 2


@pytest.mark.parametrize("name", NAMES)
def test_arguments_stay_as_they_are(name):
    arguments = values(name, 40, 3, np.float64)
    before = [v.copy() for v in arguments]
    function(name).kernel(*arguments)
    assert all(map(np.array_equal, before, arguments))


@pytest.mark.parametrize("K", [1, 2, 5])
@pytest.mark.parametrize("name", [name for name in NAMES if not name.startswith("maxout")])
def test_a_row_with_a_nan_spoils_itself_only(name, K):
    arguments = values(name, 70, K, np.float64)
    clean = function(name).kernel(*arguments)
    arguments[function(name).contract.names.index("z")][33, K - 1] = np.nan
    spoiled = function(name).kernel(*arguments)
    if function(name).kernel.result == "mean":
        assert np.isnan(spoiled)
        return
    assert np.isnan(spoiled[33]).all()
    assert np.array_equal(np.delete(spoiled, 33, 0), np.delete(clean, 33, 0))


def test_a_nan_counts_where_the_targets_are_all_0():
    assert np.isnan(losses.softmax_cross_entropy([[np.nan]], [[0.0]]))


def test_no_rows():
    z = np.empty((0, 3))
    assert activations.softmax.kernel(z).shape == activations.softmax_vjp.kernel(z, z).shape == (0, 3)
    assert activations.maxout.kernel(z).shape == (0,)


def test_sums_along_long_rows_are_kept_in_float64():
    z = np.zeros((1, 2**25), np.float32)  # in float32 a sum of ones stops at 2^24
    assert activations.softmax(z)[0, 0] == np.float32(2.0**-25)
    assert activations.log_softmax(z)[0, 0] == np.float32(-25 * np.log(2))
