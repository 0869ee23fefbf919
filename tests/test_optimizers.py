"""Optimizers: the papers' algorithms, the twins in place bit for bit the same, the paths they must take, clear errors."""

import inspect
import pickle
import re

import numpy as np
import oracles_optimizers as oracles
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import arguments, flat

from dnnbook import network, train
from dnnbook import optimizers as o
from dnnbook.optimizers import TWINS

every = pytest.mark.parametrize("name", TWINS)
DTYPES = st.sampled_from([np.float32, np.float64])
RPROPS = ("rprop_plus", "rprop_minus", "irprop_plus", "irprop_minus")
NO_ETA = (*RPROPS, "adadelta")


def start(name, w, **first):
    """The states to give to a step: one, or none."""
    init = TWINS[name][1]
    return [init(w, **first)] if init else []


def run(name, w, gradient, steps, loss=None, **numbers):
    """The path of a pure optimizer; a list with the parameters before and after every step."""
    pure, path, state = TWINS[name][0], [w], start(name, w)
    for _ in range(steps):
        E = [loss(w)] if "E" in pure.contract.names else []
        after = pure(w, gradient(w), *state, *E, **numbers)
        w, state = (after, []) if not state else (after[0], [after[1]])
        path.append(w)
    return path


# ---- in place ------------------------------------------------------------------------------------------------------------


@every
@given(data=st.data(), dtype=DTYPES)
def test_in_place_gives_the_same_bits(name, data, dtype):
    pure, init, step = TWINS[name]
    values = data.draw(arguments(pure, dtype))
    values[0], values[1] = np.asarray(values[0], dtype), np.asarray(values[1], dtype)
    twin = [np.array(v) if isinstance(v, np.ndarray) else v for v in values]
    expected = pure(*values)
    if init is None:
        assert step(*twin) is None
        assert np.array_equal(twin[0], expected)
        return
    twin[2] = type(values[2])(*[np.array(x) if isinstance(x, np.ndarray) else x for x in values[2]])
    got = step(*twin)
    assert np.array_equal(twin[0], expected[0])
    assert type(got) is type(expected[1])
    for a, b in zip(got, expected[1], strict=True):
        assert np.array_equal(a, b)
    assert all(x is y for x, y in zip(got, twin[2], strict=True) if isinstance(x, np.ndarray))  # no array is new


A = np.random.default_rng(5).normal(size=(12, 6))
PROBLEMS = {  # gradient and loss
    "bowl": (
        lambda w: np.linspace(0.1, 10, w.size).astype(w.dtype) * w,
        lambda w: float(np.linspace(0.1, 10, w.size) @ w**2) / 2,
    ),
    "fit": (lambda w: (A.T @ (A @ w - 1)).astype(w.dtype), lambda w: float(np.sum((A @ w - 1) ** 2)) / 2),
    "valley": (  # Rosenbrock's for each pair of neighbours, with 2 for 100
        lambda w: (
            np.append(-8 * w[:-1] * (w[1:] - w[:-1] ** 2) - 2 * (1 - w[:-1]), 0) + np.append(0, 4 * (w[1:] - w[:-1] ** 2))
        ).astype(w.dtype),
        lambda w: float(np.sum(2 * (w[1:] - w[:-1] ** 2) ** 2 + (1 - w[:-1]) ** 2)),
    ),
    "sparse": (
        lambda w: np.where(np.arange(w.size) % 2, np.sin(9 * w), 0).astype(w.dtype),
        lambda w: float(np.sum(np.cos(9 * w))),
    ),
}


