"""Optimizers: the papers' numbers, the twins in place bit for bit the same, the trajectories they must give, clear errors."""

import re

import numpy as np
import oracles
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import arguments

from dnnbook import optimizers as o

TWINS = {"sgd": (o.sgd, o.sgd_), "momentum": (o.momentum, o.momentum_), "adam": (o.adam, o.adam_)}
every = pytest.mark.parametrize("name", TWINS)
DTYPES = st.sampled_from([np.float32, np.float64])


@every
@given(data=st.data(), dtype=DTYPES)
def test_in_place_gives_the_same_bits(name, data, dtype):
    pure, step = TWINS[name]
    values = data.draw(arguments(pure, dtype))
    values[0], values[1] = np.asarray(values[0], dtype), np.asarray(values[1], dtype)
    twin = [np.array(v) if isinstance(v, np.ndarray) else v for v in values]
    if name != "sgd":
        twin[2] = type(values[2])(*[np.array(x) if isinstance(x, np.ndarray) else x for x in values[2]])
    expected, got = pure(*values), step(*twin)
    if name == "sgd":
        assert got is None
        expected = (expected, ())
        got = ()
    assert np.array_equal(twin[0], expected[0])
    for a, b in zip(got, expected[1], strict=True):
        assert np.array_equal(a, b)
    if name != "sgd":
        assert all(x is y for x, y in zip(got, twin[2], strict=True) if isinstance(x, np.ndarray))  # no array is new


@every
def test_a_long_run_in_place_gives_the_same_bits(name):
    rng = np.random.default_rng(0)
    w = rng.normal(size=(7, 5)).astype(np.float32)
    v, made = w.copy(), o.optimizer(name)
    state = s = made.init(w)
    for _ in range(200):
        g = rng.normal(size=w.shape).astype(np.float32)
        if name == "sgd":
            v = o.sgd(v, g)
        else:
            v, s = TWINS[name][0](v, g, s)
        state = made.update_(w, g, state)
        assert np.array_equal(w, v)


@given(data=st.data())
def test_momentum_equals_the_plain_formula(data):
    w, g, state, eta, gamma = data.draw(arguments(o.momentum, shape=(4,)))
    new, after = o.momentum(w, g, state, eta, gamma)
    v = gamma * oracles.L(1) * state.v - eta * oracles.L(1) * g
    np.testing.assert_allclose(after.v, np.float64(v), rtol=1e-14, atol=1e-14)
    np.testing.assert_allclose(new, np.float64(w + v), rtol=1e-14, atol=1e-14)
    np.testing.assert_allclose(o.sgd(w, g, eta), np.float64(w - eta * oracles.L(1) * g), rtol=1e-14, atol=1e-14)


@given(data=st.data())
def test_adam_equals_the_algorithm_of_the_paper(data):
    w, g, state, *numbers = data.draw(arguments(o.adam, shape=(4,)))
    new, after = o.adam(w, g, state, *numbers)
    expected = oracles.adam(w, g, state.m, state.v, state.t + 1, *numbers)
    for got, want in zip((new, after.m, after.v), expected, strict=True):
        np.testing.assert_allclose(got, np.float64(want), rtol=1e-13, atol=1e-13)
    assert after.t == state.t + 1


def test_defaults_are_those_of_the_papers():
    w, g = np.array([1.0]), np.array([0.5])
    m = o.momentum_init(w)
    a = o.adam_init(w)
    assert np.array_equal(o.sgd(w, g), o.sgd(w, g, 0.01))
    assert o.momentum(w, g, m) == o.momentum(w, g, m, eta=0.01, gamma=0.9)
    assert o.adam(w, g, a) == o.adam(w, g, a, eta=0.001, beta1=0.9, beta2=0.999, eps=1e-8)
    assert o.adam(w, g, a) != o.adam(w, g, a, eta=0.001, beta1=0.9, beta2=0.9999, eps=1e-8)


def test_the_first_step_of_adam_has_length_eta_whatever_the_gradient():
    g = np.array([1e-3, -1.0, 1e3])
    w, _ = o.adam(np.zeros(3), g, o.adam_init(np.zeros(3)), eta=0.1, eps=1e-300)
    np.testing.assert_allclose(w, -0.1 * np.sign(g), rtol=1e-15)


def test_epsilon_stands_outside_the_root():
    w, _ = o.adam([0.0], [1e-4], o.adam_init([0.0]), eta=1.0, eps=1e-2)
    assert w[0] == pytest.approx(-1e-4 / (1e-4 + 1e-2), rel=1e-12)


def test_adam_keeps_the_digits_of_decays_near_1():
    beta = 1 - 1e-9
    w, _ = o.adam([0.0], [3.0], o.adam_init([0.0]), eta=1.0, beta1=beta, beta2=beta, eps=1e-300)
    assert w[0] == pytest.approx(-1, rel=1e-14)


def test_momentum_reaches_the_terminal_speed_on_a_slope():
    w = np.zeros(1)
    state = o.momentum_init(w)
    for _ in range(500):
        w, state = o.momentum(w, np.ones(1), state, eta=0.01, gamma=0.9)
    assert state.v[0] == pytest.approx(-0.01 / (1 - 0.9), rel=1e-12)


