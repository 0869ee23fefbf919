"""Augmentation: images moved, turned, stretched, bent and made noisy, so that a network sees other ones in every epoch.

Every geometric change is a displacement field: the new image takes at each pixel what the old one has a little way off, by
linear interpolation between pixels, and 0 beyond the edges. The functions are told what to do; chance is in :func:`augmenter`
alone. A batch is an array (N, H, W), or (N, D) with an image in each row, and comes back in the same form and dtype.
"""

import math

import numpy as np
from scipy import ndimage

from dnnbook._check import as_float, as_scalar
from dnnbook._docstring import argument

__all__ = ["affine_field", "augmenter", "elastic", "noise", "rotate", "scale", "shift", "smooth_field"]

STRENGTHS = {
    "shift": "float, in [0, inf)",
    "rotate": "float, in [0, 180]",
    "scale": "float, in [0, 1)",
    "elastic": "float, in [0, inf)",
    "sigma": "float, in [0, inf)",
    "noise": "float, in [0, inf)",
}


def shift(images, offsets, shape=None):
    """Move images.

    Parameters
    ----------
    images : array_like, shape (N, H, W) or (N, D)
        Images.
    offsets : array_like, shape (N, 2) or (2,)
        How far, in pixels: down and to the right.
    shape : tuple of int, optional
        Height and width (H, W) of images that are rows; left out, they are squares.

    Returns
    -------
    ndarray
        Images, in the form and dtype of those given.

    Raises
    ------
    ValueError, TypeError
        An argument does not fit.

    Examples
    --------
    >>> shift([[1.0, 2.0, 3.0, 4.0]], [0, 1])
    array([[0., 1., 0., 3.]])
    """
    return _moved("shift", images, shape, offsets=offsets)


def rotate(images, angles, shape=None):
    """Turn images about their center.

    Parameters
    ----------
    images : array_like, shape (N, H, W) or (N, D)
        Images.
    angles : array_like, shape (N,) or ()
        How far, in degrees counterclockwise.
    shape : tuple of int, optional
        As in :func:`shift`.

    Returns
    -------
    ndarray
        Images, in the form and dtype of those given.

    Raises
    ------
    ValueError, TypeError
        An argument does not fit.

    Examples
    --------
    >>> rotate([[[1.0, 2.0], [3.0, 4.0]]], 90).round(9)
    array([[[2., 4.],
            [1., 3.]]])
    """
    return _moved("rotate", images, shape, angles=angles)


def scale(images, factors, shape=None):
    """Enlarge or shrink images about their center; their frame stays as it is.

    Parameters
    ----------
    images : array_like, shape (N, H, W) or (N, D)
        Images.
    factors : array_like, shape (N,) or ()
        Above 1 to enlarge, below 1 to shrink.
    shape : tuple of int, optional
        As in :func:`shift`.

    Returns
    -------
    ndarray
        Images, in the form and dtype of those given.

    Raises
    ------
    ValueError, TypeError
        An argument does not fit.

    Examples
    --------
    >>> scale([[[0.0, 0.0, 8.0, 0.0, 0.0]]], 2)
    array([[[0., 4., 8., 4., 0.]]])
    """
    return _moved("scale", images, shape, factors=factors)


def elastic(images, fields, shape=None):
    """Bend images by displacement fields: each pixel takes the value that the image has at the pixel plus its displacement.

    Parameters
    ----------
    images : array_like, shape (N, H, W) or (N, D)
        Images.
    fields : array_like, shape (N, 2, H, W) or (2, H, W)
        Displacements in pixels, down and to the right; such as those of :func:`smooth_field`.
    shape : tuple of int, optional
        As in :func:`shift`.

    Returns
    -------
    ndarray
        Images, in the form and dtype of those given.

    Raises
    ------
    ValueError, TypeError
        An argument does not fit.

    Notes
    -----
    Source: :cite:p:`simard2003`, section 2.

    Examples
    --------
    >>> field = np.zeros((2, 2, 2))
    >>> field[1, 0, 0] = 0.5  # the first pixel looks half a pixel to its right
    >>> elastic([[1.0, 2.0, 3.0, 4.0]], field)
    array([[1.5, 2. , 3. , 4. ]])
    """
    table = _images("elastic", images, shape)
    fields = _broadcast("elastic", "fields", fields, (len(table), 2, *table.shape[1:]))
    positions = np.indices(table.shape[1:]) + fields
    new = np.empty_like(table)
    for image, at, out in zip(table, positions, new, strict=True):
        ndimage.map_coordinates(image, at, out, order=1, mode="grid-constant")
    return new.reshape(np.shape(images))


