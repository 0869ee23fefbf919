"""The curvature of a network's loss: parameters as one vector, Hessian-vector products, Hessian, Jacobian.

The product of the Hessian with a direction is how the gradient changes along it. Pearlmutter's operator R computes it exactly,
at about twice the cost of a gradient: every quantity of the forward and the backward pass gets its rate of change beside it.
"""

from typing import NamedTuple

import numpy as np

from dnnbook import losses, network
from dnnbook._check import as_float


def flatten(params):
    """All parameters of a network as one vector.

    Parameters
    ----------
    params : sequence of tuples of ndarray
        One entry per layer.

    Returns
    -------
    ndarray, shape (P,)

    Examples
    --------
    >>> flatten(((np.array([[1.0, 2.0]]), np.array([3.0, 4.0])), ()))
    array([1., 2., 3., 4.])
    """
    arrays = [np.ravel(a) for p in params for a in p]
    if not arrays:
        raise ValueError("flatten: params has no arrays")
    return np.concatenate(arrays)


def unflatten(w, params):
    """A vector as parameters of a network: the inverse of :func:`flatten`.

    Parameters
    ----------
    w : array_like, shape (P,)
        All parameters.
    params : sequence of tuples of ndarray
        Parameters of the shapes and the dtype wanted.

    Returns
    -------
    tuple of tuples of ndarray

    Raises
    ------
    ValueError
        `w` has another number of elements.

    Examples
    --------
    >>> unflatten([5.0, 6.0], ((np.zeros((1, 2)),), ()))
    ((array([[5., 6.]]),), ())
    """
    w, size = np.asarray(w), sum(a.size for p in params for a in p)
    if w.shape != (size,):
        raise ValueError(f"unflatten: w has shape {w.shape}, expected ({size},)")
    out, at = [], 0
    for p in params:
        arrays = []
        for a in p:
            arrays.append(w[at : at + a.size].reshape(a.shape).astype(a.dtype))
            at += a.size
        out.append(tuple(arrays))
    return tuple(out)


def hessian_vector_product(layers, params, v, x, y, loss="softmax_cross_entropy"):
    """Product of the Hessian of the loss with a direction in the parameters, by Pearlmutter's operator R.

    Parameters
    ----------
    layers : sequence of Layer
        The network; every layer must have the operator R (dense layers and elementwise activations do).
    params : sequence of tuples of ndarray
        One entry per layer.
    v : sequence of tuples of ndarray
        Direction, in the shapes of `params`.
    x, y, loss
        As in :func:`dnnbook.network.loss_and_gradients`; the loss must have a ``_hvp``.

    Returns
    -------
    tuple of tuples of ndarray
        In the shapes of `params`.

    Raises
    ------
    ValueError
        A layer or the loss has no second derivative here, or `v` has not the shapes of `params`.

    Notes
    -----
    Source: :cite:p:`pearlmutter1994`. Where an activation has a kink, its second derivative counts as 0 there too.

    Examples
    --------
    >>> layers = network.mlp([1, 1])
    >>> params, v = ((np.array([[2.0]]), np.array([1.0])),), ((np.array([[1.0]]), np.array([0.0])),)
    >>> hessian_vector_product(layers, params, v, [[3.0]], [[0.0]], "mean_squared_error")
    ((array([[18.]]), array([6.])),)
    """
    _, gradient = network.loss_functions(loss)
    curvature = getattr(losses, f"{loss}_hvp", None)
    if curvature is None:
        known = ", ".join(repr(n) for n in network.LOSSES if hasattr(losses, f"{n}_hvp"))
        raise ValueError(f"hessian_vector_product: the loss {loss!r} has no second derivative here, expected one of {known}")
    if lacking := [layer.name for layer in layers if layer.r_forward is None]:
        raise ValueError(f"hessian_vector_product: {lacking[0]} has no operator R")
    shapes = [[[a.shape for a in p] for p in entries] for entries in (params, v)]
    if shapes[0] != shapes[1]:
        raise ValueError("hessian_vector_product: v has not the shapes of params")
    z, caches = network.forward(layers, params, x)
    v = [tuple(np.asarray(a, z.dtype) for a in p) for p in v]
    t = network.targets(y, z.shape, loss, z.dtype)
    with np.errstate(all="ignore"):
        rx = [np.zeros_like(network.as_table("hessian_vector_product", "x", x, z.dtype))]
        for layer, p, rp, cache in zip(layers, params, v, caches, strict=True):
            rx.append(layer.r_forward(p, rp, cache, rx[-1]))
        given = {"u": rx[-1], "z": z, "y": t}
        g, rg = gradient(z, t), curvature(*[given[name] for name in curvature.contract.names])
        out = [()] * len(layers)
        for i in reversed(range(len(layers))):
            layer, p, cache = layers[i], params[i], caches[i]
            rg, out[i] = layer.r_backward(p, v[i], cache, rx[i], g, rg)
            g, _ = layer.backward(p, cache, g, i > 0)
    return tuple(out)


def hessian(layers, params, x, y, loss="softmax_cross_entropy"):
    """Hessian of the loss with respect to all parameters, one Hessian-vector product for each of them: for small networks.

    Parameters
    ----------
    layers, params, x, y, loss
        As in :func:`hessian_vector_product`.

    Returns
    -------
    ndarray, shape (P, P)
        Rows and columns in the order of :func:`flatten`.

    Examples
    --------
    >>> params = ((np.array([[2.0]]), np.array([1.0])),)
    >>> hessian(network.mlp([1, 1]), params, [[3.0]], [[0.0]], "mean_squared_error")
    array([[18.,  6.],
           [ 6.,  2.]])
    """
    units = np.eye(flatten(params).size)
    columns = [flatten(hessian_vector_product(layers, params, unflatten(u, params), x, y, loss)) for u in units]
    return np.stack(columns, axis=1)


