"""What the kernels become: compiled to machine code of a GPU, without one, and counted.

``python -m dnnbook.cuda.machine_code`` prints registers, shared memory and the mix of instructions of every kernel. It needs
the assembler ``ptxas`` and the disassembler ``nvdisasm`` of the CUDA toolkit: the extra ``cuda`` installs both.
"""

import argparse
import collections
import concurrent.futures
import functools
import importlib.util
import itertools
import multiprocessing
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import NamedTuple

TARGETS = "sm_80", "sm_90"
ARITHMETIC = "FFMA", "HMMA"
ORDERS = {(False, False): "NN", (True, False): "TN", (False, True): "NT", (True, True): "TT"}


class Code(NamedTuple):
    """One kernel in the machine code of one GPU."""

    name: str
    target: str
    threads: int  # of a block
    blocks: int  # that a multiprocessor shall hold
    registers: int  # of a thread
    local: int  # bytes of a thread's variables that are in memory: spilled registers, arrays with a computed index
    shared: int  # bytes of shared memory of a block
    instructions: dict  # how many of each kind
    loop: dict  # the same of the loop with the most arithmetic; empty if there is none

    @property
    def share(self):
        """Fused multiply-adds, of one number or of the matrices of a tensor core, among the instructions of the main loop."""
        return sum(n for name, n in self.loop.items() if name.startswith(ARITHMETIC)) / max(sum(self.loop.values()), 1)

    def count(self, *kinds):
        """Instructions whose name begins with one of these."""
        return sum(n for name, n in self.instructions.items() if name.startswith(kinds))


class Kernel(NamedTuple):
    """How to get the Python function of a kernel, and what it is compiled for."""

    name: str
    maker: str  # module and function that makes it
    arguments: tuple | None  # of the maker; None if that is the kernel itself
    signature: str | None  # its name in that module; None if the maker gives it
    threads: int
    blocks: int


def tool(name):
    """The path of a program of the CUDA toolkit: of the wheels, of CUDA_HOME or in PATH."""
    spec = importlib.util.find_spec("nvidia")
    wheels = [Path(p) / "cu13" / "bin" for p in spec.submodule_search_locations] if spec else []
    home = [Path(os.environ["CUDA_HOME"]) / "bin"] if "CUDA_HOME" in os.environ else []
    for folder in wheels + home:
        if (folder / name).is_file():
            return str(folder / name)
    return shutil.which(name)


def missing():
    """What keeps kernels from being compiled here, in words; None if nothing does."""
    if importlib.util.find_spec("numba_cuda") is None:
        return "the package numba-cuda is not installed"
    absent = [name for name in ("ptxas", "nvdisasm") if tool(name) is None]
    absent += [name for name in ("nvvm", "nvrtc") if not loads(name)]
    return f"not found: {', '.join(absent)} of the CUDA toolkit" if absent else None


def loads(name):
    """Whether a library of the CUDA toolkit is there."""
    from cuda.pathfinder import load_nvidia_dynamic_lib

    try:
        return bool(load_nvidia_dynamic_lib(name))
    except RuntimeError:
        return False


