"""Steps, minimizers and curvature: against other formulas for the same, against differences, and against SciPy."""

import itertools
import re

import numpy as np
import oracles
import pytest
import scipy.optimize
from hypothesis import given
from hypothesis import strategies as st
from problems import PROBLEMS
from scipy import differentiate

from dnnbook import activations, layers, losses, network, second_order, surfaces
from dnnbook.second_order import (
    conjugate_direction,
    conjugate_gradients,
    flatten,
    fletcher_reeves_beta,
    gain_ratio,
    gauss_newton_step,
    hessian,
    hessian_vector_product,
    levenberg_marquardt,
    levenberg_marquardt_step,
    marquardt_step,
    minimize_newton,
    network_jacobian,
    network_residuals,
    newton_step,
    nielsen_damping,
    objective,
    polak_ribiere_plus_beta,
    predicted_decrease,
    unflatten,
)

RNG = np.random.default_rng
SMOOTH = ("linear", "sigmoid", "tanh", "elu", "softplus")
LOSSES = ("softmax_cross_entropy", "sigmoid_cross_entropy", "mean_squared_error")

# ---- second derivatives -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", oracles.SECOND)
def test_second_derivative_of_an_activation(name):
    z, more = np.linspace(-6, 6, 101), oracles.DEFAULTS.get(name, ())
    got = getattr(activations, f"{name}_grad2")(z, *more)
    assert got.tolist() == pytest.approx(oracles.SECOND[name](z, *more).tolist(), rel=1e-13, abs=1e-300)
    first = getattr(activations, f"{name}_grad")
    clear = z[np.abs(z) > 0.05]
    found = differentiate.derivative(lambda t: first(t, *more), clear, initial_step=0.005).df
    assert np.allclose(getattr(activations, f"{name}_grad2")(clear, *more), found, rtol=0, atol=1e-8)


def test_every_other_elementwise_activation_is_straight_between_its_kinks():
    without = set(oracles.ELEMENTWISE) - set(oracles.SECOND) - {"prelu", "noisy_relu"}
    assert without == set(layers.STRAIGHT)
    for name in layers.STRAIGHT:
        z = np.array([-3.0, -1.0, 1.0, 4.0])
        f = getattr(activations, name)
        assert np.abs(f(z - 0.25) - 2 * f(z) + f(z + 0.25)).max() < 1e-15


def test_elu_has_two_second_derivatives_at_its_kink():
    assert activations.elu_grad2(0.0, 3.0) == 3
    assert activations.elu_grad2(np.nextafter(0, 1), 3.0) == 0


@pytest.mark.parametrize("loss", LOSSES)
def test_hessian_of_a_loss_is_symmetric_and_not_negative(loss):
    rng = RNG(1)
    z, y = rng.normal(size=(2, 3)), rng.random((2, 3))
    hvp = getattr(losses, f"{loss}_hvp")
    given = {"z": z, "y": y}
    units = np.eye(6).reshape(6, 2, 3)
    H = np.stack([hvp(u, *[given[n] for n in hvp.contract.names[1:]]).ravel() for u in units])
    assert np.allclose(H, H.T, rtol=0, atol=1e-16)
    assert np.linalg.eigvalsh(H).min() > -1e-16
    zero_sums = np.abs(H.sum(axis=1)).max() < 1e-15
    assert zero_sums == (loss == "softmax_cross_entropy")  # equal scores more change no probability


# ---- steps --------------------------------------------------------------------------------------------------------------


def test_steps_against_the_explicit_inverse():
    rng = RNG(2)
    J, r, d, lam = rng.normal(size=(7, 3)), rng.normal(size=7), rng.random(3) + 0.5, 0.3
    A, g = J.T @ J, J.T @ r
    pairs = [
        (newton_step(A, g), -np.linalg.inv(A) @ g),
        (newton_step(A, g, lam), -np.linalg.inv(A + lam * np.eye(3)) @ g),
        (gauss_newton_step(J, r), -np.linalg.inv(A) @ g),
        (levenberg_marquardt_step(J, r, lam), -np.linalg.inv(A + lam * np.eye(3)) @ g),
        (marquardt_step(J, r, d, lam), -np.linalg.inv(A + lam * np.diag(d**2)) @ g),
    ]
    for got, want in pairs:
        assert np.allclose(got, want, rtol=1e-12, atol=0)


