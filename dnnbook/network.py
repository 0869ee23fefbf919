"""Networks: a tuple of layers, and two loops over it.

A layer (:mod:`dnnbook.layers`) is three plain functions and keeps nothing. The parameters of a network are a tuple with one
entry per layer, itself a tuple of arrays: ``(W, b)`` for a dense layer, ``()`` for an activation. The loops below say
everything about how a network computes; all of it happens in the dtype of the parameters.
"""

import functools
from itertools import pairwise

import numpy as np

from dnnbook import losses
from dnnbook._check import FLOATS, as_float
from dnnbook.datasets import one_hot
from dnnbook.layers import (
    Layer,
    activation_layer,
    batch_norm_layer,
    dense_layer,
    dropout_layer,
    maxout_layer,
    prelu_layer,
)

__all__ = [
    "Layer",
    "activation_layer",
    "backward",
    "batch_norm_layer",
    "dense_layer",
    "dropout_layer",
    "forward",
    "forward_",
    "init",
    "loss_and_gradients",
    "loss_and_gradients_",
    "maxout_layer",
    "mlp",
    "predict",
    "prelu_layer",
    "targets",
    "trained",
]

RELU_FAMILY = ("relu", "absolute_relu", "leaky_relu", "elu", "relu6", "prelu", "softplus")
quiet = np.errstate(all="ignore")  # NaN and infinities go through silently, as in the functions themselves
LOSSES = tuple(f for f in losses.__all__ if f + "_grad" in losses.__all__)


def mlp(sizes, activation="relu", initializer=None, *, batch_norm=False, dropout=0.0, pieces=2):
    """Multilayer perceptron: dense layers with an activation between them; the last one is linear, its outputs are logits.

    A hidden layer is: dense, batch normalization if asked for, activation, dropout if asked for.

    Parameters
    ----------
    sizes : sequence of int
        Widths of the input, of each hidden layer and of the output.
    activation : str, Layer or function
        Name of an activation; or a layer, such as ``activation_layer("elu", alpha=0.5)``; or a function that makes a layer for
        a given width, such as :func:`prelu_layer`; or ``"maxout"``.
    initializer : str or function, optional
        As in :func:`dense_layer`. Left out, it is ``"he_normal"`` for the ReLU family, ``"lecun_normal"`` for the linear units
        of maxout and ``"glorot_normal"`` for others.
    batch_norm : bool
        Normalize the pre-activations of every hidden layer; not with maxout.
    dropout : float, in [0, 1)
        Share of the hidden activations left out in training.
    pieces : int
        Linear units per maxout unit.

    Returns
    -------
    tuple of Layer

    Raises
    ------
    ValueError
        Fewer than two sizes, a size less than 1, an unknown activation or initializer, a share out of range, or batch
        normalization with maxout.

    Examples
    --------
    >>> [layer.name for layer in mlp([784, 30, 10], "tanh")]
    ['dense(784, 30)', 'tanh', 'dense(30, 10)']
    >>> [layer.name for layer in mlp([784, 30, 10], batch_norm=True, dropout=0.5)]
    ['dense(784, 30)', 'batch_norm(30)', 'relu', 'dropout(0.5)', 'dense(30, 10)']
    """
    sizes = list(sizes)
    if len(sizes) < 2:
        raise ValueError(f"mlp: sizes is {sizes}, expected at least two: input and output")
    if activation == "maxout" and batch_norm:
        raise ValueError("mlp: batch_norm is True, expected False with maxout, whose linear units are inside its layers")
    if not 0 <= dropout < 1:
        raise ValueError(f"mlp: dropout is {dropout!r}, expected a number in [0, 1)")
    is_maxout, layers = activation == "maxout", []
    initializer = initializer or ("lecun_normal" if is_maxout else _family(_step(activation, sizes[1])))
    for n_in, n_out in pairwise(sizes[:-1]):
        if is_maxout:
            layers.append(maxout_layer(n_in, n_out, pieces, initializer))
        else:
            normalize = [batch_norm_layer(n_out)] if batch_norm else []
            layers += [dense_layer(n_in, n_out, initializer), *normalize, _step(activation, n_out)]
        if dropout > 0:
            layers.append(dropout_layer(1 - dropout))
    return (*layers, dense_layer(*sizes[-2:], initializer))


