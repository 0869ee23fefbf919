"""The part of ``bench --cuda`` on training: a step of a network that stays on the GPU, next to PyTorch's, eager and as a graph.

An epoch is timed from its start on the host to its end on the GPU, and divided by its steps: what the host has to do counts.
All take the same examples, which are on the GPU before, in batches of one size, and make the steps of Adam.
"""

import statistics
import time
from functools import partial

import numpy as np

from dnnbook import network, optimizers, train
from dnnbook.bench.cases import EXAMPLES, NETS
from dnnbook.bench.report import duration
from dnnbook.bench.timing import Times, ratio
from dnnbook.cuda import _data, _graphs, _targets
from dnnbook.cuda.network import Network

LOSS, BATCHES = "softmax_cross_entropy", 4  # of a check, and a smaller one
ROUNDS = 7, 51


def made(net, examples, seed=0):
    """(layers, parameters, examples, labels) of a network."""
    rng = np.random.default_rng(seed)
    x, labels = rng.random((examples, net.sizes[0]), np.float32), rng.integers(net.sizes[-1], size=examples)
    layers = network.mlp(net.sizes, net.activation, batch_norm=net.batch_norm, dropout=net.dropout)
    return layers, network.init(layers, rng), x, labels


def check(nets=NETS, peer=None):
    """Hold the losses of some steps against the CPU's, and the peer's where chance has no part: the worst share of a bound.

    Raises
    ------
    ArithmeticError
        They differ by more than the round-off of sums of so many terms explains.
    """
    worst, graphs = 0.0, (False, True) if _graphs.missing() is None else (False,)
    for net in nets:
        layers, params, x, labels = made(net, BATCHES * net.batch + net.batch // 2)
        bound = float(np.finfo(np.float32).eps) * 4 * max(net.sizes) ** 0.5 * len(net.sizes)
        options = {"optimizer": optimizers.optimizer("sgd", eta=0.01), "batch_size": net.batch, "epochs": 1}
        want = train.fit(layers, params, x, labels, rng=np.random.default_rng(1), progress=False, **options).history.step_loss
        losses = {}
        for graph in graphs:
            history = Network(layers, params).fit(x, labels, rng=np.random.default_rng(1), graph=graph, **options)
            losses[f"training of {net}{' as a graph' if graph else ''}"] = history.step_loss, want
        if peer and not net.dropout:
            n = BATCHES * net.batch
            layers, params, x, labels = made(net, n)
            trainer, rng = prepared(Network(layers, params), x, labels, net.batch), np.random.default_rng(1)
            order = np.random.default_rng(1).permutation(n)
            theirs = peer(net, params, x, labels).losses(order)
            losses[f"training of {net} next to the peer's"] = theirs, trainer.epoch(rng, trainer.net.stream, False)[0]
        for what, (got, want) in losses.items():
            share = float(np.max(np.abs(np.array(got) / np.array(want) - 1)) / bound)
            if not share <= 1:
                raise ArithmeticError(f"{what}: the losses are {np.array(got)}, expected {np.array(want)}")
            worst = max(worst, share)
    return worst


def prepared(net, x, labels, batch):
    """The training loop of a network: ``epoch(rng, stream, graph)`` of it is an epoch with Adam."""
    from dnnbook.cuda._steps import Steps
    from dnnbook.cuda._training import Trainer

    x, t = (_data.matrix("bench", a, net.stream) for a in net.pairs("bench", x, labels, LOSS))
    return Trainer("bench", net, x, t, LOSS, Steps("bench", optimizers.optimizer("adam")), batch)


def runs(net, examples=EXAMPLES, peer=None):
    """{who: function that trains for an epoch}, and how many steps that is."""
    steps = max(examples // net.batch, 1)
    layers, params, x, labels = made(net, steps * net.batch)
    rng = np.random.default_rng(0)
    found = {}
    for name, graph in {"dnnbook": True, "launches": False}.items() if _graphs.missing() is None else [("dnnbook", False)]:
        trainer = prepared(Network(layers, params), x, labels, net.batch)
        found[name] = partial(trainer.epoch, rng, trainer.net.stream, graph)
    if peer:
        theirs = peer(net, params, x, labels)
        found["PyTorch"] = theirs.epoch
        if theirs.on_gpu:
            found["PyTorch graph"] = peer(net, params, x, labels).recorded().epoch
    return found, steps


def bench(chosen=lambda *words: True, nets=NETS, examples=EXAMPLES, seconds=1.0, peer=None):
    """Time the steps of all chosen networks, print a line for each, and give back plain data."""
    rows = []
    for net in nets:
        if chosen("training step", str(net)):
            found, steps = runs(net, examples, peer)
            rows.append(row(net, steps, in_turns(found, seconds)))
            print_row(rows[-1])
    return rows


def in_turns(found, seconds, now=time.perf_counter):
    """{who: Times} of whole epochs, which end by a copy to the host."""

    def timed(run):
        start = now()
        run()
        return now() - start

    first = {name: timed(run) for name, run in found.items()}  # compilation, and recording
    once = sum(timed(run) for run in found.values())
    rounds = min(max(ROUNDS[0], int(seconds / once)), ROUNDS[1])
    each = {name: [] for name in found}
    for _ in range(rounds):
        for name, run in found.items():
            each[name].append(timed(run))
    return {name: Times(first[name], each[name]) for name in found}


def row(net, steps, times):
    """One network as plain data."""
    ours, (forward, back) = times["dnnbook"], net.products
    seconds, flops = statistics.median(ours.each) / steps, 2 * net.batch * (forward + back)
    others = {name: ratio(ours, t) for name, t in times.items() if name != "dnnbook"}
    made = {
        "name": "training step",
        "size": str(net),
        "seconds": seconds,
        "first": ours.first,
        "rounds": len(ours.each),
        "flops": flops,
        "tflops": flops / seconds * 1e-12,
        "ratios": {name: r._asdict() for name, r in others.items()},
    }
    return _targets.judged(made)


def print_row(row):
    ratios = "  ".join(f"{k} {x['median']:.2f} ({x['low']:.2f}-{x['high']:.2f})" for k, x in row["ratios"].items())
    rate = f"{row['tflops']:.3g} TFLOP/s"
    text = f"{row['name']:28}{row['size']:48}{duration(row['seconds']):>10}{rate:>16}  {ratios}{_targets.text(row)}"
    print(text, flush=True)


def peer():
    """PyTorch's side, if it is installed."""
    try:
        from dnnbook.cuda.torch_peer import Training, is_available
    except ImportError:
        return None
    return Training if is_available() else None
