"""Optimizers against PyTorch and optax: 100 steps in float64, and every row of the table of variants."""

import numpy as np
import pytest

from dnnbook import optimizers as o

torch = pytest.importorskip("torch")
jax = pytest.importorskip("jax")
optax = pytest.importorskip("optax")
jax.config.update("jax_enable_x64", True)

pytestmark = [pytest.mark.peers, pytest.mark.filterwarnings("default")]

W = np.array([1.5, -2.0, 0.7, 3.0, -0.4])
SCALE = np.array([0.3, 1.0, 3.0, 0.1, 10.0])
STEPS = 100


def gradient(w):
    """Of a bent bowl: the signs turn, the sizes differ."""
    return SCALE * w + 0.3 * np.cos(3 * w)


def noisy(seed=0):
    """Gradients that do not depend on where one is; every seventh is zero."""
    draws = np.random.default_rng(seed).normal(size=(STEPS, W.size)) * SCALE
    draws[::7] = 0
    steps = iter(draws)
    return lambda w: next(steps)


def ours(name, slope=gradient, rates=None, **numbers):
    """The path of the pure function, at other learning rates step by step if these are given."""
    pure, init, _ = o.TWINS[name]
    w, state, path = W, [init(W)] if init else [], []
    for t in range(STEPS):
        changed = numbers if rates is None else {**numbers, "eta": rates[t]}
        E = [float(np.sum(SCALE * w**2 / 2 + 0.1 * np.sin(3 * w)))] * ("E" in pure.contract.names)
        after = pure(w, slope(w), *state, *E, **changed)
        w, state = (after, []) if init is None else (after[0], [after[1]])
        path.append(w)
    return np.array(path)


def in_torch(cls, slope=gradient, rates=None, **numbers):
    w = torch.from_numpy(W.copy()).requires_grad_()
    theirs, path = cls([w], **numbers), []
    for t in range(STEPS):
        if rates is not None:
            theirs.param_groups[0]["lr"] = rates[t]
        w.grad = torch.from_numpy(slope(w.detach().numpy().copy()))
        theirs.step()
        path.append(w.detach().numpy().copy())
    return np.array(path)


def in_optax(transform, slope=gradient):
    w, path = jax.numpy.asarray(W), []
    state = transform.init(w)
    for _ in range(STEPS):
        updates, state = transform.update(jax.numpy.asarray(slope(np.asarray(w))), state, w)
        w = optax.apply_updates(w, updates)
        path.append(np.asarray(w))
    return np.array(path)


def away(a, b):
    """The largest distance of two paths, relative to where they have been."""
    return np.abs(a - b).max() / np.abs(a).max()


OPTIM = torch.optim
NUMBERS = {"eta": 0.05, "beta": 0.8, "gamma": 0.7, "eps": 1e-6}
BETAS = {"beta1": 0.8, "beta2": 0.95, "eps": 1e-6}
SAME = {  # name: our numbers, PyTorch's class and numbers, optax's transform; None where it has not this variant
    "sgd": ({"eta": 0.05}, (OPTIM.SGD, {"lr": 0.05}), lambda: optax.sgd(0.05)),
    "momentum": (
        {"eta": 0.05, "gamma": 0.7},
        (OPTIM.SGD, {"lr": 0.05, "momentum": 0.7, "dampening": 0}),
        lambda: optax.sgd(0.05, momentum=0.7),
    ),
    "nesterov_at_w": (
        {"eta": 0.05, "gamma": 0.7},
        (OPTIM.SGD, {"lr": 0.05, "momentum": 0.7, "nesterov": True}),
        lambda: optax.sgd(0.05, momentum=0.7, nesterov=True),
    ),
    "adagrad": ({"eta": 0.5, "eps": 1e-6}, (OPTIM.Adagrad, {"lr": 0.5, "eps": 1e-6}), None),
    "rmsprop": (
        {"eta": 0.05, "beta": 0.8, "eps": 1e-6},
        (OPTIM.RMSprop, {"lr": 0.05, "alpha": 0.8, "eps": 1e-6}),
        lambda: optax.rmsprop(0.05, decay=0.8, eps=1e-6, eps_in_sqrt=False),
    ),
    "rmsprop_nesterov": (
        NUMBERS,
        None,
        lambda: optax.rmsprop(0.05, decay=0.8, eps=1e-6, eps_in_sqrt=False, momentum=0.7, nesterov=True),
    ),
    "adadelta": (
        {"rho": 0.8, "eps": 1e-4},
        (OPTIM.Adadelta, {"lr": 1.0, "rho": 0.8, "eps": 1e-4}),
        lambda: optax.adadelta(1.0, rho=0.8, eps=1e-4),
    ),
    "adam": (
        {"eta": 0.05, **BETAS},
        (OPTIM.Adam, {"lr": 0.05, "betas": (0.8, 0.95), "eps": 1e-6}),
        lambda: optax.adam(0.05, 0.8, 0.95, 1e-6),
    ),
    "adamw": (
        {"eta": 0.05, **BETAS, "weight_decay": 0.1},
        (OPTIM.AdamW, {"lr": 0.05, "betas": (0.8, 0.95), "eps": 1e-6, "weight_decay": 0.1}),
        lambda: optax.adamw(0.05, 0.8, 0.95, 1e-6, weight_decay=0.1),
    ),
    "irprop_minus": ({}, (OPTIM.Rprop, {"lr": 0.1, "etas": (0.5, 1.2), "step_sizes": (1e-6, 50)}), None),
}
SLOPES = {"bowl": lambda: gradient, "noise": noisy}


