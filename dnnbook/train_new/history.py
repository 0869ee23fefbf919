"""The record of a training run."""

from dataclasses import dataclass, field
from typing import NamedTuple


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
        Length of the gradient of every mini-batch before it was clipped, where ``clip_norm`` was given.
    best_epoch : int or None
        With patience: the epoch whose parameters were returned, counted from 1.
    stopped : str
        Why training ended before the last epoch: ``"patience"``, ``"callback"`` or ``"interrupt"``; empty if it did not.
    """

    step_loss: list = field(default_factory=list)
    loss: list = field(default_factory=list)
    validation_loss: list = field(default_factory=list)
    validation_accuracy: list = field(default_factory=list)
    seconds: list = field(default_factory=list)
    gradient_norm: list = field(default_factory=list)
    best_epoch: int | None = None
    stopped: str = ""

    def plot(self, ax=None):
        """Draw the learning curves: the loss of training and of validation after each epoch.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            Where to draw; a new figure by default.

        Returns
        -------
        matplotlib.axes.Axes
            Where it was drawn.
        """
        import matplotlib.pyplot as plt

        from dnnbook import figures

        if ax is None:
            _, ax = plt.subplots()
        epochs = range(1, len(self.loss) + 1)
        ax.plot(epochs, self.loss, label="training", **figures.series(0))
        if self.validation_loss:
            ax.plot(epochs, self.validation_loss, label="validation", **figures.series(1))
            ax.legend()
        if self.best_epoch is not None:
            ax.axvline(self.best_epoch, color=figures.INK, linewidth=0.8, linestyle=":")
        ax.set(xlabel="epoch", ylabel="loss $E$")
        return ax


LISTS = ("step_loss", "loss", "validation_loss", "validation_accuracy", "seconds", "gradient_norm")


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
