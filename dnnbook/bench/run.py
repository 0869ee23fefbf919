"""The command: runs the cases that are asked for, and keeps what they took."""

import importlib
import json
import os
import time
from functools import partial
from pathlib import Path

from dnnbook import __version__
from dnnbook.bench import cases, machine, report, start
from dnnbook.bench.timing import REST, Times, in_turns, ratio, seconds_per_call

PEERS = {"torch": "torch_peer", "torch.compile": "torch_compile_peer", "jax": "jax_peer"}
RECORD = Path(__file__).with_name("record.json")
STARTS = {"empty cache": 20.0, "warm cache": 1.5}  # from a fresh process to the first result: seconds that it may take


def bench(names=(), peers=(), file=None, seconds=1.0, listing=cases.listing, limits=None):
    """Run the cases whose name or size holds one of `names` (all of them by default), and print a line for each.

    Parameters
    ----------
    names : sequence of str
        Parts of names or sizes.
    peers : sequence of str
        ``"torch"``, ``"torch.compile"``, ``"jax"``.
    file : str, optional
        Where to write everything measured, as JSON.
    seconds : float
        About how long each case may take.
    listing : function
        Gives the entries to choose from.
    limits : dict, optional
        Sizes for :func:`dnnbook.bench.machine.limits`.

    Returns
    -------
    dict
        What is written to the file: ``machine``, ``peers``, and ``cases``, one entry for each line of the table.

    Raises
    ------
    ValueError
        An unknown peer, no case of that name, a number of seconds below 0, or a file in a folder that does not exist.
    ImportError
        A peer, or threadpoolctl, is not installed.
    """
    if unknown := set(peers) - set(PEERS):
        raise ValueError(f"bench: no peer is called {', '.join(sorted(unknown))}; known: {', '.join(PEERS)}")
    if not seconds >= 0:
        raise ValueError(f"bench: seconds is {seconds}, expected a number in [0, inf)")
    if file and not Path(file).resolve().parent.is_dir():
        raise ValueError(f"bench: {file} is in a folder that does not exist")
    entries = [e for e in listing() if chosen(names, e.name, e.size)]
    starts = [kind for kind in STARTS if chosen(names, "first result", kind)]
    if not entries and not starts:
        raise ValueError(f"bench: no case is called {', '.join(names)}")
    modules = [peer(name) for name in peers]
    result = {
        "dnnbook": __version__,
        "date": time.strftime("%Y-%m-%d"),
        "command": command(names, peers, seconds),
        "machine": machine.describe(**(limits or {})),
        "peers": {m.NAME: m.version() for m in modules},
        "cases": [],
    }
    report.head(result)
    for line in lines(entries, starts, modules, seconds, result["machine"]):
        result["cases"].append(line)
        report.line(line)
    result["machine"]["threading_layer"] = machine.threading_layer()
    report.summary(result)
    if file:
        write(file, json.dumps(result, indent=1))
    return result


def recorded(file=RECORD):
    """What a run wrote to a file: by default the run with peers that the book shows, kept with the package.

    Parameters
    ----------
    file : path
        A file of ``python -m dnnbook bench --json``.

    Returns
    -------
    dict
        As of :func:`bench`.

    Raises
    ------
    OSError
        There is no such file.
    """
    return json.loads(Path(file).read_text("utf-8"))


def peer(name):
    """The module of a peer; an error that says what to install."""
    try:
        return importlib.import_module(f"dnnbook.bench.{PEERS[name]}")
    except ImportError as error:
        missing = f"bench: the peer {name} needs {error.name}, which is not installed: pip install 'dnnbook[peers]'"
        raise ImportError(missing) from error


def command(names, peers, seconds):
    """What to type for the same run."""
    words = ["python -m dnnbook bench", *(f'"{n}"' if " " in n else n for n in names)]
    words += [f"--peers {','.join(peers)}"] * bool(peers) + [f"--seconds {seconds:g}"] * (seconds != 1.0)
    return " ".join(words)


def chosen(names, *words):
    return not names or any(part in word for part in names for word in words)


def lines(entries, starts, modules, seconds, limits):
    """Measure one after the other."""
    for entry in entries:
        case = entry.make(modules)
        times = in_turns(
            case.runs, seconds, rest=REST if case.flops else 0
        )  # only matrix products leave threads awake for long
        yield row(entry, times, limits, case)
        del case  # before the next one's arrays are made
    if starts:
        yield from first_results(starts, [m.NAME for m in modules if m.NAME in start.SCRIPTS])


def first_results(kinds, peers):
    """From a fresh process to a trained small network, with the cache of compiled functions empty and full."""
    with start.Starts() as ours:
        counts = {"empty cache": start.compiled(start.SCRIPTS["dnnbook"], ours.warm)}
        counts["warm cache"] = start.compiled(start.SCRIPTS["dnnbook"], ours.warm)
        for kind in kinds:
            runs = {"dnnbook": ours.empty}
            if kind == "warm cache":
                runs = {"dnnbook": ours.filled, **{name: partial(start.fresh, start.SCRIPTS[name]) for name in peers}}
            entry = cases.Entry("start", "first result", kind, None)
            times = {name: [] for name in runs}
            for _ in range(3):  # no warm-up: each process is a first one
                for name, run in runs.items():
                    times[name].append(seconds_per_call(run, 1))
            line = row(entry, {name: Times(each[0], each) for name, each in times.items()}, {})
            yield line | {"limit": STARTS[kind], "compiled": counts[kind]._asdict()}


def row(entry, times, limits, case=None):
    """One case as plain data."""
    ours = times["dnnbook"]
    out = {"group": entry.group, "name": entry.name, "size": entry.size, "rounds": len(ours.each)}
    out["seconds"] = {k: t.median for k, t in times.items()}
    out["first"] = {k: t.first for k, t in times.items() if k != "copy"}
    out["ratios"] = {k: ratio(ours, t)._asdict() for k, t in times.items() if k != "dnnbook"}
    if case and case.flops:
        out["gflops"] = 1e-9 * case.flops / ours.median
        out["share"] = out["gflops"] / limits["gflops"]
    if case and case.bytes:
        out["gbs"] = 1e-9 * case.bytes / ours.median
        out["share"] = out["gbs"] / limits["gbs"]
    return out


def write(file, text):
    """Write a file whole or not at all."""
    path = Path(file)
    part = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        part.write_text(text, "utf-8")
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
