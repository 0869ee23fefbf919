"""Values and gradients of every activation and loss against PyTorch and JAX, in float64, to round-off."""

import numpy as np
import pytest

from dnnbook import activations, losses

torch = pytest.importorskip("torch")
jax = pytest.importorskip("jax")
jax.config.update("jax_enable_x64", True)
jnp, tf = jax.numpy, torch.nn.functional

pytestmark = [pytest.mark.peers, pytest.mark.filterwarnings("default")]
RNG = np.random.default_rng(0)
Z = np.concatenate([RNG.normal(size=40) * 3, [-30.0, -8.0, -1e-3, 1e-3, 8.0, 30.0]])
NOISE, ALPHA = RNG.normal(size=Z.shape), 0.3

# name: (arguments after z, PyTorch, JAX)
ELEMENTWISE = {
    "linear": ((), lambda z: 1 * z, lambda z: 1 * z),
    "sigmoid": ((), torch.sigmoid, jax.nn.sigmoid),
    "tanh": ((), torch.tanh, jnp.tanh),
    "relu": ((), torch.relu, jax.nn.relu),
    "absolute_relu": ((), torch.abs, jnp.abs),
    "leaky_relu": ((ALPHA,), lambda z, a: tf.leaky_relu(z, a), jax.nn.leaky_relu),
    "prelu": ((ALPHA,), lambda z, a: tf.prelu(z, torch.tensor([a], dtype=z.dtype)), jax.nn.leaky_relu),
    "noisy_relu": ((NOISE,), lambda z, n: torch.relu(z + torch.from_numpy(n)), lambda z, n: jax.nn.relu(z + n)),
    "elu": ((ALPHA,), lambda z, a: tf.elu(z, a), jax.nn.elu),
    "relu6": ((), tf.relu6, jax.nn.relu6),
    "softplus": ((), lambda z: tf.softplus(z, threshold=1e9), jax.nn.softplus),
}
# The kinks where PyTorch takes the same side as we do.
KINKS = {
    **{n: [0.0] for n in ("relu", "absolute_relu", "leaky_relu", "prelu", "elu")},
    "relu6": [0.0, 6.0],
}


def near(got, expected):
    expected = np.asarray(expected)
    np.testing.assert_allclose(got, expected, rtol=1e-14, atol=1e-15 * np.abs(expected).max())


def torch_vjp(f, g, *arrays):
    """Value and products of a PyTorch function."""
    tensors = [torch.from_numpy(np.array(x)).requires_grad_() for x in arrays]
    y = f(*tensors)
    y.backward(torch.from_numpy(np.array(g)))
    return y.detach().numpy(), [t.grad.numpy() for t in tensors]


def jax_vjp(f, g, *arrays):
    y, back = jax.vjp(f, *map(jnp.asarray, arrays))
    return y, back(jnp.asarray(g))


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_elementwise(name):
    more, in_torch, in_jax = ELEMENTWISE[name]
    value, slope = getattr(activations, name)(Z, *more), getattr(activations, f"{name}_grad")(Z, *more)
    for product, f in ((torch_vjp, in_torch), (jax_vjp, in_jax)):
        expected, (derivative,) = product(lambda z, f=f: f(z, *more), np.ones_like(Z), Z)
        near(value, expected)
        near(slope, derivative)


@pytest.mark.parametrize("name", KINKS)
def test_kinks_as_in_pytorch(name):
    more, in_torch, _ = ELEMENTWISE[name]
    z = np.array(KINKS[name])
    _, (derivative,) = torch_vjp(lambda z: in_torch(z, *more), np.ones_like(z), z)
    assert np.array_equal(getattr(activations, f"{name}_grad")(z, *more), derivative)


def test_prelu_product_per_channel():
    z, g, alpha = RNG.normal(size=(6, 4)), RNG.normal(size=(6, 4)), RNG.uniform(size=4)
    for product, f in ((torch_vjp, tf.prelu), (jax_vjp, lambda z, a: jnp.where(z > 0, z, a * z))):
        value, products = product(f, g, z, alpha)
        near(activations.prelu(z, alpha), value)
        for got, expected in zip(activations.prelu_vjp(g, z, alpha), products, strict=True):
            near(got, expected)


