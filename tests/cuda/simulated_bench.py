"""The command that measures, in the simulator: its checks find what is wrong, and its cases do what they say."""

import json
import time
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
from numba import cuda
from simulated import drawn

from dnnbook import network
from dnnbook.bench.cases import Net
from dnnbook.cuda import _losses, _targets, activations, bench, bench_training

SMALL = ((3, 5, 7), (4, 4, 8), (1, 2, 0))


def of_numpy(a, b, out, precision):
    return None if precision == "bf16" else lambda: np.matmul(a, b, out=out)


def wall(run, calls):
    start = time.perf_counter()
    for _ in range(calls):
        run()
    return time.perf_counter() - start


def test_right_kernels_pass():
    assert 0 < bench.check(SMALL, ["float32"]) <= 1
    assert 0 < bench.check(SMALL[:1], ["tf32"]) <= 1


@pytest.mark.parametrize("name", ["product", "tanh_grad"])
def test_a_wrong_kernel_stops_the_command(name, monkeypatch):
    if name == "product":
        right = bench.matmul
        plain = {"precision": "tf32"}  # NaN stays
        monkeypatch.setattr(bench, "matmul", lambda a, b, out, **last: out if last == plain else right(a, b, **last))
    else:
        monkeypatch.setattr(activations, name, lambda z: z)
    with pytest.raises(ArithmeticError, match=f"{name}.* of .* results are wrong"):
        bench.check(SMALL[:1], ["tf32" if name == "product" else "float32"])


def test_every_case_runs(capsys):
    library = bench.Library("NumPy", lambda x: x._ary, of_numpy)
    made = list(bench.cases(library, squares=(4,), odd=((3, 5, 7),), nets=(Net((6, 4, 3), 2),), elements=16))
    assert len(made) == 3 * (2 + 6) + 8
    assert all(("cuBLAS" in c.runs) == ("bf16" not in c.name) for c in made if c.flops)
    assert len({(c.name, c.size) for c in made}) == len(made)
    for case in made[::5]:
        row = bench.measure(case, 0.0, clock=lambda run, calls: wall(run, 1))
        bench.print_row(row)
        assert row["seconds"] > 0
        assert ("share" in row) == (len(case.runs) > 1)
        if "share" in row:
            assert row["share"]["low"] <= row["share"]["median"] <= row["share"]["high"]
    assert "TFLOP/s" in capsys.readouterr().out


def test_the_command_checks_then_measures_then_sums_up(capsys, monkeypatch, tmp_path):
    monkeypatch.setattr(bench, "check", lambda right=bench.check: right(SMALL[:1], ["float32"]))
    monkeypatch.setattr(bench, "cases", lambda library, right=bench.cases: right(None, (4,), (), (), 16))
    monkeypatch.setattr(bench_training, "check", lambda peer: 0.5)
    monkeypatch.setattr(bench, "measure", partial(bench.measure, clock=lambda run, calls: wall(run, 1)))
    monkeypatch.setattr(cuda, "get_current_device", lambda: SimpleNamespace(name=b"a simulated GPU"))
    file = tmp_path / "bench.json"
    result = bench.bench(["relu", "product in tf32"], file, seconds=0.0)
    assert [row["name"] for row in result["cases"]] == ["product in tf32", "relu"]
    assert json.loads(file.read_text()) == result
    lines = [line for line in capsys.readouterr().out.splitlines() if line]
    order = ["dnnbook ", "all kernels are right", "what ", "product ", "relu ", "ratios", "targets: "]
    assert all(line.startswith(word) for line, word in zip(lines, order, strict=True))
    monkeypatch.setattr(activations, "relu", lambda z: z)
    with pytest.raises(ArithmeticError, match="relu"):
        bench.bench(["relu"], file)
    assert "what" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "size", "share"),
    [
        ("product", "8192 x 8192 x 8192 NN", 0.9),
        ("product", "4095 x 4097 x 4093 NN", 0.8),
        ("product", "1024 x 1024 x 1024 NN", 0.8),
        ("product", "8192 x 512 x 512 NN", None),
        ("product in bf16", "4096 x 4096 x 4096 NN", 0.6),
        ("product in bf16", "2048 x 2048 x 2048 NN", None),
        ("product of a layer", "2048 x 2048 x 2048 NN", None),
        ("adam step", "8192 x 8192", 0.85),
    ],
)
def test_a_row_is_held_against_its_target(name, size, share):
    for median in (0.01, 0.99):
        row = _targets.judged({"name": name, "size": size, "share": {"of": "cuBLAS", "median": median}})
        assert row.get("target") == (share and {"least": share, "reached": median > 0.5})
        assert _targets.text(row) == (f"  >= {share:.0%}: {'reached' if median > 0.5 else 'missed'}" if share else "")
    assert "target" not in _targets.judged({"name": name, "size": size})


