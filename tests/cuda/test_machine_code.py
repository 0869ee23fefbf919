"""Every kernel as machine code of an A100 (sm_80) and an H100 (sm_90): no GPU is needed to compile, only the assembler."""

import functools
import re

import pytest

from dnnbook.cuda import _tensor_cores, machine_code

pytestmark = pytest.mark.skipif(machine_code.missing() is not None, reason=str(machine_code.missing()))
REGISTERS = 65536  # of a multiprocessor
MOST_SHARED = {"sm_80": 163 * 1024, "sm_90": 227 * 1024}
LEAST_SHARE = {"128x128x8": 0.8, "64x64x16": 0.77, "32x32x16": 0.6}  # a small tile needs more loads for each sum

LEAST_TENSOR_SHARE = {  # of HMMA, each of which keeps a tensor core busy for several other instructions
    "bf16 128x256x32": 0.16,
    "bf16 128x128x32": 0.13,
    "bf16 64x64x32": 0.06,
    "tf32 128x256x16": 0.19,
    "tf32 128x128x16": 0.15,
    "tf32 64x64x16": 0.08,
}
TILES = *LEAST_SHARE, *LEAST_TENSOR_SHARE
GROUPS = [*(f"product {size}" for size in TILES), "sum of parts", "rows", "elements", "training", "rung"]


@functools.cache
def codes(group):
    return machine_code.build(chosen=lambda name: name.startswith(group))


def test_the_groups_are_all_kernels():
    assert all(k.name.startswith(tuple(GROUPS)) for k in machine_code.kernels())


@pytest.mark.parametrize("group", GROUPS)
def test_registers_and_arithmetic_of_every_kernel(group):
    for c in codes(group):
        assert c.local == c.count("LDL", "STL") == 0, c
        assert c.registers * c.threads * c.blocks <= REGISTERS, c
        assert c.shared * c.blocks <= MOST_SHARED[c.target], c
        assert c.count("DFMA", "DADD", "DMUL", "DSETP", "F2F.F64", "F2F.F32.F64", "MUFU.RCP64") == 0, c
        assert all(re.fullmatch(r"[A-Z][\w.]+", kind) for kind in c.instructions), c


@pytest.mark.parametrize("size", LEAST_SHARE)
def test_the_main_loop_of_products(size):
    rows, columns, depth = map(int, size.split("x"))
    mine = codes(f"product {size}")
    assert {c.target for c in mine} == set(machine_code.TARGETS)
    for c in mine:
        assert c.loop["FFMA"] == rows * columns * depth // c.threads, c  # the loop is one whole step along K
        assert c.share >= LEAST_SHARE[size], (c.share, c)
        assert c.loop["LDS.128"] > 0, c
        slabs = (rows + columns) * depth // c.threads
        if "vector" in c.name:
            assert c.loop["LDG.E.128"] == slabs // 4, c
            assert c.count("STG.E.128") > 0, c
        else:
            assert c.loop["LDG.E"] == slabs, c


@pytest.mark.parametrize("size", LEAST_TENSOR_SHARE)
def test_the_main_loop_of_products_on_tensor_cores(size):
    precision, sizes = size.split()
    rows, columns, depth = map(int, sizes.split("x"))
    mine = codes(f"product {size}")
    assert {c.target for c in mine} == set(machine_code.TARGETS)
    for c in mine:
        warps, tile = c.threads // 32, next(t for t in _tensor_cores.TILES[precision] if (t.rows, t.columns) == (rows, columns))
        instruction, length = ("HMMA.16816.F32.BF16", 16) if precision == "bf16" else ("HMMA.1688.F32.TF32", 8)
        assert c.loop[instruction] == rows * columns * depth // (16 * 8 * length) // warps, c  # one whole step along K
        assert sum(n for kind, n in c.instructions.items() if kind.startswith("HMMA")) == c.loop[instruction], c
        assert c.loop["LDS.128"] == (tile.warp_rows + tile.warp_columns) * 16 * 4 // (16 * 32), c  # no word is read twice
        slabs = (rows + columns) * depth // c.threads
        assert c.loop["STS.128"] == (rows + columns) * 16 // 4 // c.threads, c
        assert not any(kind.startswith(("LDS", "STS")) and kind not in ("LDS.128", "STS.128") for kind in c.instructions), c
        assert c.count("F2FP.BF16") == (0 if precision == "tf32" else 2 * slabs // 2), c  # before the loop and in it
        if "vector" in c.name:
            assert c.loop["LDG.E.128"] == slabs // 4, c
            assert c.count("STG.E.128") > 0, c
            assert c.share >= LEAST_TENSOR_SHARE[size], (c.share, c)
        else:
            assert c.loop["LDG.E"] == slabs, c


def test_training_moves_four_numbers_at_a_time():
    """Batches of rows that allow it, and masks, whose generator multiplies 32 bits by 32 bits, twice a round."""
    for c in codes("training"):
        if "vector" in c.name:
            assert c.count("LDG.E.128") > 0, c
            assert c.count("STG.E.128") > 0, c
        if "mask" in c.name:
            assert 20 <= c.count("IMAD.WIDE.U32", "IMAD.HI.U32") <= 44, c


def test_a_spill_and_64_bits_would_show():
    """The counts above can fail: a kernel that may use few registers spills, and one with a Python float is in float64."""
    from numba import cuda

    from dnnbook.cuda import _blocks, _tiles

    body = _tiles.body(_tiles.LARGE, False, False, True, ())
    ptx, _ = cuda.compile_ptx(body, _blocks.SIGNATURE, cc=(8, 0), device=False, launch_bounds=(256, 3))
    assert machine_code.Code("", "sm_80", 256, 3, *machine_code.assemble(ptx, "sm_80")).local > 0

    def double(x):
        x[0] = x[0] * 0.1

    ptx, _ = cuda.compile_ptx(double, (_blocks.VECTOR,), cc=(8, 0), device=False)
    assert machine_code.Code("", "sm_80", 1, 1, *machine_code.assemble(ptx, "sm_80")).count("DMUL") == 1
