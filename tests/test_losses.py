"""Losses: values against plain formulas in extended precision, gradients against differences, and both far out."""

import math

import numpy as np
import oracles
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from strategies import arguments

from dnnbook import losses

NAMES = ["mean_squared_error", "cross_entropy", "binary_cross_entropy", "softmax_cross_entropy", "sigmoid_cross_entropy"]
every = pytest.mark.parametrize("name", NAMES)
FLAT = ["mean_squared_error", "binary_cross_entropy", "sigmoid_cross_entropy"]


@every
@given(data=st.data())
def test_values_equal_the_plain_formulas(name, data):
    f = getattr(losses, name)
    x, y = data.draw(arguments(f))
    with np.errstate(all="ignore"):
        expected = getattr(oracles, name)(x.astype(oracles.L) if name == "mean_squared_error" else x, y)
    np.testing.assert_allclose(f(x, y), np.float64(expected), rtol=1e-14, atol=1e-14 * np.abs(y).max())


@every
@given(data=st.data())
def test_gradients_equal_differences(name, data):
    f = getattr(losses, name)
    x, y = data.draw(arguments(f))
    if name in ("cross_entropy", "binary_cross_entropy"):
        x = 0.1 + 0.8 * x
    u = np.cos(np.arange(x.size)).reshape(x.shape)
    got = getattr(losses, f"{name}_grad")(x, y)
    assert np.sum(got * u) == pytest.approx(oracles.slope(lambda t: f(x + t * u, y), 0.02), rel=1e-7, abs=1e-8)


@every
@given(data=st.data())
def test_the_loss_is_a_mean_over_samples(name, data):
    f, grad = getattr(losses, name), getattr(losses, f"{name}_grad")
    x, y = data.draw(arguments(f))
    one = f(x, y)
    assume(np.isfinite(one))
    assert f(np.tile(x, (3, 1)), np.tile(y, (3, 1))) == pytest.approx(one, rel=1e-14)
    np.testing.assert_allclose(grad(np.tile(x, (3, 1)), np.tile(y, (3, 1)))[: len(x)], grad(x, y) / 3, rtol=1e-15)


@pytest.mark.parametrize("name", FLAT)
def test_a_vector_is_one_column(name):
    f, grad = getattr(losses, name), getattr(losses, f"{name}_grad")
    x, y = np.array([0.25, 0.5, 0.75]), np.array([0.0, 1.0, 1.0])
    assert f(x, y) == f(x[:, None], y[:, None])
    assert grad(x, y).shape == (3,)
    assert np.array_equal(grad(x, y)[:, None], grad(x[:, None], y[:, None]))


def test_known_values():
    assert losses.mean_squared_error([[1.0, 2.0], [3.0, 4.0]], [[1.0, 0.0], [0.0, 4.0]]) == 6.5  # (4 + 9) / 2: no mean over K
    assert losses.softmax_cross_entropy(np.zeros((4, 10)), np.eye(10)[:4]) == pytest.approx(math.log(10), rel=1e-15)
    assert losses.sigmoid_cross_entropy(np.zeros((4, 10)), np.ones((4, 10))) == pytest.approx(10 * math.log(2), rel=1e-15)


def test_a_weight_of_0_silences_an_infinite_logarithm():
    assert losses.cross_entropy([[0.0, 1.0]], [[0.0, 1.0]]) == 0
    assert losses.cross_entropy([[0.0, 1.0]], [[1.0, 0.0]]) == np.inf
    assert losses.cross_entropy_grad([[0.0, 1.0]], [[0.0, 1.0]]).tolist() == [[0, -1]]
    assert losses.cross_entropy_grad([[0.0, 1.0]], [[1.0, 0.0]]).tolist() == [[-np.inf, 0]]
    assert losses.binary_cross_entropy([0.0, 1.0], [0.0, 1.0]) == 0
    assert losses.binary_cross_entropy([0.0, 1.0], [0.0, 0.0]) == np.inf
    assert losses.binary_cross_entropy_grad([0.0, 1.0], [0.0, 1.0]).tolist() == [0.5, -0.5]
    assert losses.binary_cross_entropy_grad([0.0, 1.0], [1.0, 0.0]).tolist() == [-np.inf, np.inf]
    assert not np.signbit(losses.cross_entropy([[1.0]], [[1.0]]))


