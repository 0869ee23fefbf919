"""The dense layer: against sums written out, its products against differences, and backpropagation through two layers."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles import L, slope
from strategies import arguments

from dnnbook import dense as d
from dnnbook.activations import relu, relu_grad, sigmoid, sigmoid_grad, tanh, tanh_grad

ACTIVATIONS = {"sigmoid": (sigmoid, sigmoid_grad), "tanh": (tanh, tanh_grad), "relu": (relu, relu_grad)}


def sums(a, b):
    """A matrix product as sums of single products, in extended precision."""
    return np.sum(a.astype(L)[:, :, None] * b.astype(L)[None], axis=1)


def near(got, expected):
    np.testing.assert_allclose(got, np.asarray(expected, float), rtol=1e-14, atol=1e-12)


@given(data=st.data())
def test_dense_is_a_weighted_sum_and_a_bias(data):
    x, W, b = data.draw(arguments(d.dense))
    near(d.dense(x, W, b), sums(x, W) + b)


@given(data=st.data())
def test_dense_products_equal_differences(data):
    g, x, W = data.draw(arguments(d.dense_vjp))
    b = np.ones(W.shape[1])
    for moved, i in (("x", 0), ("W", 1), ("b", 2)):
        values = {"x": x, "W": W, "b": b}
        u = np.cos(np.arange(values[moved].size)).reshape(values[moved].shape)
        phi = lambda t: np.sum(g * d.dense(**{**values, moved: values[moved] + t * u}))  # noqa: B023, E731
        assert np.sum(d.dense_vjp(g, x, W)[i] * u) == pytest.approx(slope(phi), rel=1e-9, abs=1e-8)


@pytest.mark.parametrize("activation", ACTIVATIONS)
@given(data=st.data())
def test_a_layer_is_its_activation_of_the_dense_layer(activation, data):
    o, W, b = data.draw(arguments(d.dense))
    assert np.array_equal(d.layer_output(o, W, b, activation), ACTIVATIONS[activation][0](d.dense(o, W, b)))


@pytest.mark.parametrize("activation", ACTIVATIONS)
@given(data=st.data())
def test_hidden_errors_are_summed_over_the_units_above_times_the_slope(activation, data):
    delta, W, z, _ = data.draw(arguments(d.hidden_delta))
    near(d.hidden_delta(delta, W, z, activation), ACTIVATIONS[activation][1](z) * sums(delta, W.T))


@given(data=st.data(), eta=st.floats(0, 2))
def test_the_update_goes_against_the_gradient(data, eta):
    delta, o = data.draw(arguments(d.weight_update))[:2]
    near(d.weight_update(delta, o, eta), -eta * sums(o.T, delta))
    assert np.array_equal(d.weight_update(delta, o, 1.0), -d.dense_vjp(delta, o, np.zeros((o.shape[1], delta.shape[1])))[1])


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_two_layers_by_the_classical_formulas_equal_differences(activation):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(5, 4)), rng.normal(size=(5, 2))
    W1, b1, W2, b2 = rng.normal(size=(4, 3)), rng.normal(size=3), rng.normal(size=(3, 2)), rng.normal(size=2)

    def error(W1):
        return np.sum((d.dense(d.layer_output(x, W1, b1, activation), W2, b2) - y) ** 2) / 2

    z1 = d.dense(x, W1, b1)
    delta = d.dense(d.layer_output(x, W1, b1, activation), W2, b2) - y
    change = d.weight_update(d.hidden_delta(delta, W2, z1, activation), x, eta=1.0)
    u = rng.normal(size=W1.shape)
    assert np.sum(-change * u) == pytest.approx(slope(lambda t: error(W1 + t * u), 1e-3), rel=1e-8)
    wrong = d.weight_update(d.hidden_delta(delta, W2, np.ones_like(z1), "relu"), x, eta=1.0)  # the slope left out
    if activation != "relu":
        assert np.sum(-wrong * u) != pytest.approx(slope(lambda t: error(W1 + t * u), 1e-3), rel=1e-2)


def test_not_finite_goes_as_in_numpy():
    x, W, b = np.array([[np.inf, 1.0]]), np.array([[1.0, 0.0], [1.0, 1.0]]), np.zeros(2)
    assert np.array_equal(d.dense(x, W, b), [[np.inf, np.nan]], equal_nan=True)