@every
def test_every_optimizer_finds_the_bottom_of_a_bowl(name):
    w, made = np.array([3.0, -2.0]), o.optimizer(name, eta=0.05)
    state = made.init(w)
    for _ in range(2000):
        state = made.update_(w, np.array([1.0, 10.0]) * w, state)
    assert abs(w).max() < 1e-3


def test_first_states_are_zeros_like_the_parameters():
    w = np.ones((2, 3), np.float32, order="F")
    for state in (o.momentum_init(w), o.adam_init(w)):
        for x in state:
            if isinstance(x, np.ndarray):
                assert (x.shape, x.dtype, x.flags.c_contiguous, x.any()) == ((2, 3), np.float32, True, False)
    assert o.adam_init(w).t == 0
    assert o.momentum_init(3).v.dtype == np.float64


@every
def test_a_gradient_may_be_strided_and_read_only(name):
    g = np.arange(12.0).reshape(3, 4)[:, ::2]
    g.flags.writeable = False
    w, v, made = np.ones((3, 2)), np.ones((3, 2)), o.optimizer(name)
    made.update_(w, g, made.init(w))
    made.update_(v, np.ascontiguousarray(g), made.init(v))
    assert np.array_equal(w, v)
    assert not np.array_equal(w, np.ones((3, 2)))


W = np.ones(3)
READ_ONLY = np.ones(3)
READ_ONLY.flags.writeable = False
F = np.ones(3, np.float32)
ADAM, MOMENTUM = o.adam_init(W), o.momentum_init(W)
ERRORS = [
    (lambda: o.sgd_([1.0], W), TypeError, "sgd_: w is list, expected an array of float32 or float64"),
    (lambda: o.sgd_(np.ones(3, int), W), TypeError, "sgd_: w is int64, expected an array of float32 or float64"),
    (lambda: o.sgd_(W, [1.0]), TypeError, "sgd_: g is list, expected an array"),
    (lambda: o.sgd_(W, F), ValueError, "sgd_: g is float32 (3,), expected float64 (3,) as w"),
    (lambda: o.sgd_(W, np.ones(4)), ValueError, "sgd_: g is float64 (4,), expected float64 (3,) as w"),
    (lambda: o.sgd(W, np.ones(4)), ValueError, "sgd: g is float64 (4,), expected float64 (3,) as w"),
    (lambda: o.sgd_(READ_ONLY, W), ValueError, "sgd_: w is read-only, expected an array to change in place"),
    (lambda: o.sgd_(np.ones(6)[::2], W), ValueError, "sgd_: w is not C-contiguous, expected an array to change in place"),
    (lambda: o.sgd_(W, W, eta=-1.0), ValueError, "sgd_: eta is -1.0, expected a number in [0, inf)"),
    (lambda: o.sgd_(W), TypeError, "sgd_: missing a required argument: 'g'"),
    (lambda: o.sgd_(W, W, beta=1), TypeError, "sgd_: got an unexpected keyword argument 'beta'"),
    (lambda: o.momentum(W, W, None), TypeError, "momentum: state is NoneType, expected MomentumState"),
    (lambda: o.momentum_(W, W, ADAM), TypeError, "momentum_: state is AdamState, expected MomentumState"),
    (lambda: o.momentum(W, W, MOMENTUM, gamma=1.0), ValueError, "momentum: gamma is 1.0, expected a number in [0, 1)"),
    (
        lambda: o.momentum_(W, W, o.MomentumState(READ_ONLY)),
        ValueError,
        "momentum_: state.v is read-only, expected an array to change in place",
    ),
    (
        lambda: o.adam(W, W, ADAM._replace(v=np.zeros((3, 1)))),
        ValueError,
        "adam: state.v is float64 (3, 1), expected float64 (3,) as w",
    ),
    (lambda: o.adam_(W, W, ADAM._replace(m=F)), ValueError, "adam_: state.m is float32 (3,), expected float64 (3,) as w"),
    (lambda: o.adam_(W, W, ADAM._replace(t=-1)), ValueError, "adam_: state.t is -1, expected an integer in [0, inf)"),
    (lambda: o.adam(W, W, ADAM, beta2=1.0), ValueError, "adam: beta2 is 1.0, expected a number in [0, 1)"),
    (lambda: o.adam_(W, W, ADAM, eps=0.0), ValueError, "adam_: eps is 0.0, expected a number in (0, inf)"),
    (lambda: o.adam_(W, W, ADAM, eta="big"), TypeError, "adam_: eta is 'big', expected a number"),
    (
        lambda: o.optimizer("lion"),
        ValueError,
        f"optimizer: name is 'lion', expected one of {', '.join(map(repr, o.TWINS))}",
    ),
    (
        lambda: o.optimizer("adam", gamma=0.9),
        TypeError,
        "optimizer: adam has no argument 'gamma', expected some of 'eta', 'beta1', 'beta2', 'eps'",
    ),
    (lambda: o.optimizer("sgd", eta=-1), ValueError, "optimizer: sgd: eta is -1, expected a number in [0, inf)"),
]


@pytest.mark.parametrize(("call", "kind", "message"), ERRORS, ids=[m for *_, m in ERRORS])
def test_errors_come_before_any_change(call, kind, message):
    with pytest.raises(kind, match=f"^{re.escape(message)}$"):
        call()
    assert W.tolist() == [1, 1, 1]
    assert not any(x.any() for x in (ADAM.m, ADAM.v, MOMENTUM.v))
