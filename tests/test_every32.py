"""The job over all float32 inputs: how errors are measured, a thin slice of it for every function, and what is kept."""

import json
import math

import numpy as np
import pytest

from dnnbook import __main__ as command
from dnnbook import activations
from dnnbook.formula import Mismatch, every32, ledger

SLICE = 2**16
REQUIRED = ("relu", "sigmoid", "tanh", "softplus", "elu", "leaky_relu")


def one(got, exact):
    worst, at = every32.furthest(np.array([got], np.float32), np.array([exact], np.float64))
    assert at == 0
    return worst


def test_functions_of_one_number_and_their_derivatives():
    names = every32.names()
    assert {"relu", "relu_grad", "elu", "elu_grad2", "sigmoid_grad2", "leaky_relu", "softplus"} <= set(names)
    assert not {"prelu", "noisy_relu", "softmax", "maxout"} & set(names)


@pytest.mark.parametrize(
    ("got", "exact", "error"),
    [
        (1.0, 1.0 + 2.0**-24, 0.5),
        (1.0, 1.0 - 2.0**-24, 1.0),  # below a power of two the unit is half as large
        (2.0**-149, 0.5 * 2.0**-149, 0.5),
        (0.0, 0.25 * 2.0**-149, 0.25),
        (-0.0, -1e-300, 1e-300 * 2.0**149),
        (0.0, -1e-300, math.inf),
        (0.0, -0.0, math.inf),
        (-0.0, -0.0, 0.0),
        (3.0, 0.0, 3.0 * 2.0**149),
        (math.inf, 1e300, 0.0),
        (-math.inf, -1e300, 0.0),
        (-math.inf, 1e300, 2.0**25),
        (3.4028234663852886e38, 1e300, 1.0),
        (math.inf, 2.0**128 - 2.0**103, 0.5),
        (math.inf, math.inf, 0.0),
        (3.4028234663852886e38, math.inf, math.inf),
        (math.nan, math.nan, 0.0),
        (math.nan, 1.0, math.inf),
        (1.0, math.nan, math.inf),
        (math.nan, math.inf, math.inf),
    ],
)
def test_error_in_units_of_the_last_place(got, exact, error):
    assert one(got, exact) == error


def test_the_furthest_of_many_is_found():
    exact = np.linspace(1, 2, 1000)
    got = exact.astype(np.float32)
    got[617] = np.nextafter(np.nextafter(got[617], np.float32(9)), np.float32(9))
    worst, at = every32.furthest(got, exact)
    assert at == 617
    assert 1.5 <= worst <= 2.5


def test_rounding_of_straight_pieces_is_held_exactly():
    exact = np.array([1.0, 1.0 + 2.0**-24 + 2.0**-40, math.nan])
    assert every32.first_unequal(exact.astype(np.float32), exact) == -1
    assert every32.first_unequal(np.array([1.0, 1.0, math.nan], np.float32), exact) == 1  # 0.5 ULP and a little
    assert every32.first_unequal(np.array([1.0, 1.0, 0.0], np.float32), np.array([1.0, 1.0, math.nan])) == 2


def test_inputs_are_all_bit_patterns():
    z = every32.inputs(0, every32.INPUTS, SLICE)
    bits = z.view(np.uint32)
    assert len(z) == 2**16
    assert (np.diff(bits.astype(np.int64)) == SLICE).all()
    assert np.isnan(z).any()
    assert np.isposinf(z).any()
    assert np.isneginf(z).any()
    assert ((z == 0) & np.signbit(z)).any()
    assert ((np.abs(z) < 2.0**-126) & (z != 0)).any()


@pytest.mark.parametrize("name", every32.names())
def test_thin_slice(name):
    row = every32.measure(name, step=SLICE)
    assert row["passed"], row
    assert row["worst"] <= (0.5 if every32.is_straight(name) else every32.MOST_ULP)


def test_two_processes_find_the_same():
    assert every32.measure("sigmoid", step=2**20, workers=2) == every32.measure("sigmoid", step=2**20)


