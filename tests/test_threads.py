"""Threads: shared loops give the same bits, wait for all of their blocks, and never for each other."""

import os
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

from dnnbook import _threads, activations

PLENTY = 10 * _threads.LEAST


@pytest.fixture
def three(monkeypatch):
    """A team of three, whatever the machine."""
    monkeypatch.setattr(_threads, "cores", lambda: 3)
    monkeypatch.setattr(_threads, "_team", None)
    monkeypatch.setattr(_threads, "_busy", _threads._thread.allocate_lock())


class Recorder:
    """A loop that keeps what it was called with."""

    def __init__(self, fail_at=None, then=None):
        self.calls, self.fail_at, self.then = [], fail_at, then

    def __call__(self, x, number, out):
        self.calls.append((threading.get_ident(), len(x)))
        if self.then:
            self.then()
        if self.fail_at in x:
            raise ValueError(f"found {self.fail_at}")
        out[:] = number * x


def test_blocks_are_cut_along_the_first_axis_and_numbers_are_not(three):
    x, out, loop = np.arange(22.0).reshape(11, 2), np.empty((11, 2)), Recorder(then=lambda: time.sleep(0.02))
    _threads.share(loop, PLENTY, x, 3.0, out)
    assert np.array_equal(out, 3 * x)
    assert sorted(n for _, n in loop.calls) == [3, 4, 4]
    assert len({who for who, _ in loop.calls}) == 3
    assert threading.get_ident() in {who for who, _ in loop.calls}


def test_small_work_stays_on_the_calling_thread(three):
    loop = Recorder()
    _threads.share(loop, _threads.LEAST - 1, np.ones(1000), 3.0, np.empty(1000))
    _threads.share(loop, PLENTY, np.ones(1), 3.0, np.empty(1))  # and what cannot be cut
    _threads.share(loop, PLENTY, np.ones(0), 3.0, np.empty(0))
    assert loop.calls == [(threading.get_ident(), n) for n in (1000, 1, 0)]


def test_results_are_the_same_bits_whatever_the_number_of_threads(monkeypatch):
    z = np.random.default_rng(0).normal(0, 5, 300_017).astype(np.float32)
    seen = []
    for count in (1, 2, 3, 7):
        monkeypatch.setattr(_threads, "cores", lambda count=count: count)
        monkeypatch.setattr(_threads, "_team", None)
        seen.append([getattr(activations, f)(z) for f in ("sigmoid", "tanh_grad", "elu")])
        assert len(_threads._team) == count - 1
    for other in seen[1:]:
        assert all(map(np.array_equal, seen[0], other))


@pytest.mark.parametrize("fail_at", [0.0, 5.0, 10.0])
def test_an_error_in_any_block_comes_out_once_all_have_ended(three, fail_at):
    loop, x, out = Recorder(fail_at, then=lambda: time.sleep(0.02)), np.arange(11.0), np.zeros(11)
    with pytest.raises(ValueError, match=f"found {fail_at}"):
        _threads.share(loop, PLENTY, x, 3.0, out)
    assert len(loop.calls) == 3
    assert np.count_nonzero(out) >= 6  # the other blocks
    _threads.share(Recorder(), PLENTY, x, 2.0, out)  # and the team still works
    assert np.array_equal(out, 2 * x)


def test_a_loop_inside_a_shared_loop_runs_alone(three):
    inner, out = Recorder(), np.empty(9)
    outer = Recorder(then=lambda: _threads.share(inner, PLENTY, np.ones(9), 1.0, out))
    _threads.share(outer, PLENTY, np.ones(9), 1.0, np.empty(9))
    assert [n for _, n in inner.calls] == [9, 9, 9]


def test_many_threads_may_call_at_a_time(three):
    z = np.random.default_rng(0).normal(0, 5, (20, 150_000)).astype(np.float32)
    expected, got = [activations.sigmoid.kernel(row) for row in z], [None] * len(z)

    def call(i):
        for _ in range(5):
            got[i] = activations.sigmoid(z[i])

    threads = [threading.Thread(target=call, args=(i,)) for i in range(len(z))]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert all(map(np.array_equal, got, expected))


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs a timer")
def test_an_interrupt_comes_out_once_all_blocks_have_ended(three):
    ended = []

    def slow():
        end = time.perf_counter() + 0.15
        while time.perf_counter() < end:
            time.sleep(0.005)
        ended.append(threading.get_ident())

    def interrupt(*_):
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.03, 0.04)  # again and again, also while it waits
        with pytest.raises(KeyboardInterrupt):
            _threads.share(Recorder(then=slow), PLENTY, np.ones(9), 1.0, np.empty(9))
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert len(ended) == 2  # all but the calling thread's
    assert threading.get_ident() not in ended
    loop = Recorder(then=lambda: time.sleep(0.02))
    _threads.share(loop, PLENTY, np.ones(9), 1.0, np.empty(9))
    assert len({who for who, _ in loop.calls}) == 3


IN_A_PROCESS = """
import atexit, os, warnings

import numpy as np

from dnnbook import _threads, activations

warnings.simplefilter("ignore")  # Python 3.12 warns of a fork beside threads
_threads.cores = lambda: 3
z = np.linspace(-5, 5, 400_000, dtype=np.float32)
first = activations.sigmoid(z)
assert len(_threads._team) == 2
child = os.fork()
assert np.array_equal(activations.sigmoid(z), first)
if child:
    assert os.waitpid(child, 0)[1] == 0
    atexit.register(lambda: print(np.array_equal(activations.sigmoid(z), first)))


class Late:
    def __del__(self):
        print(np.array_equal(activations.sigmoid(z), first))


if child:
    late = Late()
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_fork_and_the_end_of_the_process():
    done = subprocess.run([sys.executable, "-c", IN_A_PROCESS], capture_output=True, text=True, timeout=100)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.split()[0] == "True"


def test_where_no_thread_can_start_the_calling_thread_does_all(three, monkeypatch):
    def refuse(self):
        raise RuntimeError("can't create new thread at interpreter shutdown")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    loop = Recorder()
    _threads.share(loop, PLENTY, np.ones(9), 1.0, np.empty(9))
    assert loop.calls == [(threading.get_ident(), 9)]


def test_as_many_threads_as_cores_but_not_more_than_numba_may_use(monkeypatch):
    monkeypatch.setattr(_threads.numba.config, "NUMBA_NUM_THREADS", 64)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(5)), raising=False)
    assert _threads.cores() == 5
    monkeypatch.setattr(_threads.numba.config, "NUMBA_NUM_THREADS", 2)
    assert _threads.cores() == 2
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert _threads.cores() == 1