def test_the_methods_are_one_at_their_ends():
    rng = RNG(3)
    J, r = rng.normal(size=(7, 3)), rng.normal(size=7)
    undamped = gauss_newton_step(J, r)
    assert np.allclose(levenberg_marquardt_step(J, r, 0), undamped, rtol=1e-12)
    assert np.allclose(newton_step(J.T @ J, J.T @ r), undamped, rtol=1e-12)
    assert np.allclose(marquardt_step(J, r, np.ones(3), 0.7), levenberg_marquardt_step(J, r, 0.7), rtol=1e-14)
    assert np.allclose(1e9 * levenberg_marquardt_step(J, r, 1e9), -J.T @ r, rtol=1e-7)  # a short step down the gradient


@given(st.floats(1e-3, 1e3))
def test_marquardt_step_does_not_depend_on_units(unit):
    rng = RNG(4)
    J, r = rng.normal(size=(6, 3)), rng.normal(size=6)
    d, units = np.linalg.norm(J, axis=0), np.array([unit, 1, 1])
    assert np.allclose(marquardt_step(J * units, r, d * units, 0.5) * units, marquardt_step(J, r, d, 0.5), rtol=1e-11)
    plain = levenberg_marquardt_step(J * units, r, 0.5) * units
    assert np.allclose(plain, levenberg_marquardt_step(J, r, 0.5), rtol=1e-6) == (abs(unit - 1) < 1e-7)


def test_gauss_newton_keeps_the_digits_that_the_product_would_lose():
    J = np.array([[1.0, 1.0], [1e-9, 0.0], [0.0, 1e-9]])
    assert np.linalg.matrix_rank(J.T @ J) == 1
    assert np.allclose(gauss_newton_step(J, -J @ [1.0, 2.0]), [1, 2], rtol=1e-6)


def test_shortest_step_where_many_solve_the_equation():
    assert np.allclose(gauss_newton_step([[1.0, 1.0]], [2.0]), [-1, -1], rtol=1e-15)
    assert np.allclose(levenberg_marquardt_step([[1.0, 1.0]], [2.0], 0.0), [-1, -1], rtol=1e-15)


def test_singular_hessian_is_refused():
    with pytest.raises(np.linalg.LinAlgError):
        newton_step([[1.0, 1.0], [1.0, 1.0]], [1.0, 0.0])
    assert np.allclose(newton_step([[1.0, 1.0], [1.0, 1.0]], [1.0, 1.0], 1e-8), [-0.5, -0.5])


def test_predicted_decrease_is_that_of_the_model():
    rng = RNG(5)
    B, g, d, lam = rng.normal(size=(4, 4)), rng.normal(size=4), rng.random(4), 0.7
    H = B @ B.T
    delta = np.linalg.solve(H + lam * np.diag(d**2), -g)
    assert predicted_decrease(delta, g, d, lam) == pytest.approx(-g @ delta - 0.5 * delta @ H @ delta, rel=1e-13)
    assert gain_ratio(10.0, 10.0 - 3.0, 4.0) == 0.75
    assert np.isnan(gain_ratio(1.0, 1.0, 0.0))


