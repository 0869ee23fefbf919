"""Behavior of what training adds to a step: penalties, dropout, batch normalization, clipping, diagnostics, schedules."""

import numpy as np
import pytest
from scipy import differentiate

from dnnbook import batch_norm, dropout, gradients, network, regularization, schedules

INF, NAN = np.inf, np.nan


def RNG(seed=0):
    return np.random.default_rng(seed)


# ---- lengths and clipping --------------------------------------------------------------------------------


def test_lengths_neither_overflow_nor_vanish():
    big, small = np.full(4, 1e300), np.full(4, 1e-300)
    assert gradients.layer_norms([(big,), (small,), (np.zeros(3),)]).tolist() == [2e300, 2e-300, 0.0]
    assert float(gradients.global_norm([3e300, 4e300])) == pytest.approx(5e300, rel=1e-15)


@pytest.mark.parametrize(("element", "length"), [(INF, INF), (-INF, INF), (NAN, NAN)])
def test_length_of_what_is_not_finite(element, length):
    g = np.array([element, 1.0])
    np.testing.assert_equal(gradients.layer_norms([(g,), (np.ones(4),)]), [length, 2.0])
    np.testing.assert_equal(float(gradients.global_norm(np.abs(g))), length)


def test_layers_without_arrays_are_left_out():
    assert gradients.layer_norms([(), (np.array([3.0]), np.array([[4.0]])), (), np.array([2.0])]).tolist() == [5.0, 2.0]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_clipping_shortens_and_keeps_direction_and_dtype(dtype):
    g = RNG().normal(size=(4, 3)).astype(dtype)
    length = np.linalg.norm(g)
    short = gradients.clip_by_norm(g, c=0.5)
    assert short.dtype == dtype
    np.testing.assert_allclose(short, g * (0.5 / length), rtol=1e-6)
    assert np.array_equal(gradients.clip_by_norm(g, c=2 * length), g)
    assert np.array_equal(gradients.clip_by_value(g, c=0.5), np.clip(g, -0.5, 0.5))


def test_clipping_by_global_norm_goes_by_all_arrays():
    grads = ((np.array([[3.0]]), np.array([0.0])), (), (np.array([4.0]),))
    clipped, norm = gradients.clip_by_global_norm(grads, c=1.0)
    assert norm == 5.0
    assert [len(p) for p in clipped] == [2, 0, 1]
    np.testing.assert_allclose([clipped[0][0][0, 0], clipped[2][0][0]], [0.6, 0.8], rtol=1e-15)
    same, _ = gradients.clip_by_global_norm(grads, c=5.0)
    assert np.array_equal(same[0][0], grads[0][0])


@pytest.mark.parametrize("element", [INF, NAN])
def test_a_gradient_that_is_not_finite_is_not_clipped(element):
    with pytest.raises(ValueError, match=rf"^clip: norm is {element}, expected a number in \[0, inf\)$"):
        gradients.clip_by_global_norm([(np.array([element, 1.0]),)], c=1.0)


def test_clipping_by_value_passes_nan_and_bounds_infinity():
    np.testing.assert_equal(gradients.clip_by_value([NAN, INF, -INF, 0.5], c=2), [NAN, 2.0, -2.0, 0.5])


# ---- diagnostics -----------------------------------------------------------------------------------------


def test_dead_units_and_sparsity():
    a = np.array([[0.0, -1.0, 2.0, 0.0], [0.0, 0.0, 0.0, 1.0]])
    assert float(gradients.dead_share(a)) == 0.5
    assert float(gradients.sparsity(a)) == 5 / 8


def test_diagnostics_of_nan_are_nan():
    a = np.array([[NAN, 0.0], [1.0, 0.0]])
    assert np.isnan(gradients.dead_share(a))


# ---- penalties -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("penalty", ["l1", "l2"])
def test_gradients_of_penalties(penalty):
    value, gradient = getattr(regularization, penalty), getattr(regularization, f"{penalty}_grad")
    w = RNG().normal(size=(3, 2)) + 0.1
    for index in np.ndindex(w.shape):

        @np.vectorize
        def f(t, index=index):
            moved = w.copy()
            moved[index] = t
            return value(moved, 0.7)

        slope = differentiate.derivative(f, w[index], initial_step=1e-2).df
        assert float(gradient(w, 0.7)[index]) == pytest.approx(float(slope), rel=1e-6)


def test_l1_at_zero_is_flat_and_keeps_nan():
    np.testing.assert_equal(regularization.l1_grad([[0.0, -0.0, NAN, -3.0]], 2.0), [[0.0, 0.0, NAN, -2.0]])


