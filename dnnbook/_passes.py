"""One training pass through fixed arrays: what the layers do in a training loop, where nothing may be allocated.

Each function here prepares a layer for batches of one size. It makes the arrays of the output y and of its gradient g once,
and gives back two calls without arguments: ``forward`` computes y, and ``backward`` turns g into the gradients of the
parameters and of the input. Matrix products are NumPy's own, into given arrays. What happens between them is fused: every loop
goes through its arrays once and does all there is to do with an element. The numbers are those of the layers' `forward_` and
`backward`; the tests hold them together.
"""

import functools
import math
from collections.abc import Callable
from typing import NamedTuple

import numba
import numpy as np

from dnnbook import batch_norm as normalization
from dnnbook import dropout as masks
from dnnbook._elementary import exp, log1p
from dnnbook._jit import kernel, sums
from dnnbook._memory import empty, empty_like
from dnnbook.activations import _sigmoid, _softplus

_mean, _squares, _normalize = normalization._mean, normalization._squares, normalization._normalize


class Pass(NamedTuple):
    """A layer prepared for batches of one size.

    Attributes
    ----------
    y, g : ndarray, shape (N, M)
        Output, and where the next layer leaves the gradient of the loss with respect to it.
    forward, backward : function
        Calls without arguments; `backward` may change `g`.
    layers : int
        How many layers are in it: 2 if the one that follows is computed along.
    """

    y: np.ndarray
    g: np.ndarray
    forward: Callable
    backward: Callable
    layers: int = 1


class Pointwise(NamedTuple):
    """An elementwise activation as training needs it.

    Attributes
    ----------
    value, slope : function
        The activation and its derivative, made by :func:`dnnbook._jit.elementwise`.
    numbers : tuple
        Their other arguments.
    """

    value: Callable
    slope: Callable
    numbers: tuple

    def loop(self, what, dtype):
        """One of LOOPS with this activation in it, and the numbers to call it with."""
        numbers = typed(self.numbers, dtype)
        return fused(self.value if what == "value" else self.slope, what, len(numbers)), numbers


def typed(numbers, dtype):
    """Numbers of an activation in the dtype of its arrays; integers stay what they are."""
    return [v if isinstance(v, int) else dtype.type(v) for v in numbers]


# ---- loops over the arrays of a batch -----------------------------------------------------------------------------------

LOOPS = {
    "value": """
def {name}(z, b, y{numbers}):
    for n in range(z.shape[0]):
        for j in range(z.shape[1]):
            s = z[n, j] + b[j]
            z[n, j] = s
            y[n, j] = f(s{numbers})
""",
    "slope": """
def {name}(g, z, db{numbers}):
    db[:] = 0
    for n in range(z.shape[0]):
        for j in range(z.shape[1]):
            d = g[n, j] * f(z[n, j]{numbers})
            g[n, j] = d
            db[j] += d
""",
    "product": """
def {name}(g, z, dz{numbers}):
    for n in range(z.shape[0]):
        for j in range(z.shape[1]):
            dz[n, j] = g[n, j] * f(z[n, j]{numbers})
""",
}


@functools.cache
def fused(function, what, count):
    """A loop of LOOPS around the formula of an elementwise function with so many numbers beside its first argument.

    Written out and compiled like :class:`dnnbook._jit.Loops`: only then does Numba keep the machine code on disk.
    """
    body, code = function.kernel.body, function.kernel.body.__code__
    name = f"{body.__name__}_{what}"
    numbers = "".join(f", {n}" for n in code.co_varnames[1 : count + 1])
    text = LOOPS[what].strip().format(name=name, numbers=numbers)
    space = {"f": function.kernel.number, "__name__": body.__module__}
    exec(compile("\n" * (code.co_firstlineno - 1) + text, code.co_filename, "exec"), space)
    return numba.njit(cache=True, error_model="numpy", nogil=True)(space[name])


@kernel
def _add_bias(z, b):
    for n in range(z.shape[0]):
        for j in range(z.shape[1]):
            z[n, j] += b[j]


@kernel
def _sum_rows(g, db):
    db[:] = 0
    for n in range(g.shape[0]):
        for j in range(g.shape[1]):
            db[j] += g[n, j]


@kernel
def _batch_norm(x, gamma, beta, mean, var, eps, momentum, mu, squares, y):
    """Normalize a batch, and let the running mean and variance follow; y, mu and squares are results."""
    mu[:] = _mean(x)
    squares[:] = _squares(x, mu)
    _normalize(x, gamma, beta, eps, mu, squares, y)
    N, kept = x.shape[0], 1 - momentum
    if N > 1:
        for j in range(x.shape[1]):
            mean[j] = kept * mean[j] + momentum * mu[j]
            var[j] = kept * var[j] + momentum * (squares[j] / (N - 1))


# ---- the layers ---------------------------------------------------------------------------------------------------------


def dense(params, grads, x, dx, rng=None, following=None):
    """A dense layer, and the activation that follows it if that is elementwise."""
    (W, b), (dW, db) = params, grads
    z = empty((len(x), W.shape[1]), x.dtype)
    g, product = empty_like(z), np.dot
    activation = following and following.pointwise
    if activation:
        y = empty_like(z)
        value, numbers = activation.loop("value", x.dtype)
        slope, _ = activation.loop("slope", x.dtype)
    else:
        y, numbers = z, ()

        def value(z, b, y):
            _add_bias(z, b)

        def slope(g, z, db):
            _sum_rows(g, db)

    xT, WT = x.T, W.T

    def forward():
        product(x, W, z)
        value(z, b, y, *numbers)

    def backward():
        slope(g, z, db, *numbers)
        product(xT, g, dW)
        if dx is not None:
            product(g, WT, dx)

    return Pass(y, g, forward, backward, 2 if activation else 1)