def init(layers, rng, dtype=np.float32):
    """Draw the first parameters of every layer.

    Parameters
    ----------
    layers : sequence of Layer
        The network.
    rng : numpy.random.Generator
        Source of the numbers: the same seed gives the same parameters.
    dtype : dtype
        float32 or float64; the whole network will compute in it.

    Returns
    -------
    tuple of tuples of ndarray
        One entry per layer.

    Raises
    ------
    TypeError
        `rng` is not a generator.
    ValueError
        Another dtype.

    Examples
    --------
    >>> params = init(mlp([3, 4, 2]), np.random.default_rng(0))
    >>> [[a.shape for a in p] for p in params]
    [[(3, 4), (4,)], [], [(4, 2), (2,)]]
    """
    if not isinstance(rng, np.random.Generator):
        raise TypeError(f"init: rng is {rng!r}, expected a numpy.random.Generator such as numpy.random.default_rng(0)")
    if np.dtype(dtype) not in FLOATS:
        raise ValueError(f"init: dtype is {np.dtype(dtype)}, expected float32 or float64")
    return tuple(layer.init(rng, dtype) for layer in layers)


@quiet
def forward(layers, params, x):
    """Forward pass: the output of the last layer, and what each layer keeps for the backward pass.

    Parameters
    ----------
    layers : sequence of Layer
        The network.
    params : sequence of tuples of ndarray
        One entry per layer.
    x : array_like, shape (N, D)
        Examples, one per row.

    Returns
    -------
    z : ndarray, shape (N, K)
        Outputs, in the dtype of the parameters.
    caches : tuple
        One entry per layer.

    Raises
    ------
    ValueError
        `x` is not a table, its width does not fit a layer, or `params` are those of another network.

    Examples
    --------
    >>> layers = mlp([2, 2, 1])
    >>> params = ((np.eye(2), np.zeros(2)), (), (np.ones((2, 1)), np.zeros(1)))
    >>> forward(layers, params, [[3.0, -4.0]])[0]
    array([[3.]])
    """
    x = _start("forward", layers, params, x)
    caches = []
    for layer, p in zip(layers, params, strict=True):
        x, cache = layer.forward(p, x)
        caches.append(cache)
    return x, tuple(caches)


@quiet
def forward_(layers, params, x, rng):
    """Forward pass of a training step: dropout drops, and batch normalization goes by the batch.

    Parameters
    ----------
    layers, x
        As in :func:`forward`.
    params : sequence of tuples of ndarray
        One entry per layer. Arrays that are not trained change in place: the running statistics of batch normalization.
    rng : numpy.random.Generator
        Draws the masks.

    Returns
    -------
    z, caches
        As of :func:`forward`, of which it is the same for layers without a mode of their own.

    Raises
    ------
    ValueError
        As in :func:`forward`.

    Examples
    --------
    >>> layers = (dropout_layer(0.5),)
    >>> forward_(layers, [()], np.ones((2, 3), np.float32), np.random.default_rng(5))[0]
    array([[0., 0., 2.],
           [2., 2., 2.]], dtype=float32)
    """
    x = _start("forward_", layers, params, x)
    caches = []
    for layer, p in zip(layers, params, strict=True):
        x, cache = layer.forward_(p, x, rng) if layer.forward_ else layer.forward(p, x)
        caches.append(cache)
    return x, tuple(caches)


@quiet
def predict(layers, params, x):
    """Output of the network: the forward pass that keeps nothing.

    Parameters
    ----------
    layers, params, x
        As in :func:`forward`.

    Returns
    -------
    ndarray, shape (N, K)
        Outputs; of :func:`mlp` these are logits.

    Raises
    ------
    ValueError
        As in :func:`forward`.

    Examples
    --------
    >>> layers = mlp([2, 3])
    >>> predict(layers, init(layers, np.random.default_rng(0)), np.zeros((4, 2)))
    array([[0., 0., 0.],
           [0., 0., 0.],
           [0., 0., 0.],
           [0., 0., 0.]], dtype=float32)
    """
    x = _start("predict", layers, params, x)
    for layer, p in zip(layers, params, strict=True):
        x, _ = layer.forward(p, x)
    return x


