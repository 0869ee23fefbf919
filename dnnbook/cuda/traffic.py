"""What the threads of a kernel ask of memory, counted in Numba's simulator of a GPU.

Threads run in groups of 32, the warps. Where the threads of a warp load at the same time, the GPU does not fetch their numbers
one by one, but every *sector* of 32 bytes that holds one of them, once. Shared memory has 32 *banks*; word i is in bank i % 32,
and a bank hands out one word per clock: an access takes as many clocks as the words that it wants from the busiest bank.

An array that watches itself takes the place of each array of the kernel and notes which thread wants what. Which accesses
belong together is known from their order: the n-th access of one thread and the n-th of its neighbor are one instruction.

``python -m dnnbook.cuda.traffic naive tiled --size 64 64 64`` prints what these kernels ask for.
"""

import argparse
import collections
import itertools
import json
import os
import subprocess
import sys
import threading
from typing import NamedTuple

import numpy as np

__all__ = ["Count", "Traffic", "measure", "simulate"]

LANES = 32  # threads of a warp
SECTOR = 32  # bytes
BANKS = 32
WORD = 4  # bytes


class Count(NamedTuple):
    """All accesses of one kind.

    Attributes
    ----------
    instructions : int
        Instructions of a whole warp.
    words : int
        Numbers that the threads asked for, each thread's own.
    sectors : int
        Sectors of 32 bytes that hold these numbers, counted in each instruction anew.
    clocks : int
        Clocks of the busiest bank, added up over the instructions: for shared memory.
    """

    instructions: int = 0
    words: int = 0
    sectors: int = 0
    clocks: int = 0

    @property
    def bytes(self):
        """Bytes of the sectors."""
        return self.sectors * SECTOR

    def __add__(self, other):
        return Count(*map(sum, zip(self, other, strict=True)))


class Traffic(NamedTuple):
    """What one kernel asks of memory.

    Attributes
    ----------
    loads, stores : dict
        The :class:`Count` of every array in global memory.
    shared_loads, shared_stores : Count
        All of shared memory.
    """

    loads: dict
    stores: dict
    shared_loads: Count
    shared_stores: Count

    @property
    def bytes(self):
        """Bytes of all sectors of global memory, loaded and stored."""
        return sum(count.bytes for part in (self.loads, self.stores) for count in part.values())


class Watched:
    """A flat array of a simulated kernel that notes who loads and stores what: an element, or four at once."""

    def __init__(self, values):
        self.values = values
        self.loads, self.stores = collections.defaultdict(list), collections.defaultdict(list)

    def __len__(self):
        return len(self.values)

    def __getitem__(self, i):
        note(self.loads, i)
        return self.values[i]

    def __setitem__(self, i, value):
        note(self.stores, i)
        self.values[i] = value