def test_nielsens_rule_is_continuous_and_remembers_failures():
    rho = np.array([1e-9, 0.25, 0.5, 0.75, 0.9, 1.0, 3.0])
    factors = np.array([nielsen_damping(1.0, 8.0, x)[0] for x in rho])
    assert np.allclose(factors, [2, 1.125, 1, 0.875, 0.488, 1 / 3, 1 / 3], rtol=1e-8)
    lam, nu, grown = 1.0, 2.0, []
    for _ in range(4):
        lam, nu = nielsen_damping(lam, nu, -1.0)
        grown.append((lam, nu))
    assert grown == [(2, 4), (8, 8), (64, 16), (1024, 32)]
    assert nielsen_damping(lam, nu, 0.5) == (1024, 2)
    assert nielsen_damping(1.0, 2.0, 0.0) == (2, 4)


def test_betas_and_directions():
    g, before = np.array([1.0, 2.0]), np.array([3.0, -1.0])
    assert fletcher_reeves_beta(g, before) == 0.5
    assert polak_ribiere_plus_beta(g, before) == pytest.approx((5 - 1) / 10)
    assert polak_ribiere_plus_beta(g, 2 * g) == 0
    assert conjugate_direction(g, before, 2.0).tolist() == [5, -4]


@given(st.integers(2, 6), st.integers(0, 99))
def test_directions_of_exact_searches_on_a_quadratic_are_conjugate(size, seed):
    rng = RNG(seed)
    B = rng.normal(size=(size, size))
    A, w = B @ B.T + np.eye(size), rng.normal(size=size)
    for beta in (fletcher_reeves_beta, polak_ribiere_plus_beta):
        g, directions = A @ w, []
        p = -g
        for _ in range(size):
            directions.append(p)
            g_next = g + (-(g @ p) / (p @ A @ p)) * (A @ p)
            p, g = conjugate_direction(g_next, p, beta(g_next, g)), g_next
        P = np.stack(directions)
        gram = P @ A @ P.T
        scale = np.sqrt(np.outer(np.diag(gram), np.diag(gram)))
        assert np.abs(gram / scale - np.eye(size)).max() < 1e-6
        assert np.linalg.norm(g) < 1e-6 * np.linalg.norm(A @ w)  # as many steps as weights: at the minimum


# ---- the curvature of a network -------------------------------------------------------------------------------------------


def case(loss, activation="tanh", sizes=(2, 4, 3), seed=0, dtype=np.float64):
    rng = RNG(seed)
    net = network.mlp(sizes, activation)
    params = network.init(net, rng, dtype)
    params = tuple(tuple(a + 0.3 * rng.normal(size=a.shape).astype(dtype) for a in p) for p in params)
    x = rng.normal(size=(7, sizes[0])).astype(dtype)
    y = rng.integers(sizes[-1], size=7) if loss == "softmax_cross_entropy" else rng.random((7, sizes[-1])).astype(dtype)
    return net, params, x, y


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("activation", SMOOTH)
def test_hessian_vector_product_against_differences_of_the_gradient(loss, activation):
    net, params, x, y = case(loss, activation)
    o, rng = objective(net, params, x, y, loss), RNG(1)
    v, u = rng.normal(size=(2, o.w0.size))
    found = oracles.slope(lambda t: u @ o.grad(o.w0 + t * v), step=0.02)
    scale = np.linalg.norm(u) * np.linalg.norm(o.hvp(o.w0, v))
    assert abs(u @ o.hvp(o.w0, v) - found) < 1e-8 * scale


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("activation", layers.STRAIGHT)
def test_hessian_vector_product_of_piecewise_linear_networks(loss, activation):
    """No kink lies within 1e-6 of the pre-activations, and between kinks a central difference of such a gradient is good."""
    net, params, x, y = case(loss, activation)
    o, v, h = objective(net, params, x, y, loss), RNG(1).normal(size=27), 1e-6
    found = (o.grad(o.w0 + h * v) - o.grad(o.w0 - h * v)) / (2 * h)
    assert np.allclose(o.hvp(o.w0, v), found, rtol=0, atol=1e-8 * np.linalg.norm(found) + 1e-9)


