"""Matrix products on the GPU."""

import math

import numpy as np

from dnnbook.cuda.device import (
    Launch,
    argument,
    empty,
    need,
    need_capability,
    processors,
    same_place,
    to_host,
    workspace,
    writable,
)

__all__ = ["matmul", "rounded"]

ROUNDING = {"float32": 0.0, "tf32": 2.0**-10, "bf16": 2.0**-7}  # of two factors: twice their unit round-off
ACTIVATIONS = ("absolute_relu", "linear", "relu", "relu6", "sigmoid", "softplus", "tanh")
SHORTEST = 256  # terms of a sum that are worth a block of their own
MOST_PARTS = 512


def matmul(a, b, *, bias=None, activation=None, z=None, out=None, precision="float32", stream=0):
    r"""Product of two matrices, and what a layer does with it, in one kernel.

    .. math::

       c_{mn} = f \left( \sum_{k=1}^{K} a_{mk} \, b_{kn} + \beta_n \right)
       \quad \text{or, with z,} \quad
       c_{mn} = f'(z_{mn}) \sum_{k=1}^{K} a_{mk} \, b_{kn}

    Parameters
    ----------
    a : array_like, shape (M, K)
        First factor, :math:`a_{mk}`; float32. Rows or columns must be contiguous on the device: ``x.T`` and ``x[:, 3:7]`` of a
        contiguous `x` need no copy.
    b : array_like, shape (K, N)
        Second factor, :math:`b_{kn}`; as `a`.
    bias : array_like, shape (N,), optional
        Biases, :math:`\beta_n`; 0 by default.
    activation : {"absolute_relu", "linear", "relu", "relu6", "sigmoid", "softplus", "tanh"}, optional
        Activation, :math:`f`, of :mod:`dnnbook.activations`; linear by default.
    z : array_like, shape (M, N), optional
        Pre-activations, :math:`z_{mn}`, where the derivative of the activation is taken: the step backward through a layer.
    out : array, shape (M, N), optional
        Where to put the result; its rows must be contiguous. It must not overlap the other arrays.
    precision : {"float32", "tf32", "bf16"}, optional
        What the factors are rounded to, so that tensor cores can multiply them; see Notes. By default they are not rounded.
    stream : numba.cuda stream, optional
        The stream to run in; the default stream by default.

    Returns
    -------
    ndarray or device array, shape (M, N)
        Product, :math:`c_{mn}`: a NumPy array if `a` and `b` are, else an array on the device, of the library that `a` is from.

    Raises
    ------
    ValueError
        If shapes do not fit together, or neither rows nor columns of a device array are contiguous.
    TypeError
        If an array is not float32, or some are on the device and others are not.
    RuntimeError
        If there is no GPU; :func:`dnnbook.cuda.missing` tells what is missing. If its compute capability is below 8.0 and the
        precision is not float32.
    MemoryError
        If the result does not fit into the memory of the device.

    Notes
    -----
    Sums are accumulated in float32, in an order that depends on the shapes and on the GPU, but is the same in every call.
    As long as nothing is subnormal or overflows, the computed sum, before bias and activation, differs from the exact one by at
    most

    .. math::

       \left( \rho + (1 + \rho) (K + 8) \, \varepsilon \right) \sum_{k=1}^{K} |a_{mk}| \, |b_{kn}| ,

    with :math:`\varepsilon = 2^{-23}` and :math:`\rho = 0` in float32, and with :math:`\varepsilon = 2^{-22}` and
    :math:`\rho = 2^{-10}` in tf32 or :math:`\rho = 2^{-7}` in bf16. Rounding to tf32 keeps 11 significant bits and changes a
    number x by at most :math:`u |x| / (1 + u)` with :math:`u = 2^{-11}`; rounding to bf16 keeps 8, and :math:`u = 2^{-8}`. So
    it changes a product of two by a share of less than :math:`\rho = 2 u`. The product of two rounded factors is exact. The
    larger :math:`\varepsilon` allows for tensor cores that cut off where others round (Fasi et al., Numerical behavior of
    NVIDIA tensor cores, PeerJ Computer Science 7, 2021). Where terms cancel, the bound can be larger than the sum.

    Rounding is to nearest. Halfway cases go to even in bf16, and away from 0 in tf32: no other way works on every GPU that has
    tensor cores for tf32. Both have the range of float32, but factors of at least :math:`2^{128} (1 - 2^{-9})` in bf16, and of
    at least :math:`2^{128} (1 - 2^{-12})` in tf32, round to infinity. Infinities and NaN give what they give in float32.

    Examples
    --------
    >>> x = np.array([[1, 2], [3, 4]], np.float32)
    >>> matmul(x, x.T)
    array([[ 5., 11.],
           [11., 25.]], dtype=float32)
    >>> matmul(x, x.T, bias=np.array([-8, 0], np.float32), activation="relu")
    array([[ 0., 11.],
           [ 3., 25.]], dtype=float32)
    >>> matmul(x + np.float32(2**-9), x.T, precision="bf16")  # 8 significant bits hold 1 + 2**-7, but not 1 + 2**-9
    array([[ 5., 11.],
           [11., 25.]], dtype=float32)
    """
    if precision not in ROUNDING:
        raise ValueError(f"matmul: precision is {precision!r}, expected one of {', '.join(map(repr, ROUNDING))}")
    sizes = {}
    a = argument("matmul", "a", a, "M", "K", sizes=sizes)
    b = argument("matmul", "b", b, "K", "N", sizes=sizes)
    bias = bias if bias is None else argument("matmul", "bias", bias, "N", sizes=sizes)
    z = z if z is None else argument("matmul", "z", z, "M", "N", sizes=sizes)
    if activation is not None and activation not in ACTIVATIONS:
        expected = ", ".join(map(repr, ACTIVATIONS))
        raise ValueError(f"matmul: activation is {activation!r}, expected one of {expected}")
    if z is not None and (activation is None or bias is not None):
        raise ValueError("matmul: z asks for the derivative of an activation: expected an activation, and no bias")
    if z is not None and z.transposed:
        raise ValueError("matmul: z has contiguous columns, expected contiguous rows")
    M, N = a.shape[0], b.shape[1]
    given = out
    if out is not None:
        out = argument("matmul", "out", out, "M", "N", sizes=sizes)
        if out.transposed or not (out.on_device or given is out.memory):
            raise ValueError(f"matmul: out has no contiguous rows{'' if out.on_device else ' without gaps'}")
        if not writable(given):
            raise ValueError("matmul: out cannot be changed in place")
    on_device = same_place("matmul", a, b, bias, z, out)
    need("matmul")
    if precision != "float32":
        need_capability("matmul", f"precision {precision!r}", (8, 0))
    made = given if given is not None and on_device else empty("matmul", a, (M, N))
    if M and N:
        c = argument("matmul", "out", made, "M", "N")
        launch(a, b, bias, activation, z, c, stream, precision)
    if on_device:
        return made
    return to_host(made, given, stream)


