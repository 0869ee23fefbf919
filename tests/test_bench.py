"""The benchmark: its arithmetic with a clock that only a test moves, its choice of cases, and what it writes."""

import builtins
import itertools
import json
import math
import re
import sys

import numpy as np
import pytest

from dnnbook import __main__, activations, bench, optimizers
from dnnbook.bench import cases, machine, report, run, start, timing

TINY = (200,)
NETS = tuple(net._replace(sizes=(6, *[5] * (len(net.sizes) - 2), 3), batch=8) for net in cases.NETS)
LIMITS = {"size": 32, "numbers": 1000, "seconds": 0.0}


def tiny():
    return list(cases.listing(TINY, NETS, examples=20))


class Clock:
    """Time goes on only while something runs."""

    def __init__(self):
        self.time = 0.0

    def __call__(self):
        return self.time

    def taking(self, *seconds):
        """A run that takes so long: its first call, its second, and so on; then as long as the last."""
        left = itertools.chain(seconds, itertools.repeat(seconds[-1]))

        def run():
            self.time += next(left)

        return run


def test_the_first_call_is_told_apart():
    now = Clock()
    times = timing.in_turns({"a": now.taking(5.0, 2.0, 1.0)}, seconds=10.0, rest=0, now=now)
    assert times["a"].first == 5.0
    assert times["a"].each == [1.0] * 10  # as many rounds as fit


def test_rounds_have_a_least_and_a_largest_number():
    now = Clock()
    assert len(timing.in_turns({"a": now.taking(1.0)}, 0.0, rest=0, now=now)["a"].each) == 7
    assert len(timing.in_turns({"a": now.taking(1.0)}, 1e9, rest=0, now=now)["a"].each) == 101


def test_short_runs_are_repeated_inside_one_timing():
    now, calls = Clock(), 0
    one = now.taking(1e-5)

    def counted():
        nonlocal calls
        calls += 1
        one()

    (each,) = (times.each for times in timing.in_turns({"a": counted}, 0.0, rest=0, now=now).values())
    assert calls == 22 + (1 + 5 * 20) * len(each)
    assert each == pytest.approx([1e-5] * len(each))


def test_runs_take_turns():
    now, order = Clock(), []

    def logging(name):
        step = now.taking(1.0)
        return lambda: (order.append(name), step())

    timing.in_turns({"a": logging("a"), "b": logging("b")}, 0.0, rest=0, now=now)
    assert "".join(order) == "ab" + "aabb" + "ab" * 7  # the first calls, those to see how long they take, the rounds


def test_the_least_timing_of_a_turn_counts():
    now = Clock()
    run = now.taking(*[0.001] * 22, *[0.001, 0.004, 0.003, 0.001, 0.002, 0.004] * 7)  # the first of six warms up
    assert timing.in_turns({"a": run}, 0.0, rest=0, now=now)["a"].each == pytest.approx([0.001] * 7)


def test_a_turn_warms_up_until_the_run_is_as_fast_as_before():
    now = Clock()
    run = now.taking(*[0.001] * 22, *[0.016, 0.016, 0.0012, *[0.0011] * 5] * 7)
    assert timing.in_turns({"a": run}, 0.0, rest=0, now=now)["a"].each == pytest.approx([0.0011] * 7)


def test_a_turn_after_a_rest_warms_up_unless_a_call_takes_long(monkeypatch):
    monkeypatch.setattr(timing.time, "sleep", lambda seconds: None)
    now = Clock()
    short = now.taking(*[0.125] * 4, *[0.25, 0.125] * 7)  # after a rest the first call is slow
    long = now.taking(*[0.5] * 3, *[1.0] * 7)
    times = timing.in_turns({"short": short, "long": long}, 0.0, rest=0.25, now=now)
    assert times["short"].each == pytest.approx([0.125] * 7)
    assert times["long"].each == pytest.approx([1.0] * 7)


def test_patience_ends():
    now = Clock()
    run = now.taking(*[0.001] * 22, 0.016)  # never as fast again
    assert timing.in_turns({"a": run}, 0.0, rest=0, now=now)["a"].each == pytest.approx([0.016] * 7)
    assert now() == pytest.approx(0.022 + 7 * (13 + 5) * 0.016)


