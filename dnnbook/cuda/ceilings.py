"""How fast a kernel can be at most on a given GPU, from what it asks of memory and from its machine code.

Nothing here is measured on a GPU: the numbers are those of the data sheet, and each result is a bound that no run exceeds.
"""

from typing import NamedTuple

__all__ = ["GPU", "H100", "mix_bound", "occupancy"]

LOADS = "LDG", "LDS", "STG", "STS", "LDL", "STL", "LD.", "ST.", "LDGSTS", "LDSM"  # instructions of the load/store units


class GPU(NamedTuple):
    """The figures of one GPU.

    Attributes
    ----------
    name : str
        As its maker calls it.
    flops : float
        Operations in float32 per second, on its ordinary units; a fused multiply-add counts as two.
    tensor_flops : float
        The same for bf16 factors and float32 sums on its tensor cores; with tf32 factors it is half as many.
    bandwidth : float
        Bytes per second from and to its memory.
    multiprocessors : int
        How many it has.
    schedulers : int
        Instructions that a multiprocessor begins in a clock, each for a whole warp.
    tensor_flops_per_clock : int
        Operations of a multiprocessor's tensor cores in a clock, with bf16 factors.
    registers : int
        Registers of a multiprocessor.
    shared : int
        Bytes of its shared memory.
    threads, blocks : int
        Most threads and blocks that it holds at a time.
    """

    name: str
    flops: float
    tensor_flops: float
    bandwidth: float
    multiprocessors: int
    schedulers: int
    tensor_flops_per_clock: int
    registers: int
    shared: int
    threads: int
    blocks: int


H100 = GPU(
    name="NVIDIA H100 SXM",
    flops=66.9e12,
    tensor_flops=989.4e12,
    bandwidth=3.35e12,
    multiprocessors=132,
    schedulers=4,
    tensor_flops_per_clock=4096,
    registers=65536,
    shared=228 * 1024,
    threads=2048,
    blocks=32,
)
"""From NVIDIA's data sheet of the H100 and its white paper on the architecture; limits of a multiprocessor from table
"Technical Specifications per Compute Capability", 9.0, of the CUDA C++ Programming Guide."""

WARP = 32
ROUNDING = 8 * WARP  # registers are given to a warp in portions
SYSTEM = 1024  # bytes of shared memory that each block takes beside its own


def mix_bound(loop, gpu=H100):
    """What the instructions of a main loop allow, if every number were at hand in time.

    A scheduler begins one instruction per clock, so whatever is no arithmetic takes a turn away from it. The load/store units
    of a multiprocessor serve one warp per clock at best.

    Parameters
    ----------
    loop : dict
        Kind of instruction -> how many, as in :class:`dnnbook.cuda.machine_code.Code`.
    gpu : GPU
        Where it would run.

    Returns
    -------
    float
        Operations per second, at most.

    Examples
    --------
    >>> mix_bound({"FFMA": 4}) == H100.flops
    True
    >>> mix_bound({"FFMA": 4, "IADD3": 4}) / H100.flops
    0.5
    >>> mix_bound({"FFMA": 4, "LDS": 2}) / H100.flops  # two clocks of loads, one and a half of instructions
    0.5
    >>> mix_bound({"HMMA.16816.F32.BF16": 4, "LDS": 12}) / H100.tensor_flops  # four clocks of products, twelve of loads
    0.3333333333333333
    """
    begin = sum(loop.values()) / gpu.schedulers
    move = sum(n for kind, n in loop.items() if kind.startswith(LOADS))
    products = {kind: n * tensor_operations(kind) for kind, n in loop.items() if kind.startswith("HMMA")}
    if products:
        halves = sum(n * (2 if kind.endswith("TF32") else 1) for kind, n in products.items())
        clocks = max(halves / gpu.tensor_flops_per_clock, begin, move)
        return gpu.tensor_flops * sum(products.values()) / gpu.tensor_flops_per_clock / clocks
    return gpu.flops * loop.get("FFMA", 0) / gpu.schedulers / max(begin, move, 1)


def tensor_operations(kind):
    """Operations of one instruction of the tensor cores: ``HMMA.16816.F32.BF16`` multiplies 16 x 16 by 16 x 8."""
    rows, columns, depth = {"16816": (16, 8, 16), "1688": (16, 8, 8), "1684": (16, 8, 4)}[kind.split(".")[1]]
    return 2 * rows * columns * depth


def occupancy(code, gpu=H100):
    """Blocks of a kernel that a multiprocessor holds at the same time, and the share of its threads that they fill.

    Parameters
    ----------
    code : dnnbook.cuda.machine_code.Code
        The kernel: its registers, shared memory and threads count.
    gpu : GPU
        Where it would run.

    Returns
    -------
    blocks : int
        The least that registers, shared memory, threads and the limit of blocks allow.
    share : float
        Their threads as a share of the most.

    Examples
    --------
    >>> from dnnbook.cuda.machine_code import Code
    >>> occupancy(Code("", "sm_90", threads=256, blocks=1, registers=128, local=0, shared=16384, instructions={}, loop={}))
    (2, 0.25)
    """
    warps = -(-code.threads // WARP)
    registers = -(-max(code.registers, 1) * WARP // ROUNDING) * ROUNDING * warps
    blocks = min(gpu.registers // registers, gpu.shared // (code.shared + SYSTEM), gpu.threads // code.threads, gpu.blocks)
    return blocks, blocks * code.threads / gpu.threads