def test_decay_in_place_is_the_same():
    w = RNG().normal(size=(3, 2))
    out = w.copy()
    regularization.decoupled_decay(out, 0.1, 0.5, out=out)
    np.testing.assert_allclose(out, 0.95 * w, rtol=1e-15)
    assert np.array_equal(out, regularization.decoupled_decay(w, 0.1, 0.5))


def test_max_norm_shortens_columns_only_where_they_are_too_long():
    W = np.array([[3.0, 0.3, 1e200, 0.0], [4.0, 0.4, 1e200, 0.0]])
    after = regularization.max_norm(W, 1.0)
    np.testing.assert_allclose(np.linalg.norm(after, axis=0), [1.0, 0.5, 1.0, 0.0], rtol=1e-15)
    assert np.array_equal(after[:, 1], W[:, 1])


# ---- dropout ---------------------------------------------------------------------------------------------


def test_masks_keep_the_share_they_should_and_follow_their_seed():
    mask = dropout.dropout_mask(RNG(), (1000, 200), 0.3, np.float32)
    assert mask.dtype == np.float32
    assert set(np.unique(mask)) == {0.0, 1.0}
    assert abs(mask.mean() - 0.3) < 5 * np.sqrt(0.3 * 0.7 / mask.size)
    assert np.array_equal(mask, dropout.dropout_mask(RNG(), (1000, 200), 0.3, np.float32))
    assert not np.array_equal(mask, dropout.dropout_mask(RNG(1), (1000, 200), 0.3, np.float32))
    assert dropout.dropout_mask(RNG(), (50, 50), 1.0).all()


def test_dropout_keeps_the_expected_value():
    x = np.ones((2000, 50))
    y = dropout.dropout(x, dropout.dropout_mask(RNG(), x.shape, 0.25), 0.25)
    assert abs(y.mean() - 1) < 5 * np.sqrt(3 / x.size)
    assert set(np.unique(y)) == {0.0, 4.0}


# ---- batch normalization ---------------------------------------------------------------------------------


def test_normalized_units_have_the_mean_and_spread_that_they_are_given():
    x = RNG().normal(5, 3, (400, 3))
    y = batch_norm.batch_norm(x, [1.0, 2.0, 3.0], [0.0, -1.0, 7.0])
    np.testing.assert_allclose(y.mean(axis=0), [0.0, -1.0, 7.0], atol=1e-12)
    np.testing.assert_allclose(y.std(axis=0), [1.0, 2.0, 3.0], rtol=1e-5)


def test_a_large_mean_costs_no_digits():
    x = RNG().normal(size=(50, 2))
    np.testing.assert_allclose(
        batch_norm.batch_norm(x + 2.0**30, [1, 1], [0, 0]), batch_norm.batch_norm(x, [1, 1], [0, 0]), atol=1e-6
    )


def test_running_statistics_follow_numpy():
    x = RNG().normal(2, 3, (20, 2))
    mean, var = batch_norm.running_statistics([0.0, 0.0], [1.0, 1.0], x, momentum=0.25)
    np.testing.assert_allclose(mean, 0.25 * x.mean(axis=0), rtol=1e-13)
    np.testing.assert_allclose(var, 0.75 + 0.25 * x.var(axis=0, ddof=1), rtol=1e-13)


def test_nan_stays_in_its_unit():
    y = batch_norm.batch_norm([[1.0, NAN], [2.0, 3.0]], [1, 1], [0, 0])
    assert np.isfinite(y[:, 0]).all()
    assert np.isnan(y[:, 1]).all()


# ---- layers ----------------------------------------------------------------------------------------------

NETS = {
    "batch norm": lambda: network.mlp([3, 5, 2], "tanh", batch_norm=True),
    "dropout": lambda: network.mlp([3, 5, 2], "tanh", dropout=0.4),
    "both, deep": lambda: network.mlp([3, 5, 4, 2], "elu", batch_norm=True, dropout=0.3),
    "maxout": lambda: network.mlp([3, 5, 2], "maxout", pieces=3),
}


