"""The layers of a network as kernels, made ready once for batches of one size.

A layer reads the matrix before it and writes the one after it; on the way back it turns the gradient of what it wrote into
those of its parameters and of what it read. Activations hardly ever take a pass of their own: a dense layer or a batch
normalization computes its activation along, and the derivative is multiplied in by whoever computes the gradient next: until
then it is a `slope` that is owed.
"""

import functools
import math
from typing import NamedTuple

import numpy as np

from dnnbook import _passes, dropout
from dnnbook.cuda.device import Array, Launch, allocated, interface_of, processors
from dnnbook.cuda.layers import sums
from dnnbook.cuda.products import ACTIVATIONS, launches, plan

SAME_SLOPE = "relu", "relu6"  # the derivative at f(z) is that at z: one of the two need not be kept
KINDS = {_passes.dense: "dense", _passes.pointwise: "pointwise", _passes.dropout: "dropout", _passes.batch_norm: "batch_norm"}


def kind(layer):
    """(what a layer is, its numbers); (None, ()) if it is none of KINDS."""
    made = layer.prepare
    if isinstance(made, functools.partial):
        return KINDS.get(made.func), made.args
    return KINDS.get(made), ()


class Matrix(NamedTuple):
    """Rows without gaps on the device, in memory of a multiple of 4 elements that begins on a multiple of 16 bytes."""

    memory: object
    rows: int
    columns: int

    @property
    def size(self):
        return self.rows * self.columns

    @property
    def flat(self):
        return self.memory[: self.size]

    def array(self, transposed=False):
        """As a factor of a product."""
        shape = (self.columns, self.rows) if transposed else (self.rows, self.columns)
        pointer = interface_of(self.memory)["data"][0]
        return Array("", shape, True, transposed, self.columns, pointer, self.memory)


class Slope(NamedTuple):
    """A derivative that a gradient is still to be multiplied by, and where it is taken."""

    pointwise: _passes.Pointwise
    z: Matrix

    @property
    def name(self):
        """Its activation, if products have it as their last step."""
        return in_products(self.pointwise)


class Node(NamedTuple):
    """A matrix between layers, where the gradient goes (None if nobody wants it), and what that is to be multiplied by."""

    y: Matrix
    g: Matrix | None = None
    slope: Slope | None = None


def in_products(pointwise):
    """The name of an activation that products have as their last step; else None."""
    name = pointwise.value.__name__ if pointwise and not pointwise.numbers else None
    return name if name in ACTIVATIONS else None


def of_value(pointwise):
    """The activation of a layer as a device function."""
    from dnnbook.cuda._scalars import device

    return device(pointwise.value.kernel.body, *pointwise.numbers)


def of_slope(pointwise):
    """Its derivative."""
    from dnnbook.cuda._scalars import device

    return device(pointwise.slope.kernel.body, *pointwise.numbers)


