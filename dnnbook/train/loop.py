"""The training loop."""

import math
import time
from typing import NamedTuple

import numpy as np
from tqdm import tqdm

from dnnbook import network, optimizers
from dnnbook.train import checkpoints, steps
from dnnbook.train.batches import augmented, copy, count, data, flat, generator, shuffled
from dnnbook.train.history import Fitted, History
from dnnbook.train.measures import accuracy
from dnnbook.train.workspace import Workspaces, together

ADVICE = "try a smaller eta, or look for NaN and huge numbers in x and y"


def fit(
    layers,
    params,
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
    progress=True,
    l1=0.0,
    l2=0.0,
    decay=0.0,
    max_norm=None,
    clip_value=None,
    clip_norm=None,
    schedule=None,
    patience=None,
    checkpoint=None,
    resume=False,
    augment=None,
):
    """Train a network on mini-batches.

    A step is: augmentation, forward and backward pass, gradients of the penalties, clipping, weight decay, the optimizer,
    max-norm; each of them only if asked for. Penalties, decay and max-norm are for matrices of weights, not for biases or for
    the scales and shifts of batch normalization.

    Parameters
    ----------
    layers : sequence of Layer
        The network.
    params : sequence of tuples of ndarray
        Where to start, from :func:`dnnbook.network.init`; left unchanged. Training happens in their dtype.
    x : array_like, shape (N, D)
        Examples.
    y : array_like, shape (N,) or (N, K)
        Integer labels for the cross-entropies, or an array of targets; see :func:`dnnbook.network.targets`.
    loss : str
        Name of a function in :mod:`dnnbook.losses` that has a ``_grad``.
    optimizer : str or Optimizer
        Name of an optimizer at its defaults, or ``optimizers.optimizer("sgd", eta=0.1)``. ``"nesterov"`` is the form evaluated
        at the parameters; the RPROPs are made for batch learning.
    batch_size : int
        Examples per step: 1 is on-line learning; N or more is batch learning, which does not shuffle. The last batch of an
        epoch may be smaller.
    epochs : int
        Passes over the data; with `resume`, those of the earlier run count.
    rng : numpy.random.Generator
        Shuffles the examples anew for each epoch, and draws what dropout and augmentation need.
    validation : tuple of array_like, optional
        Examples and labels ``(x, y)`` to measure on after each epoch.
    callback : function, optional
        ``callback(epoch, params, history)`` is called after each epoch, counted from 1; if it returns True, training stops. The
        arrays in `params` change later: copy what is to be kept.
    progress : bool
        Show a progress bar; it shows only in a terminal.
    l1, l2 : float
        Strengths of the penalties :func:`dnnbook.regularization.l1` and :func:`dnnbook.regularization.l2`.
    decay : float
        Strength of :func:`dnnbook.regularization.decoupled_decay`.
    max_norm : float, optional
        Greatest length of the incoming weights of a unit, after each step; see :func:`dnnbook.regularization.max_norm`.
    clip_value : float, optional
        Greatest absolute value of an element of the gradient.
    clip_norm : float, optional
        Greatest length of the gradient over all arrays, after `clip_value`; ``math.inf`` only records the length.
    schedule : function, optional
        ``schedule(t)`` is the learning rate of step t, counted from 0; from :func:`dnnbook.schedules.schedule`.
    patience : int, optional
        Early stopping: training ends after so many epochs without a smaller validation loss. However it ends, the parameters of
        the best epoch come back.
    checkpoint : path, optional
        File to write after each epoch; always a whole one, even if the program is killed while writing.
    resume : bool
        Go on from `checkpoint` if it is there: with the same other arguments the numbers are those of a run that was never
        interrupted. `rng` continues where the earlier one stood.
    augment : function, optional
        ``augment(rng, x) -> x`` is called with a copy of each batch; see :mod:`dnnbook.augmentation`.

    Returns
    -------
    Fitted
        ``params`` and ``history``. After an interrupt (Ctrl-C) they are those of the last complete epoch.

    Raises
    ------
    ValueError, TypeError
        An argument does not fit; nothing was computed. Or the checkpoint is of another run.
    FloatingPointError
        The loss, or the length of the gradient to be clipped, became NaN or infinite.

    Examples
    --------
    >>> from dnnbook import network
    >>> x, y = [[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]], [0, 1, 1, 0]
    >>> layers, rng = network.mlp([2, 8, 2], "tanh"), np.random.default_rng(0)
    >>> params = network.init(layers, rng)
    >>> params, history = fit(layers, params, x, y, epochs=500, batch_size=4, rng=rng, progress=False)
    >>> accuracy(network.predict(layers, params, x), y)
    1.0
    """
    where = "fit"
    batch_size = count(where, "batch_size", batch_size)
    epochs = count(where, "epochs", epochs)
    rng = generator(where, rng)
    if isinstance(optimizer, str):
        optimizer = optimizers.optimizer(optimizer)
    numbers = {"l1": l1, "l2": l2, "decay": decay, "max_norm": max_norm, "clip_value": clip_value, "clip_norm": clip_norm}
    rules = steps.rules(where, **numbers)
    for name, function in {"callback": callback, "schedule": schedule, "augment": augment}.items():
        if function is not None and not callable(function):
            raise TypeError(f"{where}: {name} is {function!r}, expected a function")
    if schedule or rules.decay:
        steps.rate(where, optimizer)
    if patience is not None:
        patience = count(where, "patience", patience)
        if validation is None:
            raise ValueError(f"{where}: patience is {patience}, expected validation data with it")
    path = checkpoints.place(where, checkpoint, resume)

    x, t = data(where, layers, params, x, y, loss)
    held_out = None if validation is None else _held_out(where, layers, params, *validation, loss)
    run = _Run(layers, loss, optimizer, rules, schedule, augment, batch_size, rng)
    given = params
    vector, params = together(layers, params)
    weights = steps.moved(optimizer, vector, network.trained(layers, params))
    states = [optimizer.init(w) for w in weights]
    best, history = None, History()
    if path:
        settings = run.settings(params, [x, t, *(held_out or ())])
        if resume and path.exists():
            saved, best, states, history = checkpoints.load(
                where, path, settings=settings, params=params, states=states, rng=rng
            )
            for a, b in zip(flat(params), flat(saved), strict=True):
                a[...] = b
    spaces = Workspaces(layers, params, x, t, loss, rng, copies=augment is not None)

    done = _Done(params if history.loss else given, best, history.best_epoch or 0, history.lengths())
    try:
        with tqdm(total=epochs, initial=len(history.loss), unit="epoch", disable=None if progress else True) as bar:
            while len(history.loss) < epochs:
                epoch = len(history.loss) + 1
                if patience and epoch - 1 - done.best_epoch >= patience:
                    history.stopped = "patience"
                    break
                if done.params is params:
                    done = done.apart()
                states = run.epoch(spaces, params, weights, states, history)
                if held_out:
                    _measure(layers, params, *held_out, loss, history)
                done = done.next(params, history)
                if path:
                    checkpoints.save(
                        path, settings=settings, params=params, best=done.best, states=states, rng=rng, history=history
                    )
                bar.set_postfix(loss=f"{history.loss[-1]:.4f}", refresh=False)
                bar.update()
                if callback is not None and callback(epoch, params, history):
                    history.stopped = "callback"
                    break
    except KeyboardInterrupt:
        history.cut(done.lengths)
        history.stopped = "interrupt"
    last = copy(given) if done.params is given else done.params
    return Fitted(done.best if patience and done.best else last, history)