@pytest.mark.parametrize("loss", LOSSES)
def test_hessian(loss):
    net, params, x, y = case(loss, layers.activation_layer("elu", alpha=0.7), (2, 3, 3, 2))
    H, o = hessian(net, params, x, y, loss), objective(net, params, x, y, loss)
    assert H.shape == (29, 29)
    assert np.abs(H - H.T).max() < 1e-15
    h = 1e-5
    found = np.stack([(o.grad(o.w0 + h * u) - o.grad(o.w0 - h * u)) / (2 * h) for u in np.eye(29)], axis=1)
    assert np.allclose(H, found, rtol=0, atol=1e-9)
    v = RNG(0).normal(size=29)
    assert np.allclose(o.hvp(o.w0, v), H @ v, rtol=0, atol=1e-14)
    assert np.array_equal(o.hess(o.w0), H)


def test_gauss_newton_is_the_hessian_without_second_derivatives_of_the_network():
    net, params, x, y = case("mean_squared_error", "linear", (2, 3))
    J = network_jacobian(net, params, x)
    H = hessian(net, params, x, y, "mean_squared_error")
    assert np.allclose(H, 2 / 7 * J.T @ J, rtol=0, atol=1e-14)
    curved = case("mean_squared_error", "tanh", (2, 3, 3))
    J = network_jacobian(*curved[:3])
    assert np.abs(hessian(*curved, "mean_squared_error") - 2 / 7 * J.T @ J).max() > 1e-2


def test_jacobian_and_residuals_of_a_network():
    net, params, x, y = case("mean_squared_error", "tanh")
    o = objective(net, params, x, y, "mean_squared_error")
    r, J = o.residuals(o.w0), o.jacobian(o.w0)
    assert r.shape == (21,)
    assert J.shape == (21, 27)
    assert np.array_equal(r.reshape(7, 3), network.predict(net, params, x) - y)
    assert o.f(o.w0) == pytest.approx(r @ r / 7, rel=1e-14)
    assert np.allclose(2 / 7 * J.T @ r, o.grad(o.w0), rtol=0, atol=1e-15)
    h = 1e-6
    found = np.stack([(o.residuals(o.w0 + h * u) - o.residuals(o.w0 - h * u)) / (2 * h) for u in np.eye(27)], axis=1)
    assert np.allclose(J, found, rtol=0, atol=1e-9)
    one = network.mlp([2, 1])
    p = network.init(one, RNG(0))
    assert network_residuals(one, p, x, np.ones(7)).shape == (7,)


def test_jacobian_of_layers_that_are_not_dense():
    net = [*network.mlp([2, 3], "tanh"), layers.prelu_layer(3), *network.mlp([3, 2])]
    params, x = network.init(net, RNG(0), np.float64), RNG(1).normal(size=(5, 2))
    w, h = flatten(params), 1e-6
    J = network_jacobian(net, params, x)
    for j in range(w.size):
        step = h * np.eye(w.size)[j]
        ends = [network.predict(net, unflatten(w + s, params), x).ravel() for s in (step, -step)]
        assert np.allclose(J[:, j], (ends[0] - ends[1]) / (2 * h), atol=1e-8)


def test_flatten_and_unflatten_are_inverse():
    net = network.mlp([2, 3, 2], layers.prelu_layer)
    params = network.init(net, RNG(0))
    w = flatten(params)
    assert w.shape == (9 + 3 + 8,)
    assert w.dtype == np.float32
    back = unflatten(w.astype(np.float64), params)
    assert [[a.dtype for a in p] for p in back] == [[a.dtype for a in p] for p in params]
    assert all(np.array_equal(a, b) for p, q in zip(params, back, strict=True) for a, b in zip(p, q, strict=True))
    back[0][0][:] = 7
    assert not (w == 7).any()
    assert np.array_equal(unflatten(np.arange(20.0), params)[2][0], np.arange(12.0, 18.0).reshape(3, 2))


