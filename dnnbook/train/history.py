"""The record of a training run."""

import math
from dataclasses import dataclass, field
from typing import NamedTuple

LISTS = ("step_loss", "loss", "validation_loss", "validation_accuracy", "seconds", "gradient_norm")


@dataclass
class History:
    """What happened in training; every list grows as training goes on.

    Losses are those of the data, without penalties on the weights.

    Attributes
    ----------
    step_loss : list of float
        Loss of every mini-batch, before the step that it caused.
    loss : list of float
        Mean of these over each epoch.
    validation_loss, validation_accuracy : list of float
        After each epoch, where validation data were given; the accuracy only where they have labels.
    seconds : list of float
        Training time of each epoch, without validation.
    gradient_norm : list of float
        Length of the gradient of every mini-batch before it was clipped to a length, where ``clip_norm`` was given.
    stopped : str
        Why training ended before its last epoch: ``"patience"``, ``"callback"`` or ``"interrupt"``; empty if it did not.
    """

    step_loss: list = field(default_factory=list)
    loss: list = field(default_factory=list)
    validation_loss: list = field(default_factory=list)
    validation_accuracy: list = field(default_factory=list)
    seconds: list = field(default_factory=list)
    gradient_norm: list = field(default_factory=list)
    stopped: str = ""

    @property
    def best_epoch(self):
        """The epoch with the smallest validation loss, the first of several; counted from 1, None without validation."""
        measured = [(E, epoch) for epoch, E in enumerate(self.validation_loss, 1) if math.isfinite(E)]
        return min(measured)[1] if measured else None

    def plot(self, ax=None):
        """Draw the loss of training and of validation after each epoch; a dotted line marks the best epoch.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Where to draw; left out, in a figure of its own.

        Returns
        -------
        matplotlib Axes
            Where it was drawn.
        """
        from dnnbook import figures

        if ax is None:
            import matplotlib.pyplot as plt

            _, ax = plt.subplots()
        epochs = range(1, len(self.loss) + 1)
        ax.plot(epochs, self.loss, label="training", **figures.line("train"))
        if self.validation_loss:
            ax.plot(epochs, self.validation_loss, label="validation", **figures.line("validation"))
            ax.legend()
        if self.best_epoch is not None:
            ax.axvline(self.best_epoch, color=figures.INK, linewidth=0.8, linestyle=":")
        ax.set(xlabel="epoch", ylabel="loss $E$")
        return ax

    def lengths(self):
        """How far each list has come."""
        return {name: len(getattr(self, name)) for name in LISTS}

    def cut(self, lengths):
        """Take back what came after."""
        for name, n in lengths.items():
            del getattr(self, name)[n:]


class Fitted(NamedTuple):
    """What training returns.

    Attributes
    ----------
    params : tuple of tuples of ndarray
        Trained parameters.
    history : History
        How they came about.
    """

    params: tuple
    history: History
