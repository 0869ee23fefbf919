"""Timing in turns."""

import statistics
import time
from typing import NamedTuple

SHORTEST = 200e-6  # seconds of one timing; shorter calls are repeated inside it


class Times(NamedTuple):
    """What a run took.

    Attributes
    ----------
    first : float
        Seconds of the first call: compilation, imports, first touch of memory.
    each : list of float
        Seconds per call, one value for each round.
    """

    first: float
    each: list

    @property
    def median(self):
        return statistics.median(self.each)


class Ratio(NamedTuple):
    """One time over another, taken in each round: the median over the rounds and its quartiles."""

    median: float
    low: float
    high: float


def clock(run, calls):
    start = time.perf_counter()
    for _ in range(calls):
        run()
    return (time.perf_counter() - start) / calls


def in_turns(runs, seconds=1.0, rounds=(7, 101)):
    """Time functions without arguments in turns: {name: Times}.

    Parameters
    ----------
    runs : dict of str to function
        What to time.
    seconds : float
        About how long all rounds may take together.
    rounds : tuple of int
        The least and the largest number of rounds.
    """
    first = {name: clock(run, 1) for name, run in runs.items()}
    second = {name: clock(run, 1) for name, run in runs.items()}  # the second call is still slow where memory was touched first
    calls = {name: max(1, round(SHORTEST / max(clock(run, 1), 1e-9))) for name, run in runs.items()}
    one = sum(calls[name] * second[name] for name in runs)
    count = min(max(rounds[0], int(seconds / max(one, 1e-9))), rounds[1])
    each = {name: [] for name in runs}
    for _ in range(count):
        for name, run in runs.items():
            each[name].append(clock(run, calls[name]))
    return {name: Times(first[name], each[name]) for name in runs}


def ratio(ours, theirs):
    """How many times as long ours takes."""
    rounds = sorted(a / b for a, b in zip(ours.each, theirs.each, strict=True))
    low, median, high = statistics.quantiles(rounds, n=4, method="inclusive")
    return Ratio(median, low, high)