@pytest.mark.parametrize("slope", SLOPES)
@pytest.mark.parametrize("name", [n for n, row in SAME.items() if row[1]])
def test_a_hundred_steps_as_in_pytorch(name, slope):
    numbers, (cls, theirs), _ = SAME[name]
    assert away(ours(name, SLOPES[slope](), **numbers), in_torch(cls, SLOPES[slope](), **theirs)) < 1e-12


@pytest.mark.parametrize("slope", SLOPES)
@pytest.mark.parametrize("name", [n for n, row in SAME.items() if row[2]])
def test_a_hundred_steps_as_in_optax(name, slope):
    numbers, _, theirs = SAME[name]
    assert away(ours(name, SLOPES[slope](), **numbers), in_optax(theirs(), SLOPES[slope]())) < 1e-12


@pytest.mark.parametrize(("name", "cls"), [("adagrad", OPTIM.Adagrad), ("adam", OPTIM.Adam), ("adamw", OPTIM.AdamW)])
def test_defaults_as_in_pytorch(name, cls):
    assert away(ours(name), in_torch(cls)) < 1e-12


# ---- the rows of the table of variants -----------------------------------------------------------------------------------

FALLING = 0.1 * 0.97 ** np.arange(STEPS)


def row_momentum():
    """A changing rate tells inside from outside; the velocity without the rate, multiplied by it later, is theirs."""
    path = ours("momentum", rates=FALLING, gamma=0.7)
    theirs = in_torch(OPTIM.SGD, rates=FALLING, lr=1.0, momentum=0.7)
    assert away(path, theirs) > 1e-3
    assert away(in_optax(optax.sgd(lambda t: FALLING[0] * 0.97**t, momentum=0.7)), theirs) < 1e-12
    w, v = W, 0
    for rate in FALLING:
        v = 0.7 * v + gradient(w)
        w = w - rate * v
    assert np.abs(w - theirs[-1]).max() < 1e-12


def row_nesterov():
    """Their path is that of the point ahead."""
    theirs = in_torch(OPTIM.SGD, lr=0.05, momentum=0.7, nesterov=True)
    w, state = W, o.momentum_init(W)
    for t in range(STEPS):
        w, state = o.nesterov(w, gradient(o.nesterov_point(w, state, 0.7)), state, 0.05, 0.7)
        assert np.abs(o.nesterov_point(w, state, 0.7) - theirs[t]).max() < 1e-12
        assert t > 20 or np.abs(w - theirs[t]).max() > 1e-6


def row_nesterov_at_w():
    path = ours("nesterov_at_w", rates=FALLING, gamma=0.7)
    theirs = in_torch(OPTIM.SGD, rates=FALLING, lr=1.0, momentum=0.7, nesterov=True)
    assert away(path, theirs) > 1e-3


def row_adagrad():
    theirs = in_optax(optax.adagrad(0.5))
    assert away(ours("adagrad", eta=0.5), theirs) > 1e-3
    w, v = W, 0.1
    for _ in range(STEPS):
        g = gradient(w)
        v = v + g**2
        w = w - 0.5 * g / np.sqrt(v + 1e-7)
    assert np.abs(w - theirs[-1]).max() < 1e-12
    first = lambda g: g / np.sqrt(0.1 + g**2)  # noqa: E731
    assert first(0.3) < 0.7
    assert first(3.0) > 0.99


def row_rmsprop():
    small = lambda w: 1e-5 * gradient(w)  # noqa: E731
    inside, outside = in_optax(optax.rmsprop(0.01), small), in_optax(optax.rmsprop(0.01, eps_in_sqrt=False), small)
    path = ours("rmsprop", small, eta=0.01)
    assert away(path, outside) < 1e-12
    assert away(path, inside) > 0.1
    assert away(path, in_torch(OPTIM.RMSprop, small, lr=0.01, alpha=0.9)) < 1e-12
    assert away(path, in_torch(OPTIM.RMSprop, small, lr=0.01)) > 1e-3  # alpha is 0.99


