"""The same work in JAX, compiled: one function per operation, one scan over the batches of an epoch."""

import jax
import jax.numpy as jnp
import numpy as np

NAME = "jax"
ACTIVATIONS = {
    "linear": lambda z: z + 0,
    "sigmoid": jax.nn.sigmoid,
    "tanh": jnp.tanh,
    "relu": jax.nn.relu,
    "absolute_relu": jnp.abs,
    "leaky_relu": jax.nn.leaky_relu,
    "elu": jax.nn.elu,
    "relu6": jax.nn.relu6,
    "softplus": jax.nn.softplus,
}
BETA1, BETA2, EPS = 0.9, 0.999, 1e-8


def version():
    return f"JAX {jax.__version__}"


def wait(f):
    """JAX answers before it has computed: wait for it."""
    return lambda *args: jax.block_until_ready(f(*args))


def activation(name, z):
    f = ACTIVATIONS[name]
    forward, derivative = jax.jit(f), jax.jit(lambda z: jax.vjp(f, z)[1](jnp.ones_like(z))[0])
    z = jnp.asarray(z)
    return lambda: wait(forward)(z), lambda: wait(derivative)(z)


def loss(z, y):
    return -jnp.mean(jnp.sum(y * jax.nn.log_softmax(z), axis=-1))


def softmax_cross_entropy(z, y):
    z, y = jnp.asarray(z), jnp.asarray(y)
    value, gradient = wait(jax.jit(loss)), wait(jax.jit(jax.grad(loss)))
    return lambda: value(z, y), lambda: gradient(z, y)


def normalize(x, gamma, beta, eps=1e-5):
    mu = x.mean(axis=0)
    return gamma * (x - mu) * jax.lax.rsqrt(((x - mu) ** 2).mean(axis=0) + eps) + beta


def batch_norm(x, g, gamma, beta):
    x, g, gamma, beta = map(jnp.asarray, (x, g, gamma, beta))
    forward = wait(jax.jit(normalize))
    backward = wait(jax.jit(lambda g, *a: jax.vjp(normalize, *a)[1](g)))
    return lambda: forward(x, gamma, beta), lambda: backward(g, x, gamma, beta)


def dropout(x, mask, keep):
    f = wait(jax.jit(lambda x, m: m / keep * x))
    x, mask = jnp.asarray(x), jnp.asarray(mask)
    return lambda: f(x, mask)


def adam(w, g, m, v, t):
    m, v = BETA1 * m + (1 - BETA1) * g, BETA2 * v + (1 - BETA2) * g * g
    return w - 1e-3 * (m / (1 - BETA1**t)) / (jnp.sqrt(v / (1 - BETA2**t)) + EPS), m, v


def step(name, w, g):
    """One step by hand for the optimizers that training uses most; memory is given back to it."""
    rules = {
        "sgd": (0, lambda t, w, g: (w - 0.01 * g,)),
        "momentum": (1, lambda t, w, g, v: (w + 0.9 * v - 0.01 * g, 0.9 * v - 0.01 * g)),
        "adam": (2, lambda t, w, g, m, v: adam(w, g, m, v, t)),
    }
    if name not in rules:
        return None
    count, rule = rules[name]
    f = jax.jit(rule, donate_argnums=(1, *range(3, 3 + count)))
    g, state, t = jnp.asarray(g), [jnp.asarray(w)] + [jnp.zeros_like(jnp.asarray(g)) for _ in range(count)], [0]

    def run():
        t[0] += 1
        state[:] = jax.block_until_ready(f(jnp.float32(t[0]), state[0], g, *state[1:]))

    return run


def network(net, params, x, labels):
    """{what: run} for a network; dropout draws its masks inside."""
    function = ACTIVATIONS[net.activation]
    start = [tuple(map(jnp.asarray, p[:2])) for p in params if p]  # W, b and gamma, beta
    x, y = jnp.asarray(x), jnp.asarray(np.eye(net.sizes[-1], dtype=np.float32)[labels])

    def model(weights, x, key=None):
        weights = list(weights)
        for i in range(len(net.sizes) - 1):
            W, b = weights.pop(0)
            x = x @ W + b
            if i < len(net.sizes) - 2:
                x = normalize(x, *weights.pop(0)) if net.batch_norm else x
                x = function(x)
                if net.dropout and key is not None:
                    key, one = jax.random.split(key)
                    x = x * jax.random.bernoulli(one, 1 - net.dropout, x.shape) / (1 - net.dropout)
        return x

    slope = jax.value_and_grad(lambda weights, x, y, key: loss(model(weights, x, key), y))

    def one(carry, rows):
        weights, m, v, t, key = carry
        key, now = jax.random.split(key)
        E, grads = slope(weights, x[rows], y[rows], now)
        leaves = (jax.tree.leaves(tree) for tree in (weights, grads, m, v))
        moved = zip(*[adam(*a, t) for a in zip(*leaves, strict=True)], strict=True)
        weights, m, v = (jax.tree.unflatten(jax.tree.structure(weights), new) for new in moved)
        return (weights, m, v, t + 1, key), E

    def whole(weights, order):
        zeros = jax.tree.map(jnp.zeros_like, weights)
        carry = weights, zeros, zeros, jnp.float32(1), jax.random.key(0)
        full = len(order) // net.batch * net.batch
        carry, E = jax.lax.scan(one, carry, order[:full].reshape(-1, net.batch))
        if full < len(order):
            carry, _ = one(carry, order[full:])
        return carry[0], E

    predict, gradients, epoch = wait(jax.jit(model)), wait(jax.jit(slope)), wait(jax.jit(whole))
    xb, yb, key = x[: net.batch], y[: net.batch], jax.random.key(0)

    return {
        "forward": lambda: predict(start, xb),
        "forward and backward": lambda: gradients(start, xb, yb, key),
        "training epoch": lambda: epoch(start, jnp.asarray(np.random.default_rng(0).permutation(len(x)))),
    }
