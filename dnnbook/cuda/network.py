"""Networks whose parameters stay on the GPU: prediction, gradients and training without a copy to the host."""

import itertools
import time
from typing import NamedTuple

import numpy as np

from dnnbook import network, optimizers
from dnnbook.cuda import _data
from dnnbook.cuda._layout import Layout, checked
from dnnbook.cuda.device import allocated, empty, interface_of, need, simulated, to_host, whole
from dnnbook.train.batches import count, generator
from dnnbook.train.history import History
from dnnbook.train.loop import ADVICE
from dnnbook.train.measures import accuracy

__all__ = ["Network"]

ROWS = 8192  # that are predicted at once
KEPT = 4  # prepared passes, for sizes of batches that may come again


class Network:
    """A network on the GPU, in float32, with the semantics of :mod:`dnnbook.network` and :mod:`dnnbook.train`.

    Its layers are dense layers, elementwise activations, dropout and batch normalization. All trained parameters stand in one
    vector on the device, so that an optimizer takes one kernel. Equal seeds give the masks, the order of examples and, but for
    round-off, the numbers of the CPU. Arguments are NumPy arrays, or contiguous arrays that are on the device already (whatever
    has ``__cuda_array_interface__``); results are where `x` is.

    Parameters
    ----------
    layers : sequence of Layer
        The network, from :func:`dnnbook.network.mlp` or made of layers of :mod:`dnnbook.layers`.
    params : sequence of tuples of ndarray
        Its parameters, from :func:`dnnbook.network.init`; they are copied.

    Raises
    ------
    RuntimeError
        There is no GPU; :func:`dnnbook.cuda.missing` tells what is missing.
    ValueError
        A layer is of another kind, or `params` does not fit `layers`.
    TypeError
        `params` is not float32.
    MemoryError
        The device has no room.

    Examples
    --------
    >>> x, y = np.float32([[0, 0], [0, 1], [1, 0], [1, 1]]), [0, 1, 1, 0]
    >>> layers, rng = network.mlp([2, 8, 2]), np.random.default_rng(0)
    >>> net = Network(layers, network.init(layers, rng))
    >>> history = net.fit(x, y, epochs=5, batch_size=4, rng=rng)
    >>> history.loss[-1] < history.loss[0]
    True
    >>> net.predict(x).shape
    (4, 2)
    """

    def __init__(self, layers, params):
        self.layers = tuple(layers)
        self.width, self.outputs = checked("Network", self.layers, params)
        need("Network")
        from numba import cuda

        self.stream = 0 if simulated() else cuda.stream()
        trained = network.trained(self.layers, params)
        rest = [p[len(q) :] for p, q in zip(params, trained, strict=True)]
        self.layout, self.layout_of_rest = Layout("Network", trained), Layout("Network", rest)
        self.vector, self.gradient = self.layout.vector(trained), self.layout.vector()
        self.rest, self.grads = self.layout_of_rest.vector(rest), self.layout.matrices(self.gradient)
        both = self.layout.matrices(self.vector), self.layout_of_rest.matrices(self.rest)
        self.params = tuple(p + q for p, q in zip(*both, strict=True))
        self.made = {}

    def to_host(self):
        """The parameters as NumPy arrays, in the form of :func:`dnnbook.network.init`.

        Returns
        -------
        tuple of tuples of ndarray
            Copies.
        """
        trained, rest = (to_host(v, stream=self.stream) for v in (self.vector, self.rest))
        both = self.layout.arrays(trained), self.layout_of_rest.arrays(rest)
        return tuple(p + q for p, q in zip(*both, strict=True))

    def predict(self, x):
        """:func:`dnnbook.network.predict` on the GPU.

        Parameters
        ----------
        x : array_like, shape (N, D)
            Examples.

        Returns
        -------
        ndarray or device array, shape (N, K)
            Outputs, where `x` is.

        Raises
        ------
        ValueError
            `x` does not fit the network.
        MemoryError
            The device has no room.
        """
        x = _data.examples("predict", x, self.width)
        made = (
            empty("predict", x, (x.shape[0], self.outputs)) if x.on_device else np.empty((x.shape[0], self.outputs), np.float32)
        )
        out = whole("predict", "out", made).flat() if x.on_device else made.reshape(-1)
        for first, last, passes in self.chunks("predict", x):
            self.run(passes.forward)
            part = out[first * self.outputs : last * self.outputs]
            if x.on_device:
                part.copy_to_device(passes.out.flat, self.stream)
            else:
                to_host(passes.out.flat, part, self.stream)
        self.wait()
        return made

    def loss(self, x, y, loss="softmax_cross_entropy"):
        """The loss on examples, in prediction: the mean over all of them.

        Parameters
        ----------
        x : array_like, shape (N, D)
            Examples, at least one.
        y : array_like, shape (N,) or (N, K)
            Labels or targets, where `x` is; see :func:`dnnbook.network.targets`.
        loss : str
            Name of a function in :mod:`dnnbook.losses` that has a ``_grad``.

        Returns
        -------
        float
            Loss.
        """
        x, t = self.pairs("loss", x, y, loss)
        targets, losses, sizes = _data.rows_of(t), [], []
        for first, last, passes in self.chunks("loss", x, loss):
            passes.t.flat.copy_to_device(targets(first, last), self.stream)
            passes.ahead.load(self.stream)
            self.run(passes.forward)
            losses.append(float(to_host(passes.ahead.losses, stream=self.stream)[0]))
            sizes.append(last - first)
        return float(np.average(losses, weights=sizes))

    def loss_and_gradients_(self, x, y, loss="softmax_cross_entropy", *, rng):
        """:func:`dnnbook.network.loss_and_gradients_` on the GPU: the running statistics of batch normalization move.

        Parameters
        ----------
        x, y, loss
            As in :meth:`loss`; one batch.
        rng : numpy.random.Generator
            Draws the masks of dropout.

        Returns
        -------
        E : float
            Loss.
        grads : tuple of tuples of ndarray or device arrays
            Gradients with respect to the trained parameters; copies, where `x` is.
        """
        where = "loss_and_gradients_"
        rng = generator(where, rng)
        x, t = self.pairs(where, x, y, loss)
        from dnnbook.cuda._training import keys

        n, words = x.shape[0], keys(rng, self.layers, 1)
        passes = self.prepared(where, n, loss, training=True)
        passes.ahead.load(self.stream, keys=words)
        passes.x.flat.copy_to_device(_data.rows_of(x)(0, n), self.stream)
        passes.t.flat.copy_to_device(_data.rows_of(t)(0, n), self.stream)
        self.run([*passes.forward, *passes.backward])
        E = float(to_host(passes.ahead.losses, stream=self.stream)[0])
        if not x.on_device:
            return E, self.layout.arrays(to_host(self.gradient, stream=self.stream))
        copy = allocated(where, self.layout.size)
        copy.copy_to_device(self.gradient, self.stream)
        self.wait()
        return E, self.layout.arrays(copy)

    def fit(
        self,
        x,
        y,
        *,
        loss="softmax_cross_entropy",
        optimizer="adam",
        batch_size=32,
        epochs=10,
        rng,
        validation=None,
        callback=None,
        schedule=None,
        graph=None,
    ):
        """Train on mini-batches, as :func:`dnnbook.train.fit` does, but in place and on the device.

        The data are copied to the device once, or used where they are. A step copies nothing; an epoch copies the order of the
        examples there, and the losses of its steps back.

        Parameters
        ----------
        x : array_like, shape (N, D)
            Examples.
        y : array_like, shape (N,) or (N, K)
            Labels or targets, where `x` is.
        loss, batch_size, epochs, rng, schedule
            As in :func:`dnnbook.train.fit`.
        optimizer : str or Optimizer
            One of sgd, momentum, nesterov, adagrad, rmsprop, rmsprop_nesterov, adadelta, adam, adam_uncorrected and adamw, by
            name or from :func:`dnnbook.optimizers.optimizer`.
        validation : tuple of array_like, optional
            Examples and labels ``(x, y)`` to measure on after each epoch, NumPy arrays.
        callback : function, optional
            ``callback(epoch, network, history)`` is called after each epoch, counted from 1; if it returns True, training
            stops.
        graph : bool, optional
            Record the kernels of a step as a CUDA graph, which takes the host one call instead of one for each kernel. By
            default that is tried; where it does not work there is a warning, and kernels are launched one by one.

        Returns
        -------
        History
            What happened; the parameters are in the network.

        Raises
        ------
        ValueError, TypeError
            An argument does not fit; nothing was computed.
        FloatingPointError
            The loss became NaN or infinite: known after the epoch.
        MemoryError
            The device has no room; the parameters are as they were.
        """
        from dnnbook.cuda import _graphs
        from dnnbook.cuda._steps import Steps
        from dnnbook.cuda._training import Trainer

        where = "fit"
        batch_size, epochs, rng = count(where, "batch_size", batch_size), count(where, "epochs", epochs), generator(where, rng)
        optimizer = optimizers.optimizer(optimizer) if isinstance(optimizer, str) else optimizer
        for name, function in {"callback": callback, "schedule": schedule}.items():
            if function is not None and not callable(function):
                raise TypeError(f"{where}: {name} is {function!r}, expected a function")
        if graph and (reason := _graphs.missing()) is not None:
            raise RuntimeError(f"{where}: graph is True: {reason}")
        graph = False if graph is None and _graphs.missing() is not None else graph
        x, t = self.pairs(where, x, y, loss)
        held_out = None if validation is None else self.held_out(where, *validation, loss)
        steps = Steps(where, optimizer, schedule)
        trainer = Trainer(where, self, *(_data.matrix(where, a, self.stream) for a in (x, t)), loss, steps, batch_size)
        history = History()
        for epoch in range(1, epochs + 1):
            begin = time.perf_counter()
            losses, sizes = trainer.epoch(rng, self.stream, graph)
            history.seconds.append(time.perf_counter() - begin)
            if not np.isfinite(losses).all():
                step = int(np.argmin(np.isfinite(losses)))
                raise FloatingPointError(f"fit: the loss is {losses[step]} at epoch {epoch}, step {step + 1}; {ADVICE}")
            history.step_loss += [float(E) for E in losses]
            history.loss.append(float(np.average(losses.astype(float), weights=sizes)))
            if held_out:
                self.measure(*held_out, loss, history)
            if callback is not None and callback(epoch, self, history):
                history.stopped = "callback"
                break
        return history

    # ---- what these have in common ---------------------------------------------------------------------------------------

    def run(self, kernels):
        for one in kernels:
            one(self.stream)

    def wait(self):
        if self.stream != 0:
            self.stream.synchronize()

    def pairs(self, where, x, y, loss):
        """Checked examples and targets."""
        network.loss_functions(loss)
        x = _data.examples(where, x, self.width)
        if x.shape[0] == 0:
            raise ValueError(f"{where}: x has shape {x.shape}, expected at least one example")
        return x, _data.targets(where, y, (x.shape[0], self.outputs), loss, x.on_device)

    def held_out(self, where, x, labels, loss):
        """Examples, targets and labels of the validation, on the host."""
        if interface_of(x) is not None or interface_of(labels) is not None:
            raise TypeError(f"{where}: validation is on the device, expected NumPy arrays")
        x, t = self.pairs(where, x, labels, loss)
        return x.memory, t.memory, np.asarray(labels)

    def measure(self, x, t, labels, loss, history):
        """Validate."""
        value, _ = network.loss_functions(loss)
        z = self.predict(x)
        history.validation_loss.append(float(value(z, t)))
        if labels.ndim == 1 and labels.dtype.kind in "iu":
            history.validation_accuracy.append(accuracy(z - 0.5 if loss == "binary_cross_entropy" else z, labels))

    def chunks(self, where, x, loss=None):
        """Examples in turns of so many: (first row, last row, prepared passes where they stand)."""
        rows = _data.rows_of(x)
        for first, last in itertools.pairwise([*range(0, x.shape[0], ROWS), x.shape[0]]):
            passes = self.prepared(where, last - first, loss)
            passes.x.flat.copy_to_device(rows(first, last), self.stream)
            yield first, last, passes

    def prepared(self, where, rows, loss=None, training=False):
        """The kernels for so many rows: those of the last sizes are kept."""
        from dnnbook.cuda._stages import Stages
        from dnnbook.cuda._training import Ahead

        key = rows, loss, training
        if key not in self.made:
            ahead = Ahead(where, 1, 1, 2 * len(self.layers), 1) if loss else None
            chance = (ahead.keys, ahead.counter) if loss else None
            stages = Stages(where, self.layers, self.params, self.grads if training else None, rows, self.width, chance)
            t = stages.matrix(self.outputs) if loss else None
            last = stages.loss(loss, t, ahead.losses, ahead.counter) if loss else []
            passes = Passes(stages.x, t, stages.out.y, [*stages.forward, *last], stages.backward, ahead)
            self.made = dict([*self.made.items(), (key, passes)][-KEPT:])
        return self.made[key]


class Passes(NamedTuple):
    """The kernels for batches of one size, and where their matrices are; without a loss there are no targets."""

    x: object
    t: object
    out: object
    forward: list
    backward: list
    ahead: object