@quiet
def backward(layers, params, caches, g, input_gradient=True):
    """Backward pass: from the gradient at the output to the gradients of all parameters, last layer first.

    Parameters
    ----------
    layers, params
        As in :func:`forward`.
    caches : tuple
        Second result of :func:`forward` or :func:`forward_`.
    g : array_like, shape (N, K)
        Gradient of the loss with respect to the outputs.
    input_gradient : bool
        Whether `dx` is wanted; without it the first layer is spared a matrix product.

    Returns
    -------
    dx : ndarray, shape (N, D), or None
        Gradient with respect to the input.
    grads : tuple of tuples of ndarray
        Gradients with respect to the parameters, in the order and shapes of `params`, or of what :func:`trained` leaves of it.

    Raises
    ------
    ValueError
        `g` has not the shape of the outputs, or `caches` are those of another network.

    Examples
    --------
    >>> layers = mlp([2, 2, 1])
    >>> params = ((np.eye(2), np.zeros(2)), (), (np.ones((2, 1)), np.zeros(1)))
    >>> z, caches = forward(layers, params, [[3.0, -4.0]])
    >>> dx, grads = backward(layers, params, caches, [[1.0]])
    >>> dx
    array([[1., 0.]])
    >>> grads[2][0]
    array([[3.],
           [0.]])
    """
    _match("backward", "params", layers, params)
    _match("backward", "caches", layers, caches)
    g = as_table("backward", "g", g, dtype_of(params))
    grads = [()] * len(layers)
    for i in reversed(range(len(layers))):
        g, grads[i] = layers[i].backward(params[i], caches[i], g, input_gradient or i > 0)
    return g, tuple(grads)


def loss_and_gradients(layers, params, x, y, loss="softmax_cross_entropy"):
    """Loss on a batch and its gradients: forward, loss, backward.

    Parameters
    ----------
    layers, params, x
        As in :func:`forward`.
    y : array_like, shape (N,) or (N, K)
        Integer labels for the cross-entropies, or an array of targets; see :func:`targets`.
    loss : str
        Name of a function in :mod:`dnnbook.losses` that has a ``_grad``.

    Returns
    -------
    E : float
        Loss, the mean over the batch.
    grads : tuple of tuples of ndarray
        Gradients with respect to the parameters, in the order and shapes of `params`.

    Raises
    ------
    ValueError
        There is no such loss, or `x` or `y` does not fit the network.

    Examples
    --------
    >>> layers = mlp([2, 3])
    >>> params = ((np.zeros((2, 3)), np.zeros(3)),)
    >>> E, grads = loss_and_gradients(layers, params, [[1.0, 2.0]], [0])
    >>> round(E, 4)  # three classes, all equally likely: log 3
    1.0986
    >>> grads[0][1].round(4)
    array([-0.6667,  0.3333,  0.3333])
    """
    return _loss_and_gradients(layers, params, *forward(layers, params, x), y, loss)


def loss_and_gradients_(layers, params, x, y, loss="softmax_cross_entropy", *, rng):
    """Loss on a batch and its gradients in a training step: :func:`forward_`, loss, backward.

    Parameters
    ----------
    layers, x, y, loss
        As in :func:`loss_and_gradients`.
    params, rng
        As in :func:`forward_`.

    Returns
    -------
    E, grads
        As of :func:`loss_and_gradients`.

    Raises
    ------
    ValueError
        As in :func:`loss_and_gradients`.

    Examples
    --------
    >>> layers = (batch_norm_layer(2),)
    >>> params = init(layers, np.random.default_rng(0), np.float64)
    >>> E, grads = loss_and_gradients_(layers, params, [[1.0, 0.0], [3.0, 0.0]], [0, 1], rng=np.random.default_rng(0))
    >>> round(E, 4), params[0][2]  # the running mean has moved
    (1.3133, array([0.2, 0. ]))
    """
    return _loss_and_gradients(layers, params, *forward_(layers, params, x, rng), y, loss)


def _loss_and_gradients(layers, params, z, caches, y, loss):
    value, gradient = loss_functions(loss)
    t = targets(y, z.shape, loss, z.dtype)
    _, grads = backward(layers, params, caches, gradient(z, t), input_gradient=False)
    return float(value(z, t)), grads