@every
@pytest.mark.parametrize("problem", PROBLEMS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_twenty_steps_in_place_give_the_same_bits(name, problem, dtype):
    gradient, loss = PROBLEMS[problem]
    pure, _, step = TWINS[name]
    w = np.array([0.5, -0.3, 0.2, 0.9, -0.6, 0.1], dtype)
    v, state, twin = w.copy(), start(name, w), start(name, w)
    for _ in range(20):
        E, g = [loss(w)] if "E" in pure.contract.names else [], gradient(w)
        after = pure(w, g, *state, *E)
        w, state = (after, []) if not state else (after[0], [after[1]])
        got = step(v, gradient(v), *twin, *E)
        twin = [got] * len(twin)
        for a, b in zip(flat((w, *state)), flat((v, *twin)), strict=True):
            assert np.array_equal(a, b)
            assert a.dtype == b.dtype
    assert np.isfinite(w).all()
    assert not np.array_equal(w, np.array([0.5, -0.3, 0.2, 0.9, -0.6, 0.1], dtype))


# ---- the papers' algorithms ----------------------------------------------------------------------------------------------


@every
@given(data=st.data())
def test_a_step_is_the_pseudo_code_of_the_paper(name, data):
    pure, init, _ = TWINS[name]
    values = data.draw(arguments(pure, shape=(4,)))
    new, after = pure(*values) if init else (pure(*values), ())
    numbers = [np.longdouble(x) for x in values[2 + (init is not None) :]]
    for i in range(4):
        state = {k: np.longdouble(x if np.ndim(x) == 0 else x[i]) for k, x in (values[2]._asdict() if init else {}).items()}
        w, expected = getattr(oracles, name)(np.longdouble(values[0][i]), np.longdouble(values[1][i]), state, *numbers)
        got = {k: x if np.ndim(x) == 0 else x[i] for k, x in (after._asdict() if init else {}).items()}
        assert new[i] == pytest.approx(float(w), rel=1e-12, abs=1e-12)
        assert got.keys() == expected.keys()
        for k in got:
            assert got[k] == pytest.approx(float(expected[k]), rel=1e-13, abs=1e-13), k


DEFAULTS = {
    "sgd": {"eta": 0.01},
    "momentum": {"eta": 0.01, "gamma": 0.9},
    "nesterov": {"eta": 0.01, "gamma": 0.9},
    "nesterov_at_w": {"eta": 0.01, "gamma": 0.9},
    "adagrad": {"eta": 0.01, "eps": 1e-10},
    "rmsprop": {"eta": 0.001, "beta": 0.9, "eps": 1e-8},
    "rmsprop_nesterov": {"eta": 0.001, "beta": 0.9, "gamma": 0.9, "eps": 1e-8},
    "adadelta": {"rho": 0.95, "eps": 1e-6},
    "adam": {"eta": 0.001, "beta1": 0.9, "beta2": 0.999, "eps": 1e-8},
    "adam_uncorrected": {"eta": 0.001, "beta1": 0.9, "beta2": 0.999, "eps": 1e-8},
    "adamw": {"eta": 0.001, "beta1": 0.9, "beta2": 0.999, "eps": 1e-8, "weight_decay": 0.01},
    **{name: {"eta_plus": 1.2, "eta_minus": 0.5, "delta_min": 1e-6, "delta_max": 50.0} for name in RPROPS},
}


@every
def test_defaults_are_those_of_the_papers(name):
    pure, init, step = TWINS[name]
    assert pure.contract.defaults == DEFAULTS[name]
    assert str(inspect.signature(step)) == str(inspect.signature(pure))
    if name in RPROPS:
        assert init.held_by.defaults == {"delta_init": 0.1}


# ---- momentum ------------------------------------------------------------------------------------------------------------


def test_momentum_reaches_the_terminal_speed_on_a_slope():
    path = run("momentum", np.zeros(1), np.ones_like, 500)
    assert path[-1] - path[-2] == pytest.approx(-0.01 / (1 - 0.9), rel=1e-12)


@pytest.mark.parametrize("problem", PROBLEMS)
def test_nesterov_at_w_is_the_look_ahead_form_seen_from_the_point_ahead(problem):
    gradient = PROBLEMS[problem][0]
    gamma, eta = 0.9, 1e-3
    w = ahead = np.array([0.5, -0.3, 0.2, 0.9, -0.6, 0.1])
    state, at_w = o.momentum_init(w), o.momentum_init(w)
    for _ in range(100):
        point = o.nesterov_point(w, state, gamma)
        np.testing.assert_allclose(ahead, point, rtol=1e-11, atol=1e-12)
        w, state = o.nesterov(w, gradient(point), state, eta, gamma)
        ahead, at_w = o.nesterov_at_w(ahead, gradient(ahead), at_w, eta, gamma)
        np.testing.assert_allclose(at_w.v, state.v, rtol=1e-11, atol=1e-12)
    assert np.abs(ahead - w).max() > 1e-6  # the two points are not the same


def test_rmsprop_nesterov_is_its_look_ahead_form_seen_from_the_point_ahead():
    gradient = PROBLEMS["valley"][0]
    eta, beta, gamma, eps = 1e-3, 0.9, 0.8, 1e-6
    w = ahead = np.array([0.5, -0.3, 0.2])
    v = u = np.zeros(3)
    state = o.rmsprop_nesterov_init(w)
    for _ in range(100):
        g = gradient(w + gamma * u)
        v = beta * v + (1 - beta) * g**2
        u = gamma * u - eta * g / (np.sqrt(v) + eps)
        w = w + u
        ahead, state = o.rmsprop_nesterov(ahead, gradient(ahead), state, eta, beta, gamma, eps)
        np.testing.assert_allclose(ahead, w + gamma * u, rtol=1e-10)


def test_nesterov_damps_what_momentum_lets_swing():
    bowl = lambda w: 10 * w  # noqa: E731
    swing = {n: np.abs(run(n, np.ones(1), bowl, 60, eta=0.05)[-20:]).max() for n in ("momentum", "nesterov_at_w")}
    assert swing["nesterov_at_w"] < 0.01 * swing["momentum"]


# ---- adaptive steps ------------------------------------------------------------------------------------------------------

G = np.array([1e-3, -1.0, 1e3])
FIRST = {  # length of the first step where eta is 0.1 and epsilon vanishes
    "adagrad": 0.1,
    "rmsprop": 0.1 / np.sqrt(1 - 0.9),
    "rmsprop_nesterov": 0.1 / np.sqrt(1 - 0.9) * (1 + 0.9),
    "adam": 0.1,
    "adam_uncorrected": 0.1 * (1 - 0.9) / np.sqrt(1 - 0.999),
    "adamw": 0.1,
}


@pytest.mark.parametrize("name", FIRST)
def test_the_first_step_has_one_length_whatever_the_gradient(name):
    w, _ = TWINS[name][0](np.zeros(3), G, *start(name, np.zeros(3)), eta=0.1, eps=1e-300)
    np.testing.assert_allclose(w, -FIRST[name] * np.sign(G), rtol=1e-12)


@pytest.mark.parametrize("name", FIRST)
def test_epsilon_stands_outside_the_root(name):
    """Where epsilon is far above the root, the step is g times eta times the same factor over epsilon, however small g is."""
    g, eps = 1e-6 * G, 1e3
    w, _ = TWINS[name][0](np.zeros(3), g, *start(name, np.zeros(3)), eta=1.0, eps=eps)
    factor = {"rmsprop_nesterov": 1.9, "adam_uncorrected": 0.1}.get(name, 1.0)
    np.testing.assert_allclose(w, -factor * g / eps, rtol=1e-5)


def test_epsilon_stands_inside_the_roots_of_adadelta():
    w, _ = o.adadelta(np.zeros(3), G, o.adadelta_init(np.zeros(3)), rho=0.9, eps=4.0)
    np.testing.assert_allclose(w, -2 / np.sqrt(0.1 * G**2 + 4) * G, rtol=1e-14)


def test_steps_of_adagrad_die_out_as_one_over_the_root_of_t():
    path = np.ravel(run("adagrad", np.zeros(1), np.ones_like, 400, eta=1.0))
    np.testing.assert_allclose(np.diff(path), -1 / np.sqrt(np.arange(1, 401)), rtol=1e-9)


def test_steps_of_rmsprop_do_not():
    path = np.ravel(run("rmsprop", np.zeros(1), np.ones_like, 400, eta=0.1))
    assert np.diff(path)[-1] == pytest.approx(-0.1, rel=1e-6)


def test_adadelta_speeds_up_from_steps_that_epsilon_sets():
    path = np.ravel(run("adadelta", np.zeros(1), np.ones_like, 200))
    steps = -np.diff(path)
    assert steps[0] == pytest.approx(np.sqrt(1e-6 / (0.05 + 1e-6)), rel=1e-12)
    assert np.all(np.diff(steps[60:]) > 0)


def test_adam_keeps_the_digits_of_decays_near_1():
    beta = 1 - 1e-9
    w, _ = o.adam([0.0], [3.0], o.adam_init([0.0]), eta=1.0, beta1=beta, beta2=beta, eps=1e-300)
    assert w[0] == pytest.approx(-1, rel=1e-14)


def test_adamw_decays_apart_from_the_gradient():
    w = run("adamw", np.array([2.0, -1.0]), np.zeros_like, 10, eta=0.1, weight_decay=0.5)[-1]
    np.testing.assert_allclose(w, np.array([2.0, -1.0]) * (1 - 0.1 * 0.5) ** 10, rtol=1e-13)


@given(data=st.data())
def test_adamw_without_decay_is_adam(data):
    values = data.draw(arguments(o.adam))
    for a, b in zip(flat(o.adamw(*values, weight_decay=0.0)), flat(o.adam(*values)), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-14, atol=1e-15)


# ---- RPROP ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", RPROPS)
def test_only_the_sign_of_the_gradient_counts(name):
    scale = np.array([1e-170, 1e-9, 1.0, 1e9, 1e170, 3.0])
    gradient, loss = PROBLEMS["fit"]
    w = np.array([0.5, -0.3, 0.2, 0.9, -0.6, 0.1])
    a = run(name, w, gradient, 30, loss)
    b = run(name, w, lambda w: scale * gradient(w), 30, loss)
    assert np.array_equal(a, b)
    assert np.unique(np.abs(np.diff(a, axis=0)[-1])).size > 1


# On the bowl w^2 / 2 from 1 with a first length of 0.5: the sign turns after the second step.
BOWL = {
    "rprop_plus": [1, 0.5, -0.1, 0.5, 0.2, -0.16],
    "rprop_minus": [1, 0.5, -0.1, 0.2, 0.05, -0.13],
    "irprop_plus": [1, 0.5, -0.1, -0.1, 0.2, -0.1],
    "irprop_minus": [1, 0.5, -0.1, -0.1, 0.2, 0.2],
}


@pytest.mark.parametrize("name", RPROPS)
def test_a_turn_of_the_sign_by_hand(name):
    pure, w, (state,) = TWINS[name][0], np.ones(1), start(name, np.ones(1), delta_init=0.5)
    path = [1.0]
    for _ in range(5):
        E = [float(w[0]) ** 2 / 2] if name == "irprop_plus" else []
        w, state = pure(w, w, state, *E)
        path.append(w[0])
    np.testing.assert_allclose(path, BOWL[name], atol=1e-15)


@pytest.mark.parametrize(
    ("loss", "other"), [(lambda t: t, "rprop_plus"), (lambda t: -t, "irprop_minus"), (lambda t: 0, "irprop_minus")]
)
def test_irprop_plus_takes_back_only_steps_that_made_the_loss_grow(loss, other):
    gradient = PROBLEMS["fit"][0]
    w = v = np.array([0.5, -0.3, 0.2, 0.9, -0.6, 0.1])
    state, (twin,) = o.irprop_plus_init(w), start(other, v)
    turns = 0
    for t in range(30):
        turns += int((state.g * gradient(w) < 0).sum())
        w, state = o.irprop_plus(w, gradient(w), state, loss(t))
        v, twin = TWINS[other][0](v, gradient(v), twin)
        assert np.array_equal(w, v)
    assert turns > 5


@pytest.mark.parametrize("name", RPROPS)
def test_lengths_stay_inside_their_limits(name):
    pure, w, rng = TWINS[name][0], np.zeros(50), np.random.default_rng(1)
    (state,) = start(name, w)
    seen = []
    for _ in range(60):
        E = [0.0] if name == "irprop_plus" else []
        w, state = pure(w, rng.normal(size=50) + 0.5, state, *E, delta_min=0.05, delta_max=0.2)
        seen.append(state.delta)
    assert np.min(seen) == 0.05
    assert np.max(seen) == 0.2


# ---- all of them ---------------------------------------------------------------------------------------------------------

RATE = {"adagrad": 1.0, "adadelta": None, **dict.fromkeys(RPROPS)}


@pytest.mark.parametrize("name", sorted(TWINS.keys() - {"nesterov"}))
def test_every_optimizer_finds_the_bottom_of_a_bowl(name):
    eta = RATE.get(name, 0.05)
    made = o.optimizer(name, **({"eta": eta} if eta else {}))
    w, scale = np.array([3.0, -2.0]), np.array([1.0, 10.0])
    state = made.init(w)
    distances = []
    for _ in range(2000):
        E = [float(scale @ w**2) / 2] * made.wants_loss
        state = made.update_(w, scale * w, state, *E)
        distances.append(abs(w).max())
    # the steps of RMSProp and Adadelta do not shrink: they stay within a few steps of the bottom
    assert max(distances[-20:]) < {"rmsprop": 0.1, "rmsprop_nesterov": 0.5, "adadelta": 0.05}.get(name, 1e-3)


@every
def test_first_states(name):
    w = np.ones((2, 3), np.float32, order="F")
    for state in start(name, w):
        for field, x in state._asdict().items():
            if isinstance(x, np.ndarray):
                assert (x.shape, x.dtype, x.flags.c_contiguous) == ((2, 3), np.float32, True)
                assert np.all(x == np.float32(0.1 if field == "delta" else 0))
            else:
                assert x == {"t": 0, "E": np.inf}[field]
        assert start(name, 3)[0][0].dtype == np.float64


def test_first_length_of_rprop_can_be_given():
    for name in RPROPS:
        assert start(name, np.ones(2), delta_init=0.25)[0].delta.tolist() == [0.25, 0.25]
        made = o.optimizer(name, delta_init=0.25, eta_plus=1.5)
        w = np.zeros(1)
        state = made.init(w)
        for _ in range(2):
            state = made.update_(w, np.ones(1), state, *[0.0] * made.wants_loss)
        assert w[0] == -0.25 - 0.375


@every
def test_a_gradient_may_be_strided_and_read_only(name):
    g = np.arange(12.0).reshape(3, 4)[:, ::2]
    g.flags.writeable = False
    w, v, made = np.ones((3, 2)), np.ones((3, 2)), o.optimizer(name)
    E = [0.0] * made.wants_loss
    made.update_(w, g, made.init(w), *E)
    made.update_(v, np.ascontiguousarray(g), made.init(v), *E)
    assert np.array_equal(w, v)
    assert not np.array_equal(w, np.ones((3, 2)))


@every
def test_a_state_does_not_share_memory_with_the_gradient(name):
    w, g = np.ones(3), np.ones(3)
    state = start(name, w)
    after = TWINS[name][0](w, g, *state, *[0.0] * (name == "irprop_plus"))
    assert not any(np.shares_memory(x, g) or np.shares_memory(x, w) for x in flat(after))


@every
def test_rooms_are_no_addresses(name):
    for f in TWINS[name]:
        assert f is None or f.__module__ == "dnnbook.optimizers"
    for state in start(name, np.ones(2)):
        assert type(state).__module__ == "dnnbook.optimizers"
        again = pickle.loads(pickle.dumps(state))
        assert type(again) is type(state)
        assert all(np.array_equal(a, b) for a, b in zip(again, state, strict=True))


def test_the_table_holds_every_step_in_place():
    assert {step.__name__ for *_, step in TWINS.values()} == {n for n in o.__all__ if n.endswith("_")}
    assert all(pure.__name__ == name and step.__name__ == f"{name}_" for name, (pure, _, step) in TWINS.items())


# ---- in training ---------------------------------------------------------------------------------------------------------


@every
def test_training_takes_every_optimizer(name):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(40, 3))
    y = (x[:, 0] > x[:, 1]).astype(int)
    layers = network.mlp([3, 8, 2], "tanh")
    params = network.init(layers, rng, np.float64)
    eta = {} if name in NO_ETA else {"eta": 0.05}
    _, history = train.fit(
        layers, params, x, y, optimizer=o.optimizer(name, **eta), batch_size=40, epochs=60, rng=rng, progress=False
    )
    assert history.step_loss[-1] < (0.95 if name == "adadelta" else 0.6) * history.step_loss[0]