def kernels():
    """Every kernel of :mod:`dnnbook.cuda`. Products in so many of their variants that each piece of code is in one of them."""
    from dnnbook.cuda import _batches, _blocks, _loops, _losses, _masked, _normalized, _rows, _tensor_cores, _tiles, rungs
    from dnnbook.cuda.products import ACTIVATIONS

    def product(tile, order, vectors, *last):
        name = f"{tile.rows}x{tile.columns}x{tile.depth} {ORDERS[order]} {'vector' if vectors else 'scalar'}"
        name = " ".join(["product", *([tile.precision] if hasattr(tile, "precision") else []), name, *words(*last)])
        arguments, module = (tile, *order, vectors, last), type(tile).__module__.rpartition(".")[2]
        return Kernel(name, f"{module}.body", arguments, "SIGNATURE", tile.threads, tile.blocks)

    def words(bias=False, activation=None, derivative=False):
        return ["bias"] * bias + ([] if activation is None else [f"{activation}{' derivative' * derivative}"])

    found = [product(*variant) for variant in itertools.product(_tiles.TILES, ORDERS, (True, False))]
    both = (True, True)  # loads A as TN does, and B as NT does: one tile is enough to see that
    found = [k for k in found if k.arguments[0] is _tiles.LARGE or k.arguments[1:3] != both]
    steps = [(True,), (True, "relu6"), (False, "relu6", True), (False, "absolute_relu", True), (True, "tanh")]
    found += [product(_tiles.LARGE, (False, False), True, *step) for step in steps]
    found += [product(tile, (False, False), False, False, "relu6", True) for tile in _tiles.TILES]
    for large, *smaller in _tensor_cores.TILES.values():  # each factor is copied in two ways: two orders have them all
        found += [product(large, order, True) for order in ORDERS]
        found += [product(tile, order, True) for tile in smaller for order in list(ORDERS)[1:3]]
        found += [product(tile, (False, False), False, False, "relu6", True) for tile in (large, smaller[-1])]
    large = _tensor_cores.TILES["bf16"][0]
    found += [product(large, (False, False), True, *step) for step in ((True, "relu6"), (False, "relu6", True), (True, "tanh"))]
    steps = [()] + [(not d, f, d) for f in ACTIVATIONS for d in (False, True)]
    for step in steps:
        name = " ".join(["sum of parts", *words(*step)])
        found.append(Kernel(name, "_blocks.sum_body", (step,), "SUM_SIGNATURE", _blocks.WIDE * _blocks.HIGH, 1))
    rows = {"cross_entropy": "ENTROPY", "column_sums": "COLUMNS", "total": "TOTAL"}
    found += [Kernel(f"rows {n}", f"_rows.{n}", None, kind, _rows.CELLS, 4) for n, kind in rows.items()]
    names = sorted([*ACTIVATIONS, *[f"{f}_grad" for f in ACTIVATIONS]])
    found += [Kernel(f"elements {f}", "_loops.mapped", (f,), None, _loops.THREADS, 4) for f in names]
    found += [Kernel(f"elements {s}", "_loops.step", (s,), None, _loops.THREADS, 4) for s in _loops.STEPS]
    found += [Kernel(f"elements {s} ahead", "_loops.step_ahead", (s,), None, _loops.THREADS, 4) for s in _loops.STEPS]
    found += [Kernel(f"elements back through {f}", "_loops.way_back", (f,), None, _loops.THREADS, 4) for f in ACTIVATIONS]
    found.append(Kernel("elements dropout", "_loops.kept", (), None, _loops.THREADS, 4))
    found.append(Kernel("elements dropout mask", "_masked.mask_body", None, "MASK", _masked.THREADS, 4))
    for vectors in (True, False):
        name = f"training batch {'vector' if vectors else 'scalar'}"
        found.append(Kernel(name, "_batches.body", (vectors,), "SIGNATURE", _batches.THREADS, 8))
    bent = [f for f in ACTIVATIONS if f != "linear"]
    for f in (None, *[f"{f}_grad" for f in bent]):
        name = f"training mask {'vector' if f is None else f'{f} vector'}"
        found.append(Kernel(name, "_masked.of", (f,), "SIGNATURE", _masked.THREADS, 4))
    found += [Kernel(f"training {f}", "_losses.body", (f,), "PAIRS", _losses.THREADS, 4) for f in _losses.OF_PAIRS]
    found.append(Kernel("training record", "_losses.record_body", None, "RECORD", _losses.THREADS, 1))
    cells = _normalized.CELLS
    for what, kind in {"forward": "FORWARD", "prediction": "PREDICTION"}.items():
        for f in (None, *bent):
            name = f"training batch norm {what}{f' {f}' if f else ''}"
            found.append(Kernel(name, f"_normalized.{what}_of", (f,), kind, cells, 4))
    found.append(Kernel("training batch norm backward", "_normalized.backward_body", None, "BACKWARD", cells, 4))
    for name, rung in rungs.RUNGS.items():
        if rung.signature is rungs.SIGNATURE:  # the others are products
            found.append(Kernel(f"rung {name}", "rungs.body", (name,), "SIGNATURE", rung.threads, rung.blocks))
    return found