def rounded(x, precision):
    r"""What :func:`matmul` rounds its factors to before it multiplies them.

    Parameters
    ----------
    x : array_like
        Numbers; taken as float32.
    precision : {"float32", "tf32", "bf16"}
        The format: 24, 11 or 8 significant bits, all with the exponents of float32.

    Returns
    -------
    ndarray
        The nearest numbers of that format, as float32. What lies halfway goes to the one whose last bit is 0 in bf16, and away
        from 0 in tf32.

    Raises
    ------
    ValueError
        If there is no such precision.

    Examples
    --------
    >>> x = 1 + np.float32([2**-9, 2**-8, 2**-7])
    >>> rounded(x, "bf16") - 1
    array([0.       , 0.       , 0.0078125], dtype=float32)
    >>> np.array_equal(rounded(x, "tf32"), x)
    True
    """
    if precision not in ROUNDING:
        raise ValueError(f"rounded: precision is {precision!r}, expected one of {', '.join(map(repr, ROUNDING))}")
    x = np.array(x, np.float32)
    if precision == "float32":
        return x[()]
    bits = x.view(np.uint32)
    if precision == "bf16":
        near = bits + (np.uint32(0x7FFF) + (bits >> np.uint32(16) & np.uint32(1))) & np.uint32(0xFFFF0000)
    else:
        near = bits + np.uint32(0x1000) & np.uint32(0xFFFFE000)
    return np.where(np.isnan(x), x, near.view(np.float32))[()]


