"""Layers: what a network is made of.

A layer is three plain functions and a name; it keeps nothing. Its parameters are a tuple of arrays that it gets at every call:
``(W, b)`` for a dense layer, ``()`` for an activation. Sizes are checked here; the arithmetic is that of :mod:`dnnbook.dense`
and :mod:`dnnbook.activations`.
"""

import functools
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from dnnbook import activations, dense, initializers
from dnnbook._check import as_scalar

__all__ = ["Layer", "activation_layer", "dense_layer", "prelu_layer"]

OTHERS = ("noisy_relu", "prelu", "maxout")  # an array beside their input, or another width: layers of their own
ACTIVATIONS = tuple(f for f in activations.__all__ if f not in OTHERS and {f + "_grad", f + "_vjp"} & set(activations.__all__))
STRAIGHT = ("linear", "relu", "absolute_relu", "leaky_relu", "relu6")  # piecewise linear: the second derivative is 0
INITIALIZERS = ("lecun_normal", "lecun_uniform", "glorot_normal", "glorot_uniform", "he_normal", "he_uniform")

_dense, _dense_vjp = dense.dense.kernel, dense.dense_vjp.kernel
_dense_jvp, _dense_vjp_jvp = dense.dense_jvp.kernel, dense.dense_vjp_jvp.kernel
_prelu_vjp = activations.prelu_vjp.kernel


class Layer(NamedTuple):
    """One step of a network. Whatever has these three functions fits into the loops.

    Attributes
    ----------
    name : str
        What errors call it, such as ``dense(784, 30)``.
    init : function
        ``init(rng, dtype) -> params``, a tuple of arrays.
    forward : function
        ``forward(params, x) -> (y, cache)``: from (N, D) to (N, M); `cache` is what `backward` will need.
    backward : function
        ``backward(params, cache, g, input_gradient) -> (dx, grads)``: `g` (N, M) is the gradient of the loss with respect to
        `y`; `dx` (N, D) that with respect to `x`, or None where `input_gradient` is False and it costs work; `grads` one array
        per parameter.
    r_forward, r_backward : function, optional
        Pearlmutter's operator R, that is, how the results of `forward` and `backward` change when everything they take moves
        in given directions: ``r_forward(params, rparams, cache, rx) -> ry`` and ``r_backward(params, rparams, cache, rx, g,
        rg) -> (rdx, rgrads)``. Exact Hessian-vector products need them (:mod:`dnnbook.second_order`).
    """

    name: str
    init: Callable
    forward: Callable
    backward: Callable
    r_forward: Callable | None = None
    r_backward: Callable | None = None


def dense_layer(n_in, n_out, initializer="he_normal"):
    """Weighted sums: ``x @ W + b`` with ``W`` (n_in, n_out) and ``b`` (n_out,), which starts at 0.

    Parameters
    ----------
    n_in, n_out : int
        Width of the input and of the output.
    initializer : str or function
        Name of a sampler in :mod:`dnnbook.initializers`, or ``initializer(rng, shape, dtype) -> array``.

    Returns
    -------
    Layer

    Raises
    ------
    ValueError
        A width is less than 1, or there is no initializer of this name.

    Examples
    --------
    >>> layer = dense_layer(3, 2, "glorot_uniform")
    >>> W, b = layer.init(np.random.default_rng(0), np.float32)
    >>> layer.name, W.shape, b.shape
    ('dense(3, 2)', (3, 2), (2,))
    """
    for name, size in (("n_in", n_in), ("n_out", n_out)):
        if not isinstance(size, int | np.integer) or size < 1:
            raise ValueError(f"dense_layer: {name} is {size!r}, expected an integer of at least 1")
    name = f"dense({n_in}, {n_out})"
    sample = _sampler(initializer)

    def init(rng, dtype=np.float32):
        W = np.ascontiguousarray(sample(rng, (n_in, n_out), dtype), dtype)
        _expect(name, "initial W", W, (n_in, n_out))
        return W, np.zeros(n_out, dtype)

    def forward(params, x):
        W, b = params
        _expect(name, "W", W, (n_in, n_out))
        _expect(name, "x", x, (len(x), n_in))
        return _dense(x, W, b), x

    def backward(params, x, g, input_gradient=True):
        _expect(name, "g", g, (len(x), n_out))
        if not input_gradient:
            return None, (x.T @ g, g.sum(axis=0))  # what dense_vjp computes, less the first of three
        dx, dW, db = _dense_vjp(g, x, params[0])
        return dx, (dW, db)

    def r_forward(params, rparams, x, rx):
        return _dense_jvp(rx, *rparams, x, params[0])

    def r_backward(params, rparams, x, rx, g, rg):
        rdx, *rgrads = _dense_vjp_jvp(rg, rx, rparams[0], g, x, params[0])
        return rdx, tuple(rgrads)

    return Layer(name, init, forward, backward, r_forward, r_backward)