def compile(kernel, targets=TARGETS):
    """The machine code of one kernel, for each target."""
    import warnings

    from numba import cuda

    warnings.filterwarnings("ignore", module="numba")
    module, _, maker = kernel.maker.partition(".")
    module = importlib.import_module(f"dnnbook.cuda.{module}")
    made = getattr(module, maker) if kernel.arguments is None else getattr(module, maker)(*kernel.arguments)
    body, signature = made if kernel.signature is None else (made, getattr(module, kernel.signature))
    bounds = kernel.threads, kernel.blocks
    # The intermediate code is the same for all targets but for the line that names one; the oldest is good for all.
    cc = int(targets[0][-2]), int(targets[0][-1])
    ptx, _ = cuda.compile_ptx(body, signature, cc=cc, device=False, launch_bounds=bounds)
    return [Code(kernel.name, target, *bounds, *assemble(ptx, target)) for target in targets]


def assemble(ptx, target):
    """(registers, bytes of local memory, bytes of shared memory, instructions, instructions of the main loop)."""
    with tempfile.TemporaryDirectory() as folder:
        source, binary = Path(folder, "kernel.ptx"), Path(folder, "kernel.cubin")
        source.write_text(ptx)
        command = [tool("ptxas"), "-v", f"-arch={target}", source, "-o", binary]
        report = subprocess.run(command, capture_output=True, text=True, check=True).stderr
        text = subprocess.run([tool("nvdisasm"), "-c", binary], capture_output=True, text=True, check=True).stdout
    registers, local, shared = (
        int((re.search(pattern, report) or [0, 0])[1])
        for pattern in (r"Used (\d+) registers", r"(\d+) bytes stack frame", r"(\d+) bytes smem")
    )
    return registers, local, shared, *mix(text)


def mix(text):
    """How many instructions of each kind a disassembly has, in all and in its main loop."""
    lines, labels = [], {}
    for line in text.splitlines():
        if m := re.match(r"(\.L_x_\d+):", line.strip()):
            labels[m[1]] = len(lines)
        elif m := re.search(r"/\*[0-9a-f]{4,}\*/\s+(?:@!?U?P\w+\s+)?([^;]*);", line):
            lines.append(m[1].strip())
    loops = [range(0)]
    for i, line in enumerate(lines):
        m = re.match(r"BRA.*?(\.L_x_\d+)", line)
        if m and labels.get(m[1], len(lines)) < i:
            loops.append(range(labels[m[1]], i + 1))
    kinds = [line.split()[0] for line in lines]
    main = max(loops, key=lambda loop: (sum(kinds[i].startswith(ARITHMETIC) for i in loop), -len(loop)))
    return dict(collections.Counter(kinds)), dict(collections.Counter(kinds[i] for i in main))


def build(targets=TARGETS, chosen=None, workers=None):
    """The machine code of all kernels, or of those whose names a function accepts, in several processes."""
    wanted = [k for k in kernels() if chosen is None or chosen(k.name)]
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(workers or os.cpu_count(), mp_context=context) as pool:
        parts = pool.map(functools.partial(compile, targets=targets), wanted)
        return [code for part in parts for code in part]


def table(codes):
    """The codes as a table in Markdown."""
    head = "kernel | target | threads | registers | local bytes | shared bytes | arithmetic | instructions of the main loop"
    rows = [head, "|".join("---" for _ in head.split("|"))]
    for c in codes:
        most = sorted(c.loop.items(), key=lambda item: -item[1])[:6]
        is_product = "LDS.128" in c.loop
        common = ", ".join(f"{n} {kind}" for kind, n in most) if is_product else ""
        share = f"{c.share:.0%}" if is_product else ""
        rows.append(f"{c.name} | {c.target} | {c.threads} | {c.registers} | {c.local} | {c.shared} | {share} | {common}")
    return "\n".join(f"| {row} |" for row in rows)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m dnnbook.cuda.machine_code", description="Machine code of the kernels.")
    parser.add_argument("names", nargs="*", metavar="NAME", help="parts of kernels' names; all kernels by default")
    parser.add_argument("--targets", default=",".join(TARGETS), help="GPUs to compile for: sm_80,sm_90 by default")
    options = parser.parse_args()
    if (reason := missing()) is not None:
        parser.exit(2, f"{parser.prog}: {reason}\n")
    print(table(build(options.targets.split(","), lambda name: all(part in name for part in options.names))))