def test_before_each_turn_is_a_rest(monkeypatch):
    now, slept = Clock(), []
    monkeypatch.setattr(timing.time, "sleep", slept.append)
    times = timing.in_turns({"a": now.taking(1.0), "b": now.taking(1.0)}, seconds=20.0, rest=0.25, now=now)
    assert len(times["a"].each) == 8  # of 2.5 seconds
    assert slept == [0.25] * 16


def test_a_ratio_is_taken_in_each_round():
    ours, theirs = timing.Times(9.0, [1.0, 20.0, 3.0, 400.0, 5.0]), timing.Times(9.0, [1.0, 10.0, 1.0, 100.0, 1.0])
    assert timing.ratio(ours, theirs) == (3.0, 2.0, 4.0)
    assert ours.median == 5.0


@pytest.mark.parametrize(
    ("seconds", "text"), [(2.5, "2.5 s"), (1.0, "1 s"), (0.0123, "12.3 ms"), (4.5e-5, "45 us"), (1e-8, "10 ns")]
)
def test_durations(seconds, text):
    assert report.duration(seconds) == text


def test_every_activation_and_optimizer_is_listed():
    names = {e.name for e in tiny()}
    assert set(activations.__all__) <= names
    assert {name + "_" for name in optimizers.TWINS} <= names
    assert len({(e.name, e.size) for e in cases.listing()}) == len(list(cases.listing()))


def test_sizes_read_as_powers():
    assert [e.size for e in cases.listing() if e.name == "relu"] == ["1e4", "1e6", "1e7"]


@pytest.mark.parametrize("entry", tiny(), ids=lambda e: f"{e.name} {e.size}")
def test_every_case_can_be_made_and_run(entry):
    case = entry.make([])
    for _ in range(2):
        case.runs["dnnbook"]()
    assert bool(case.bytes) == ("copy" in case.runs) != bool(case.flops)
    if case.bytes:
        copied = case.runs["copy"]()
        assert copied.dtype == np.float32
        assert 0 <= 2 * copied.nbytes <= case.bytes


def test_bytes_are_those_of_the_arrays():
    moved = {e.name: e.make([]).bytes / 4 for e in cases.listing((1000,), ())}
    assert moved["tanh"] == moved["elu_grad2"] == 2000
    assert moved["noisy_relu"] == 3000
    assert moved["prelu"] == 2000 + 100
    assert moved["maxout"] == 1500
    assert moved["maxout_vjp"] == 500 + 2000
    assert moved["softmax_vjp"] == 3000
    assert moved["softmax_cross_entropy"] == 2000
    assert moved["sgd_"] == 3000
    assert moved["adam_"] == 7000


def test_operations_of_a_network():
    net = cases.Net((4, 3, 2), 5)
    assert net.products == (4 * 3 + 3 * 2, 4 * 3 + 3 * 2 + 3 * 2)
    flops = {e.name: e.make([]).flops for e in cases.listing((), (net,), examples=10)}
    assert flops == {"forward": 2 * 5 * 18, "forward and backward": 2 * 5 * 42, "training epoch": 2 * 10 * 42}


def test_the_machine_is_described():
    found = machine.describe(**LIMITS)
    assert found["processor"]
    assert found["cores"] >= 1
    assert found["loop_threads"] >= 1
    assert all("kernels" in text and "threads" in text for text in found["blas"])
    assert found["gbs"] >= found["gbs_one_thread"] > 0
    assert found["gflops"] > 0
    json.dumps(found)


def test_settings_leave_out_folders(monkeypatch):
    monkeypatch.setenv("OPENBLAS_CORETYPE", "ZEN")
    monkeypatch.setenv("NUMBA_CACHE_DIR", "/somewhere")
    assert machine.settings()["OPENBLAS_CORETYPE"] == "ZEN"
    assert "NUMBA_CACHE_DIR" not in machine.settings()


def few():
    return [e for e in cases.listing(TINY, NETS[:1], examples=20) if e.name in ("relu", "relu6", "adam_", "forward")]


def test_what_is_chosen_is_run_and_written_whole(tmp_path, capsys):
    file = tmp_path / "bench.json"
    result = bench.bench(["relu", "forward"], file=file, seconds=0.0, listing=few, limits=LIMITS)
    assert bench.recorded(file) == result
    assert list(tmp_path.iterdir()) == [file]
    assert {r["name"] for r in result["cases"]} == {"relu", "relu6", "forward"}
    assert result["command"] == "python -m dnnbook bench relu forward --seconds 0"
    relu, *_, forward = result["cases"]
    assert relu["share"] == pytest.approx(relu["gbs"] / result["machine"]["gbs"])
    assert relu["gbs"] == pytest.approx(1600 / relu["seconds"]["dnnbook"] / 1e9)
    assert forward["share"] == pytest.approx(forward["gflops"] / result["machine"]["gflops"])
    assert relu["ratios"]["copy"]["low"] <= relu["ratios"]["copy"]["median"] <= relu["ratios"]["copy"]["high"]
    out = capsys.readouterr().out
    assert "GFLOP/s, copy" in out
    assert out.count("\nrelu6 ") == 1


