"""The ladder of products without a simulator: its machine code, the bounds that follow from it, and the command that counts."""

import functools
import importlib.util

import pytest

from dnnbook.cuda import ceilings, machine_code
from dnnbook.cuda.ceilings import H100, mix_bound, occupancy

with_compiler = pytest.mark.skipif(machine_code.missing() is not None, reason=str(machine_code.missing()))
with_simulator = pytest.mark.skipif(
    importlib.util.find_spec("numba_cuda") is None, reason="the package numba-cuda is not installed"
)


@functools.cache
def codes():
    """The code of each rung for an H100 by name."""
    found = machine_code.build(("sm_90",), lambda name: name.startswith("rung "))
    return {code.name.removeprefix("rung "): code for code in found}


@with_compiler
def test_the_machine_code_is_what_the_chapter_says():
    naive, coalesced, tiled, blocked, vectorized = codes().values()
    for code in codes().values():
        assert code.local == code.count("LDL", "STL", "DFMA", "DMUL", "DADD") == 0, code
        assert code.registers * code.threads * code.blocks <= H100.registers, code
    assert naive.loop == coalesced.loop  # the same instructions: only the addresses differ
    assert naive.loop["LDG.E"] == 2 * naive.loop["FFMA"]
    assert tiled.loop["FFMA"] == 32  # a whole square
    assert tiled.loop["LDG.E"] == 2
    assert 32 < tiled.count("LDS") <= 64
    assert (blocked.loop["FFMA"], blocked.loop["LDS"]) == (64, 16)
    assert (vectorized.loop["FFMA"], vectorized.loop["LDS.128"]) == (64, 4)
    bounds = [mix_bound(c.loop) for c in (naive, tiled, blocked, vectorized)]
    assert bounds == sorted(bounds)
    assert bounds[0] < 0.15 * H100.flops < 0.6 * H100.flops < bounds[2] < bounds[3] < H100.flops


def test_what_instructions_allow():
    assert mix_bound({"FFMA": 7}) == H100.flops
    assert mix_bound({"FFMA": 4, "LDG.E": 8}) == H100.flops / 8  # eight clocks of loads for one of arithmetic
    assert mix_bound({"FFMA": 4, "STS.128": 1, "MOV": 3}) == H100.flops / 2
    assert mix_bound({}) == mix_bound({"MOV": 1}) == 0
    assert mix_bound({"HMMA.16816.F32.BF16": 4}) == H100.tensor_flops
    assert mix_bound({"HMMA.16816.F32.BF16": 2, "LDS": 4}) == H100.tensor_flops / 2
    assert mix_bound({"HMMA.1688.F32.TF32": 8}) == H100.tensor_flops / 2  # tf32 at half the rate
    assert mix_bound({"HMMA.1688.F32.TF32": 8, "MOV": 24}) == H100.tensor_flops / 2  # eight clocks of either
    assert mix_bound({"HMMA.1688.F32.TF32": 8, "MOV": 56}) == H100.tensor_flops / 4


def test_the_figures_of_the_data_sheet_fit_together():
    clock = H100.flops / (H100.multiprocessors * H100.schedulers * 32 * 2)
    assert clock == pytest.approx(1.98e9, rel=1e-3)
    assert H100.tensor_flops / (H100.multiprocessors * H100.tensor_flops_per_clock) == pytest.approx(1.83e9, rel=1e-3)


@pytest.mark.parametrize(
    ("change", "blocks"),
    [
        ({}, 8),  # 2,048 threads
        ({"threads": 32}, 32),
        ({"threads": 33}, 32),
        ({"registers": 33}, 6),  # counted as 40
        ({"registers": 255}, 1),
        ({"shared": 113 * 1024}, 2),
        ({"shared": 114 * 1024}, 1),
    ],
)
def test_blocks_that_fit(change, blocks):
    code = machine_code.Code("", "sm_90", 256, 1, 32, 0, 0, {}, {})._replace(**change)
    assert occupancy(code) == (blocks, blocks * code.threads / 2048)


@with_simulator
def test_counting_in_another_process():
    from dnnbook.cuda import traffic

    found = traffic.measure(["coalesced"], 8, 32, 2)["coalesced"]
    assert found.loads["A"] == traffic.Count(instructions=16, words=512, sectors=16, clocks=16)
    assert found.bytes == 32 * (16 + 64 + 32)
    with pytest.raises(RuntimeError, match="measure: ValueError: no rung is called 'fast'"):
        traffic.measure(["fast"], 8, 32, 2)


def test_operations_of_the_tensor_cores():
    assert ceilings.tensor_operations("HMMA.16816.F32.BF16") == 4096
    assert ceilings.tensor_operations("HMMA.1688.F32.TF32") == 2048


@with_compiler
def test_tensor_cores_wait_for_what_surrounds_them():
    """What the chapter says of a slab: beginning its instructions takes longer than the products of its 8 warps."""
    large = "product bf16 128x256x32 NN vector"
    (code,) = machine_code.build(("sm_90",), lambda name: name == large)
    assert code.loop["HMMA.16816.F32.BF16"] == 64
    clocks = 8 * sum(code.loop.values()) / H100.schedulers
    assert mix_bound(code.loop) == pytest.approx(H100.tensor_flops * 512 / clocks)
    assert 512 < clocks < 704  # of the tensor cores; of shared memory, counted in the simulator
