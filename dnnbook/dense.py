"""The dense layer, forward and backward, and backpropagation as the textbooks print it.

:func:`dense` and :func:`dense_vjp` are what the networks use. :func:`layer_output`, :func:`hidden_delta` and
:func:`weight_update` say the same for a whole layer, in the form of the classical derivation.
"""

from dnnbook._jit import checked
from dnnbook.activations import relu, relu_grad, sigmoid, sigmoid_grad, tanh, tanh_grad

__all__ = [
    "dense",
    "dense_jvp",
    "dense_vjp",
    "dense_vjp_jvp",
    "hidden_delta",
    "layer_output",
    "weight_update",
]

VALUE = {"sigmoid": sigmoid, "tanh": tanh, "relu": relu}
SLOPE = {"sigmoid": sigmoid_grad, "tanh": tanh_grad, "relu": relu_grad}


@checked
def dense(x, W, b):
    r"""Dense (fully connected) layer: weighted sums of the inputs and a bias.

    .. math::
       :label: dense

       z_{ni} = \sum_{j=1}^{D} x_{nj} \, w_{ji} + b_i

    Parameters
    ----------
    x : array_like, shape (N, D)
        Inputs, :math:`x_{nj}`, one row per sample.
    W : array_like, shape (D, M)
        Weights, :math:`w_{ji}`, from unit j to unit i.
    b : array_like, shape (M,)
        Biases, :math:`b_i`.

    Returns
    -------
    ndarray, shape (N, M)
        Pre-activations, :math:`z_{ni}`.

    Notes
    -----
    The batch comes first: the weights of unit i are column i of `W`. Source: :cite:p:`goodfellow2016`, section 6.1.

    Examples
    --------
    >>> dense([[1.0, 2.0]], [[1.0, 0.0], [0.0, 10.0]], [0.5, 0.5])
    array([[ 1.5, 20.5]])
    """
    z = x @ W
    z += b
    return z


@checked
def dense_vjp(g, x, W):
    r"""Vector-Jacobian product of :func:`dense`.

    .. math::
       :label: dense-vjp

       \bar x_{nj} &= \sum_{i=1}^{M} \bar z_{ni} \, w_{ji} \\
       \bar w_{ji} &= \sum_{n=1}^{N} x_{nj} \, \bar z_{ni} \\
       \bar b_i &= \sum_{n=1}^{N} \bar z_{ni}

    Parameters
    ----------
    g : array_like, shape (N, M)
        Cotangent of the pre-activations, :math:`\bar z_{ni}`.
    x : array_like, shape (N, D)
        Inputs, :math:`x_{nj}`, one row per sample.
    W : array_like, shape (D, M)
        Weights, :math:`w_{ji}`, from unit j to unit i.

    Returns
    -------
    dx : ndarray, shape (N, D)
        Cotangent of the inputs, :math:`\bar x_{nj}`.
    dW : ndarray, shape (D, M)
        Cotangent of the weights, :math:`\bar w_{ji}`.
    db : ndarray, shape (M,)
        Cotangent of the biases, :math:`\bar b_i`.

    Notes
    -----
    Sums run over the batch: a loss that is a mean has its 1/N in `g`. Source: :cite:p:`goodfellow2016`, section 6.5.6.

    Examples
    --------
    >>> dx, dW, db = dense_vjp([[1.0]], [[2.0, 3.0]], [[10.0], [20.0]])
    >>> dx
    array([[10., 20.]])
    >>> dW
    array([[2.],
           [3.]])
    >>> db
    array([1.])
    """
    return g @ W.T, x.T @ g, g.sum(axis=0)


@checked
def dense_jvp(rx, rW, rb, x, W):
    r"""Jacobian-vector product of :func:`dense`: how its outputs change when inputs, weights and biases move.

    .. math::
       :label: dense-jvp

       \dot z_{ni} = \sum_{j=1}^{D} (\dot x_{nj} \, w_{ji} + x_{nj} \, \dot w_{ji}) + \dot b_i

    Parameters
    ----------
    rx : array_like, shape (N, D)
        Tangent of the inputs, :math:`\dot x_{nj}`: the direction in which they move.
    rW : array_like, shape (D, M)
        Tangent of the weights, :math:`\dot w_{ji}`.
    rb : array_like, shape (M,)
        Tangent of the biases, :math:`\dot b_i`.
    x : array_like, shape (N, D)
        Inputs, :math:`x_{nj}`, one row per sample.
    W : array_like, shape (D, M)
        Weights, :math:`w_{ji}`, from unit j to unit i.

    Returns
    -------
    ndarray, shape (N, M)
        Tangent of the pre-activations, :math:`\dot z_{ni}`.

    Notes
    -----
    Pearlmutter's operator R of the forward pass. Source: :cite:p:`pearlmutter1994`.

    Examples
    --------
    >>> dense_jvp([[0.0, 0.0]], [[1.0], [0.0]], [0.5], [[2.0, 3.0]], [[10.0], [20.0]])
    array([[2.5]])
    """
    return rx @ W + x @ rW + rb