def test_training_gives_the_loss_at_the_parameters_to_irprop_plus():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(20, 3)), rng.normal(size=(20, 1))
    layers = network.mlp([3, 4, 1], "tanh")
    params = network.init(layers, rng, np.float64)
    fitted = train.fit(
        layers,
        params,
        x,
        y,
        loss="mean_squared_error",
        optimizer="irprop_plus",
        batch_size=20,
        epochs=40,
        rng=rng,
        progress=False,
    )
    w = [a for p in params for a in p]
    states = [o.irprop_plus_init(a) for a in w]
    for _ in range(40):
        E, grads = network.loss_and_gradients(layers, ((w[0], w[1]), (), (w[2], w[3])), x, y, "mean_squared_error")
        for i, g in enumerate(g for p in grads for g in p):
            w[i], states[i] = o.irprop_plus(w[i], g, states[i], E)
    for got, expected in zip((a for p in fitted.params for a in p), w, strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-10)


def test_nesterov_in_training_is_the_form_at_w():
    made, w, v = o.optimizer("nesterov", eta=0.1, gamma=0.5), np.ones(2), np.ones(2)
    assert made.name == "nesterov_at_w"
    state, twin = made.init(w), o.momentum_init(v)
    for _ in range(3):
        state = made.update_(w, w.copy(), state)
        v, twin = o.nesterov_at_w(v, v, twin, eta=0.1, gamma=0.5)
        assert np.array_equal(w, v)