def noise(images, draws):
    """Add noise to images.

    Parameters
    ----------
    images : array_like, shape (N, H, W) or (N, D)
        Images.
    draws : array_like, shape of `images`
        What to add.

    Returns
    -------
    ndarray
        Images, in the form and dtype of those given; not cut off at black or white.

    Raises
    ------
    ValueError, TypeError
        An argument does not fit.

    Examples
    --------
    >>> noise([[0.0, 1.0]], [[0.25, 0.25]])
    array([[0.25, 1.25]])
    """
    images = as_float("noise", "images", images)
    draws = as_float("noise", "draws", draws)
    if draws.shape != images.shape:
        raise ValueError(f"noise: draws has shape {draws.shape}, expected {images.shape} as images")
    return images + draws.astype(images.dtype, copy=False)


def affine_field(shape, *, offsets=(0.0, 0.0), angles=0.0, factors=1.0):
    """Displacement fields for :func:`elastic` that scale and turn an image about its center and then move it.

    Parameters
    ----------
    shape : tuple of int
        Number, height and width (N, H, W) of the images.
    offsets : array_like, shape (N, 2) or (2,)
        As in :func:`shift`.
    angles : array_like, shape (N,) or ()
        As in :func:`rotate`.
    factors : array_like, shape (N,) or ()
        As in :func:`scale`.

    Returns
    -------
    ndarray, shape (N, 2, H, W)
        Displacements in pixels, down and to the right.

    Raises
    ------
    ValueError, TypeError
        An argument does not fit.

    Examples
    --------
    >>> affine_field((1, 1, 2), offsets=[0.0, 3.0])
    array([[[[ 0.,  0.]],
    <BLANKLINE>
            [[-3., -3.]]]])
    """
    return _affine_field("affine_field", shape, offsets, angles, factors)


def smooth_field(draws, strength, sigma):
    """Displacement fields for :func:`elastic` from random numbers: blurred, so that neighbors move together.

    Parameters
    ----------
    draws : array_like, shape (..., H, W)
        Random numbers, such as uniform ones from -1 to 1.
    strength : float, in [0, inf)
        What the blurred numbers are multiplied with.
    sigma : float, in [0, inf)
        Standard deviation of the Gaussian bell that blurs, in pixels.

    Returns
    -------
    ndarray, shape (..., H, W)
        Displacements in pixels.

    Raises
    ------
    ValueError, TypeError
        An argument does not fit.

    Notes
    -----
    Beyond the edges the random numbers count as 0, and the field is not normalized: a larger `sigma` needs a larger `strength`
    for the same bend. Source: :cite:p:`simard2003`, section 2.

    Examples
    --------
    >>> smooth_field([[0.0, 0.0, 1.0, 0.0, 0.0]], strength=10.0, sigma=1.0).round(1)
    array([[0.2, 1. , 1.6, 1. , 0.2]])
    """
    draws = as_float("smooth_field", "draws", draws)
    if draws.ndim < 2:
        raise ValueError(f"smooth_field: draws has shape {draws.shape}, expected (..., H, W)")
    strength = as_scalar("smooth_field", argument("strength", STRENGTHS["elastic"], ""), strength)
    sigma = as_scalar("smooth_field", argument("sigma", STRENGTHS["sigma"], ""), sigma)
    return strength * ndimage.gaussian_filter(draws, sigma, mode="constant", axes=(-2, -1))


