"""Timing in turns."""

import statistics
import time
from typing import NamedTuple

SHORTEST = 200e-6  # seconds of one timing; shorter calls are repeated inside it
# Threads of BLAS and of OpenMP keep their cores busy for a while after their work, OpenBLAS's for 2**26 clock cycles: the next
# in turn would pay for it.
REST = 0.03


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
        """Seconds per call, the median over the rounds."""
        return statistics.median(self.each)


class Ratio(NamedTuple):
    """One time over another, taken in each round: the median over the rounds and its quartiles."""

    median: float
    low: float
    high: float


def seconds_per_call(run, calls, now=time.perf_counter):
    """Seconds of one call, the mean of so many in a row."""
    start = now()
    for _ in range(calls):
        run()
    return (now() - start) / calls


def in_turns(runs, seconds=1.0, rounds=(7, 101), rest=REST, now=time.perf_counter):
    """Time functions without arguments in turns, A B A B ...: what slows the machine down slows all of them.

    Parameters
    ----------
    runs : dict of str to function
        What to time.
    seconds : float
        About how long all rounds may take together.
    rounds : tuple of int
        The least and the largest number of rounds.
    rest : float
        Seconds to wait before each turn, until the threads of the one before have gone to sleep.
    now : function
        The clock, in seconds.

    Returns
    -------
    dict of str to Times
    """
    first = {name: seconds_per_call(run, 1, now) for name, run in runs.items()}
    # The second call is still slow where memory was touched first; short ones are judged by the third.
    for run in runs.values():
        run()
    third = {name: seconds_per_call(run, 1, now) for name, run in runs.items()}
    calls = {name: max(1, round(SHORTEST / max(t, 1e-9))) for name, t in third.items()}
    one_round = sum(calls[name] * third[name] + rest for name in runs)
    count = min(max(rounds[0], int(seconds / max(one_round, 1e-9))), rounds[1])
    each = {name: [] for name in runs}
    for _ in range(count):
        for name, run in runs.items():
            if rest:
                time.sleep(rest)
            if calls[name] > 1:
                run()  # brings what it needs back into the caches
            each[name].append(seconds_per_call(run, calls[name], now))
    return {name: Times(first[name], each[name]) for name in runs}


def ratio(ours, theirs):
    """How many times as long ours takes."""
    rounds = [a / b for a, b in zip(ours.each, theirs.each, strict=True)]
    low, median, high = statistics.quantiles(rounds, n=4, method="inclusive")
    return Ratio(median, low, high)