# ---- errors --------------------------------------------------------------------------------------------------------------

W = np.ones(3)
READ_ONLY = np.ones(3)
READ_ONLY.flags.writeable = False
F = np.ones(3, np.float32)
ADAM, MOMENTUM, BACK = o.adam_init(W), o.momentum_init(W), o.irprop_plus_init(W)
KNOWN = ", ".join(map(repr, TWINS))
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
    (lambda: o.momentum_init("w"), TypeError, "momentum_init: w has dtype <U1, expected float32, float64 or integers"),
    (lambda: o.nesterov_point(W, ADAM), TypeError, "nesterov_point: state is AdamState, expected MomentumState"),
    (
        lambda: o.nesterov_point(np.ones(4), MOMENTUM),
        ValueError,
        "nesterov_point: state.v is float64 (3,), expected float64 (4,) as w",
    ),
    (lambda: o.nesterov(W, W[:2], MOMENTUM), ValueError, "nesterov: g is float64 (2,), expected float64 (3,) as w"),
    (lambda: o.adagrad_(W, W, MOMENTUM), TypeError, "adagrad_: state is MomentumState, expected AdagradState"),
    (lambda: o.rmsprop(W, W, o.rmsprop_init(W), beta=1), ValueError, "rmsprop: beta is 1, expected a number in [0, 1)"),
    (lambda: o.adadelta(W, W, o.adadelta_init(W), eta=1), TypeError, "adadelta: got an unexpected keyword argument 'eta'"),
    (
        lambda: o.adam(W, W, ADAM._replace(v=np.zeros((3, 1)))),
        ValueError,
        "adam: state.v is float64 (3, 1), expected float64 (3,) as w",
    ),
    (lambda: o.adam_(W, W, ADAM._replace(m=F)), ValueError, "adam_: state.m is float32 (3,), expected float64 (3,) as w"),
    (lambda: o.adam_(W, W, ADAM._replace(m=[0.0])), TypeError, "adam_: state.m is list, expected an array"),
    (lambda: o.adam_(W, W, ADAM._replace(t=-1)), ValueError, "adam_: state.t is -1, expected an integer in [0, inf)"),
    (lambda: o.adam(W, W, ADAM._replace(t=0.5)), ValueError, "adam: state.t is 0.5, expected an integer in [0, inf)"),
    (lambda: o.adam(W, W, ADAM, beta2=1.0), ValueError, "adam: beta2 is 1.0, expected a number in [0, 1)"),
    (lambda: o.adam_(W, W, ADAM, eps=0.0), ValueError, "adam_: eps is 0.0, expected a number in (0, inf)"),
    (lambda: o.adam_(W, W, ADAM, eta="big"), TypeError, "adam_: eta is 'big', expected a number"),
    (lambda: o.adamw(W, W, ADAM, weight_decay=-1), ValueError, "adamw: weight_decay is -1, expected a number in [0, inf)"),
    (
        lambda: o.rprop_minus(W, W, o.rprop_init(W), eta_plus=1),
        ValueError,
        "rprop_minus: eta_plus is 1, expected a number in (1, inf)",
    ),
    (lambda: o.rprop_init(W, delta_init=0), ValueError, "rprop_init: delta_init is 0, expected a number in (0, inf)"),
    (lambda: o.irprop_plus(W, W, BACK), TypeError, "irprop_plus: missing a required argument: 'E'"),
    (lambda: o.irprop_plus_(W, W, BACK, None), TypeError, "irprop_plus_: E is None, expected a number"),
    (
        lambda: o.irprop_plus_(W, W, BACK._replace(E=None), 1.0),
        TypeError,
        "irprop_plus_: state.E is None, expected a number",
    ),
    (lambda: o.optimizer("lion"), ValueError, f"optimizer: name is 'lion', expected one of {KNOWN}"),
    (
        lambda: o.optimizer("adam", gamma=0.9),
        TypeError,
        "optimizer: adam has no argument 'gamma', expected some of 'eta', 'beta1', 'beta2', 'eps'",
    ),
    (
        lambda: o.optimizer("irprop_plus", E=1.0),
        TypeError,
        "optimizer: irprop_plus has no argument 'E', expected some of "
        "'eta_plus', 'eta_minus', 'delta_min', 'delta_max', 'delta_init'",
    ),
    (lambda: o.optimizer("sgd", eta=-1), ValueError, "optimizer: sgd: eta is -1, expected a number in [0, inf)"),
    (
        lambda: o.optimizer("rprop_plus", delta_init=0),
        ValueError,
        "optimizer: rprop_plus: delta_init is 0, expected a number in (0, inf)",
    ),
]


@pytest.mark.parametrize(("call", "kind", "message"), ERRORS, ids=[m for *_, m in ERRORS])
def test_errors_come_before_any_change(call, kind, message):
    with pytest.raises(kind, match=f"^{re.escape(message)}$"):
        call()
    assert W.tolist() == [1, 1, 1]
    assert not any(x.any() for x in (ADAM.m, ADAM.v, MOMENTUM.v, BACK.g, BACK.step))


# ---- the table of variants -----------------------------------------------------------------------------------------------


def test_variants_are_complete_sentences_about_known_functions():
    names = [n for row in o.VARIANTS for n in row.optimizer.split(", ")]
    assert len(set(names)) == len(names)
    assert set(names) == TWINS.keys() - {"sgd"}  # the only one on which all agree
    for row in o.VARIANTS:
        assert all(row)
        assert row.consequence.endswith(".")