def test_a_training_step_is_held_against_its_target():
    rows = [
        _targets.judged({"flops": flops, "ratios": {peer: {"median": ratio} for peer, ratio in ratios.items()}})
        for flops, ratios in [
            (1e6, {"PyTorch": 0.9, "PyTorch graph": 2, "launches": 3}),
            (1e6, {"PyTorch": 1.1}),
            (1e10, {"PyTorch": 1.1, "PyTorch graph": 1.1}),
            (1e10, {"PyTorch": 1.1, "PyTorch graph": 1.2}),
            (1e10, {"launches": 1.0}),
        ]
    ]
    assert [row.get("target", {}).get("reached") for row in rows] == [True, False, True, False, None]
    assert _targets.text(rows[3]) == "  <= 1.15: missed"
    assert _targets.summary(rows) == "targets: 2 of 4 reached"
    assert _targets.summary([]).startswith("targets: nothing")


def test_ours_and_cublas_do_the_same():
    """Both write to one array, and neither copies its factors."""
    outs = []

    def theirs(a, b, out, precision):
        assert precision == "tf32"

        def run():
            outs.append(out.copy())
            np.matmul(a, b, out=out)
            outs.append(out.copy())

        return run

    case = bench.product("product", 3, 4, 5, (True, False), bench.Library("NumPy", lambda x: x._ary, theirs), "tf32")
    case.runs["dnnbook"]()
    case.runs["cuBLAS"]()
    assert np.any(outs[0] != outs[1])  # tf32 is not float32
    np.testing.assert_allclose(*outs, atol=1e-2)
    np.testing.assert_allclose(outs[1], drawn(5, 3).T @ drawn(5, 4), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("precision", ["float32", "tf32", "bf16"])
def test_cublas_rounds_where_we_do(precision):
    """A stand-in for PyTorch: TF32 is on only for tf32, and only for bf16 are arrays converted, before the clock starts."""
    log = []

    class Tensor:
        def to(self, kind):
            log.append(kind)
            return self

    matmul = SimpleNamespace(allow_tf32=None)
    backends = SimpleNamespace(cuda=SimpleNamespace(matmul=matmul))
    torch = SimpleNamespace(backends=backends, bfloat16="bf16", mm=lambda a, b, out: log.append(matmul.allow_tf32))
    run = bench.of_pytorch(torch, Tensor(), Tensor(), Tensor(), precision)
    before = ["bf16"] * 3 if precision == "bf16" else []
    assert log == before
    run()
    assert log == [*before, precision == "tf32"]
    assert not matmul.allow_tf32


TINY = Net((6, 4, 3), 4, batch_norm=True)


class Peer:
    """A peer that does nothing, and is right or wrong."""

    on_gpu, wrong = False, 1.0

    def __init__(self, net, params, x, labels):
        self.mine = bench_training.prepared(bench_training.Network(network_of(net), params), x, labels, net.batch)

    def losses(self, order):
        return self.mine.epoch(np.random.default_rng(1), 0, False)[0] * self.wrong

    def epoch(self):
        time.sleep(0.001)


def network_of(net):
    return network.mlp(net.sizes, net.activation, batch_norm=net.batch_norm, dropout=net.dropout)


def test_training_is_checked_before_it_is_timed(monkeypatch):
    monkeypatch.setattr(bench_training, "BATCHES", 1)
    assert 0 < bench_training.check((TINY,), Peer) <= 1
    monkeypatch.setattr(Peer, "wrong", 1.001)
    with pytest.raises(ArithmeticError, match="training of 6-4-3, batch 4, batch norm next to the peer's: the losses are"):
        bench_training.check((TINY,), Peer)
    right = _losses.record()
    monkeypatch.setattr(_losses, "record", lambda: Slower(right))
    with pytest.raises(ArithmeticError, match="training of 6-4-3, batch 4, batch norm: the losses are"):
        bench_training.check((TINY,))


class Slower:
    """The record of losses with a wrong number of examples."""

    def __init__(self, kernel):
        self.kernel = kernel

    def __getitem__(self, configuration):
        return lambda parts, losses, counter, size, N: self.kernel[configuration](parts, losses, counter, size, N * 1.001)


def test_training_is_timed_next_to_a_peer(capsys, monkeypatch):
    monkeypatch.setattr(bench_training, "ROUNDS", (2, 2))
    (row,) = bench_training.bench(nets=(TINY,), examples=9, peer=Peer)
    assert row["rounds"] == 2
    assert row["ratios"]["PyTorch"]["median"] > 1
    assert row["tflops"] * row["seconds"] == pytest.approx(2 * 4 * (6 * 4 + 4 * 3 + 6 * 4 + 2 * 4 * 3) * 1e-12)
    assert "TFLOP/s  PyTorch" in capsys.readouterr().out
    assert bench_training.bench(lambda *words: "product" in words, nets=(TINY,)) == []


def test_the_peer_trains_as_we_do(monkeypatch):
    """On its CPU, where PyTorch is installed."""
    pytest.importorskip("torch")
    from dnnbook.cuda.torch_peer import Training

    monkeypatch.setattr(bench_training, "BATCHES", 2)

    assert 0 < bench_training.check((TINY, Net((6, 4, 4, 3), 3, "sigmoid")), partial(Training, device="cpu")) <= 1