def test_hessian_vector_product_keeps_float32():
    net, params, x, y = case("softmax_cross_entropy", dtype=np.float32)
    v = tuple(tuple(np.ones_like(a) for a in p) for p in params)
    single = hessian_vector_product(net, params, v, x, y)
    wide = [tuple(tuple(a.astype(np.float64) for a in p) for p in q) for q in (params, v)]
    double = hessian_vector_product(net, *wide, x.astype(np.float64), y)
    assert {a.dtype for p in single for a in p} == {np.dtype(np.float32)}
    assert np.allclose(flatten(single), flatten(double), rtol=0, atol=1e-6)


def test_what_has_no_second_derivative_is_refused():
    x, y = np.zeros((1, 2)), np.zeros((1, 2))
    for last in (network.activation_layer("softmax"), network.prelu_layer(2)):
        net = (*network.mlp([2, 2]), last)
        params = network.init(net, RNG(0), np.float64)
        with pytest.raises(
            ValueError, match=rf"^hessian_vector_product: {last.name.replace('(', '.').replace(')', '.')} has no"
        ):
            hessian_vector_product(net, params, params, x, y, "mean_squared_error")
    net = network.mlp([2, 2])
    params = network.init(net, RNG(0), np.float64)
    known = "'mean_squared_error', 'sigmoid_cross_entropy', 'softmax_cross_entropy'"
    message = f"^hessian_vector_product: the loss 'cross_entropy' has no second derivative here, expected one of {known}$"
    with pytest.raises(ValueError, match=message):
        hessian_vector_product(net, params, params, x, y, "cross_entropy")
    with pytest.raises(ValueError, match=r"^hessian_vector_product: v has not the shapes of params$"):
        hessian_vector_product(net, params, ((params[0][0], np.zeros(3)),), x, y, "mean_squared_error")
    with pytest.raises(ValueError, match=r"^unflatten: w has shape \(5,\), expected \(6,\)$"):
        unflatten(np.zeros(5), params)
    with pytest.raises(ValueError, match=r"^flatten: params has no arrays$"):
        flatten(((), ()))


# ---- minimizers ------------------------------------------------------------------------------------------------------------


def quadratic(size=5, seed=0):
    rng = RNG(seed)
    B = rng.normal(size=(size, size))
    A, b = B @ B.T + np.eye(size), rng.normal(size=size)
    return A, b, lambda w: 0.5 * float(w @ A @ w) - float(b @ w), lambda w: A @ w - b


def test_newton_needs_one_step_on_a_quadratic():
    A, b, f, grad = quadratic()
    found = minimize_newton(f, grad, np.zeros(5), hess=lambda w: A)
    assert found.iterations == 1
    assert np.allclose(found.w, np.linalg.solve(A, b), rtol=1e-12)
    assert (found.evaluations, found.derivatives, found.converged) == (2, 2, True)
    assert found.message == "the gradient is below tol"
    assert found.history.tolist() == [0.0, found.value]


SURFACES = {
    "rosenbrock": ([-1.2, 1.0], [1, 1]),
    "beale": ([1.0, 1.0], [3, 0.5]),
    "quadratic": ([1.0, 1.0], [0, 0]),
}


def surface(name):
    f, grad, hess = (getattr(surfaces, name + suffix) for suffix in ("", "_grad", "_hessian"))
    return (lambda w: float(f(w))), grad, hess


@pytest.mark.parametrize("name", SURFACES)
@pytest.mark.parametrize("products", [False, True])
def test_newton_on_surfaces(name, products):
    f, grad, hess = surface(name)
    start, minimum = SURFACES[name]
    curvature = {"hvp": lambda w, v: hess(w) @ v} if products else {"hess": hess}
    found = minimize_newton(f, grad, start, **curvature)
    assert found.converged
    assert np.allclose(found.w, minimum, atol=1e-6)
    assert found.iterations <= 35
    assert (np.diff(found.history) < 0).all()
    assert found.history[0] == f(np.array(start))
    assert found.history[-1] == found.value == f(found.w)


