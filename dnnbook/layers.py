"""Layers: what a network is made of.

A layer is three plain functions and a name; it keeps nothing. Its parameters are a tuple of arrays that it gets at every call:
``(W, b)`` for a dense layer, ``()`` for an activation. Sizes are checked here; the arithmetic is that of :mod:`dnnbook.dense`,
:mod:`dnnbook.activations`, :mod:`dnnbook.dropout` and :mod:`dnnbook.batch_norm`.

Dropout and batch normalization do one thing in training and another in prediction: they have a second forward pass, `forward_`.
"""

import functools
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from dnnbook import _passes, activations, batch_norm, dense, dropout, initializers
from dnnbook._check import as_scalar

__all__ = ["Layer", "activation_layer", "batch_norm_layer", "dense_layer", "dropout_layer", "maxout_layer", "prelu_layer"]

OTHERS = ("noisy_relu", "prelu", "maxout")  # an array beside their input, or another width: layers of their own
ACTIVATIONS = tuple(f for f in activations.__all__ if f not in OTHERS and {f + "_grad", f + "_vjp"} & set(activations.__all__))
STRAIGHT = ("linear", "relu", "absolute_relu", "leaky_relu", "relu6")  # piecewise linear: the second derivative is 0
INITIALIZERS = ("lecun_normal", "lecun_uniform", "glorot_normal", "glorot_uniform", "he_normal", "he_uniform")