def row_rmsprop_nesterov():
    theirs = in_torch(OPTIM.RMSprop, lr=0.05, alpha=0.8, eps=1e-6, momentum=0.7)
    assert away(ours("rmsprop_nesterov", **NUMBERS), theirs) > 1e-3
    w, v, u = W, 0, 0
    for _ in range(STEPS):
        g = gradient(w)
        v = 0.8 * v + 0.2 * g**2
        u = 0.7 * u + g / (np.sqrt(v) + 1e-6)
        w = w - 0.05 * u
    assert np.abs(w - theirs[-1]).max() < 1e-11


def row_adadelta():
    assert away(ours("adadelta"), in_torch(OPTIM.Adadelta)) > 1e-4  # rho is 0.9
    assert away(ours("adadelta", rho=0.9), in_torch(OPTIM.Adadelta)) < 1e-12
    assert away(ours("adadelta", rho=0.9), in_optax(optax.adadelta(1.0))) < 1e-12
    first = in_optax(optax.adadelta())[0] - W  # without a rate the sign stays that of the gradient: uphill
    assert np.array_equal(np.sign(first), np.sign(W - in_optax(optax.adadelta(1.0))[0]))


def row_adam():
    assert away(ours("adam", eta=0.05), in_optax(optax.adam(0.05))) < 1e-12
    assert away(ours("adam", eta=0.05), in_torch(OPTIM.Adam, lr=0.05)) < 1e-12
    assert away(ours("adam", eta=0.05), in_optax(optax.adam(0.05, eps_root=1e-2))) > 1e-3


def row_adam_uncorrected():
    """The slide's form, whose correction has no power t, is this with another rate, and not Adam."""
    factor = np.sqrt(1 - 0.999) / (1 - 0.9)
    path = ours("adam_uncorrected", eta=0.05 * factor, eps=1e-8 * np.sqrt(1 - 0.999))
    w, m, v = W, 0, 0
    for _ in range(STEPS):
        g = gradient(w)
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g**2
        w = w - 0.05 * (m / (1 - 0.9)) / (np.sqrt(v / (1 - 0.999)) + 1e-8)
    assert np.abs(w - path[-1]).max() < 1e-12
    assert f"{factor:.2f}" == "0.32"
    for eta in (0.05, 0.05 * factor):
        assert away(path, in_torch(OPTIM.Adam, lr=eta)) > 1e-3


def row_adamw():
    path = ours("adamw", eta=0.05)
    assert away(path, in_torch(OPTIM.AdamW, lr=0.05)) < 1e-12
    assert away(path, in_optax(optax.adamw(0.05))) > 1e-4
    assert away(path, in_optax(optax.adamw(0.05, weight_decay=0.01))) < 1e-12
    alpha, rate = 0.05, 0.3  # the paper's algorithm 2: its schedule times (alpha times Adam's step + its own lambda times w)
    adam = o.adam(W, gradient(W), o.adam_init(W), eta=1.0)[0] - W
    paper = W + rate * (alpha * adam - (0.01 * alpha) * W)
    np.testing.assert_allclose(o.adamw(W, gradient(W), o.adam_init(W), eta=rate * alpha)[0], paper, rtol=1e-14)


def row_irprop_minus():
    late = in_optax(optax.rprop(0.1), lambda w: gradient(W))
    assert np.array_equal(late[0], W)  # the first call moves nothing
    now = ours("irprop_minus", lambda w: gradient(W))
    np.testing.assert_allclose(late[1:], now[:-1], rtol=1e-12)
    assert away(in_torch(OPTIM.Rprop), ours("irprop_minus")) > 1e-3  # its first length is 0.01
    tiny = lambda w: 1e-170 * gradient(w)  # noqa: E731
    assert np.array_equal(ours("irprop_minus", tiny), ours("irprop_minus"))
    assert away(in_torch(OPTIM.Rprop, tiny, lr=0.1), ours("irprop_minus")) > 1e-3
    assert np.float32(1e-23) * np.float32(1e-23) == 0 == 1e-163 * 1e-163
    assert np.float32(1e-22) * np.float32(1e-22) > 0 < 1e-161 * 1e-161


def row_rprop_plus():
    theirs = in_torch(OPTIM.Rprop, lr=0.1)
    for name in ("rprop_plus", "rprop_minus", "irprop_plus"):
        assert away(ours(name), theirs) > 1e-3


ROWS = {f.__name__.removeprefix("row_"): f for n, f in list(globals().items()) if n.startswith("row_")}


@pytest.mark.parametrize("row", o.VARIANTS, ids=lambda row: row.optimizer)
def test_row_of_the_table_of_variants(row):
    ROWS[row.optimizer.split(",")[0]]()


def test_nothing_offered_means_nothing_of_that_name():
    for row in o.VARIANTS:
        for n in row.optimizer.split(", "):
            if row.pytorch == "not offered":
                assert not hasattr(torch.optim, n)
            if row.optax == "not offered":
                assert not hasattr(optax, n)