def test_newton_leaves_a_saddle_where_the_hessian_has_a_negative_eigenvalue():
    def f(w):
        return float(w[0] ** 2 - w[1] ** 2 + w[1] ** 4)

    def grad(w):
        return np.array([2 * w[0], -2 * w[1] + 4 * w[1] ** 3])

    def hess(w):
        return np.diag([2, -2 + 12 * w[1] ** 2])

    start = np.array([1.0, 0.1])
    assert np.allclose(start + newton_step(hess(start), grad(start)), [0, 0], atol=0.01)  # Newton's own step goes to the saddle
    for curvature in ({"hess": hess}, {"hvp": lambda w, v: hess(w) @ v}):
        found = minimize_newton(f, grad, start, **curvature)
        assert np.allclose(np.abs(found.w), [0, np.sqrt(0.5)], atol=1e-6)


def test_newton_converges_quadratically():
    f, grad, hess = surface("beale")
    errors, message = [], ""
    for steps in range(1, 40):
        found = minimize_newton(f, grad, [2.5, 0.4], hess=hess, max_iter=steps, tol=1e-14)
        errors.append(np.linalg.norm(found.w - [3, 0.5]))
        message = found.message
        if found.converged:
            break
    fast = [b / a**2 for a, b in itertools.pairwise(errors) if 1e-7 < a < 0.1 and b > 1e-15]
    assert found.converged, message
    assert len(fast) >= 2
    assert max(fast) < 10


@pytest.mark.parametrize("products", [False, True])
def test_newton_on_a_network(products):
    net, params, x, _ = case("softmax_cross_entropy", "tanh", (2, 3, 3))
    y = np.array([0, 1, 2, 0, 1, 2, 0])
    base = objective(net, params, x, y)
    decay = 0.01  # without it the best weights are infinite
    found = minimize_newton(
        lambda w: base.f(w) + decay * float(w @ w),
        lambda w: base.grad(w) + 2 * decay * w,
        base.w0,
        **(
            {"hvp": lambda w, v: base.hvp(w, v) + 2 * decay * v}
            if products
            else {"hess": lambda w: base.hess(w) + 2 * decay * np.eye(w.size)}
        ),
    )
    assert found.converged
    assert np.abs(base.grad(found.w) + 2 * decay * found.w).max() < 1e-7
    assert np.linalg.eigvalsh(base.hess(found.w) + 2 * decay * np.eye(found.w.size)).min() > -1e-9


STARTS = 40  # a single path is a matter of luck: the evaluations are summed over this many


def starts(problem, seed=3):
    """The known start and others near it; from some, a path leaves for a valley whose lowest point lies at infinity."""
    rng = RNG(seed)
    return [problem.w0] + [problem.w0 + 0.2 * rng.normal(size=problem.w0.size) for _ in range(STARTS - 1)]


@pytest.mark.parametrize("scaled", [False, True])
@pytest.mark.parametrize("name", ["rosenbrock", "beale", "powell", "curve"])
def test_levenberg_marquardt_against_minpack(name, scaled):
    problem, ours, theirs, reached = PROBLEMS[name], 0, 0, 0
    for w0 in starts(problem):
        found = levenberg_marquardt(problem.residuals, problem.jacobian, w0, scaled=scaled)
        known = scipy.optimize.least_squares(
            problem.residuals, w0, problem.jacobian, method="lm", x_scale="jac" if scaled else 1.0
        )
        if not (found.converged and known.success):
            continue  # one of the two is on the way to infinity
        assert found.value == pytest.approx(known.cost, rel=1e-7, abs=1e-15)
        assert np.allclose(found.w, known.x, rtol=1e-6, atol=1e-6)
        ours, theirs, reached = ours + found.evaluations, theirs + known.nfev, reached + 1
    assert reached >= STARTS / 2
    assert ours <= 1.5 * theirs


