"""The same work in JAX, compiled: one function per operation, one scan over the batches of an epoch, optimizers of optax."""

import jax
import jax.numpy as jnp
import numpy as np
import optax

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
    "noisy_relu": lambda z, noise: jax.nn.relu(z + noise),
    "prelu": lambda z, alpha: jnp.where(z > 0, z, alpha * z),
    "softmax": jax.nn.softmax,
    "log_softmax": jax.nn.log_softmax,
    "maxout": lambda z: z.max(axis=-1),
}
OPTIMIZERS = {
    "sgd": lambda: optax.sgd(0.01),
    "momentum": lambda: optax.sgd(0.01, momentum=0.9),
    "nesterov_at_w": lambda: optax.sgd(0.01, momentum=0.9, nesterov=True),
    "adagrad": lambda: optax.adagrad(0.01, initial_accumulator_value=0.0, eps=1e-10),
    "rmsprop": lambda: optax.rmsprop(0.001, decay=0.9, eps=1e-8, eps_in_sqrt=False),
    "adadelta": lambda: optax.adadelta(1.0, rho=0.95, eps=1e-6),
    "adam": lambda: optax.adam(0.001),
    "adamw": lambda: optax.adamw(0.001, weight_decay=0.01),
}


def version():
    return f"JAX {jax.__version__}, optax {optax.__version__}"


def waiting(f, *arrays, **options):
    """A run of a compiled function on these arrays. JAX answers before it has computed: wait for it."""
    f, arrays = jax.jit(f, **options), [jnp.asarray(a) for a in arrays]
    return lambda: jax.block_until_ready(f(*arrays))


def backward(f, take=None):
    """The vector-Jacobian product of f, with respect to all its arguments or one of them."""
    return lambda g, *args: jax.vjp(f, *args)[1](g)[take if take is not None else slice(None)]


def activation(name, g, z, *beside):
    """{function: run}; derivatives of one number are asked for with g = 1."""
    f = ACTIVATIONS[name]
    runs = {name: waiting(f, z, *beside), name + "_vjp": waiting(backward(f), g, z, *beside)}
    if z.shape == g.shape:
        runs[name + "_grad"] = waiting(lambda z, *beside: backward(f, 0)(jnp.ones_like(z), z, *beside), z, *beside)
    return runs


def loss(z, y):
    return -jnp.mean(jnp.sum(y * jax.nn.log_softmax(z), axis=-1))


def softmax_cross_entropy(z, y):
    return {"softmax_cross_entropy": waiting(loss, z, y), "softmax_cross_entropy_grad": waiting(jax.grad(loss), z, y)}


def normalize(x, gamma, beta, mu, var, eps=1e-5):
    return gamma * (x - mu) * jax.lax.rsqrt(var + eps) + beta


def by_batch(x, gamma, beta):
    return normalize(x, gamma, beta, x.mean(axis=0), x.var(axis=0))


def batch_norm(x, g, gamma, beta):
    return {
        "batch_norm": waiting(by_batch, x, gamma, beta),
        "batch_norm_vjp": waiting(backward(by_batch), g, x, gamma, beta),
    }


def dropout(x, mask, keep):
    return waiting(lambda x, m: m / keep * x, x, mask)


def step(name, w, g):
    """One compiled step; it may write into the memory that it is given."""
    if name not in OPTIMIZERS:
        return None
    optimizer = OPTIMIZERS[name]()

    def update(w, state, g):
        change, state = optimizer.update(g, state, w)
        return optax.apply_updates(w, change), state

    f = jax.jit(update, donate_argnums=(0, 1))
    g, w = jnp.asarray(g), jnp.array(w)
    state = jax.tree.map(jnp.array, optimizer.init(w))

    def run():
        nonlocal w, state
        w, state = jax.block_until_ready(f(w, state, g))
        return w

    return run


def network(net, params, x, labels):
    """{what: run} for a network; dropout draws its masks inside, batch norm keeps its running statistics."""
    function, depth = ACTIVATIONS[net.activation], len(net.sizes) - 1
    start = [tuple(map(jnp.asarray, p[:2])) for p in params if p]  # W, b and gamma, beta in turn
    running = [tuple(map(jnp.asarray, p[2:])) for p in params if len(p) == 4]  # mean and variance
    x, y = jnp.asarray(x), jnp.asarray(np.eye(net.sizes[-1], dtype=np.float32)[labels])

    def predict(weights, running, x):
        weights, running = iter(weights), iter(running)
        for i in range(depth):
            W, b = next(weights)
            x = x @ W + b
            if i < depth - 1:
                x = function(normalize(x, *next(weights), *next(running)) if net.batch_norm else x)
        return x

    def training_loss(weights, running, x, y, key):
        weights, running, moved = iter(weights), iter(running), []
        for i in range(depth):
            W, b = next(weights)
            x = x @ W + b
            if i < depth - 1:
                if net.batch_norm:
                    mu, var, n = x.mean(axis=0), x.var(axis=0), len(x)
                    mean, spread = next(running)
                    moved.append((0.9 * mean + 0.1 * mu, 0.9 * spread + 0.1 * var * n / (n - 1)))
                    x = normalize(x, *next(weights), mu, var)
                x = function(x)
                if net.dropout:
                    keep = jax.random.bernoulli(jax.random.fold_in(key, i), 1 - net.dropout, x.shape)
                    x = jnp.where(keep, x / (1 - net.dropout), 0)
        return loss(x, y), moved

    slope = jax.value_and_grad(training_loss, has_aux=True)
    adam = OPTIMIZERS["adam"]()

    def one(carry, rows):
        weights, running, state, key = carry
        key, now = jax.random.split(key)
        (E, running), grads = slope(weights, running, x[rows], y[rows], now)
        change, state = adam.update(grads, state)
        return (optax.apply_updates(weights, change), running, state, key), E

    def whole(weights, running, order):
        carry = weights, running, adam.init(weights), jax.random.key(0)
        full = len(order) // net.batch * net.batch
        carry, E = jax.lax.scan(one, carry, order[:full].reshape(-1, net.batch))
        E = E.sum() * net.batch
        if full < len(order):
            carry, last = one(carry, order[full:])
            E += last * (len(order) - full)
        return E / len(order), carry

    forward, gradients, epoch = jax.jit(predict), jax.jit(slope), jax.jit(whole)
    xb, yb, key = x[: net.batch], y[: net.batch], jax.random.key(0)

    def train():
        order = np.random.default_rng(0).permutation(len(x))
        return float(jax.block_until_ready(epoch(start, running, order))[0])

    return {
        "forward": lambda: jax.block_until_ready(forward(start, running, xb)),
        "forward and backward": lambda: float(jax.block_until_ready(gradients(start, running, xb, yb, key))[0][0]),
        "training epoch": train,
    }