def note(log, i):
    thread = threading.current_thread()
    at = (int(i.start), int(i.stop) - int(i.start)) if isinstance(i, slice) else (int(i), 1)
    log[thread.blockIdx.x, thread.blockIdx.y, thread.thread_id // LANES, thread.thread_id % LANES].append(at)


def counted(log):
    """The log of a watched array, added up."""
    total = Count()
    for _, lanes in itertools.groupby(sorted(log), key=lambda key: key[:3]):
        accesses = [log[lane] for lane in lanes]
        if len({len(a) for a in accesses}) > 1:
            raise ValueError("threads of one warp loaded or stored not equally often: take multiples of the tile's sizes")
        first, width = np.moveaxis(np.array(accesses), -1, 0)  # (threads, instructions) each
        if (width != width[0]).any():
            raise ValueError("threads of one warp took different ways: take multiples of the tile's sizes")
        for four in np.unique(width[0]):
            mine = first[:, width[0] == four]
            words = np.sort((mine[:, None] + np.arange(four)[:, None]).reshape(-1, mine.shape[1]), axis=0)
            total += Count(mine.shape[1], words.size, distinct(words * WORD // SECTOR).sum().item(), busiest(words))
    return total


def distinct(values):
    """How many different values each column has, whose columns are sorted: True at the first of its kind."""
    return np.concatenate([np.ones((1, values.shape[1]), bool), values[1:] != values[:-1]])


def busiest(words):
    """Different words of the busiest bank, added up over the columns."""
    loads = np.zeros((words.shape[1], BANKS), int)
    row, column = np.nonzero(distinct(words))
    np.add.at(loads, (column, words[row, column] % BANKS), 1)
    return loads.max(axis=1).sum().item()


def simulate(rung, M, N, K):
    """Run one rung in the simulator and count; the process must have been started with ``NUMBA_ENABLE_CUDASIM=1``.

    Parameters
    ----------
    rung : dnnbook.cuda.rungs.Rung
        The kernel.
    M, N, K : int
        Sizes of the product: multiples of the sizes of the tile.

    Returns
    -------
    Traffic

    Raises
    ------
    ValueError
        If sizes are no such multiples, so that threads of one warp do different things.
    ArithmeticError
        If the product is wrong.
    """
    from unittest import mock

    from numba import cuda
    from numba.cuda.simulator.kernelapi import FakeCUDAShared

    shared = {}

    def array(self, shape, dtype):
        caller = sys._getframe(1)
        unset = np.full(shape, np.nan, np.float32).view(dtype.name)  # as two words of bf16 it is no number either
        return shared.setdefault((id(self), caller.f_code, caller.f_lineno), Watched(unset))

    rng = np.random.default_rng(0)
    a, b = rng.integers(-4, 5, (M, K)), rng.integers(-4, 5, (K, N))  # small integers: neither bf16 nor float32 makes an error
    A, B, C = (Watched(np.float32(v).reshape(-1)) for v in (a, b, np.full((M, N), np.nan)))
    with mock.patch.object(FakeCUDAShared, "array", array):
        rung.launch(A, B, C, M, N, K)
    if not np.array_equal(C.values.reshape(M, N), a @ b):
        raise ArithmeticError(f"simulate: the kernel computes a wrong product of sizes {(M, N, K)}")
    cuda.synchronize()
    arrays = {"A": A, "B": B, "C": C}
    return Traffic(
        {name: counted(v.loads) for name, v in arrays.items()},
        {name: counted(v.stores) for name, v in arrays.items()},
        sum((counted(v.loads) for v in shared.values()), Count()),
        sum((counted(v.stores) for v in shared.values()), Count()),
    )


def measure(names, M, N, K):
    """Count what rungs of :mod:`dnnbook.cuda.rungs` ask of memory, in a process of its own that simulates a GPU.

    Parameters
    ----------
    names : sequence of str
        Rungs; ``"blocked, 0"`` is :func:`~dnnbook.cuda.rungs.blocked` with ``pad=0``.
    M, N, K : int
        Sizes of the product: multiples of the sizes of their tiles.

    Returns
    -------
    dict
        Name of a rung -> :class:`Traffic`.

    Raises
    ------
    RuntimeError
        If the other process fails; the message is its last line.
    """
    command = [sys.executable, "-m", "dnnbook.cuda.traffic", *names, "--size", *map(str, (M, N, K))]
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | {"NUMBA_ENABLE_CUDASIM": "1"})
    if done.returncode:
        raise RuntimeError(f"measure: {(done.stderr.strip().splitlines() or ['no message'])[-1]}")
    found = json.loads(done.stdout)
    return {name: Traffic(*[counts(part) for part in parts]) for name, parts in found.items()}


def counts(part):
    """Counts out of JSON: of one kind, or of several arrays."""
    return {name: Count(*count) for name, count in part.items()} if isinstance(part, dict) else Count(*part)


def rung(name):
    """The rung of that name, or with another padding: ``"blocked, 0"``."""
    from dnnbook.cuda import rungs

    name, comma, pad = name.partition(",")
    if name not in rungs.RUNGS or (comma and name not in ("blocked", "vectorized")):
        raise ValueError(
            f"no rung is called {name + comma + pad!r}; known: {', '.join(rungs.RUNGS)}; blocked, PAD; vectorized, PAD"
        )
    kind = rungs.RUNGS[name]
    return kind._replace(body=getattr(rungs, name)(int(pad))) if comma else kind


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m dnnbook.cuda.traffic", description="What kernels ask of memory, as JSON.")
    parser.add_argument("names", nargs="+", metavar="RUNG", help="such as naive, or 'blocked, 0' for another padding")
    parser.add_argument("--size", nargs=3, type=int, default=(128, 128, 32), metavar=("M", "N", "K"))
    options = parser.parse_args()
    if os.environ.get("NUMBA_ENABLE_CUDASIM") == "1":
        from dnnbook.cuda import traffic  # not this module, whose name is __main__

        print(json.dumps({name: traffic.simulate(traffic.rung(name), *options.size) for name in options.names}))
    else:
        print(json.dumps(measure(options.names, *options.size)))