class _Done(NamedTuple):
    """What stands after the last complete epoch."""

    params: tuple
    best: tuple | None
    best_epoch: int  # 0: none yet
    lengths: dict
    spare: tuple | None = None

    def apart(self):
        """The same, its parameters in arrays that training does not change: those of an earlier time, if they are free."""
        spare = self.spare
        if spare is None or spare is self.best:
            spare = copy(self.params)
        else:
            for a, b in zip(flat(spare), flat(self.params), strict=True):
                a[...] = b
        best = spare if self.best is self.params else self.best
        return self._replace(params=spare, best=best, spare=spare)

    def next(self, params, history):
        """After one more epoch."""
        losses = history.validation_loss
        smallest = losses[self.best_epoch - 1] if self.best_epoch else math.inf
        is_best = bool(losses) and losses[-1] < smallest
        best = (params, len(losses)) if is_best else (self.best, self.best_epoch)
        return _Done(params, *best, history.lengths(), self.spare)


class _Run(NamedTuple):
    """What does not change from epoch to epoch."""

    layers: tuple
    loss: str
    optimizer: optimizers.Optimizer
    rules: steps.Rules
    schedule: object
    augment: object
    batch_size: int
    rng: np.random.Generator

    def epoch(self, spaces, params, weights, states, history):
        """Train for one epoch: changes `params` in place, of which `weights` are what the optimizer moves; the new states."""
        layers, _, optimizer, rules, schedule, augment, batch_size, rng = self
        arrays, grads = flat(network.trained(layers, params)), flat(spaces.grads)
        slopes, adjusts = steps.moved(optimizer, spaces.vector, spaces.grads), rules.adjust
        begin, total, n = time.perf_counter(), 0.0, len(spaces.x)
        for step, rows in enumerate(shuffled(rng, n, batch_size), 1):
            batch = spaces.load(rows)
            if augment:
                batch.x[...] = augmented(augment, rng, batch.x)
            E = penalized = batch()
            _hold_finite("loss", E, history, step)
            if adjusts:
                penalized, norm = steps.adjust(rules, arrays, grads, spaces.vector, E)
                if norm is not None:
                    _hold_finite("length of the gradient", norm, history, step)
                    history.gradient_norm.append(norm)
            if schedule:
                optimizer = steps.with_rate(optimizer, schedule(len(history.step_loss)))
            if rules.decay:
                steps.decay(rules, optimizer, arrays)
            states = steps.update(optimizer, weights, slopes, states, penalized)
            if rules.max_norm:
                steps.limit(rules, arrays)
            history.step_loss.append(E)
            total += E * len(batch.x)
        history.seconds.append(time.perf_counter() - begin)
        history.loss.append(total / n)
        return states

    def settings(self, params, arrays):
        """Which run this is, as plain data. Schedule and augmentation are functions, which cannot be told apart."""
        return {
            "network": [layer.name for layer in self.layers],
            "start": checkpoints.digest(flat(params)),
            "data": checkpoints.digest(arrays),
            "loss": self.loss,
            "optimizer": [self.optimizer.name, dict(self.optimizer.numbers)],
            "rules": self.rules._asdict(),
            "batch_size": self.batch_size,
            "rng": self.rng.bit_generator.state["bit_generator"],
        }


def _held_out(where, layers, params, x, labels, loss):
    """Examples, targets and labels of the validation."""
    labels = np.asarray(labels)
    return *data(where, layers, params, x, labels, loss), labels


def _measure(layers, params, x, t, labels, loss, history):
    """Validate."""
    value, _ = network.loss_functions(loss)
    z = network.predict(layers, params, x)
    history.validation_loss.append(float(value(z, t)))
    if labels.ndim == 1 and labels.dtype.kind in "iu":
        history.validation_accuracy.append(accuracy(z - 0.5 if loss == "binary_cross_entropy" else z, labels))


def _hold_finite(what, value, history, step):
    if not math.isfinite(value):
        epoch = len(history.loss) + 1
        raise FloatingPointError(f"fit: the {what} is {value} at epoch {epoch}, step {step}; {ADVICE}")