@pytest.mark.parametrize("net", NETS)
def test_gradients_of_a_training_step(net):
    """Every parameter, against central differences of the training loss with the same masks."""
    layers = NETS[net]()
    params = network.init(layers, RNG(), np.float64)
    x, y = RNG(1).normal(size=(7, 3)), RNG(2).integers(2, size=7)

    def loss():
        fresh = tuple(tuple(a.copy() for a in p) for p in params)
        return network.loss_and_gradients_(layers, fresh, x, y, rng=RNG(3))

    _, grads = loss()
    for p, q in zip(network.trained(layers, params), grads, strict=True):
        for w, g in zip(p, q, strict=True):
            for index in np.ndindex(w.shape):
                kept, h = w[index], 1e-5
                w[index] = kept + h
                above = loss()[0]
                w[index] = kept - h
                below = loss()[0]
                w[index] = kept
                assert g[index] == pytest.approx((above - below) / (2 * h), rel=1e-5, abs=1e-8)


def test_prediction_draws_nothing_and_goes_by_the_running_statistics():
    layers = network.mlp([3, 4, 2], batch_norm=True, dropout=0.5)
    params = network.init(layers, RNG(), np.float64)
    x = RNG(1).normal(3, 2, (50, 3))
    before = network.predict(layers, params, x)
    assert np.array_equal(before, network.predict(layers, params, x))
    network.forward_(layers, params, x, RNG(2))
    assert not np.array_equal(before, network.predict(layers, params, x))
    np.testing.assert_allclose(network.predict(layers, params, x)[:1], network.predict(layers, params, x[:1]), rtol=1e-13)


# ---- schedules -------------------------------------------------------------------------------------------


def test_schedules_at_their_turns():
    step = schedules.schedule("step", eta=1.0, gamma=0.5, every=3)
    assert [float(step(t)) for t in (0, 2, 3, 5, 6)] == [1.0, 1.0, 0.5, 0.5, 0.25]
    cosine = schedules.schedule("cosine", eta=1.0, steps=10, eta_min=0.2)
    assert [float(cosine(t)) for t in (0, 10, 1000)] == [1.0, 0.2, 0.2]
    assert float(cosine(5)) == pytest.approx(0.6, rel=1e-15)
    warm = schedules.schedule("warm_up", eta=1.0, steps=4)
    assert [float(warm(t)) for t in (0, 1, 3, 4)] == [0.25, 0.5, 1.0, 1.0]


def test_a_schedule_of_a_schedule():
    both = schedules.schedule("warm_up", eta=schedules.schedule("exponential", eta=1.0, gamma=0.5), steps=2)
    assert [float(both(t)) for t in range(4)] == [0.5, 0.5, 0.25, 0.125]


# ---- errors ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "kind", "message"),
    [
        (lambda: regularization.l2([[1.0]], -1), ValueError, "l2: strength is -1, expected a number in [0, inf)"),
        (lambda: regularization.l1(np.ones((2, 2, 2)), 1), ValueError, "l1: w has shape (2, 2, 2), expected (D, M) or (D,)"),
        (lambda: regularization.max_norm([1.0], 1), ValueError, "max_norm: W has shape (1,), expected (D, M)"),
        (lambda: gradients.clip_by_norm([1.0], 0), ValueError, "clip_by_norm: c is 0, expected a number in (0, inf)"),
        (lambda: dropout.dropout([1.0], [1.0], 0), ValueError, "dropout: keep is 0, expected a number in (0, 1]"),
        (lambda: dropout.dropout_mask(3, (2,), 0.5), TypeError, "dropout_mask: rng is 3, expected a numpy.random.Generator"),
        (
            lambda: batch_norm.batch_norm(np.ones((2, 2)), [1, 1, 1], [0, 0]),
            ValueError,
            "batch_norm: gamma has shape (3,), expected (D,) with D = 2 as in x (2, 2)",
        ),
        (
            lambda: batch_norm.batch_norm([["a"]], [1], [0]),
            TypeError,
            "batch_norm: x has dtype <U1, expected float32, float64 or integers",
        ),
        (lambda: schedules.step(1.5, 0.1, 0.5, 3), TypeError, "step: t is 1.5, expected an integer"),
        (
            lambda: schedules.schedule("linear", eta=0.1),
            ValueError,
            "schedule: name is 'linear', expected one of 'constant', 'step', 'exponential', 'cosine', 'warm_up'",
        ),
        (lambda: network.mlp([2, 2, 2], dropout=1.0), ValueError, "mlp: dropout is 1.0, expected a number in [0, 1)"),
        (
            lambda: network.mlp([2, 2, 2], "maxout", batch_norm=True),
            ValueError,
            "mlp: batch_norm is True, expected False with maxout, whose linear units are inside its layers",
        ),
    ],
)
def test_errors_name_the_argument_what_came_and_what_was_expected(call, kind, message):
    with pytest.raises(kind) as caught:
        call()
    assert str(caught.value) == message
