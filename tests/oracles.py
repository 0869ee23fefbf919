"""What the functions should give, written a second time: plainly, in extended precision, without the tricks of the package."""

import numpy as np
from scipy import differentiate, special

L = np.longdouble


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def leaky(z, alpha):
    return np.where(z > 0, z, alpha * z)


def leaky_grad(z, alpha):
    return np.where(z > 0, 1, alpha + 0 * z)


# name: (value, derivative, kinks)
ELEMENTWISE = {
    "linear": (lambda z: z, lambda z: 1 + 0 * z, ()),
    "sigmoid": (sigmoid, lambda z: np.exp(-z) / (1 + np.exp(-z)) ** 2, ()),
    "tanh": (np.tanh, lambda z: 1 / np.cosh(z) ** 2, ()),
    "relu": (lambda z: np.maximum(z, 0), lambda z: np.heaviside(z, 0), (0,)),
    "absolute_relu": (np.abs, np.sign, (0,)),
    "leaky_relu": (leaky, leaky_grad, (0,)),
    "prelu": (leaky, leaky_grad, (0,)),
    "noisy_relu": (lambda z, noise: np.maximum(z + noise, 0), lambda z, noise: np.heaviside(z + noise, 0), None),
    "elu": (
        lambda z, alpha: np.where(z > 0, z, alpha * np.expm1(np.minimum(z, 0))),
        lambda z, alpha: np.where(z > 0, 1, alpha * np.exp(np.minimum(z, 0))),
        (0,),
    ),
    "relu6": (lambda z: np.clip(z, 0, 6), lambda z: ((z > 0) & (z < 6)) + 0 * z, (0, 6)),
    "softplus": (lambda z: np.logaddexp(0, z), sigmoid, ()),
}

# name: values at -infinity, -1, 0, 1 and infinity; further arguments are DEFAULTS
DEFAULTS = {"leaky_relu": (0.5,), "prelu": (0.5,), "noisy_relu": (0.0,), "elu": (2.0,)}
INF = np.inf
LIMITS = {
    "linear": (-INF, INF),
    "linear_grad": (1, 1),
    "sigmoid": (0, 1),
    "sigmoid_grad": (0, 0),
    "tanh": (-1, 1),
    "tanh_grad": (0, 0),
    "relu": (0, INF),
    "relu_grad": (0, 1),
    "absolute_relu": (INF, INF),
    "absolute_relu_grad": (-1, 1),
    "leaky_relu": (-INF, INF),
    "leaky_relu_grad": (0.5, 1),
    "prelu": (-INF, INF),
    "prelu_grad": (0.5, 1),
    "noisy_relu": (0, INF),
    "noisy_relu_grad": (0, 1),
    "elu": (-2, INF),
    "elu_grad": (0, 1),
    "relu6": (0, 6),
    "relu6_grad": (0, 0),
    "softplus": (0, INF),
    "softplus_grad": (0, 1),
}


def softmax(z):
    return np.asarray(special.softmax(z.astype(L), axis=-1))


def log_softmax(z):
    return z.astype(L) - special.logsumexp(z.astype(L), axis=-1, keepdims=True)


def mean_squared_error(y_hat, y):
    return np.sum((y_hat - y) ** 2) / len(y)


def cross_entropy(p, y):
    return -np.sum(special.xlogy(y, p)) / len(y)


def binary_cross_entropy(p, y):
    return -np.sum(special.xlogy(y, p) + special.xlog1py(1 - y, -p)) / len(y)


def softmax_cross_entropy(z, y):
    return -np.sum(y * log_softmax(z)) / len(y)


def sigmoid_cross_entropy(z, y):
    return np.sum(y * np.logaddexp(0, -z.astype(L)) + (1 - y) * np.logaddexp(0, z.astype(L))) / len(y)


def slope(phi, step=0.1):
    """The derivative of a function of one number at 0."""
    values = np.vectorize(phi, otypes=[float])
    result = differentiate.derivative(values, 0.0, initial_step=step, order=8)
    assert result.success or result.error < 1e-8, result
    return float(result.df)
