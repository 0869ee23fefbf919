"""Each optimizer over 100 steps against PyTorch's and optax's of the same variant (``pytest -m peers``)."""

import numpy as np
import pytest

from dnnbook import optimizers as o

pytestmark = pytest.mark.peers
STEPS = 100
START = np.array([1.5, -2.0, 0.3, 4.0, -0.01])
CURVATURE = np.array([1.0, 10.0, 0.1, 3.0, 30.0])


def gradient(w):
    """Of a bowl with a ripple, so that signs change."""
    return CURVATURE * w + 0.5 * np.sin(3 * w)


def ours(name, **numbers):
    step = getattr(o, name)
    _, init, _ = o.TWINS[name]
    w, state, path = START.copy(), [] if init is None else [init(START)], []
    for _ in range(STEPS):
        after = step(w, gradient(w), *state, **numbers)
        w, state = (after, []) if init is None else (after[0], list(after[1:]))
        path.append(w)
    return np.array(path)


# (ours, its numbers, torch's, its numbers)
TORCH = [
    ("sgd", {"eta": 0.02}, "SGD", {"lr": 0.02}),
    ("momentum", {"eta": 0.02, "gamma": 0.9}, "SGD", {"lr": 0.02, "momentum": 0.9}),
    ("nesterov_at_w", {"eta": 0.02, "gamma": 0.9}, "SGD", {"lr": 0.02, "momentum": 0.9, "nesterov": True}),
    ("adagrad", {"eta": 0.1}, "Adagrad", {"lr": 0.1}),
    ("rmsprop", {"eta": 0.01, "beta": 0.9, "eps": 1e-8}, "RMSprop", {"lr": 0.01, "alpha": 0.9, "eps": 1e-8}),
    ("adadelta", {"rho": 0.95, "eps": 1e-6}, "Adadelta", {"lr": 1.0, "rho": 0.95, "eps": 1e-6}),
    ("adam", {"eta": 0.05}, "Adam", {"lr": 0.05}),
    ("adamw", {"eta": 0.05, "weight_decay": 0.1}, "AdamW", {"lr": 0.05, "weight_decay": 0.1}),
]


@pytest.mark.parametrize(("name", "numbers", "theirs", "their_numbers"), TORCH, ids=[t[0] for t in TORCH])
def test_torch(name, numbers, theirs, their_numbers):
    torch = pytest.importorskip("torch")
    w = torch.tensor(START, requires_grad=True)
    stepper, path = getattr(torch.optim, theirs)([w], **their_numbers), []
    for _ in range(STEPS):
        w.grad = torch.tensor(gradient(w.detach().numpy()))
        stepper.step()
        path.append(w.detach().numpy().copy())
    np.testing.assert_allclose(ours(name, **numbers), path, rtol=1e-11, atol=1e-13)


def test_torch_rprop_is_irprop_minus():
    torch = pytest.importorskip("torch")
    w = torch.tensor(START, requires_grad=True)
    stepper, path = torch.optim.Rprop([w], lr=0.1), []
    for _ in range(STEPS):
        w.grad = torch.tensor(gradient(w.detach().numpy()))
        stepper.step()
        path.append(w.detach().numpy().copy())
    np.testing.assert_allclose(ours("irprop_minus"), path, rtol=1e-11, atol=1e-13)


OPTAX = [
    ("sgd", {"eta": 0.02}, "sgd", {"learning_rate": 0.02}),
    ("momentum", {"eta": 0.02, "gamma": 0.9}, "sgd", {"learning_rate": 0.02, "momentum": 0.9}),
    ("nesterov_at_w", {"eta": 0.02, "gamma": 0.9}, "sgd", {"learning_rate": 0.02, "momentum": 0.9, "nesterov": True}),
    (
        "rmsprop",
        {"eta": 0.01, "beta": 0.9, "eps": 1e-8},
        "rmsprop",
        {"learning_rate": 0.01, "decay": 0.9, "eps": 1e-8, "eps_in_sqrt": False},
    ),
    ("adadelta", {"rho": 0.95, "eps": 1e-6}, "adadelta", {"learning_rate": 1.0, "rho": 0.95, "eps": 1e-6}),
    ("adam", {"eta": 0.05}, "adam", {"learning_rate": 0.05}),
    ("adamw", {"eta": 0.05, "weight_decay": 0.1}, "adamw", {"learning_rate": 0.05, "weight_decay": 0.1}),
]


@pytest.mark.parametrize(("name", "numbers", "theirs", "their_numbers"), OPTAX, ids=[t[0] for t in OPTAX])
def test_optax(name, numbers, theirs, their_numbers):
    jax, optax = pytest.importorskip("jax"), pytest.importorskip("optax")
    jax.config.update("jax_enable_x64", True)
    rule = getattr(optax, theirs)(**their_numbers)
    w, path = jax.numpy.asarray(START), []
    state = rule.init(w)
    for _ in range(STEPS):
        change, state = rule.update(jax.numpy.asarray(gradient(np.asarray(w))), state, w)
        w = optax.apply_updates(w, change)
        path.append(np.asarray(w))
    np.testing.assert_allclose(ours(name, **numbers), path, rtol=1e-11, atol=1e-13)
