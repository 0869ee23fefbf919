"""What is timed: ours, a plain copy of the same bytes, and what the peers offer for the same work."""

from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from dnnbook import activations, batch_norm, datasets, dropout, losses, network, optimizers, train

SIZES = (10_000, 1_000_000, 10_000_000)
EXAMPLES = 5000
WIDTHS = {"prelu": 100, "softmax": 10, "log_softmax": 10, "maxout": 2}  # length of the last axis, where it has a meaning
CLASSES, CHANNELS = 10, 100


class Net(NamedTuple):
    """A network of the comparison: dense layers, softmax cross-entropy, Adam."""

    sizes: tuple
    batch: int
    activation: str = "relu"
    batch_norm: bool = False
    dropout: float = 0.0

    def __str__(self):
        more = ", batch norm" * self.batch_norm + ", dropout" * (self.dropout > 0)
        more += f", {self.activation}" * (self.activation != "relu")
        return "-".join(map(str, self.sizes)) + f", batch {self.batch}{more}"

    @property
    def products(self):
        """Multiplications of the matrix products, per example: (forward, backward)."""
        each = [a * b for a, b in pairwise(self.sizes)]
        return sum(each), 2 * sum(each) - each[0]  # the first layer's input needs no gradient


NETS = (
    Net((784, 30, 10), 10),
    Net((784, 30, 30, 30, 30, 10), 10, "sigmoid"),
    Net((784, 100, 10), 32),
    Net((784, 512, 512, 10), 128),
    Net((784, 512, 512, 10), 128, batch_norm=True, dropout=0.5),
    Net((784, 2048, 2048, 2048, 10), 256),
)


class Case(NamedTuple):
    """What one line of the table times.

    Attributes
    ----------
    runs : dict of str to function
        ``"dnnbook"``, ``"copy"`` and the peers; every one does the whole work when called, and returns its result.
    bytes : int
        Memory traffic that cannot be avoided; 0 where that is not the limit.
    flops : int
        Additions and multiplications of the matrix products.
    """

    runs: dict[str, Callable]
    bytes: int = 0
    flops: int = 0


class Entry(NamedTuple):
    """A line of the table before it is measured; ``make(peers)`` is its case, with arrays that are not kept."""

    group: str
    name: str
    size: str
    make: Callable


def listing(sizes=SIZES, nets=NETS, examples=EXAMPLES):
    """Every entry, in the order of the table."""
    for name in activations.__all__:
        yield from of_sizes("activation", name, sizes, partial(activation, name))
    for name in ("softmax_cross_entropy", "softmax_cross_entropy_grad"):
        yield from of_sizes("loss", name, sizes, partial(loss, name))
    for name in ("batch_norm", "batch_norm_vjp"):
        yield from of_sizes("layer", name, sizes, partial(normalization, name))
    yield from of_sizes("layer", "dropout", sizes, dropping)
    for name in optimizers.TWINS:
        yield from of_sizes("optimizer", name + "_", sizes, partial(step, name))
    for net in nets:
        for what in ("forward", "forward and backward", "training epoch"):
            yield Entry("network", what, str(net), partial(training, what, net, examples))


def of_sizes(group, name, sizes, make):
    for size in sizes:
        yield Entry(group, name, f"{size:.0e}".replace("e+0", "e"), partial(make, size))


def theirs(peers, what, *args):
    """What the peers have for this: {name: what theirs returns}."""
    found = {peer.NAME: getattr(peer, what)(*args) for peer in peers if hasattr(peer, what)}
    return {name: x for name, x in found.items() if x is not None}


def only(part, found):
    return {name: runs[part] for name, runs in found.items() if part in runs}


def memory_case(ours, others, nbytes, result=0):
    """A case limited by memory: `nbytes` are moved at least, of which `result` bytes are written to new memory."""
    return Case({"dnnbook": ours, "copy": copying(nbytes, result), **others}, nbytes)