@checked
def dense_vjp_jvp(rg, rx, rW, g, x, W):
    r"""Jacobian-vector product of :func:`dense_vjp`: how its gradients change when inputs, weights and errors move.

    .. math::
       :label: dense-vjp-jvp

       \dot{\bar x}_{nj} &= \sum_{i=1}^{M} (\dot{\bar z}_{ni} \, w_{ji} + \bar z_{ni} \, \dot w_{ji}) \\
       \dot{\bar w}_{ji} &= \sum_{n=1}^{N} (\dot x_{nj} \, \bar z_{ni} + x_{nj} \, \dot{\bar z}_{ni}) \\
       \dot{\bar b}_i &= \sum_{n=1}^{N} \dot{\bar z}_{ni}

    Parameters
    ----------
    rg : array_like, shape (N, M)
        Tangent of the cotangent of the pre-activations, :math:`\dot{\bar z}_{ni}`.
    rx : array_like, shape (N, D)
        Tangent of the inputs, :math:`\dot x_{nj}`.
    rW : array_like, shape (D, M)
        Tangent of the weights, :math:`\dot w_{ji}`.
    g : array_like, shape (N, M)
        Cotangent of the pre-activations, :math:`\bar z_{ni}`.
    x : array_like, shape (N, D)
        Inputs, :math:`x_{nj}`, one row per sample.
    W : array_like, shape (D, M)
        Weights, :math:`w_{ji}`, from unit j to unit i.

    Returns
    -------
    rdx : ndarray, shape (N, D)
        Tangent of the cotangent of the inputs, :math:`\dot{\bar x}_{nj}`.
    rdW : ndarray, shape (D, M)
        Tangent of the cotangent of the weights, :math:`\dot{\bar w}_{ji}`.
    rdb : ndarray, shape (M,)
        Tangent of the cotangent of the biases, :math:`\dot{\bar b}_i`.

    Notes
    -----
    Pearlmutter's operator R of the backward pass. Source: :cite:p:`pearlmutter1994`.

    Examples
    --------
    >>> rdx, rdW, rdb = dense_vjp_jvp([[0.0]], [[1.0, 0.0]], [[0.0], [1.0]], [[2.0]], [[3.0, 4.0]], [[10.0], [20.0]])
    >>> rdx
    array([[0., 2.]])
    >>> rdW
    array([[2.],
           [0.]])
    >>> rdb
    array([0.])
    """
    return rg @ W.T + g @ rW.T, rx.T @ g + x.T @ rg, rg.sum(axis=0)


@checked
def layer_output(o, W, b, activation):
    r"""Forward pass through one layer: the outputs of its units from those of the layer below.

    .. math::
       :label: layer-output

       o_{ni}^{(k)} = \sigma \left( \sum_{j=1}^{D} w_{ji}^{(k)} o_{nj}^{(k-1)} + b_i^{(k)} \right)

    Parameters
    ----------
    o : array_like, shape (N, D)
        Outputs of the layer below, :math:`o_{nj}^{(k-1)}`.
    W : array_like, shape (D, M)
        Weights, :math:`w_{ji}^{(k)}`, from unit j to unit i.
    b : array_like, shape (M,)
        Biases, :math:`b_i^{(k)}`.
    activation : {"sigmoid", "tanh", "relu"}
        Activation of the layer, :math:`\sigma`.

    Returns
    -------
    ndarray, shape (N, M)
        Outputs of this layer, :math:`o_{ni}^{(k)}`.

    Notes
    -----
    Source: :cite:p:`rumelhart1986`, equations 1 and 2.

    Examples
    --------
    >>> layer_output([[1.0, 2.0]], [[1.0, 0.0], [0.0, -1.0]], [0.5, 0.5], "relu")
    array([[1.5, 0. ]])
    """
    return VALUE[activation](dense.kernel(o, W, b))


@checked
def hidden_delta(delta, W, z, activation):
    r"""Backward pass through one layer: the errors of its units from those of the layer above.

    .. math::
       :label: hidden-delta

       \delta_{ni}^{(k)} = \sigma'(z_{ni}^{(k)}) \sum_{j=1}^{M} \delta_{nj}^{(k+1)} w_{ij}^{(k+1)}

    Parameters
    ----------
    delta : array_like, shape (N, M)
        Errors of the layer above, :math:`\delta_{nj}^{(k+1)}`.
    W : array_like, shape (D, M)
        Weights of the layer above, :math:`w_{ij}^{(k+1)}`, from unit i of this layer to unit j.
    z : array_like, shape (N, D)
        Pre-activations of this layer, :math:`z_{ni}^{(k)}`.
    activation : {"sigmoid", "tanh", "relu"}
        Activation of the layer, :math:`\sigma`.

    Returns
    -------
    ndarray, shape (N, D)
        Errors of this layer, :math:`\delta_{ni}^{(k)}`.

    Notes
    -----
    The error of a unit is the partial derivative of the loss with respect to its pre-activation. Source:
    :cite:p:`rumelhart1986`, equations 5 and 7.

    Examples
    --------
    >>> hidden_delta([[1.0, 1.0]], [[1.0, 2.0], [3.0, 4.0]], [[0.5, -0.5]], "relu")
    array([[3., 0.]])
    """
    return SLOPE[activation](z) * (delta @ W.T)


@checked
def weight_update(delta, o, eta):
    r"""Change of the weights in one step of gradient descent.

    .. math::
       :label: weight-update

       \Delta w_{ji}^{(k)} = -\eta \sum_{n=1}^{N} \delta_{ni}^{(k)} o_{nj}^{(k-1)}

    Parameters
    ----------
    delta : array_like, shape (N, M)
        Errors of this layer, :math:`\delta_{ni}^{(k)}`.
    o : array_like, shape (N, D)
        Outputs of the layer below, :math:`o_{nj}^{(k-1)}`.
    eta : float, in [0, inf)
        Learning rate, :math:`\eta`.

    Returns
    -------
    ndarray, shape (D, M)
        Change of the weights, :math:`\Delta w_{ji}^{(k)}`.

    Notes
    -----
    The sum runs over the batch: a loss that is a mean has its 1/N in `delta`. Source: :cite:p:`rumelhart1986`, equations 6
    and 8.

    Examples
    --------
    >>> weight_update([[1.0]], [[2.0, 3.0]], eta=0.1)
    array([[-0.2],
           [-0.3]])
    """
    return -eta * (o.T @ delta)