def error_bound(K, precision="float32"):
    """The bound of the error of a sum of K products as a share of the sum of their absolute values: see :func:`matmul`."""
    rho, eps = ROUNDING[precision], 2.0**-23 if precision == "float32" else 2.0**-22
    return rho + (1 + rho) * (K + 8) * eps


def plan(M, N, K, processors, precision="float32"):
    """The tile for such a product and the parts into which its sums are split, on a GPU with so many multiprocessors.

    The largest tile that gives every multiprocessor a block; if none does, the largest that does with sums in several parts.
    """
    from dnnbook.cuda import _tensor_cores, _tiles

    tiles = _tiles.TILES if precision == "float32" else _tensor_cores.TILES[precision]
    fitting = [t for t in tiles if t is tiles[-1] or (t.rows < 2 * M and t.columns < 2 * N)]
    blocks = {t: math.ceil(M / t.rows) * math.ceil(N / t.columns) for t in fitting}
    for t in fitting:
        if blocks[t] >= processors:
            return t, 1
    for t in fitting:
        parts = min(math.ceil(2 * processors / blocks[t]), K // SHORTEST, MOST_PARTS)
        if blocks[t] * parts >= processors:
            return t, parts
    return fitting[-1], max(parts, 1)


def launch(a, b, bias, activation, z, c, stream=0, precision="float32"):
    """Run the kernels of one product of checked arrays, none of which is empty but for K = 0."""
    (M, K), N = a.shape, b.shape[1]
    run(*plan(M, N, K, processors(), precision), a, b, bias, activation, z, c, stream)


def run(tile, parts, a, b, bias, activation, z, c, stream=0):
    """The same with a tile and a number of parts that somebody chose."""
    for one in launches(tile, parts, a, b, bias, activation, z, c, lambda size: workspace(size, stream, c.where), stream):
        one(stream)


def launches(tile, parts, a, b, bias, activation, z, c, room, stream=0):
    """The kernels of a product, ready to run again and again; ``room(size)`` gives memory for the parts of sums."""
    from dnnbook.cuda import _blocks, _tensor_cores, _tiles

    product = _tensor_cores.product if isinstance(tile, _tensor_cores.Tile) else _tiles.product
    (M, K), N = a.shape, b.shape[1]
    step = max(tile.depth, 16)
    length = max(math.ceil(K / parts / step) * step, step)
    parts = max(math.ceil(K / length), 1)
    last = bias is not None, activation, z is not None
    C = c.flat(stream)
    Z = C if z is None else z.flat(stream)
    beta = C if bias is None else bias.flat(stream)
    A, B = (C, C) if K == 0 else (a.flat(stream), b.flat(stream))
    grid = math.ceil(M / tile.rows) * math.ceil(N / tile.columns), parts
    sizes = [np.int32(n) for n in (M, N, K, a.pitch, b.pitch)]
    pitches = np.int32(c.pitch), np.int32(c.pitch if z is None else z.pitch)
    if parts == 1:
        vectors = a.fours and b.fours and c.fours
        kernel = product(tile, a.transposed, b.transposed, vectors, last)
        return [Launch(kernel, grid, tile.threads, (A, B, C, beta, Z, *sizes, *pitches, np.int32(length)))]
    terms = room(parts * M * N)
    vectors = a.fours and b.fours and N % 4 == 0
    kernel = product(tile, a.transposed, b.transposed, vectors)
    first = Launch(kernel, grid, tile.threads, (A, B, terms, beta, Z, *sizes, np.int32(N), pitches[1], np.int32(length)))
    grid, block = (math.ceil(N / _blocks.WIDE), min(math.ceil(M / _blocks.HIGH), 2**15)), (_blocks.WIDE, _blocks.HIGH)
    return [first, Launch(_blocks.summed(last), grid, block, (terms, C, beta, Z, *sizes[:2], *pitches, np.int32(parts)))]
