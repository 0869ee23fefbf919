"""The command: runs the cases and prints the table."""

import importlib
import json
import math
import os
import subprocess
import sys
from pathlib import Path

from dnnbook import __version__
from dnnbook.bench import cases, machine
from dnnbook.bench.timing import in_turns, ratio

PEERS = ("torch", "jax")
START = {  # from a fresh process to a trained small network
    "dnnbook": """
import numpy as np
from dnnbook import network, train
rng = np.random.default_rng(0)
x, y = rng.random((100, 20), np.float32), rng.integers(3, size=100)
layers = network.mlp([20, 10, 3])
train.fit(layers, network.init(layers, rng), x, y, epochs=2, rng=rng, progress=False)
""",
    "torch": """
import torch
x, y = torch.rand(100, 20), torch.randint(3, (100,))
model = torch.nn.Sequential(torch.nn.Linear(20, 10), torch.nn.ReLU(), torch.nn.Linear(10, 3))
optimizer = torch.optim.Adam(model.parameters())
for _ in range(2):
    for rows in torch.randperm(100).split(32):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(model(x[rows]), y[rows]).backward()
        optimizer.step()
""",
    "jax": """
import jax, jax.numpy as jnp, numpy as np
rng = np.random.default_rng(0)
x, y = rng.random((100, 20), np.float32), np.eye(3, dtype=np.float32)[rng.integers(3, size=100)]
w = [(rng.random(s, np.float32) - 0.5, np.zeros(s[1], np.float32)) for s in ((20, 10), (10, 3))]
def loss(w, x, y):
    for W, b in w[:-1]:
        x = jax.nn.relu(x @ W + b)
    return -jnp.mean(jnp.sum(y * jax.nn.log_softmax(x @ w[-1][0] + w[-1][1]), axis=1))
step = jax.jit(lambda w, x, y: jax.tree.map(lambda a, g: a - 0.1 * g, w, jax.grad(loss)(w, x, y)))
for _ in range(2):
    for rows in np.split(rng.permutation(100)[:96], 3):
        w = step(w, x[rows], y[rows])
jax.block_until_ready(w)
""",
}


def bench(names=(), peers=(), file=None, seconds=1.0):
    """Run the cases whose name or size holds one of `names` (all of them by default), and print a line for each.

    Parameters
    ----------
    names : sequence of str
        Parts of names.
    peers : sequence of str
        ``"torch"``, ``"jax"``.
    file : str, optional
        Where to write everything measured, as JSON.
    seconds : float
        About how long each case may take.

    Returns
    -------
    dict
        What is written to the file.

    Raises
    ------
    ValueError
        An unknown peer, or no case of that name.
    ImportError
        A peer is not installed.
    """
    if unknown := set(peers) - set(PEERS):
        raise ValueError(f"bench: no peer is called {', '.join(sorted(unknown))}; known: {', '.join(PEERS)}")
    modules = [importlib.import_module(f"dnnbook.bench.{name}_peer") for name in peers]
    result = {
        "dnnbook": __version__,
        "machine": machine.describe(),
        "peers": {m.NAME: m.version() for m in modules},
        "cases": [],
    }
    print_machine(result)
    for case in cases.all_cases(modules):
        if chosen(names, case.name, case.size):
            result["cases"].append(row(case, in_turns(case.runs, seconds), result["machine"]))
            print_row(result["cases"][-1])
    if chosen(names, "first result", "fresh process"):
        runs = {name: lambda code=START[name]: fresh(code) for name in ("dnnbook", *peers)}
        case = cases.Case("first result", "fresh process", 0, 0, runs)
        result["cases"].append(row(case, in_turns(runs, 0, (3, 3)), result["machine"]))
        print_row(result["cases"][-1])
    if not result["cases"]:
        raise ValueError(f"bench: no case is called {', '.join(names)}")
    print_summary(result)
    if file:
        write(file, json.dumps(result, indent=1))
    return result


def chosen(names, *words):
    return not names or any(part in word for part in names for word in words)


def fresh(code):
    subprocess.run([sys.executable, "-c", code], check=True)


def row(case, times, limits):
    """One case as plain data."""
    ours = times["dnnbook"]
    out = {"name": case.name, "size": case.size, "seconds": {k: t.median for k, t in times.items()}}
    out["first"] = {k: t.first for k, t in times.items() if k != "copy"}
    out["rounds"] = len(ours.each)
    out["ratios"] = {k: ratio(ours, t)._asdict() for k, t in times.items() if k != "dnnbook"}
    if case.flops:
        out["gflops"] = 1e-9 * case.flops / ours.median
        out["share"] = out["gflops"] / limits["gflops"]
    if case.bytes:
        out["gbs"] = 1e-9 * case.bytes / ours.median
        out["share"] = out["gbs"] / limits["gbs"]
    return out


def print_machine(result):
    m = result["machine"]
    print(f"dnnbook {result['dnnbook']} on {m['processor']}, {m['cores']} cores, float32")
    print(f"Python {m['python']}, NumPy {m['numpy']}, Numba {m['numba']}; BLAS: {'; '.join(m['blas'])}")
    print(f"limits: matrix product {m['gflops']:.0f} GFLOP/s, copy {m['gbs']:.1f} GB/s")
    for text in result["peers"].values():
        print(text)
    print("\nratios: ours over theirs, median and middle half of the rounds; below 1 we are faster")
    print(f"{'what':28}{'size':44}{'time':>10}{'of limit':>9}  first call  ratios", flush=True)


def print_row(r):
    share = f"{100 * r['share']:.0f} %" if "share" in r else ""
    ratios = "  ".join(f"{k} {x['median']:.2f} ({x['low']:.2f}-{x['high']:.2f})" for k, x in r["ratios"].items())
    print(
        f"{r['name']:28}{r['size']:44}{duration(r['seconds']['dnnbook']):>10}{share:>9}"
        f"  {duration(r['first']['dnnbook']):>10}  {ratios}",
        flush=True,
    )


def print_summary(result):
    for peer in result["peers"]:
        for what in ("training epoch",):
            found = [r["ratios"][peer]["median"] for r in result["cases"] if r["name"] == what and peer in r["ratios"]]
            if found:
                mean = math.exp(sum(map(math.log, found)) / len(found))
                print(f"{what}: geometric mean {mean:.2f} of {peer}'s time, worst {max(found):.2f}")


def duration(seconds):
    for unit, size in (("s", 1), ("ms", 1e-3), ("us", 1e-6)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds * 1e9:.3g} ns"


def write(file, text):
    """Write a file whole or not at all."""
    path = Path(file)
    part = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        part.write_text(text)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