def test_a_fault_in_float32_only_is_found(monkeypatch):
    def off(z):
        y = activations.sigmoid(z)
        return np.nextafter(np.nextafter(y, z.dtype.type(9)), z.dtype.type(9)) if z.dtype == np.float32 else y

    off.contract = activations.sigmoid.contract
    monkeypatch.setattr(every32.activations, "tanh", off)
    monkeypatch.setattr(every32, "reference_error", lambda name: 0.0)
    row = every32.measure("tanh", step=SLICE)
    assert not row["passed"]
    assert row["worst"] > 2


def test_the_reference_is_held_against_the_print(monkeypatch):
    assert every32.reference_error("softplus") < 1e-6
    monkeypatch.setattr(every32, "REFERENCE", 0.0)
    with pytest.raises(Mismatch, match=r"^dnnbook\.activations\.tanh: float64 is \S+ ULP of float32 from the print$"):
        every32.measure("tanh", step=SLICE)


def test_code_is_body_and_helpers_without_docstring():
    text = every32.code(activations.leaky_relu)
    assert "def leaky_relu(z, alpha=0.01):" in text
    assert "_leaky(z, alpha)" in text
    assert "0.0 if alpha == 0 and z < 0" in text  # of the helper
    assert "Parameters" not in text
    assert every32.code(activations.relu) != every32.code(activations.relu6)


def test_the_elementary_functions_count_where_they_are_used(monkeypatch):
    names = ("sigmoid", "softplus_grad2", "exp", "relu", "leaky_relu")
    before = {n: every32.source_hash.__wrapped__(n) for n in names}
    source = every32.inspect.getsource
    monkeypatch.setattr(every32.inspect, "getsource", lambda x: source(x) + "#" * (x is every32._elementary))
    changed = [n for n in names if every32.source_hash.__wrapped__(n) != before[n]]
    assert changed == ["sigmoid", "softplus_grad2", "exp"]


def test_kept_results_are_within_their_bounds_and_speak_about_this_code():
    for name in REQUIRED:
        row = every32.entry(f"dnnbook.activations.{name}")
        assert row["passed"], name
        assert not row["stale"], f"measure again: python -m dnnbook verify --all-float32 {name}"
    assert all(row["passed"] for row in every32.kept().values())
    assert every32.entry("dnnbook.losses.cross_entropy") is None


def test_a_kept_result_is_stale_once_the_code_has_changed(monkeypatch):
    monkeypatch.setattr(every32, "kept", lambda: {"dnnbook.activations.relu": {"worst": 0.0, "source": "before"}})
    assert every32.entry("dnnbook.activations.relu") == {"worst": 0.0, "source": "before", "stale": True}


def test_verify_keeps_what_it_finds(monkeypatch, tmp_path):
    monkeypatch.setattr(every32, "FILE", tmp_path / "kept.json")
    monkeypatch.setattr(every32, "measure", lambda name, workers: {"worst": 0.75, "at": (0.5).hex(), "passed": name != "tanh"})
    every32.kept.cache_clear()
    said = []
    try:
        assert every32.verify(["sigmoid"], out=said.append)
        assert not every32.verify(["tanh", "elu"], out=said.append)
        assert ledger.build(["sigmoid"])["formulas"]["dnnbook.activations.sigmoid"]["every32"]["worst"] == 0.75
    finally:
        every32.kept.cache_clear()
    kept = json.loads(every32.FILE.read_text())
    assert list(kept) == [f"dnnbook.activations.{name}" for name in ("sigmoid", "tanh", "elu")]
    assert kept["dnnbook.activations.elu"].keys() == {"worst", "at", "passed", "date", "commit", "package", "source"}
    assert [line.split() for line in said] == [
        [name, "0.7500", "ULP", "at", "0.5", state] for name, state in (("sigmoid", "ok"), ("tanh", "FAILED"), ("elu", "ok"))
    ]


def test_command(monkeypatch, capsys):
    asked = []
    monkeypatch.setattr(every32, "verify", lambda names: asked.append(names) or "elu" not in names)
    assert command.main(["verify", "--all-float32", "relu", "tanh"]) == 0
    assert command.main(["verify", "--all-float32", "elu"]) == 1
    assert asked == [["relu", "tanh"], ["elu"]]
    monkeypatch.undo()
    with pytest.raises(SystemExit, match="2"):
        command.main(["verify", "--all-float32", "maxout"])
    known = ", ".join(every32.names())
    assert capsys.readouterr().err == f"python -m dnnbook: no function of one number is called maxout; known: {known}\n"