def network_residuals(layers, params, x, y):
    """Outputs less targets as one vector: half its square is N/2 times the mean squared error.

    Parameters
    ----------
    layers, params, x
        As in :func:`dnnbook.network.forward`.
    y : array_like, shape (N, K) or (N,)
        Targets.

    Returns
    -------
    ndarray, shape (N K,)
        Sample by sample.

    Examples
    --------
    >>> params = ((np.array([[2.0]]), np.array([1.0])),)
    >>> network_residuals(network.mlp([1, 1]), params, [[3.0], [0.0]], [6.0, 3.0])
    array([ 1., -2.])
    """
    z = network.predict(layers, params, x)
    return (z - network.targets(y, z.shape, "mean_squared_error", z.dtype)).ravel()


def network_jacobian(layers, params, x):
    """Jacobian of the outputs, and of the residuals, with respect to all parameters.

    It takes one backward pass for each output where only dense layers have parameters, else one for each row.

    Parameters
    ----------
    layers, params, x
        As in :func:`dnnbook.network.forward`.

    Returns
    -------
    ndarray, shape (N K, P)
        Rows in the order of :func:`network_residuals`, columns in that of :func:`flatten`.

    Examples
    --------
    >>> params = ((np.array([[2.0]]), np.array([1.0])),)
    >>> network_jacobian(network.mlp([1, 1]), params, [[3.0], [0.0]])
    array([[3., 1.],
           [0., 1.]])
    """
    if all(layer.name.startswith("dense(") for layer, p in zip(layers, params, strict=True) if p):
        return dense_jacobian(layers, params, x)
    rows = []
    for sample in as_float("network_jacobian", "x", x)[:, None]:
        z, caches = network.forward(layers, params, sample)
        units = np.eye(z.shape[1], dtype=z.dtype)[:, None]
        rows += [flatten(network.backward(layers, params, caches, g, input_gradient=False)[1]) for g in units]
    return np.stack(rows)


def dense_jacobian(layers, params, x):
    """The Jacobian of dense layers: a sample's share of a weight's gradient is its input times its error."""
    z, caches = network.forward(layers, params, x)
    jacobian = np.empty((*z.shape, sum(a.size for p in params for a in p)), z.dtype)
    for k in range(z.shape[1]):
        g, end = np.zeros_like(z), jacobian.shape[2]
        g[:, k] = 1
        for i in reversed(range(len(layers))):
            if params[i]:
                shares = (caches[i][:, :, None] * g[:, None, :]).reshape(len(z), -1)
                start = end - shares.shape[1] - g.shape[1]
                jacobian[:, k, start:end], end = np.concatenate([shares, g], axis=1), start
            g, _ = layers[i].backward(params[i], caches[i], g, i > 0)
    return jacobian.reshape(-1, jacobian.shape[2])


def value(layers, params, x, y, loss):
    """The loss without its gradients."""
    z = network.predict(layers, params, x)
    return float(network.loss_functions(loss)[0](z, network.targets(y, z.shape, loss, z.dtype)))


class Objective(NamedTuple):
    """The loss of a network on a batch as a function of one vector: what the minimizers take.

    Attributes
    ----------
    w0 : ndarray
        The parameters it was made with, in float64.
    f : function
        ``f(w) -> float``.
    grad : function
        ``grad(w) -> ndarray``.
    hess : function
        ``hess(w) -> ndarray``, shape (P, P).
    hvp : function
        ``hvp(w, v) -> ndarray``.
    residuals, jacobian : function
        For least squares; of the network's outputs, whatever the loss.
    params : function
        ``params(w) -> tuple``: the vector as parameters of the network.
    """

    w0: np.ndarray
    f: object
    grad: object
    hess: object
    hvp: object
    residuals: object
    jacobian: object
    params: object


def objective(layers, params, x, y, loss="softmax_cross_entropy"):
    """The loss of a network on a batch as a function of all its parameters in one vector, in float64.

    Parameters
    ----------
    layers, params, x, y, loss
        As in :func:`dnnbook.network.loss_and_gradients`.

    Returns
    -------
    Objective

    Examples
    --------
    >>> layers = network.mlp([1, 1])
    >>> o = objective(layers, network.init(layers, np.random.default_rng(0)), [[0.0], [1.0]], [1.0, 3.0], "mean_squared_error")
    >>> o.f(np.array([2.0, 1.0])), o.grad(np.array([2.0, 1.0]))
    (0.0, array([0., 0.]))
    """
    like = tuple(tuple(np.asarray(a, np.float64) for a in p) for p in params)

    def at(w):
        return unflatten(w, like)

    return Objective(
        w0=flatten(like),
        f=lambda w: value(layers, at(w), x, y, loss),
        grad=lambda w: flatten(network.loss_and_gradients(layers, at(w), x, y, loss)[1]),
        hess=lambda w: hessian(layers, at(w), x, y, loss),
        hvp=lambda w, v: flatten(hessian_vector_product(layers, at(w), at(v), x, y, loss)),
        residuals=lambda w: network_residuals(layers, at(w), x, y),
        jacobian=lambda w: network_jacobian(layers, at(w), x),
        params=at,
    )
