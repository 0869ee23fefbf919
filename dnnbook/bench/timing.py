"""Timing in turns."""

import math
import statistics
import time
from typing import NamedTuple

SHORTEST = 200e-6  # seconds of one timing; shorter calls are repeated inside it
# Threads of BLAS keep their cores busy for a while after a product, OpenBLAS's for 2**26 clock cycles: the next in turn would
# pay for it.
REST = 0.03
# A thread that was asleep may be put on the core of the one that waits for it, and stay there for ticks of the scheduler, 4 ms
# each; after a rest JAX took up to twice as long. So a turn of short calls, or after a rest, warms up until a call is about as
# fast as the fastest so far, or for PATIENCE seconds, unless a single call takes longer. Then it is timed up to TRIES times,
# as often as fit into TURN seconds; the least counts.
TRIES, TURN, PATIENCE = 5, 0.01, 0.2


class Times(NamedTuple):
    """What a run took.

    Attributes
    ----------
    first : float
        Seconds of the first call: compilation, imports, first touch of memory.
    each : list of float
        Seconds per call, one value for each round: the least of its timings.
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
    least = {name: fastest(run, now) for name, run in runs.items()}
    calls = {name: max(1, round(SHORTEST / t)) for name, t in least.items()}
    tries = {name: min(max(1, int(TURN / (calls[name] * t))), TRIES) for name, t in least.items()}
    one_round = sum(calls[name] * tries[name] * t + rest for name, t in least.items())
    count = min(max(rounds[0], int(seconds / one_round)), rounds[1])
    each = {name: [] for name in runs}
    for _ in range(count):
        for name, run in runs.items():
            if rest:
                time.sleep(rest)
            if (rest or tries[name] > 1) and least[name] < PATIENCE:
                warm_up(run, least[name], now)
            each[name].append(min(seconds_per_call(run, calls[name], now) for _ in range(tries[name])))
            least[name] = min(least[name], each[name][-1])
    return {name: Times(first[name], each[name]) for name in runs}


def fastest(run, now):
    """Seconds of the fastest of the calls after the first: up to 20 of them, for PATIENCE seconds."""
    run()  # the second call is still slow where memory was touched first
    start, least = now(), math.inf
    for _ in range(20):
        least = min(least, seconds_per_call(run, 1, now))
        if now() - start > PATIENCE:
            break
    return max(least, 1e-9)


def warm_up(run, least, now):
    """Call until it is about as fast as it was before, but not forever."""
    start = now()
    while seconds_per_call(run, 1, now) > 1.5 * least and now() - start < PATIENCE:
        pass


def ratio(ours, theirs):
    """How many times as long ours takes."""
    rounds = [a / b for a, b in zip(ours.each, theirs.each, strict=True)]
    low, median, high = statistics.quantiles(rounds, n=4, method="inclusive")
    return Ratio(median, low, high)