def test_fused_losses_at_scores_of_1000():
    z, right, wrong = [[1000.0, 0.0]], [[1.0, 0.0]], [[0.0, 1.0]]
    assert losses.softmax_cross_entropy(z, right) == 0
    assert losses.softmax_cross_entropy(z, wrong) == 1000
    assert losses.softmax_cross_entropy_grad(z, wrong).tolist() == [[1, -1]]
    assert losses.sigmoid_cross_entropy([1000.0, -1000.0], [1.0, 1.0]) == 500
    assert losses.sigmoid_cross_entropy_grad([1000.0, -1000.0], [1.0, 1.0]).tolist() == [0, -0.5]


def test_infinite_scores_give_the_limits():
    inf = np.inf
    assert losses.softmax_cross_entropy([[inf, 0.0]], [[1.0, 0.0]]) == 0
    assert losses.softmax_cross_entropy([[-inf, 0.0]], [[1.0, 0.0]]) == inf
    assert losses.softmax_cross_entropy_grad([[-inf, 0.0]], [[1.0, 0.0]]).tolist() == [[-1, 1]]
    assert losses.sigmoid_cross_entropy([inf, -inf], [1.0, 0.0]) == 0
    assert losses.sigmoid_cross_entropy([inf, -inf], [0.0, 0.0]) == inf
    assert losses.sigmoid_cross_entropy_grad([inf, -inf], [0.0, 1.0]).tolist() == [0.5, -0.5]


def test_fused_losses_keep_their_digits_where_the_answer_is_right():
    tiny = math.exp(-50)
    assert losses.softmax_cross_entropy([[50.0, 0.0]], [[1.0, 0.0]]) == pytest.approx(tiny, rel=1e-14)
    assert losses.softmax_cross_entropy_grad([[50.0, 0.0]], [[1.0, 0.0]]) == pytest.approx(np.array([[-tiny, tiny]]), rel=1e-14)
    assert losses.sigmoid_cross_entropy([50.0], [1.0]) == pytest.approx(tiny, rel=1e-14)
    assert losses.sigmoid_cross_entropy_grad([50.0], [1.0]) == pytest.approx(-tiny, rel=1e-14)


def test_targets_need_not_sum_to_1():
    z, y = np.array([[0.5, -1.0, 2.0]]), np.array([[3.0, 0.0, 0.5]])
    p = oracles.softmax(z)
    np.testing.assert_allclose(losses.softmax_cross_entropy_grad(z, y), np.float64(3.5 * p - y), rtol=1e-14)


@every
def test_a_nan_score_is_never_hidden_by_a_target_of_0(name):
    f = getattr(losses, name)
    for x in ([[np.nan, 0.5]], [[0.5, np.nan]]):
        assert np.isnan(f(x, [[0.0, 0.0]]))


def test_float32_sums_are_kept_in_float64():
    y_hat = np.full((300_000, 1), 0.1, np.float32)
    exact = np.float32(np.float64(np.float32(0.1)) ** 2)
    assert losses.mean_squared_error(y_hat, np.zeros_like(y_hat)) == exact
    z = np.zeros((300_000, 2), np.float32)
    assert losses.softmax_cross_entropy(z, np.eye(2, dtype=np.float32)[[0] * 300_000]) == np.float32(math.log(2))


def test_a_loss_beyond_float32_is_infinite_without_a_warning():
    assert losses.mean_squared_error(np.array([3e38], np.float32), np.array([-3e38], np.float32)) == np.inf
