"""The command that measures, in the simulator: its checks find what is wrong, and its cases do what they say."""

import time

import numpy as np
import pytest
from simulated import drawn

from dnnbook.bench.cases import Net
from dnnbook.cuda import activations, bench

SMALL = ((3, 5, 7), (4, 4, 8), (1, 2, 0))


def wall(run, calls):
    start = time.perf_counter()
    for _ in range(calls):
        run()
    return time.perf_counter() - start


def test_right_kernels_pass():
    assert 0 < bench.check(SMALL) <= 1


@pytest.mark.parametrize("name", ["product", "tanh_grad"])
def test_a_wrong_kernel_stops_the_command(name, monkeypatch):
    if name == "product":
        right = bench.matmul
        monkeypatch.setattr(bench, "matmul", lambda a, b, out, **last: right(a, b, **last) if last else out)  # NaN stays
    else:
        monkeypatch.setattr(activations, name, lambda z: z)
    with pytest.raises(ArithmeticError, match=f"{name}.* of .* results are wrong"):
        bench.check(SMALL[:1])


def test_every_case_runs(capsys):
    library = bench.Library("NumPy", lambda x: x._ary, np.matmul)
    made = list(bench.cases(library, squares=(4,), odd=((3, 5, 7),), nets=(Net((6, 4, 3), 2),), elements=16))
    assert len(made) == 2 + 6 + 8
    assert len({(c.name, c.size) for c in made}) == len(made)
    for case in made[::4]:
        row = bench.measure(case, 0.0, clock=lambda run, calls: wall(run, 1))
        bench.print_row(row)
        assert row["seconds"] > 0
        assert row["share"]["low"] <= row["share"]["median"] <= row["share"]["high"]
    assert "TFLOP/s" in capsys.readouterr().out


def test_ours_and_cublas_do_the_same():
    """Both write to one array, and neither copies its factors."""
    outs = []

    def theirs(a, b, out):
        outs.append(out.copy())
        np.matmul(a, b, out=out)
        outs.append(out.copy())

    case = bench.product("product", 3, 4, 5, (True, False), bench.Library("NumPy", lambda x: x._ary, theirs))
    case.runs["dnnbook"]()
    case.runs["cuBLAS"]()
    np.testing.assert_allclose(*outs, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(outs[0], drawn(5, 3).T @ drawn(5, 4), rtol=1e-5, atol=1e-6)