def augmenter(shape=None, *, shift=0.0, rotate=0.0, scale=0.0, elastic=0.0, sigma=4.0, noise=0.0):
    """Make a function that changes every image of a batch in its own random way, for ``train.fit(augment=...)``.

    All geometric changes are one displacement field, so that an image is interpolated only once. What is 0 draws nothing.

    Parameters
    ----------
    shape : tuple of int, optional
        As in :func:`shift`.
    shift : float, in [0, inf)
        Farthest move, in pixels, in both directions; uniform up to it.
    rotate : float, in [0, 180]
        Greatest angle in degrees, to both sides; uniform up to it.
    scale : float, in [0, 1)
        Greatest change of size: factors are uniform from ``1 - scale`` to ``1 + scale``.
    elastic : float, in [0, inf)
        Strength in :func:`smooth_field`, of uniform numbers from -1 to 1.
    sigma : float, in [0, inf)
        Width of its blur, in pixels.
    noise : float, in [0, inf)
        Standard deviation of Gaussian noise, added last.

    Returns
    -------
    function
        ``augment(rng, images) -> images``.

    Raises
    ------
    ValueError, TypeError
        A number does not fit; the function that is made complains about images.

    Examples
    --------
    >>> augment = augmenter(shift=2.0, rotate=10.0)
    >>> augment(np.random.default_rng(0), np.ones((3, 784), np.float32)).shape
    (3, 784)
    """
    given = {"shift": shift, "rotate": rotate, "scale": scale, "elastic": elastic, "sigma": sigma, "noise": noise}
    given = {k: as_scalar("augmenter", argument(k, STRENGTHS[k], ""), v) for k, v in given.items()}
    shift, rotate, scale, bend, sigma, spread = given.values()

    def augment(rng, images):
        table = _images("augmenter", images, shape)
        n, form = len(table), table.shape
        new, affine = table, {}
        if shift:
            affine["offsets"] = rng.uniform(-shift, shift, (n, 2))
        if rotate:
            affine["angles"] = rng.uniform(-rotate, rotate, n)
        if scale:
            affine["factors"] = rng.uniform(1 - scale, 1 + scale, n)
        if affine or bend:
            fields = affine_field(form, **affine)
            if bend:
                fields += smooth_field(rng.uniform(-1, 1, fields.shape), bend, sigma)
            new = _elastic(new, fields)
        if spread:
            new = _noise(new, rng.normal(0, spread, form))
        return new.reshape(np.shape(images))

    return augment


_elastic, _noise = elastic, noise  # inside augmenter these names are numbers


def _moved(where, images, shape, offsets=(0.0, 0.0), angles=0.0, factors=1.0):
    table = _images(where, images, shape)
    fields = _affine_field(where, table.shape, offsets, angles, factors)
    return elastic(table, fields).reshape(np.shape(images))


def _affine_field(where, shape, offsets, angles, factors):
    n, *form = shape
    offsets = _broadcast(where, "offsets", offsets, (n, 2))[:, :, None, None]
    angles = np.deg2rad(_broadcast(where, "angles", angles, (n,)))[:, None, None]
    factors = _broadcast(where, "factors", factors, (n,))[:, None, None]
    if not (factors > 0).all():
        raise ValueError(f"{where}: factors has a value {factors.min()}, expected values in (0, inf)")
    at = np.indices(form)
    center = (np.reshape(form, (2, 1, 1)) - 1) / 2
    down, right = np.moveaxis(at - center - offsets, 1, 0)
    cos, sin = np.cos(angles) / factors, np.sin(angles) / factors
    source = np.stack([cos * down + sin * right, cos * right - sin * down], axis=1)
    return source + center - at


def _images(where, images, shape):
    """An array (N, H, W); no copy of one that is."""
    a = as_float(where, "images", images)
    if a.ndim == 2:
        side = math.isqrt(a.shape[1])
        form = (side, side) if shape is None else tuple(shape)
        if len(form) != 2 or math.prod(form) != a.shape[1]:
            expected = "squares, or shape=(H, W) with them" if shape is None else f"images of shape {form}"
            raise ValueError(f"{where}: images has rows of {a.shape[1]} numbers, expected {expected}")
        return a.reshape(-1, *form)
    if a.ndim != 3 or (shape is not None and a.shape[1:] != tuple(shape)):
        expected = "(N, H, W) or (N, D)" if shape is None else f"(N, {', '.join(map(str, shape))}) or (N, D)"
        raise ValueError(f"{where}: images has shape {a.shape}, expected {expected}")
    return a


def _broadcast(where, name, x, shape):
    """An array in float64, one entry per image; an entry alone is for all of them."""
    x = as_float(where, name, x).astype(np.float64, copy=False)
    if x.shape not in (shape, shape[1:]):
        raise ValueError(f"{where}: {name} has shape {x.shape}, expected {shape} or {shape[1:]}")
    if not np.isfinite(x).all():
        raise ValueError(f"{where}: {name} has NaN or infinite values")
    return np.broadcast_to(x, shape)
