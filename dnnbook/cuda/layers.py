"""Layers and the softmax cross-entropy on the GPU: the names, arguments and formulas of the CPU's, in float32.

Batch normalization and dropout are in :mod:`dnnbook.cuda.batch_norm` and :mod:`dnnbook.cuda.dropout`, and offered here too.
"""

import math

import numpy as np

from dnnbook.cuda.batch_norm import batch_norm, batch_norm_inference, batch_norm_vjp
from dnnbook.cuda.device import Launch, allocated, argument, empty, need, same_place, to_host, workspace
from dnnbook.cuda.dropout import dropout, dropout_mask, dropout_vjp
from dnnbook.cuda.products import matmul

__all__ = [
    "batch_norm",
    "batch_norm_inference",
    "batch_norm_vjp",
    "dense",
    "dense_vjp",
    "dropout",
    "dropout_mask",
    "dropout_vjp",
    "hidden_delta",
    "layer_output",
    "softmax_cross_entropy",
    "softmax_cross_entropy_grad",
]
ROWS_A_PART = 256  # rows whose sum is worth a block of its own


def turned(x):
    """The transposed matrix, without a copy."""
    if isinstance(x, np.ndarray) or hasattr(x, "T"):
        return x.T
    return np.asarray(x).T


def dense(x, W, b, stream=0):
    """:func:`dnnbook.dense.dense` on the GPU: x W + b in one kernel. Arguments as for :func:`matmul`."""
    return matmul(x, W, bias=b, stream=stream)


def layer_output(o, W, b, activation, stream=0):
    """:func:`dnnbook.dense.layer_output` on the GPU, in one kernel, for every activation of :func:`matmul`."""
    return matmul(o, W, bias=b, activation=activation, stream=stream)


def hidden_delta(delta, W, z, activation, stream=0):
    """:func:`dnnbook.dense.hidden_delta` on the GPU, in one kernel, for every activation of :func:`matmul`."""
    return matmul(delta, turned(W), activation=activation, z=z, stream=stream)


def dense_vjp(g, x, W, stream=0):
    """:func:`dnnbook.dense.dense_vjp` on the GPU: the gradients of inputs, weights and biases."""
    sizes = {}
    for name, value, letters in (("g", g, "NM"), ("x", x, "ND"), ("W", W, "DM")):
        argument("dense_vjp", name, value, *letters, sizes=sizes)
    return matmul(g, turned(W), stream=stream), matmul(turned(x), g, stream=stream), column_sums(g, stream)


def column_sums(g, stream=0):
    """The gradient of the biases: the sums of the columns of g, shape (N, M)."""
    g = argument("dense_vjp", "g", g, "N", "M")
    if g.transposed:
        raise ValueError("dense_vjp: g has contiguous columns, expected contiguous rows")
    need("dense_vjp")
    made = empty("dense_vjp", g, g.shape[1:])
    if g.shape[1]:
        out = argument("dense_vjp", "db", made, "M").flat(stream)
        for one in sums(g, out, lambda size: workspace(size, stream, "dense_vjp"), stream):
            one(stream)
    return made if g.on_device else to_host(made, stream=stream)


def sums(g, out, room, stream=0):
    """The kernels of the sums of the columns of g; ``room(size)`` gives memory for the parts of sums."""
    from dnnbook.cuda import _blocks, _rows

    N, M = g.shape
    parts = max(math.ceil(N / ROWS_A_PART), 1)
    terms = room(parts * M) if parts > 1 else out
    X = g.flat(stream) if N else terms
    grid, block = (math.ceil(M / _rows.LANES), parts), (_rows.LANES, _rows.ROWS)
    numbers = [np.int32(n) for n in (N, M, g.pitch, ROWS_A_PART)]
    first = Launch(_rows.kernel(_rows.column_sums), grid, block, (X, terms, *numbers))
    if parts == 1:
        return [first]
    one, M, parts = np.int32(1), np.int32(M), np.int32(parts)
    grid, block = math.ceil(M / _blocks.WIDE), (_blocks.WIDE, _blocks.HIGH)
    return [first, Launch(_blocks.summed(), grid, block, (terms, out, out, out, one, M, M, M, parts))]


def entropy(where, z, y, stream):
    """(loss on the device, gradient) of one kernel."""
    from dnnbook.cuda import _rows

    sizes = {}
    z = argument(where, "z", z, "N", "K", sizes=sizes)
    y = argument(where, "y", y, "N", "K", sizes=sizes)
    on_device = same_place(where, z, y)
    for a in (z, y):
        if 0 in a.shape:
            raise ValueError(f"{where}: {a.name} has shape {a.shape}, expected (N, K) with N and K at least 1")
        if a.transposed:
            raise ValueError(f"{where}: {a.name} has contiguous columns, expected contiguous rows")
    need(where)
    (N, K), made = z.shape, empty(where, z, z.shape)
    losses, loss = workspace(N, stream, where), allocated(where, 1)
    block = _rows.LANES, _rows.ROWS
    G = argument(where, "g", made, "N", "K").flat(stream)
    numbers = [np.int32(n) for n in (N, K, z.pitch, y.pitch)]
    run = _rows.kernel(_rows.cross_entropy)[math.ceil(N / _rows.ROWS), block, stream]
    run(z.flat(stream), y.flat(stream), losses, G, *numbers)
    _rows.kernel(_rows.total)[1, block, stream](losses, loss, np.int32(N), np.float32(N))
    return loss, made if on_device else to_host(made, stream=stream)


def softmax_cross_entropy(z, y, stream=0):
    """:func:`dnnbook.losses.softmax_cross_entropy` on the GPU; the loss comes back as a number, which waits for the GPU."""
    return to_host(entropy("softmax_cross_entropy", z, y, stream)[0], stream=stream)[0]


def softmax_cross_entropy_grad(z, y, stream=0):
    """:func:`dnnbook.losses.softmax_cross_entropy_grad` on the GPU, where `z` is."""
    return entropy("softmax_cross_entropy_grad", z, y, stream)[1]