def test_summary_means_are_geometric():
    rows = [
        {"group": "optimizer", "name": n, "size": "1e4", "ratios": {"jax": {"median": x}}}
        for n, x in (("sgd_", 0.5), ("adam_", 2.0))
    ]
    (((what, peer), found),) = report.grouped(rows).items()
    assert (what, peer) == ("optimizer", "jax")
    assert math.prod(x for x, _ in found) == 1.0
    assert max(found) == (2.0, "adam_, 1e4")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"names": ["no such case"]}, "no case is called no such case"),
        ({"peers": ["theano"]}, "no peer is called theano; known: torch, torch.compile, jax"),
        ({"seconds": -1.0}, "seconds is -1.0"),
        ({"file": "nowhere/bench.json"}, "nowhere/bench.json is in a folder that does not exist"),
    ],
)
def test_what_cannot_be_is_told_before_anything_runs(options, message):
    with pytest.raises(ValueError, match=message):
        bench.bench(**options)


@pytest.mark.parametrize(
    ("module", "arguments", "message"),
    [
        ("torch", ["--peers", "torch"], r"peer torch needs torch, .*dnnbook\[peers\]"),
        ("threadpoolctl", ["relu"], r"needs threadpoolctl, .*dnnbook\[bench\]"),
    ],
)
def test_what_is_missing_is_named(monkeypatch, capsys, module, arguments, message):
    real = builtins.__import__

    def without(name, *args, **kwargs):
        if name.partition(".")[0] == module:
            raise ModuleNotFoundError(f"No module named {module!r}", name=module)
        return real(name, *args, **kwargs)

    for name in [n for n in sys.modules if n in ("dnnbook.bench.torch_peer", module)]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(SystemExit) as stopped:
        __main__.main(["bench", *arguments])
    assert stopped.value.code == 2
    error = capsys.readouterr().err
    assert re.search(message, error)


def test_compilations_are_counted_where_the_cache_is_empty(tmp_path):
    script = """
import numpy as np
from dnnbook import activations
activations.relu(np.ones(3))
"""
    first, second = (start.compiled(script, tmp_path) for _ in range(2))
    assert first.functions >= 1
    assert first.seconds > 0
    assert second == (0, 0.0)


def test_first_results_are_held_against_their_limits(monkeypatch):
    monkeypatch.setitem(start.SCRIPTS, "dnnbook", "import numba; numba.njit(lambda x: x)")
    lines = list(run.first_results(["empty cache", "warm cache"], []))
    assert [(r["size"], r["limit"]) for r in lines] == [("empty cache", 20.0), ("warm cache", 1.5)]
    assert all(r["seconds"]["dnnbook"] > 0 and r["compiled"]["functions"] == 0 for r in lines)


PEERS = [pytest.param(name, marks=pytest.mark.peers) for name in ("torch", "jax")]


def numbers(x):
    """The first array of a result, as NumPy has it."""
    while isinstance(x, tuple | list):
        x = x[0]
    return np.asarray(x.detach() if hasattr(x, "detach") else x)


@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("name", PEERS)
def test_peers_do_the_same_work(name):
    """From the same weights, in the same order: what comes out is the same."""
    pytest.importorskip(name)
    peer, compared = run.peer(name), 0
    for entry in cases.listing((2000,), NETS, examples=20):
        case = entry.make([peer])
        if peer.NAME not in case.runs:
            continue
        draws_masks = "dropout" in entry.size and entry.name != "forward"
        for _ in range(1 if entry.group == "network" else 3):  # optimizers: three steps
            ours, theirs = (numbers(case.runs[who]()) for who in ("dnnbook", peer.NAME))
            assert ours.shape == theirs.shape, entry
            if not draws_masks:
                np.testing.assert_allclose(theirs, ours, rtol=2e-5, atol=2e-6, err_msg=f"{entry.name}, {entry.size}")
        compared += 1
    assert compared >= 50
