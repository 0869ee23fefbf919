"""Gradients in training: their size, clipping, and what they and the activations say about a network's health."""

import numpy as np

from dnnbook._jit import checked, elementwise

__all__ = [
    "clip",
    "clip_by_global_norm",
    "clip_by_norm",
    "clip_by_value",
    "dead_share",
    "global_norm",
    "layer_norms",
    "sparsity",
]


def euclidean(x, axis=None):
    """Length of a vector, or of each along an axis, in float64; scaled, so that squares neither overflow nor vanish."""
    x = np.asarray(x, np.float64)
    top = np.max(np.abs(x), axis=axis, keepdims=True, initial=0)
    unit = np.where((top > 0) & (top < np.inf), top, 1)
    with np.errstate(all="ignore"):
        return (unit * np.sqrt(np.sum((x / unit) ** 2, axis=axis, keepdims=True))).squeeze(axis)


@elementwise
def clip_by_value(g, c):
    r"""Clip every element of a gradient by itself; its direction changes.

    .. math::
       :label: clip-by-value

       \tilde g = \max(-c, \min(c, g))

    Parameters
    ----------
    g : array_like
        Gradient, :math:`g`.
    c : float, in (0, inf)
        Largest absolute value, :math:`c`.

    Returns
    -------
    ndarray
        Clipped gradient, :math:`\tilde g`; shape and dtype of `g`.

    Notes
    -----
    Source: :cite:p:`mikolov2012`; :cite:p:`goodfellow2016`, section 10.11.1.

    Examples
    --------
    >>> clip_by_value([-3.0, 0.5, 30.0], c=1.0)
    array([-1. ,  0.5,  1. ])
    """
    if g > c:
        return c
    return -c if g < -c else g  # a NaN fails both tests and passes through


@checked
def clip_by_norm(g, c):
    r"""Shorten one gradient array to a given length; its direction stays.

    .. math::
       :label: clip-by-norm

       \tilde g_{ji} = g_{ji} \min \left( 1, \frac{c}{n} \right)
       \quad \text{where} \quad n^2 = \sum_{j=1}^{D} \sum_{i=1}^{M} g_{ji}^2

    Parameters
    ----------
    g : array_like, shape (D, M) or (D,)
        Gradient, :math:`g_{ji}`.
    c : float, in (0, inf)
        Longest allowed, :math:`c`.

    Returns
    -------
    ndarray, shape (D, M) or (D,)
        Clipped gradient, :math:`\tilde g_{ji}`; shape and dtype of `g`.

    Notes
    -----
    Source: :cite:p:`pascanu2013`, algorithm 1.

    Examples
    --------
    >>> clip_by_norm([3.0, 4.0], c=1.0)
    array([0.6, 0.8])
    """
    return (g * np.minimum(1, c / euclidean(g))).astype(g.dtype, copy=False)


@elementwise
def clip(g, norm, c):
    r"""Shorten one array of a gradient whose length over all arrays is known; the direction of the whole stays.

    .. math::
       :label: clip

       \tilde g = g \min \left( 1, \frac{c}{n} \right)

    Parameters
    ----------
    g : array_like
        Part of the gradient, :math:`g`.
    norm : float, in [0, inf)
        Length of the whole gradient, :math:`n`, from :func:`global_norm`.
    c : float, in (0, inf)
        Longest allowed, :math:`c`.

    Returns
    -------
    ndarray
        Part of the clipped gradient, :math:`\tilde g`; shape and dtype of `g`.

    Notes
    -----
    PyTorch's `clip_grad_norm_` adds 1e-6 to the norm. Source: :cite:p:`pascanu2013`, algorithm 1.

    Examples
    --------
    >>> clip([3.0], norm=5.0, c=1.0), clip([4.0], norm=5.0, c=1.0)
    (array([0.6]), array([0.8]))
    """
    return g if norm <= c else g * (c / norm)