_dense, _dense_vjp = dense.dense.kernel, dense.dense_vjp.kernel
_dense_jvp, _dense_vjp_jvp = dense.dense_jvp.kernel, dense.dense_vjp_jvp.kernel
_maxout, _maxout_vjp, _prelu_vjp = (getattr(activations, f).kernel for f in ("maxout", "maxout_vjp", "prelu_vjp"))
_normalize, _normalize_vjp = batch_norm.batch_norm.kernel, batch_norm.batch_norm_vjp.kernel
_predict, _predict_vjp = batch_norm.batch_norm_inference.kernel, batch_norm.batch_norm_inference_vjp.kernel
_running = batch_norm.running_statistics.kernel


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
    forward_ : function, optional
        ``forward_(params, x, rng) -> (y, cache)``: the forward pass of a training step, where it is not `forward`. It may draw
        from `rng`, and changes in place the arrays of `params` that are not trained.
    untrained : int
        How many arrays at the end of `params` are not trained, such as running means: `grads` has none for them.
    prepare : function, optional
        ``prepare(params, grads, x, dx, rng, following) -> Pass``: the passes of a training step through fixed arrays, for a
        loop that allocates nothing (:mod:`dnnbook._passes`). `following` is the next layer, or None. A loop goes without it,
        slower.
    pointwise : Pointwise, optional
        Of an elementwise activation: its functions, for a layer that computes it along.
    """

    name: str
    init: Callable
    forward: Callable
    backward: Callable
    r_forward: Callable | None = None
    r_backward: Callable | None = None
    forward_: Callable | None = None
    untrained: int = 0
    prepare: Callable | None = None
    pointwise: _passes.Pointwise | None = None


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
    _hold_sizes("dense_layer", n_in=n_in, n_out=n_out)
    name = f"dense({n_in}, {n_out})"
    sample = _sampler("dense_layer", initializer)

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

    return Layer(name, init, forward, backward, r_forward, r_backward, prepare=_passes.dense)


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

    def init(rng, dtype=np.float32):
        return ()

    def forward(params, z):
        return function.kernel(z, *_passes.typed(numbers, z.dtype)), z

    def backward(params, z, g, input_gradient=True):
        _expect(label, "g", g, z.shape)
        if derivative is None:
            return product.kernel(g, z, *_passes.typed(numbers, z.dtype)), ()
        dz = derivative.kernel(z, *_passes.typed(numbers, z.dtype))
        dz *= g
        return dz, ()

    def r_forward(params, rparams, z, rz):
        return derivative.kernel(z, *_passes.typed(numbers, z.dtype)) * rz

    def r_backward(params, rparams, z, rz, g, rg):
        rdz = derivative.kernel(z, *_passes.typed(numbers, z.dtype)) * rg
        if second is not None:
            rdz += second(z, *numbers) * rz * g
        return rdz, ()

    has_second = derivative is not None and (second is not None or name in STRAIGHT)
    both = (r_forward, r_backward) if has_second else (None, None)
    pointwise = _passes.Pointwise(function, derivative, tuple(numbers)) if derivative is not None else None
    prepare = functools.partial(_passes.pointwise, pointwise) if pointwise else None
    return Layer(label, init, forward, backward, *both, prepare=prepare, pointwise=pointwise)


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


def maxout_layer(n_in, n_out, pieces=2, initializer="lecun_normal"):
    """Maxout units: each is the largest of several linear units of its own.

    Parameters
    ----------
    n_in, n_out : int
        Width of the input and of the output.
    pieces : int
        Linear units per maxout unit, k.
    initializer : str or function
        As in :func:`dense_layer`, for a matrix of shape (n_in, n_out k). With two pieces the default keeps the mean square of
        the signal: the larger of two such numbers has the same mean square as each.

    Returns
    -------
    Layer
        With the parameters ``(W, b)`` of shapes (n_in, n_out k) and (n_out k,); the k pieces of a unit lie side by side.

    Raises
    ------
    ValueError
        A size is less than 1, or there is no initializer of this name.

    Examples
    --------
    >>> layer = maxout_layer(1, 1, pieces=2)
    >>> absolute = np.array([[1.0, -1.0]]), np.zeros(2)
    >>> layer.forward(absolute, np.array([[-3.0], [2.0]]))[0]
    array([[3.],
           [2.]])
    """
    _hold_sizes("maxout_layer", n_in=n_in, n_out=n_out, pieces=pieces)
    linear = dense_layer(n_in, n_out * pieces, _sampler("maxout_layer", initializer))
    name = f"maxout({n_in}, {n_out}, {pieces})"

    def forward(params, x):
        z, _ = linear.forward(params, x)
        z = z.reshape(-1, pieces)
        return _maxout(z).reshape(len(x), n_out), (x, z)

    def backward(params, cache, g, input_gradient=True):
        x, z = cache
        _expect(name, "g", g, (len(x), n_out))
        return linear.backward(params, x, _maxout_vjp(g.reshape(-1), z).reshape(len(x), -1), input_gradient)

    return Layer(name, linear.init, forward, backward)


def dropout_layer(keep):
    """Dropout: in training, each activation stays with a given probability; in prediction all stay.

    Parameters
    ----------
    keep : float, in (0, 1]
        Probability to stay.

    Returns
    -------
    Layer
        Without parameters.

    Raises
    ------
    ValueError
        `keep` is out of range.

    Examples
    --------
    >>> layer, x = dropout_layer(0.5), np.ones((1, 4))
    >>> layer.forward((), x)[0]
    array([[1., 1., 1., 1.]])
    >>> layer.forward_((), x, np.random.default_rng(5))[0]
    array([[0., 0., 2., 2.]])
    """
    keep = as_scalar("dropout_layer", dropout.KEEP, keep)

    def init(rng, dtype=np.float32):
        return ()

    def forward(params, x):
        return x, None

    def forward_(params, x, rng):
        mask, y = np.empty_like(x), np.empty_like(x)
        dropout.dropout_(rng, x, keep, mask, y)
        return y, mask

    def backward(params, mask, g, input_gradient=True):
        return (g if mask is None else dropout.dropout_vjp(g, mask, keep)), ()

    prepare = functools.partial(_passes.dropout, keep)
    return Layer(f"dropout({keep})", init, forward, backward, forward_=forward_, prepare=prepare)


def batch_norm_layer(width, eps=1e-5, momentum=0.1):
    """Batch normalization of every unit.

    Parameters
    ----------
    width : int
        Number of units, D.
    eps : float, in (0, inf)
        Guard against division by 0.
    momentum : float, in [0, 1]
        Share of each new batch in the running statistics. They stay as they are for a batch of one example.

    Returns
    -------
    Layer
        With the parameters ``(gamma, beta, mean, var)`` of shape (D,): the trained scale and shift, and the running mean and
        variance, which are not trained.

    Raises
    ------
    ValueError
        `width` is less than 1, or a number is out of range.

    Examples
    --------
    >>> layer = batch_norm_layer(1, momentum=0.5)
    >>> params = layer.init(None, np.float64)
    >>> layer.forward_(params, np.array([[3.0], [5.0]]), None)[0].round(3)
    array([[-1.],
           [ 1.]])
    >>> params[2:]
    (array([2.]), array([1.5]))
    """
    _hold_sizes("batch_norm_layer", width=width)
    name = f"batch_norm({width})"
    of_eps, of_momentum = batch_norm.batch_norm.contract.arguments[3], batch_norm.running_statistics.contract.arguments[3]
    eps, momentum = as_scalar("batch_norm_layer", of_eps, eps), as_scalar("batch_norm_layer", of_momentum, momentum)

    def init(rng, dtype=np.float32):
        return np.ones(width, dtype), np.zeros(width, dtype), np.zeros(width, dtype), np.ones(width, dtype)

    def forward(params, x):
        _expect(name, "x", x, (len(x), width))
        return _predict(x, *params, x.dtype.type(eps)), (x, False)

    def forward_(params, x, rng):
        _expect(name, "x", x, (len(x), width))
        gamma, beta, mean, var = params
        if len(x) > 1:
            mean[:], var[:] = _running(mean, var, x, x.dtype.type(momentum))
        return _normalize(x, gamma, beta, x.dtype.type(eps)), (x, True)

    def backward(params, cache, g, input_gradient=True):
        (gamma, _, mean, var), (x, training) = params, cache
        _expect(name, "g", g, x.shape)
        eps_of_x = x.dtype.type(eps)
        back = _normalize_vjp(g, x, gamma, eps_of_x) if training else _predict_vjp(g, x, gamma, mean, var, eps_of_x)
        return back[0], back[1:]

    prepare = functools.partial(_passes.batch_norm, eps, momentum)
    return Layer(name, init, forward, backward, forward_=forward_, untrained=2, prepare=prepare)


def _hold_sizes(where, **sizes):
    for name, size in sizes.items():
        if not isinstance(size, int | np.integer) or size < 1:
            raise ValueError(f"{where}: {name} is {size!r}, expected an integer of at least 1")


def _sampler(where, initializer):
    if callable(initializer):
        return initializer
    if initializer not in INITIALIZERS:
        names = ", ".join(map(repr, INITIALIZERS))
        raise ValueError(f"{where}: initializer is {initializer!r}, expected a function or one of {names}")
    return getattr(initializers, initializer)


def _numbers(function, parameters):
    """The numbers of an activation, defaults filled in, each inside its range."""
    _, *arguments = function.contract.arguments
    _, *values = function.contract.given((None,), parameters)
    return [as_scalar(function.__name__, a, v, a.kind == "int") for a, v in zip(arguments, values, strict=True)]


def _expect(where, name, array, shape):
    if array.shape != shape:
        raise ValueError(f"{where}: {name} has shape {array.shape}, expected {shape}")
