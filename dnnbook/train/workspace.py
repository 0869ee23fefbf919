"""The arrays of a training loop, made once: all parameters in one vector, and what a batch needs on its way there and back."""

import numpy as np

from dnnbook import _passes, network
from dnnbook._memory import empty


def together(layers, params):
    """A copy of the parameters of which the trained ones stand in one vector: (vector, parameters).

    The arrays are parts of the vector: a step of an optimizer on it moves all of them at once.
    """
    trained = network.trained(layers, params)
    size = sum(a.size for p in trained for a in p)
    vector, used, copy = empty(size, network.dtype_of(params) or np.float64), 0, []
    for p, q in zip(params, trained, strict=True):
        arrays = []
        for a in q:
            part = vector[used : used + a.size].reshape(a.shape)
            part[...] = a
            arrays.append(part)
            used += a.size
        copy.append((*arrays, *[np.array(a, order="C") for a in p[len(q) :]]))
    return vector, tuple(copy)


class Workspace:
    """The passes of a network for batches of one size.

    Attributes
    ----------
    x, t : ndarray
        Where the batch stands: examples and targets.
    """

    def __init__(self, layers, params, grads, x, t, loss, rng):
        self.x, self.t, passes = x, t, []
        y, g, i = x, None, 0
        while i < len(layers):
            following = layers[i + 1] if i + 1 < len(layers) else None
            arguments = params[i], grads[i], y, g, rng, following
            prepare = layers[i].prepare
            passes.append(prepare(*arguments) if prepare else _passes.whatever(layers[i], *arguments))
            y, g, i = passes[-1].y, passes[-1].g, i + passes[-1].layers
        self.outputs = y, t, g
        self.loss = _passes.LOSSES[loss]
        self.forward = [p.forward for p in passes]
        self.backward = [p.backward for p in reversed(passes)]

    @network.quiet
    def __call__(self):
        """The loss of the batch; its gradients are in the arrays of `grads` then."""
        for forward in self.forward:
            forward()
        E = self.loss(*self.outputs)
        for backward in self.backward:
            backward()
        return E


class Workspaces:
    """What a loop needs to find the gradients on one batch after another, for all sizes of batches that it meets.

    Parameters
    ----------
    layers, params, loss, rng
        As in :func:`dnnbook.train.fit`; the arrays of `params` are used, not copied.
    x, t : ndarray
        Examples and targets that the batches are taken from.
    copies : bool
        Is a batch of all rows a copy too, which the caller may change?

    Attributes
    ----------
    grads : tuple of tuples of ndarray
        Gradients of the last batch.
    vector : ndarray
        The same in one vector, of which they are parts.
    """

    def __init__(self, layers, params, x, t, loss, rng, copies=False):
        self.vector, grads = together(layers, params)
        self.grads = network.trained(layers, grads)
        self.x, self.t, self.copies, self.made = x, t, copies, {}
        self.fixed = layers, params, self.grads
        self.rest = loss, rng

    def load(self, rows):
        """A batch in place: these rows, or all where `rows` is None."""
        if rows is None and self.copies:
            rows = np.arange(len(self.x))
        count = len(self.x) if rows is None else len(rows)
        if count not in self.made:
            x, t = (self.x, self.t) if rows is None else (empty((count, a.shape[1]), a.dtype) for a in (self.x, self.t))
            self.made[count] = Workspace(*self.fixed, x, t, *self.rest)
        workspace = self.made[count]
        if rows is not None:
            self.x.take(rows, axis=0, out=workspace.x, mode="clip")  # without "clip" it would make a copy first
            self.t.take(rows, axis=0, out=workspace.t, mode="clip")
        return workspace
