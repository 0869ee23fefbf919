"""A training loop's side on the device: data, passes for the two sizes of batches, and what an epoch needs, laid out ahead.

No argument of a kernel changes from step to step. What does change - the rows of the batch, the keys of dropout, the numbers of
the optimizer, the place of the loss - lies in tables on the device, and a counter there says which row is meant. So the kernels
of a step can be recorded once and replayed, and a step copies nothing to the host or from it.
"""

import math
import warnings

import numpy as np

from dnnbook import _random
from dnnbook.cuda import _graphs
from dnnbook.cuda._stages import Stages, kind
from dnnbook.cuda.device import Launch, allocated
from dnnbook.train.batches import shuffled


def keys(rng, layers, count):
    """The keys that dropout draws in so many steps, one after the other, as a table of 32-bit words."""
    dropouts = sum(kind(layer)[0] == "dropout" for layer in layers)
    drawn = [_random.draw_key(rng) for _ in range(count * dropouts)]
    return np.array(drawn or [0], np.uint64).view(np.uint32)


class Ahead:
    """Tables for so many steps, and the counter of the steps of an epoch, on the device."""

    def __init__(self, where, count, rows, words, width):
        self.order = allocated(where, rows, dtype=np.int32)
        self.keys = allocated(where, words, dtype=np.uint32)
        self.numbers = allocated(where, max(count * width, 1))
        self.losses = allocated(where, count)
        self.counter = allocated(where, 1, dtype=np.int32)

    def load(self, stream, order=None, keys=None, numbers=None):
        """Fill the tables, and begin at their first row."""
        for table, values in ((self.order, order), (self.keys, keys), (self.numbers, numbers)):
            if values is not None:
                table[: values.size].copy_to_device(np.ascontiguousarray(values).reshape(-1), stream)
        self.counter.copy_to_device(np.zeros(1, np.int32), stream)


class Pass:
    """The kernels of one training step, for batches of one size, and the graph that they become."""

    def __init__(self, where, net, rows, x, t, loss, batch_size, ahead, update):
        chance = ahead.keys, ahead.counter
        stages = Stages(where, net.layers, net.params, net.grads, rows, x.columns, chance)
        batch = stages.matrix(t.columns)
        self.launches = [
            gathered(x, t, ahead, stages.x, batch, batch_size),
            *stages.forward,
            *stages.loss(loss, batch, ahead.losses, ahead.counter),
            *stages.backward,
            update,
        ]
        self.rows, self.graph, self.plain = rows, None, 0

    def __call__(self, stream, graph):
        """One step. `graph` says whether to record: True, False, or None for: if that works."""
        if self.graph is None:
            if graph is not False and self.plain == 1:  # all kernels are loaded now
                self.record(stream, graph)
            self.plain += 1
        if self.graph is not None:
            self.graph()
        else:
            self.run(stream)

    def run(self, stream):
        for one in self.launches:
            one(stream)

    def record(self, stream, graph):
        try:
            self.graph = _graphs.Graph(lambda: self.run(stream), stream)
        except RuntimeError as error:
            if graph:
                raise
            warnings.warn(f"fit: the step is not recorded as a graph, kernels are launched one by one: {error}", stacklevel=4)


def gathered(x, t, ahead, to_x, to_t, batch_size):
    """The kernel that collects a batch."""
    from dnnbook.cuda import _batches

    vectors = x.columns % 4 == 0 and x.array().pointer % 16 == 0
    numbers = [np.int32(n) for n in (batch_size, x.columns, t.columns, x.columns, t.columns)]
    arguments = x.flat, t.flat, ahead.order, ahead.counter, to_x.flat, to_t.flat, *numbers
    return Launch(_batches.gather(vectors), to_x.rows, _batches.THREADS, arguments)


class Trainer:
    """A training loop's kernels and tables.

    Parameters
    ----------
    where : str
        What errors call it.
    net : Network
        Its parameters are trained.
    x, t : Matrix
        Examples and targets, on the device.
    loss : str
    steps : Steps
        The optimizer.
    batch_size : int
    """

    def __init__(self, where, net, x, t, loss, steps, batch_size):
        n, batch_size = x.rows, min(batch_size, x.rows)
        self.net, self.steps, self.batch_size, self.rows = net, steps, batch_size, n
        self.count = math.ceil(n / batch_size)
        words = max(2 * self.count * sum(kind(layer)[0] == "dropout" for layer in net.layers), 2)
        self.ahead = Ahead(where, self.count, n, words, steps.width)
        update = steps.ready(net.vector, net.gradient, self.ahead.numbers, self.ahead.counter)
        sizes = {batch_size, n - (self.count - 1) * batch_size}
        made = (x, t, loss, batch_size, self.ahead, update)
        self.passes = {size: Pass(where, net, size, *made) for size in sizes}

    def epoch(self, rng, stream, graph):
        """Train for one epoch: the losses of its steps and the sizes of their batches."""
        order = list(shuffled(rng, self.rows, self.batch_size))
        order = np.arange(self.rows) if order[0] is None else np.concatenate(order)
        table = keys(rng, self.net.layers, self.count)
        self.ahead.load(stream, order.astype(np.int32), table, self.steps.table(self.count))
        sizes = [min(self.batch_size, self.rows - i * self.batch_size) for i in range(self.count)]
        for size in sizes:
            self.passes[size](stream, graph)
        return self.ahead.losses.copy_to_host(stream=stream), sizes