def test_levenberg_marquardt_fits_a_network_as_minpack_does():
    problem = PROBLEMS["network_fit"]
    found = levenberg_marquardt(problem.residuals, problem.jacobian, problem.w0, max_iter=500)
    known = scipy.optimize.least_squares(problem.residuals, problem.w0, problem.jacobian, method="lm")
    assert found.converged
    assert found.value == pytest.approx(known.cost, rel=1e-6)
    assert np.allclose(problem.residuals(found.w), problem.residuals(known.x), atol=1e-3)  # hidden units may be swapped
    assert found.evaluations <= 1.5 * known.nfev


@pytest.mark.parametrize("name", ["rosenbrock", "beale", "powell", "curve"])
def test_conjugate_gradients_against_scipy(name):
    problem, ours, theirs, reached = PROBLEMS[name], 0, 0, 0
    for w0 in starts(problem):
        found = conjugate_gradients(problem.f, problem.grad, w0)
        known = scipy.optimize.minimize(problem.f, w0, jac=problem.grad, method="CG")
        if not (found.converged and known.success):
            continue
        assert np.abs(problem.grad(found.w)).max() <= 1e-5
        assert found.value == pytest.approx(known.fun, abs=1e-6)
        ours, theirs = ours + found.evaluations + found.derivatives, theirs + known.nfev + known.njev
        reached += 1
    assert reached >= 0.9 * STARTS
    assert ours <= 1.5 * theirs


def test_conjugate_gradients_fit_a_network_as_scipys_do():
    problem = PROBLEMS["network_fit"]
    found = conjugate_gradients(problem.f, problem.grad, problem.w0, tol=1e-3)
    known = scipy.optimize.minimize(problem.f, problem.w0, jac=problem.grad, method="CG", options={"gtol": 1e-3})
    assert found.converged
    assert found.value == pytest.approx(known.fun, rel=0.05)
    assert found.evaluations + found.derivatives <= 1.5 * (known.nfev + known.njev)


@pytest.mark.parametrize("variant", ["fletcher_reeves", "polak_ribiere"])
@pytest.mark.parametrize("name", SURFACES)
def test_both_variants_reach_the_minimum(name, variant):
    f, grad, _ = surface(name)
    start, minimum = SURFACES[name]
    found = conjugate_gradients(f, grad, start, variant)
    assert found.converged
    assert np.allclose(found.w, minimum, atol=1e-4)
    assert (np.diff(found.history) < 0).all()
    assert found.history[-1] == found.value == f(found.w)


def test_counts_are_those_of_the_calls_made():
    calls = {"f": 0, "grad": 0, "r": 0, "J": 0}

    def counted(name, function):
        def count(w):
            calls[name] += 1
            return function(w)

        return count

    p = PROBLEMS["beale"]
    found = conjugate_gradients(counted("f", p.f), counted("grad", p.grad), p.w0)
    assert (found.evaluations, found.derivatives) == (calls["f"], calls["grad"])
    found = levenberg_marquardt(counted("r", p.residuals), counted("J", p.jacobian), p.w0)
    assert (found.evaluations, found.derivatives) == (calls["r"], calls["J"])
    assert len(found.history) == found.iterations + 1
    assert 5 < found.derivatives <= found.evaluations


def test_minimizers_start_from_integers_and_leave_the_start_alone():
    f, grad, hess = surface("quadratic")
    w0 = np.array([1, 1])
    for found in (minimize_newton(f, grad, w0, hess=hess), conjugate_gradients(f, grad, w0)):
        assert found.w.dtype == np.float64
        assert np.abs(found.w).max() < 1e-5
    assert w0.tolist() == [1, 1]


def test_minimum_at_the_start():
    f, grad, hess = surface("quadratic")
    p = PROBLEMS["rosenbrock"]
    for found in (
        minimize_newton(f, grad, [0.0, 0.0], hess=hess),
        conjugate_gradients(f, grad, [0.0, 0.0]),
        levenberg_marquardt(p.residuals, p.jacobian, [1.0, 1.0]),
    ):
        assert (found.iterations, found.evaluations, found.converged) == (0, 1, True)
        assert found.history.tolist() == [0.0]


