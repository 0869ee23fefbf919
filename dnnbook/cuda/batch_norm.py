"""Batch normalization on the GPU, for float32 arrays, by the formulas of :mod:`dnnbook.batch_norm`.

Matrices on the device have rows without gaps. Sums are in float32, where the CPU's are in float64.
"""

import math

import numpy as np

from dnnbook import batch_norm as on_cpu
from dnnbook._check import as_scalar
from dnnbook.cuda.device import FLOAT, Launch, argument, empty, interface_of, need, same_place, to_host, workspace

__all__ = ["batch_norm", "batch_norm_inference", "batch_norm_vjp"]


def batch_norm(x, gamma, beta, eps=1e-5, stream=0):
    """:func:`dnnbook.batch_norm.batch_norm` on the GPU; the result is where `x` is."""
    x, gamma, beta, eps = taken("batch_norm", eps, x=x, gamma=gamma, beta=beta)
    y = empty("batch_norm", x, x.shape)
    normalized("batch_norm", x.flat(stream), gamma.flat(stream), beta.flat(stream), vector(y, x), x.shape, eps, stream)
    return where_given(x, stream, y)[0]


def batch_norm_vjp(g, x, gamma, eps=1e-5, stream=0):
    """:func:`dnnbook.batch_norm.batch_norm_vjp` on the GPU; the gradients of inputs, scales and shifts are where `x` is."""
    from dnnbook.cuda import _normalized

    where = "batch_norm_vjp"
    g, x, gamma, eps = taken(where, eps, g=g, x=x, gamma=gamma)
    dx, dgamma, dbeta = (empty(where, x, shape) for shape in (x.shape, gamma.shape, gamma.shape))
    of_x, scale, to = x.flat(stream), gamma.flat(stream), vector(dx, x)
    kept = normalized(where, of_x, scale, scale, to, x.shape, eps, stream)  # the output stands where dx comes: nobody reads it
    ends = to, vector(dgamma, gamma), vector(dbeta, gamma)
    arguments = g.flat(stream), of_x, scale, *kept, *ends, *map(np.int32, x.shape), eps
    Launch(_normalized.backward(), *shape_of_launch(x.shape[1]), arguments)(stream)
    return where_given(x, stream, dx, dgamma, dbeta)


def batch_norm_inference(x, gamma, beta, mean, var, eps=1e-5, stream=0):
    """:func:`dnnbook.batch_norm.batch_norm_inference` on the GPU; the result is where `x` is."""
    from dnnbook.cuda import _normalized

    where = "batch_norm_inference"
    x, *rest, eps = taken(where, eps, x=x, gamma=gamma, beta=beta, mean=mean, var=var)
    y = empty(where, x, x.shape)
    across, block = shape_of_launch(x.shape[1])
    grid = across, min(math.ceil(x.shape[0] / _normalized.HIGH), 2**15)
    arguments = x.flat(stream), *(a.flat(stream) for a in rest), vector(y, x), *map(np.int32, x.shape), eps
    Launch(_normalized.prediction(), grid, block, arguments)(stream)
    return where_given(x, stream, y)[0]


def taken(where, eps, **arrays):
    """The checked arrays, `x` and `g` of shape (N, D) and the others (D,), and the checked epsilon."""
    found, sizes = [], {}
    for name, value in arrays.items():
        letters = "ND" if name in ("x", "g") else "D"
        value = np.asarray(value, order="C") if interface_of(value) is None else value
        a = argument(where, name, value, *letters, sizes=sizes)
        if 0 in a.shape:
            raise ValueError(f"{where}: {name} has shape {a.shape}, expected ({', '.join(letters)}) with lengths of at least 1")
        if a.transposed or a.pitch != a.shape[-1]:
            if a.on_device:
                raise ValueError(f"{where}: {name} is not C-contiguous")
            a = a._replace(transposed=False, pitch=a.shape[-1], memory=np.ascontiguousarray(value))
        found.append(a)
    same_place(where, *found)
    eps = FLOAT.type(as_scalar(where, on_cpu.batch_norm.contract.arguments[-1], eps))
    need(where)
    return *found, eps


def normalized(where, x, gamma, beta, y, shape, eps, stream):
    """Normalize by the batch; what the way back needs of it."""
    from numba import cuda

    from dnnbook.cuda import _normalized

    D = shape[1]
    room, nothing = workspace(2 * D, stream, where), cuda.device_array(0, FLOAT)
    kept = room[:D], room[D:]
    arguments = x, gamma, beta, nothing, nothing, *kept, y, y, *map(np.int32, shape), eps, np.float32(0)
    Launch(_normalized.forward(), *shape_of_launch(D), arguments)(stream)
    return kept


def shape_of_launch(D):
    """(blocks, threads of a block) for so many columns."""
    from dnnbook.cuda import _normalized

    return math.ceil(D / _normalized.WIDE), (_normalized.WIDE, _normalized.HIGH)


def vector(made, like):
    """A new array, of the shape of an argument, as one run of device memory."""
    return argument(like.where, "out", made, *map(str, range(len(like.shape)))).flat()


def where_given(x, stream, *made):
    """The results, copied to the host if `x` is there."""
    return made if x.on_device else tuple(to_host(a, stream=stream) for a in made)
