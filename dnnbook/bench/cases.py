"""What is timed: ours, a plain copy of the same bytes, and what the peers offer for the same work."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from dnnbook import activations, batch_norm, dropout, losses, network, optimizers, train

ELEMENTWISE = ("linear", "sigmoid", "tanh", "relu", "absolute_relu", "leaky_relu", "elu", "relu6", "softplus")
STEPS = ("sgd", "momentum", "nesterov", "adagrad", "rmsprop", "adadelta", "adam", "adamw")
SIZES = (10_000, 1_000_000, 10_000_000)


class Net(NamedTuple):
    """A network of the comparison: relu or sigmoid between dense layers, softmax cross-entropy, Adam."""

    sizes: tuple
    batch: int
    activation: str = "relu"
    batch_norm: bool = False
    dropout: float = 0.0

    def __str__(self):
        more = ", batch norm and dropout" * self.batch_norm + f", {self.activation}" * (self.activation != "relu")
        return "-".join(map(str, self.sizes)) + f", batch {self.batch}{more}"


NETS = (
    Net((784, 30, 10), 10),
    Net((784, 30, 30, 30, 30, 10), 10, "sigmoid"),
    Net((784, 100, 10), 32),
    Net((784, 512, 512, 10), 128),
    Net((784, 512, 512, 10), 128, batch_norm=True, dropout=0.5),
    Net((784, 2048, 2048, 2048, 10), 256),
)
EXAMPLES = 5000


class Case(NamedTuple):
    """One line of the table.

    Attributes
    ----------
    name : str
        What is done.
    size : str
        On how much.
    bytes : int
        Memory traffic that cannot be avoided; 0 where that is not the limit.
    flops : int
        Additions and multiplications of the matrix products.
    runs : dict of str to function
        ``"dnnbook"``, ``"copy"`` and the peers; every one does the whole work when called.
    """

    name: str
    size: str
    bytes: int
    flops: int
    runs: dict[str, Callable]


def all_cases(peers):
    """Every case, made when its turn comes: large arrays do not stay."""
    yield from elementwise(peers)
    yield from classification(peers)
    yield from normalization(peers)
    yield from steps(peers)
    yield from networks(peers)


def copying(nbytes):
    """A plain copy into new memory, moving so many bytes: half of them read, half written."""
    source = np.ones(nbytes // 8, np.float32)
    return source.copy


def case(name, size, arrays, ours, theirs, flops=0, item=4):
    """A case limited by memory: `arrays` of `size` numbers each are read or written."""
    nbytes = arrays * size * item
    return Case(name, f"{size:.0e}".replace("e+0", "e"), nbytes, flops, {"dnnbook": ours, "copy": copying(nbytes), **theirs})


def elementwise(peers):
    for name in ELEMENTWISE:
        forward, derivative = getattr(activations, name), getattr(activations, name + "_grad")
        for size in SIZES:
            z = np.random.default_rng(0).normal(0, 3, size).astype(np.float32)
            theirs = {peer.NAME: peer.activation(name, z) for peer in peers}
            yield case(name, size, 2, lambda f=forward, z=z: f(z), {p: t[0] for p, t in theirs.items() if t})
            yield case(name + "_grad", size, 2, lambda f=derivative, z=z: f(z), {p: t[1] for p, t in theirs.items() if t})


def classification(peers, classes=10):
    for size in SIZES:
        n = size // classes
        rng = np.random.default_rng(0)
        z = rng.normal(0, 3, (n, classes)).astype(np.float32)
        y = np.eye(classes, dtype=np.float32)[rng.integers(classes, size=n)]
        theirs = {peer.NAME: peer.softmax_cross_entropy(z, y) for peer in peers}
        yield case("softmax_cross_entropy", size, 2, lambda z=z, y=y: losses.softmax_cross_entropy(z, y), pick(theirs, 0))
        gradient = losses.softmax_cross_entropy_grad
        yield case("softmax_cross_entropy_grad", size, 3, lambda z=z, y=y: gradient(z, y), pick(theirs, 1))


def normalization(peers, width=100):
    for size in SIZES:
        rng = np.random.default_rng(0)
        x, g = rng.normal(0, 3, (2, size // width, width)).astype(np.float32)
        gamma, beta = np.ones(width, np.float32), np.zeros(width, np.float32)
        mask = dropout.dropout_mask(rng, x.shape, 0.5, np.float32)
        theirs = {peer.NAME: peer.batch_norm(x, g, gamma, beta) for peer in peers}
        yield case("batch_norm", size, 3, lambda x=x: batch_norm.batch_norm(x, gamma, beta), pick(theirs, 0))
        yield case("batch_norm_vjp", size, 5, lambda x=x, g=g: batch_norm.batch_norm_vjp(g, x, gamma), pick(theirs, 1))
        theirs = {peer.NAME: peer.dropout(x, mask, 0.5) for peer in peers}
        yield case("dropout", size, 3, lambda x=x, m=mask: dropout.dropout(x, m, 0.5), theirs)


def pick(theirs, i):
    return {name: runs[i] for name, runs in theirs.items() if runs}


def steps(peers):
    for name in STEPS:
        for size in SIZES:
            rng = np.random.default_rng(0)
            w, g = rng.normal(0, 1, (2, size)).astype(np.float32)
            optimizer = optimizers.optimizer(name)
            state = [optimizer.init(w)]
            kept = sum(isinstance(x, np.ndarray) for x in state[0] or ())

            def ours(optimizer=optimizer, w=w, g=g, state=state):
                state[0] = optimizer.update_(w, g, state[0])

            theirs = {peer.NAME: peer.step(name, w.copy(), g) for peer in peers}
            yield case(name + "_", size, 3 + 2 * kept, ours, {p: run for p, run in theirs.items() if run})


def networks(peers):
    for net in NETS:
        rng = np.random.default_rng(0)
        x = rng.random((EXAMPLES, net.sizes[0]), np.float32)
        labels = rng.integers(net.sizes[-1], size=EXAMPLES)
        layers = network.mlp(net.sizes, net.activation, batch_norm=net.batch_norm, dropout=net.dropout)
        params = network.init(layers, rng)
        products = sum(a * b for a, b in zip(net.sizes, net.sizes[1:], strict=False))
        back = 2 * products - net.sizes[0] * net.sizes[1]  # the first layer's input needs no gradient
        theirs = {peer.NAME: peer.network(net, params, x, labels) for peer in peers}
        xb, yb = x[: net.batch], labels[: net.batch]

        def forward(layers=layers, params=params, xb=xb):
            return network.forward(layers, params, xb)

        def gradients(layers=layers, params=params, xb=xb, yb=yb, rng=rng):
            return network.loss_and_gradients_(layers, params, xb, yb, rng=rng)

        def epoch(layers=layers, params=params, x=x, labels=labels, net=net):
            rng = np.random.default_rng(0)
            return train.fit(layers, params, x, labels, batch_size=net.batch, epochs=1, rng=rng, progress=False)

        for what, run, n, each in (
            ("forward", forward, net.batch, products),
            ("forward and backward", gradients, net.batch, products + back),
            ("training epoch", epoch, EXAMPLES, products + back),
        ):
            yield Case(what, str(net), 0, 2 * n * each, {"dnnbook": run, **{p: runs[what] for p, runs in theirs.items()}})