def trained(layers, params):
    """The parameters without the arrays that are not trained: those that have gradients.

    Parameters
    ----------
    layers, params
        As in :func:`forward`.

    Returns
    -------
    tuple of tuples of ndarray
        The arrays themselves, no copies.

    Examples
    --------
    >>> layers = (batch_norm_layer(2),)
    >>> [len(p) for p in trained(layers, init(layers, np.random.default_rng(0)))]
    [2]
    """
    return tuple(p[: len(p) - layer.untrained] for layer, p in zip(layers, params, strict=True))


def targets(y, shape, loss, dtype=np.float32):
    """What the outputs are compared with: labels become rows with a single 1, arrays stay what they are.

    Parameters
    ----------
    y : array_like, shape (N,) or (N, K)
        For a cross-entropy: integer labels (N,), from 0 to K - 1 (0 or 1 for a single output). For any loss: targets (N, K),
        or (N,) for a single output.
    shape : tuple of int
        Shape (N, K) of the outputs.
    loss : str
        Name of the loss.
    dtype : dtype
        Type of the outputs.

    Returns
    -------
    ndarray, shape (N, K)
        Targets; `y` itself if it is that already.

    Raises
    ------
    ValueError
        `y` has another length or width, or a label is out of range.
    TypeError
        Labels are not integers.

    Examples
    --------
    >>> targets([2, 0], (2, 3), "softmax_cross_entropy")
    array([[0., 0., 1.],
           [1., 0., 0.]], dtype=float32)
    """
    y = np.asarray(y)
    if y.dtype.kind not in "biuf":
        raise TypeError(f"{loss}: y has dtype {y.dtype}, expected numbers")
    n, k = shape
    if y.ndim not in (1, 2) or len(y) != n:
        raise ValueError(f"{loss}: y has shape {y.shape}, expected ({n},) or {shape}, one row per row of x")
    if y.ndim == 1 and loss.endswith("cross_entropy"):
        top = max(k - 1, 1)
        if y.dtype.kind == "f":
            raise TypeError(f"{loss}: y has dtype {y.dtype}, expected integer labels (or targets of shape {shape})")
        if y.size and not 0 <= y.min() <= y.max() <= top:
            raise ValueError(f"{loss}: y has labels from {y.min()} to {y.max()}, expected 0 to {top} for {k} outputs")
        return one_hot(y.astype(np.intp), k, dtype) if k > 1 else y.astype(dtype)[:, None]
    if y.ndim == 1:
        y = y[:, None]
    if y.shape != shape:
        hint = "; one_hot(labels, classes) makes targets of labels" if y.shape == (n, 1) else ""
        raise ValueError(f"{loss}: y has shape {y.shape}, expected {shape}{hint}")
    return as_table(loss, "y", y, np.dtype(dtype))


@functools.cache
def loss_functions(name):
    """Compiled value and gradient of a loss."""
    if name not in LOSSES:
        raise ValueError(f"loss: name is {name!r}, expected one of {', '.join(map(repr, LOSSES))}")
    return getattr(losses, name).kernel, getattr(losses, f"{name}_grad").kernel


def _family(step):
    """The initializer that fits an activation."""
    return "he_normal" if step.name.partition("(")[0] in RELU_FAMILY else "glorot_normal"


def _step(activation, width):
    if isinstance(activation, Layer):
        return activation
    return activation(width) if callable(activation) else activation_layer(activation)


def _match(where, name, layers, entries):
    if len(entries) != len(layers):
        raise ValueError(f"{where}: {name} has {len(entries)} entries, expected {len(layers)}, one per layer")


def dtype_of(params):
    """The dtype that the network computes in."""
    return next((a.dtype for p in params for a in p), None)


def as_table(where, name, x, dtype):
    """A contiguous (N, D) array of this dtype; no copy of one that is."""
    if not (isinstance(x, np.ndarray) and x.dtype == dtype and x.flags.c_contiguous and x.flags.aligned):
        x = as_float(where, name, x)
        x = np.require(x, dtype, ["C", "A"])
    if x.ndim != 2:
        raise ValueError(f"{where}: {name} has shape {x.shape}, expected two axes, one row per example")
    return x


def _start(where, layers, params, x):
    _match(where, "params", layers, params)
    return as_table(where, "x", x, dtype_of(params))
