"""Threads for loops over large arrays: the one policy of the package, in one place.

:func:`share` runs a compiled loop on contiguous blocks of its arrays, one block on each core: the calling thread takes the
first, a small team of waiting threads the others. When it does so:

* **Small work stays on one thread.** To wake a thread and to wait for it takes about 15 microseconds. Below
  :data:`LEAST` nanoseconds of work (a hundred thousand exponentials, or two million numbers copied) nothing is shared.
* **Work between matrix products stays on one thread.** After a product the threads of BLAS keep their cores busy for tens of
  milliseconds, waiting for the next one. On two cores a shared loop then took 5 to 15 % longer than a plain one (measured
  after a product of 1024 x 1024 matrices, with 1 million numbers; twice as long with 100,000). So only public functions
  share; their ``kernel``, which the layers of a network use, does not.
* **An optimizer's step stays on one thread.** It is limited by the memory, which one core nearly keeps busy: two threads
  gained 5 percent with 10 million numbers, lost 20 to 30 with 1 million, and lost after a product whatever the size.
* **One loop is shared at a time.** A call from another thread, or from inside a shared loop, runs on its own thread alone.
* The threads sleep while they wait: they never spin against those of BLAS. Nothing is set: no environment variable, no
  threading layer of Numba, and not the number of threads of BLAS.

There are as many threads as cores that this process may use, but not more than ``NUMBA_NUM_THREADS``, Numba's usual limit.
Blocks are independent, so that the results are the same bits whatever their number. The team starts with the first large
loop; a forked process starts its own.
"""

import _thread
import itertools
import os
import sys
import threading

import numba
import numpy as np

LEAST = 100_000
"""Nanoseconds of work on one thread from which sharing pays."""


def cores():
    """How many threads work at a time."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(usable, numba.config.NUMBA_NUM_THREADS)


class _Task:
    """A loop with its arguments, and what became of it."""

    def __init__(self, loop, args):
        self.loop, self.args = loop, args
        self.error, self.done, self.end = None, False, _thread.allocate_lock()
        self.end.acquire()

    def run(self):
        try:
            self.loop(*self.args)
        except BaseException as error:
            self.error = error
        self.done = True
        self.end.release()


def _wait(tasks):
    """Until all have ended, even if the user interrupts: they still write. The interrupt comes out afterwards."""
    interrupt = None
    for task in tasks:
        while not task.done:
            try:
                task.end.acquire()
            except BaseException as error:
                interrupt = error
    if interrupt is not None:
        raise interrupt


class _Worker:
    """A thread that sleeps until it gets a task. It does not keep the process alive."""

    def __init__(self):
        self.task, self.wake = None, _thread.allocate_lock()
        self.wake.acquire()
        threading.Thread(target=self.work, name="dnnbook", daemon=True).start()

    def work(self):
        while True:
            self.wake.acquire()
            task, self.task = self.task, None
            task.run()
            del task  # and with it the arrays

    def give(self, task):
        self.task = task
        self.wake.release()


_busy, _team = _thread.allocate_lock(), None


def _forget():
    """In a forked process, which has the objects but not the threads."""
    global _busy, _team
    _busy, _team = _thread.allocate_lock(), None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)


def _workers():
    global _team
    if _team is None:
        try:
            _team = [_Worker() for _ in range(cores() - 1)]
        except RuntimeError:  # no thread can start, as at the end of the process
            return []
    return _team


def share(loop, work, *args):
    """Run ``loop(*args)`` on blocks of the arrays' first axis, on all cores, if there is enough work.

    Parameters
    ----------
    loop : function
        Compiled with ``nogil=True``. Its results are written into arrays that are among its arguments, and each row depends
        on nothing but the same row of the others.
    work : float
        About how many nanoseconds the whole takes on one thread.
    *args : ndarray or number
        Arrays of the same length are cut along the first axis; numbers, and arrays in a tuple, go to every block as they are.

    Raises
    ------
    BaseException
        What the loop raises in any of the blocks, once all of them have ended.
    """
    busy = _busy
    if work < LEAST or sys.is_finalizing() or not busy.acquire(blocking=False):
        loop(*args)
        return
    try:
        _spread(loop, args, _workers())
    finally:
        busy.release()


def _spread(loop, args, workers):
    n = next((len(a) for a in args if isinstance(a, np.ndarray)), 0)
    blocks = min(len(workers) + 1, n)
    if blocks < 2:
        loop(*args)
        return
    edges = [n * i // blocks for i in range(blocks + 1)]
    first, *others = [
        [a[low:high] if isinstance(a, np.ndarray) else a for a in args] for low, high in itertools.pairwise(edges)
    ]
    given = []
    try:
        for worker, block in zip(workers, others, strict=False):
            task = _Task(loop, block)
            given.append(task)
            worker.give(task)
        loop(*first)
    finally:
        _wait(given)
    for task in given:
        if task.error is not None:
            raise task.error