ROWS = {
    "softmax": (lambda z: torch.softmax(z, -1), jax.nn.softmax),
    "log_softmax": (lambda z: torch.log_softmax(z, -1), jax.nn.log_softmax),
    "maxout": (lambda z: z.max(-1).values, lambda z: jnp.max(z, -1)),
}


@pytest.mark.parametrize("name", ROWS)
def test_rows(name):
    z = RNG.normal(size=(3, 5, 7)) * 4
    value = getattr(activations, name)(z)
    g = RNG.normal(size=value.shape)
    for product, f in zip((torch_vjp, jax_vjp), ROWS[name], strict=True):
        expected, (dz,) = product(f, g, z)
        near(value, expected)
        near(getattr(activations, f"{name}_vjp")(g, z), dz)


def jax_binary(p, y):
    return -jnp.sum(y * jnp.log(p) + (1 - y) * jnp.log1p(-p))


N, K = 9, 5
SCORES, TARGETS = RNG.normal(size=(N, K)) * 4, RNG.dirichlet(np.ones(K), size=N)
LOSSES = {
    "mean_squared_error": (
        SCORES,
        RNG.normal(size=(N, K)),
        lambda x, y: tf.mse_loss(x, y, reduction="sum"),
        lambda x, y: jnp.sum((x - y) ** 2),
    ),
    "cross_entropy": (
        activations.softmax(SCORES),
        TARGETS,
        lambda p, y: -(y * p.log()).sum(),
        lambda p, y: -jnp.sum(y * jnp.log(p)),
    ),
    "binary_cross_entropy": (
        activations.sigmoid(SCORES),
        TARGETS,
        lambda p, y: tf.binary_cross_entropy(p, y, reduction="sum"),
        jax_binary,
    ),
    "softmax_cross_entropy": (
        SCORES,
        TARGETS,
        lambda z, y: tf.cross_entropy(z, y, reduction="sum"),
        lambda z, y: -jnp.sum(y * jax.nn.log_softmax(z)),
    ),
    "sigmoid_cross_entropy": (
        SCORES,
        TARGETS,
        lambda z, y: tf.binary_cross_entropy_with_logits(z, y, reduction="sum"),
        lambda z, y: jnp.sum(y * jax.nn.softplus(-z) + (1 - y) * jax.nn.softplus(z)),
    ),
}


@pytest.mark.parametrize("name", LOSSES)
def test_losses(name):
    x, y, in_torch, in_jax = LOSSES[name]
    for product, f, array in ((torch_vjp, in_torch, torch.from_numpy), (jax_vjp, in_jax, jnp.asarray)):
        value, (gradient,) = product(lambda x, f=f, array=array: f(x, array(y)) / N, np.array(1.0), x)
        near(getattr(losses, name)(x, y), value)
        near(getattr(losses, f"{name}_grad")(x, y), gradient)


def test_cross_entropy_is_the_default_of_pytorch():
    near(losses.softmax_cross_entropy(SCORES, TARGETS), tf.cross_entropy(torch.from_numpy(SCORES), torch.from_numpy(TARGETS)))


def test_a_thousand_steps_of_adam_as_in_pytorch():
    from dnnbook.optimizers import optimizer

    w, scale = RNG.normal(size=6), np.arange(1.0, 7.0)
    t = torch.from_numpy(w.copy()).requires_grad_()
    theirs, ours = torch.optim.Adam([t], lr=1e-2), optimizer("adam", eta=1e-2)
    state = ours.init(w)
    for _ in range(1000):
        theirs.zero_grad()
        (torch.from_numpy(scale) * t**2).sum().backward()
        theirs.step()
        state = ours.update_(w, 2 * scale * w, state)
    np.testing.assert_allclose(w, t.detach().numpy(), rtol=1e-9, atol=1e-12)