class Stages:
    """The kernels of a network for batches of one size.

    Parameters
    ----------
    where : str
        What errors call it.
    layers : sequence of Layer
    params, grads : sequence of tuples of Matrix
        Parameters, and where the gradients of the trained ones go; no gradients for prediction.
    rows, width : int
        Of the batch.
    chance : tuple, optional
        What dropout needs in training: the table of keys and the counter of steps.

    Attributes
    ----------
    x, out : Matrix, Node
        Where the batch stands, and the outputs.
    forward, backward : list of Launch
    """

    def __init__(self, where, layers, params, grads, rows, width, chance=None):
        self.where, self.rows, self.chance, self.terms = where, rows, chance, None
        self.training, self.dropouts, self.masks = grads is not None, sum(kind(c)[0] == "dropout" for c in layers), 0
        self.x = self.matrix(width)
        self.forward, ways_back, node, i = [], [], Node(self.x), 0
        while i < len(layers):
            following = layers[i + 1].pointwise if i + 1 < len(layers) else None
            name, numbers = kind(layers[i])
            mine = params[i], grads[i] if self.training else None
            node, back, count = getattr(self, name)(node, *mine, following, *numbers)
            ways_back.append(back)
            i += count
        self.out = node
        self.backward = [one for back in reversed(ways_back) for one in back]

    def matrix(self, columns):
        """A new matrix with the rows of the batch."""
        return Matrix(allocated(self.where, max(-(-self.rows * columns // 4) * 4, 4)), self.rows, columns)

    def room(self, size):
        """Memory for the parts of sums, which no kernel needs for longer than the next."""
        if self.terms is None or self.terms.size < size:
            self.terms = allocated(self.where, size)
        return self.terms[:size]

    def product(self, a, b, c, bias=None, activation=None, z=None):
        """The kernels of c = f(a b + bias), or of f'(z) a b."""
        (M, K), N = a.shape, b.shape[1]
        tile, parts = plan(M, N, K, processors())
        return launches(tile, parts, a, b, bias, activation, z, c, self.room)

    def settled(self, node):
        """The kernels that multiply a gradient by what is owed."""
        from dnnbook.cuda import _loops

        if node.slope is None:
            return []
        loop = _loops.products(of_slope(node.slope.pointwise))
        return [_loops.ready(loop, node.g.size, node.g.flat, node.slope.z.flat, node.g.flat)]

    def dense(self, node, params, grads, following):
        W, b = params
        y, name = self.matrix(W.columns), in_products(following)
        fused = name if name in (SAME_SLOPE if self.training else ACTIVATIONS) else None
        self.forward += self.product(node.y.array(), W.array(), y.array(), vector(b), fused)
        count = 2 if fused else 1
        if not self.training:
            return Node(y), [], count
        (dW, db), g = grads, self.matrix(W.columns)
        back = sums(g.array(), db.flat, self.room)
        back += self.product(node.y.array(transposed=True), g.array(), dW.array())
        if node.g is not None:
            owed = node.slope and node.slope.name
            z = node.slope.z.array() if owed else None
            back += self.product(g.array(), W.array(transposed=True), node.g.array(), activation=owed, z=z)
            back += [] if owed else self.settled(node)
        return Node(y, g, Slope(following, y) if fused else None), back, count

    def pointwise(self, node, params, grads, following, mine):
        from dnnbook.cuda import _loops

        y = self.matrix(node.y.columns)
        self.forward.append(_loops.ready(_loops.values(of_value(mine)), y.size, node.y.flat, y.flat))
        if node.g is None:
            return Node(y), [], 1
        if node.slope is None:
            return Node(y, node.g, Slope(mine, node.y)), [], 1
        g = self.matrix(y.columns)
        loop = _loops.products(of_slope(mine))
        return Node(y, g), [_loops.ready(loop, y.size, g.flat, node.y.flat, node.g.flat), *self.settled(node)], 1

    def dropout(self, node, params, grads, following, keep):
        from dnnbook.cuda import _masked

        if not self.training:
            return node, [], 1
        y, fours = self.matrix(node.y.columns), -(-node.y.size // 4)
        keys, counter = self.chance
        scale, last = np.float32(1) / np.float32(keep), dropout._last("dropout", keep)
        layer, self.masks = self.masks, self.masks + 1

        def masked(slope, x, z, y, ahead):
            numbers = [np.int32(n) for n in (layer, self.dropouts, ahead)]
            arguments = x.memory, z.memory, y.memory, keys, counter, np.int32(fours), scale, last, *numbers
            return Launch(_masked.masked(slope), *_masked.grid(fours), arguments)

        self.forward.append(masked(None, node.y, node.y, y, 0))
        if node.g is None:
            return Node(y), [], 1
        g, slope = self.matrix(y.columns), node.slope
        back = masked(of_slope(slope.pointwise), g, slope.z, node.g, 1) if slope else masked(None, g, g, node.g, 1)
        return Node(y, g), [back], 1

    def batch_norm(self, node, params, grads, following, eps, momentum):
        from dnnbook.cuda import _normalized

        gamma, beta, mean, var = (p.flat for p in params)
        D, x = node.y.columns, node.y.flat
        y, f, count = self.matrix(D), of_value(following) if following else None, 2 if following else 1
        sizes, eps, momentum = (np.int32(self.rows), np.int32(D)), np.float32(eps), np.float32(momentum)
        across, block = math.ceil(D / _normalized.WIDE), (_normalized.WIDE, _normalized.HIGH)
        if not self.training:
            grid = across, min(math.ceil(self.rows / _normalized.HIGH), 2**15)
            arguments = x, gamma, beta, mean, var, y.flat, *sizes, eps
            self.forward.append(Launch(_normalized.prediction(f), grid, block, arguments))
            return Node(y), [], count
        z, g, dx = self.matrix(D) if f else y, self.matrix(D), node.g or self.matrix(D)
        offsets, squares = (allocated(self.where, D) for _ in range(2))
        arguments = x, gamma, beta, mean, var, offsets, squares, z.flat, y.flat, *sizes, eps, momentum
        self.forward.append(Launch(_normalized.forward(f), across, block, arguments))
        dgamma, dbeta = (p.flat for p in grads)
        arguments = g.flat, x, gamma, offsets, squares, dx.flat, dgamma, dbeta, *sizes, eps
        back = [Launch(_normalized.backward(), across, block, arguments)]
        back += self.settled(node) if node.g is not None else []
        return Node(y, g, Slope(following, z) if f else None), back, count

    def loss(self, name, t, losses, counter):
        """The kernels of a loss and its gradient, and of what is owed; the loss goes to the record, and the step is counted."""
        from dnnbook.cuda import _losses, _rows

        y, (N, K) = self.out.y, (self.rows, self.out.y.columns)
        g = self.out.g or self.matrix(K)
        if name == "softmax_cross_entropy":
            size = N
            parts = allocated(self.where, N)
            numbers = [np.int32(n) for n in (N, K, K, K)]
            grid, block = math.ceil(N / _rows.ROWS), (_rows.LANES, _rows.ROWS)
            first = Launch(_rows.kernel(_rows.cross_entropy), grid, block, (y.flat, t.flat, parts, g.flat, *numbers))
        else:
            size = min(math.ceil(y.size / _losses.THREADS), 2 * processors())
            parts = allocated(self.where, size)
            arguments = y.flat, t.flat, parts, g.flat, np.int32(y.size), np.float32(N)
            first = Launch(_losses.pairs(name), size, _losses.THREADS, arguments)
        record = Launch(_losses.record(), 1, _losses.THREADS, (parts, losses, counter, np.int32(size), np.float32(N)))
        return [first, record, *(self.settled(self.out) if self.out.g is not None else [])]


def vector(matrix):
    """A row of numbers as the bias of a product."""
    return Array("", (matrix.size,), True, False, matrix.size, 0, matrix.memory)