def test_an_allowance_that_ends():
    f, grad, hess = surface("rosenbrock")
    p = PROBLEMS["rosenbrock"]
    for found, message in (
        (minimize_newton(f, grad, p.w0, hess=hess, max_iter=3), "max_iter steps were tried"),
        (conjugate_gradients(f, grad, p.w0, max_iter=3), "max_iter steps were taken"),
        (levenberg_marquardt(p.residuals, p.jacobian, p.w0, max_iter=3), "max_iter steps were tried"),
    ):
        assert not found.converged
        assert found.message == message
        assert 0 < found.iterations <= 3
        assert found.value < found.history[0]


def test_a_step_into_the_undefined_is_taken_back():
    def residuals(w):
        return np.array([np.log(w[0]) + 3]) if w[0] > 0 else np.array([np.nan])

    found = levenberg_marquardt(residuals, lambda w: np.array([[1 / w[0]]]), [5.0], lam=1e-9)
    assert found.evaluations > found.derivatives
    assert found.w[0] == pytest.approx(np.exp(-3), rel=1e-8)

    def f(w):
        return float(w[0] - np.log(w[0])) if w[0] > 0 else np.nan

    newton = minimize_newton(f, lambda w: 1 - 1 / w, [5.0], hess=lambda w: np.diag(1 / w**2))
    assert newton.w[0] == pytest.approx(1)


def test_a_function_without_a_minimum():
    found = conjugate_gradients(lambda w: float(-w[0]), lambda w: np.array([-1.0]), [0.0], max_iter=50)
    assert not found.converged


def test_wrong_calls_are_refused_in_whole_sentences():
    f, grad, hess = surface("quadratic")
    r, J = PROBLEMS["beale"][:2]
    cases = [
        (lambda: minimize_newton(f, grad, [1.0]), "minimize_newton: expected one of hess and hvp"),
        (lambda: minimize_newton(f, grad, [1.0], hess=hess, hvp=hess), "minimize_newton: expected one of hess and hvp"),
        (
            lambda: minimize_newton(f, grad, [[1.0]], hess=hess),
            "minimize_newton: w0 has shape (1, 1), expected a vector of at least one finite number",
        ),
        (
            lambda: conjugate_gradients(f, grad, [np.nan]),
            "conjugate_gradients: w0 has shape (1,), expected a vector of at least one finite number",
        ),
        (
            lambda: conjugate_gradients(f, grad, [1.0, 1.0], "hestenes"),
            "conjugate_gradients: variant is 'hestenes', expected one of 'fletcher_reeves', 'polak_ribiere'",
        ),
        (
            lambda: conjugate_gradients(f, grad, [1.0, 1.0], c1=0.5),
            "conjugate_gradients: c1 and c2 are 0.5 and 0.2, expected 0 < c1 < c2 < 1",
        ),
        (lambda: conjugate_gradients(f, grad, [1.0, 1.0], tol=0), "conjugate_gradients: tol is 0, expected a positive number"),
        (
            lambda: levenberg_marquardt(r, J, [1.0, 1.0], lam=-1),
            "levenberg_marquardt: lam is -1, expected a positive number",
        ),
        (
            lambda: levenberg_marquardt(lambda w: np.array([np.inf]), lambda w: np.ones((1, 1)), [1.0]),
            "levenberg_marquardt: the residuals at w0 are not finite",
        ),
    ]
    for call, message in cases:
        with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
            call()
    with pytest.raises(TypeError) as caught:
        minimize_newton(None, grad, [1.0], hess=hess)
    assert str(caught.value) == "minimize_newton: f is None, expected a function"


def test_rooms_are_no_addresses():
    assert {getattr(second_order, n).__module__ for n in second_order.__all__} == {"dnnbook.second_order"}