def pointwise(activation, params, grads, x, dx, rng=None, following=None):
    """An elementwise activation on its own."""
    y, g, value = empty_like(x), empty_like(x), activation.value.kernel
    product, numbers = activation.loop("product", x.dtype)

    def forward():
        value(x, *numbers, out=y)

    def backward():
        if dx is not None:
            product(g, x, dx, *numbers)

    return Pass(y, g, forward, backward)


def dropout(keep, params, grads, x, dx, rng, following=None):
    """Dropout, with a new mask for each batch."""
    y, g, mask, keep_of_x = empty_like(x), empty_like(x), empty_like(x), x.dtype.type(keep)
    product = masks.dropout_vjp.kernel

    def forward():
        masks.dropout_(rng, x, keep, mask, y)

    def backward():
        if dx is not None:
            product(g, mask, keep_of_x, out=dx)

    return Pass(y, g, forward, backward)


def batch_norm(eps, momentum, params, grads, x, dx, rng=None, following=None):
    """Batch normalization in training."""
    (gamma, beta, mean, var), (dgamma, dbeta) = params, grads
    y, g, eps, momentum = empty_like(x), empty_like(x), x.dtype.type(eps), float(x.dtype.type(momentum))
    mu, squares = np.empty((2, x.shape[1]))
    back = dx if dx is not None else empty_like(x)

    def forward():
        _batch_norm(x, gamma, beta, mean, var, eps, momentum, mu, squares, y)

    def backward():
        normalization._normalize_vjp(g, x, gamma, eps, mu, squares, back, dgamma, dbeta)

    return Pass(y, g, forward, backward)


def whatever(layer, params, grads, x, dx, rng, following=None):
    """A layer that cannot be prepared: its own passes, whose results are copied into the fixed arrays."""
    y = np.empty_like(layer.forward(params, np.zeros_like(x))[0], order="C")  # of zeros: nothing stands in x yet
    g, cache = empty_like(y), None

    def forward():
        nonlocal cache
        y[...], cache = layer.forward_(params, x, rng) if layer.forward_ else layer.forward(params, x)

    def backward():
        back, new = layer.backward(params, cache, g, dx is not None)
        for old, a in zip(grads, new, strict=True):
            old[...] = a
        if dx is not None:
            dx[...] = back

    return Pass(y, g, forward, backward)


# ---- the losses: each returns its value, and writes its gradient into d --------------------------------------------------


@sums
def _mean_squared_error(y_hat, y, d):
    N, total = len(y), 0.0
    for n in range(N):
        for k in range(y.shape[1]):
            e = np.float64(y_hat[n, k]) - y[n, k]
            total += e * e
            d[n, k] = 2 * e / N
    return total / N


@kernel
def _cross_entropy(p, y, d):
    N, total = len(p), 0.0
    for n in range(N):
        for k in range(p.shape[1]):
            q, t = np.float64(p[n, k]), np.float64(y[n, k])
            some = t != 0 or q != 0  # 0 log 0 and 0 / 0 count as 0
            total -= t * math.log(q) if some else 0.0
            d[n, k] = -t / q / N if some else 0.0
    return total / N


@kernel
def _binary_cross_entropy(p, y, d):
    N, total = len(p), 0.0
    for n in range(N):
        for k in range(p.shape[1]):
            q, t, slope = np.float64(p[n, k]), np.float64(y[n, k]), 0.0
            if t != 1 or q != 1:
                total -= (1 - t) * math.log1p(-q)
                slope += (1 - t) / (1 - q)
            if t != 0 or q != 0:
                total -= t * math.log(q)
                slope -= t / q
            d[n, k] = slope / N
    return total / N


@kernel
def _sigmoid_cross_entropy(z, y, d):
    N, total = len(z), 0.0
    for n in range(N):
        for k in range(z.shape[1]):
            s, t = np.float64(z[n, k]), np.float64(y[n, k])
            total += t * _softplus(-s) if t != 0 else 0.0
            total += (1 - t) * _softplus(s) if t != 1 else 0.0
            d[n, k] = ((1 - t) * _sigmoid(s) - t * _sigmoid(-s)) / N
    return total / N


@kernel
def _winner(row):
    """The index of the largest value: the first of equals, or the first NaN."""
    top = 0
    for k in range(len(row)):
        if not row[k] <= row[top] and row[top] == row[top]:
            top = k
    return top


@kernel
def _softmax_cross_entropy(z, y, d):
    N, total = len(z), 0.0
    for n in range(N):
        top = _winner(z[n])
        highest, rest, others, cost = z[n, top], 0.0, 0.0, 0.0
        for k in range(z.shape[1]):
            d[n, k] = exp(z[n, k] - highest) if z[n, k] != highest else 1.0
            if k != top:
                rest += d[n, k]
                others += y[n, k]
        if highest != highest:
            rest = np.float64(highest)
        weight = others + y[n, top]
        for k in range(z.shape[1]):
            if y[n, k] != 0 and z[n, k] != highest:
                cost += y[n, k] * (np.float64(highest) - z[n, k])
            p = d[n, k] / (1 + rest)
            if k == top:  # what is left of 1 - p, without a difference of nearly equal numbers
                d[n, k] = (p * others - y[n, k] * (rest / (1 + rest))) / N
            else:
                d[n, k] = (p * weight - y[n, k]) / N
        total += cost + weight * log1p(rest)
    return total / N


LOSSES = {
    "mean_squared_error": _mean_squared_error,
    "cross_entropy": _cross_entropy,
    "binary_cross_entropy": _binary_cross_entropy,
    "sigmoid_cross_entropy": _sigmoid_cross_entropy,
    "softmax_cross_entropy": _softmax_cross_entropy,
}