@checked
def global_norm(norms):
    r"""Length of a whole gradient from the lengths of its parts.

    .. math::
       :label: global-norm

       n = \sqrt{\sum_{l=1}^{L} n_l^2}

    Parameters
    ----------
    norms : array_like, shape (L,), in [0, inf)
        Lengths of the parts, :math:`n_l`, from :func:`layer_norms`.

    Returns
    -------
    float
        Length of the whole, :math:`n`.

    Notes
    -----
    Source: :cite:p:`pascanu2013`, algorithm 1.

    Examples
    --------
    >>> global_norm([3.0, 4.0])
    np.float64(5.0)
    """
    return euclidean(norms)


def layer_norms(grads):
    """Euclidean length of each layer's gradient.

    Parameters
    ----------
    grads : sequence of tuples of ndarray, or of ndarray
        One entry per layer, as :func:`dnnbook.network.backward` returns them. An entry's arrays count together; layers without
        arrays are left out.

    Returns
    -------
    ndarray, shape (L,)
        Lengths, first layer first, in float64.

    Examples
    --------
    >>> layer_norms([(np.array([[3.0]]), np.array([4.0])), (), (np.array([[1.0]]),)])
    array([5., 1.])
    """
    parts = [p if isinstance(p, tuple | list) else (p,) for p in grads]
    return np.array([euclidean([euclidean(a) for a in p]) for p in parts if len(p)])


def clip_by_global_norm(grads, c):
    """Shorten a whole gradient: :func:`clip` for every array, with the length over all of them.

    Parameters
    ----------
    grads : sequence of tuples of ndarray
        One entry per layer, as :func:`dnnbook.network.backward` returns them.
    c : float, in (0, inf)
        Longest allowed.

    Returns
    -------
    grads : tuple of tuples of ndarray
        Clipped gradient.
    norm : float
        Its length before.

    Raises
    ------
    ValueError
        `c` is out of range, or the gradient has NaN or infinite elements.

    Examples
    --------
    >>> grads, norm = clip_by_global_norm([(np.array([3.0]),), (), (np.array([4.0]),)], c=1.0)
    >>> grads, norm
    (((array([0.6]),), (), (array([0.8]),)), 5.0)
    """
    norm = float(euclidean(layer_norms(grads)))
    return tuple(tuple(clip(g, norm, c) for g in p) for p in grads), norm


@checked
def dead_share(activations):
    r"""Share of the units that are off for every example.

    .. math::
       :label: dead-share

       d = \frac{1}{M} \sum_{i=1}^{M} \mathbb{1}[\max_{n} a_{ni} \le 0]

    Parameters
    ----------
    activations : array_like, shape (N, M)
        Activations of a layer of ReLU units over a whole data set, :math:`a_{ni}`.

    Returns
    -------
    float
        Share from 0 to 1, :math:`d`.

    Notes
    -----
    Only a whole data set tells: a unit may be off for a batch and on for the next. No gradient reaches the weights of a dead
    unit. Source: :cite:p:`lu2020`.

    Examples
    --------
    >>> dead_share([[0.0, 1.0, 0.0], [0.0, 0.0, 2.0]]).round(3)
    np.float64(0.333)
    """
    top = activations.max(axis=0)
    return np.mean(np.where(np.isnan(top), np.nan, top <= 0))


@checked
def sparsity(activations):
    r"""Share of the activations that are exactly 0.

    .. math::
       :label: sparsity

       s = \frac{1}{N M} \sum_{n=1}^{N} \sum_{i=1}^{M} \mathbb{1}[a_{ni} = 0]

    Parameters
    ----------
    activations : array_like, shape (N, M)
        Activations of a layer, :math:`a_{ni}`.

    Returns
    -------
    float
        Share from 0 to 1, :math:`s`.

    Notes
    -----
    Source: :cite:p:`glorot2011`, section 4.1.

    Examples
    --------
    >>> sparsity([[0.0, 1.0], [0.0, 0.0]])
    np.float64(0.75)
    """
    return np.mean(np.where(np.isnan(activations), np.nan, activations == 0))