def activation_layer(name, **parameters):
    """An activation function as a layer, without trained parameters.

    Every function of :mod:`dnnbook.activations` fits that has a derivative ``_grad`` or a vector-Jacobian product ``_vjp`` and
    needs nothing but numbers beside its input. The trained slope of PReLU is in :func:`prelu_layer`.

    Parameters
    ----------
    name : str
        Name of the function.
    **parameters
        Its numbers, such as ``alpha=0.1``; what is left out takes the function's default.

    Returns
    -------
    Layer

    Raises
    ------
    ValueError
        There is no such activation, or a number is outside its range.
    TypeError
        The activation has no such parameter.

    Examples
    --------
    >>> layer = activation_layer("leaky_relu", alpha=0.1)
    >>> layer.name
    'leaky_relu(alpha=0.1)'
    >>> layer.forward((), np.array([[-1.0, 2.0]]))[0]
    array([[-0.1,  2. ]])
    """
    if name not in ACTIVATIONS:
        raise ValueError(f"activation_layer: name is {name!r}, expected one of {', '.join(map(repr, ACTIVATIONS))}")
    function = getattr(activations, name)
    numbers = _numbers(function, parameters)
    derivative, second, product = (getattr(activations, name + ending, None) for ending in ("_grad", "_grad2", "_vjp"))
    label = f"{name}({', '.join(f'{k}={v}' for k, v in parameters.items())})" if parameters else name

    @functools.cache
    def ready(dtype):
        """Have the functions compiled for this dtype; their numbers in it."""
        typed = [v if isinstance(v, int) else dtype.type(v) for v in numbers]
        for f in (function, derivative):
            if f is not None and f.contract.is_elementwise:
                f(np.zeros(1, dtype), *typed)
        return typed

    def init(rng, dtype=np.float32):
        return ()

    def forward(params, z):
        return function.kernel(z, *ready(z.dtype)), z

    def backward(params, z, g, input_gradient=True):
        _expect(label, "g", g, z.shape)
        if derivative is None:
            return product.kernel(g, z, *ready(z.dtype)), ()
        dz = derivative.kernel(z, *ready(z.dtype))
        dz *= g
        return dz, ()

    def r_forward(params, rparams, z, rz):
        return derivative.kernel(z, *ready(z.dtype)) * rz

    def r_backward(params, rparams, z, rz, g, rg):
        rdz = derivative.kernel(z, *ready(z.dtype)) * rg
        if second is not None:
            rdz += second(z, *numbers) * rz * g
        return rdz, ()

    has_second = derivative is not None and (second is not None or name in STRAIGHT)
    return Layer(label, init, forward, backward, *((r_forward, r_backward) if has_second else ()))


def prelu_layer(width, alpha=0.25):
    """PReLU with one trained slope per unit.

    Parameters
    ----------
    width : int
        Number of units, C.
    alpha : float
        Slope of the negative side at the start; the paper's default.

    Returns
    -------
    Layer
        With the parameters ``(alpha,)`` of shape (C,).

    Examples
    --------
    >>> layer = prelu_layer(2)
    >>> layer.init(None, np.float64)
    (array([0.25, 0.25]),)
    """
    name = f"prelu({width})"

    def init(rng, dtype=np.float32):
        return (np.full(width, alpha, dtype),)

    def forward(params, z):
        _expect(name, "z", z, (len(z), width))
        return activations.prelu(z, *params), z

    def backward(params, z, g, input_gradient=True):
        _expect(name, "g", g, z.shape)
        dz, dalpha = _prelu_vjp(g, z, *params)
        return dz, (dalpha,)

    return Layer(name, init, forward, backward)


def _sampler(initializer):
    if callable(initializer):
        return initializer
    if initializer not in INITIALIZERS:
        names = ", ".join(map(repr, INITIALIZERS))
        raise ValueError(f"dense_layer: initializer is {initializer!r}, expected a function or one of {names}")
    return getattr(initializers, initializer)


def _numbers(function, parameters):
    """The numbers of an activation, defaults filled in, each inside its range."""
    _, *arguments = function.contract.arguments
    _, *values = function.contract.given((None,), parameters)
    return [as_scalar(function.__name__, a, v, a.kind == "int") for a, v in zip(arguments, values, strict=True)]


def _expect(where, name, array, shape):
    if array.shape != shape:
        raise ValueError(f"{where}: {name} has shape {array.shape}, expected {shape}")