def copying(nbytes, new):
    """Plain copies that move so many bytes, half of them read and half written: `new` bytes to new memory, the rest to old."""
    fresh = np.ones(new // 4, np.float32)
    source = np.ones(max(nbytes - 2 * new, 0) // 8, np.float32)
    old = np.zeros_like(source)

    def copy():
        if source.size:
            np.copyto(old, source)
        return fresh.copy()

    return copy


def normal(rng, *shape, scale=3.0):
    return rng.normal(0, scale, shape).astype(np.float32)


def activation(name, size, peers):
    f = getattr(activations, name)
    family = name.removesuffix("_grad2").removesuffix("_grad").removesuffix("_vjp")
    width = WIDTHS.get(family)
    rng = np.random.default_rng(0)
    z = normal(rng, *([size // width, width] if width else [size]))
    y = z[:, 0] if family == "maxout" else z  # its shape is that of the result
    given = {"z": z, "g": normal(rng, *y.shape), "noise": normal(rng, *z.shape, scale=1.0)}
    given["alpha"] = np.full(width or 1, 0.25, np.float32)  # one slope per channel
    arrays = [given[a.name] for a in f.contract.arguments if a.kind == "array"]
    result = (z if name.endswith("_vjp") else y).nbytes
    beside = [given[a] for a in ("alpha", "noise") if a in f.contract.names and family in ("prelu", "noisy_relu")]
    others = only(name, theirs(peers, "activation", family, given["g"], z, *beside))
    return memory_case(lambda: f(*arrays), others, sum(a.nbytes for a in arrays) + result, result)


def loss(name, size, peers):
    f, rng = getattr(losses, name), np.random.default_rng(0)
    z = normal(rng, size // CLASSES, CLASSES)
    y = datasets.one_hot(rng.integers(CLASSES, size=len(z)), CLASSES, np.float32)
    result = z.nbytes if name.endswith("_grad") else 0
    others = only(name, theirs(peers, "softmax_cross_entropy", z, y))
    return memory_case(lambda: f(z, y), others, 2 * z.nbytes + result, result)


def normalization(name, size, peers):
    f, rng = getattr(batch_norm, name), np.random.default_rng(0)
    x, g = (normal(rng, size // CHANNELS, CHANNELS) for _ in range(2))
    gamma, beta = np.ones(CHANNELS, np.float32), np.zeros(CHANNELS, np.float32)
    others = only(name, theirs(peers, "batch_norm", x, g, gamma, beta))
    if name == "batch_norm":  # x is read for the statistics, and again when they are known
        return memory_case(lambda: f(x, gamma, beta), others, 3 * x.nbytes, x.nbytes)
    return memory_case(lambda: f(g, x, gamma), others, 5 * x.nbytes, x.nbytes)


def dropping(size, peers, keep=0.5):
    rng = np.random.default_rng(0)
    x = normal(rng, size)
    mask = dropout.dropout_mask(rng, x.shape, keep, np.float32)
    others = theirs(peers, "dropout", x, mask, keep)
    return memory_case(lambda: dropout.dropout(x, mask, keep), others, 3 * x.nbytes, x.nbytes)


def step(name, size, peers):
    rng = np.random.default_rng(0)
    w, g = (normal(rng, size, scale=1.0) for _ in range(2))
    others = theirs(peers, "step", name, w.copy(), g)
    in_training = name not in optimizers.IN_TRAINING  # else the name means another form there
    optimizer = optimizers.optimizer(name) if in_training else None
    state = optimizer.init(w) if optimizer else optimizers.TWINS[name][1](w)
    update_ = optimizer.update_ if optimizer else optimizers.TWINS[name][2]
    more = (1.0,) if optimizer and optimizer.wants_loss else ()
    kept = sum(isinstance(a, np.ndarray) for a in state or ())

    def ours():
        nonlocal state
        state = update_(w, g, state, *more)
        return w

    return memory_case(ours, others, (3 + 2 * kept) * w.nbytes)


def training(what, net, examples, peers):
    rng = np.random.default_rng(0)
    x = rng.random((examples, net.sizes[0]), np.float32)
    labels = rng.integers(net.sizes[-1], size=examples)
    layers = network.mlp(net.sizes, net.activation, batch_norm=net.batch_norm, dropout=net.dropout)
    params = network.init(layers, rng)
    others = only(what, theirs(peers, "network", net, params, x, labels))
    xb, yb = x[: net.batch], datasets.one_hot(labels[: net.batch], net.sizes[-1], np.float32)
    forward, back = net.products

    def epoch():
        rng = np.random.default_rng(0)
        fitted = train.fit(layers, params, x, labels, batch_size=net.batch, epochs=1, rng=rng, progress=False)
        return fitted.history.loss[-1]

    ours, flops = {
        "forward": (lambda: network.predict(layers, params, xb), 2 * len(xb) * forward),
        "forward and backward": (
            lambda: network.loss_and_gradients_(layers, params, xb, yb, rng=rng)[0],
            2 * len(xb) * (forward + back),
        ),
        "training epoch": (epoch, 2 * examples * (forward + back)),
    }[what]
    return Case({"dnnbook": ours, **others}, flops=flops)
