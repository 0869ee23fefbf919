"""``python -m dnnbook bench --cuda``: are the kernels right on this GPU, and how fast are they, next to cuBLAS and to a copy?

Matrix products are measured in TFLOP/s and as a share of cuBLAS, which comes with PyTorch or CuPy if one of them is installed:
in float32, with TF32 only where we round to it too, and with factors that are bf16 from the start where we round to bf16 on the
way. Other kernels are measured in GB/s of unavoidable traffic and as a share of a copy on the device. Times are those of the
GPU's own clock, in turns (A B A B ...), and a ratio is taken within each round.
"""

import functools
import importlib
import itertools
import json
import math
import statistics
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from dnnbook import __version__, dense, losses, optimizers
from dnnbook import activations as on_cpu
from dnnbook.bench.cases import NETS
from dnnbook.bench.report import duration
from dnnbook.bench.run import chosen, write
from dnnbook.bench.timing import Times, ratio
from dnnbook.cuda import _targets, activations, bench_training, layers
from dnnbook.cuda import optimizers as steps
from dnnbook.cuda.device import need
from dnnbook.cuda.products import ROUNDING, error_bound, matmul

CHECKED = ((1, 1, 1), (127, 129, 131), (256, 256, 256), (1000, 1001, 1003), (784, 100, 5000), (8, 2048, 3), (33, 65, 0))
SQUARES = (512, 1024, 2048, 4096, 8192)
ODD = ((1000, 1001, 1003), (4095, 4097, 4093), (8192, 512, 512), (784, 100, 60000))
ELEMENTS = 2**26
SHORTEST = 1e-3  # seconds of one timing; shorter calls are repeated inside it


class Case(NamedTuple):
    """One line of the table: what is done, on how much, its work, and functions without arguments that do all of it."""

    name: str
    size: str
    flops: int
    bytes: int
    runs: dict[str, Callable]


def bench(names=(), file=None, seconds=1.0):
    """Check all kernels on this GPU, then run the cases whose name or size holds one of `names`, and print a line for each.

    Parameters
    ----------
    names : sequence of str
        Parts of names; all cases by default.
    file : str, optional
        Where to write everything measured, as JSON.
    seconds : float
        About how long each case may take.

    Returns
    -------
    dict
        What is written to the file.

    Raises
    ------
    RuntimeError
        There is no GPU.
    ArithmeticError
        A kernel is wrong: nothing is measured then.
    """
    need("bench")
    from numba import cuda

    device = cuda.get_current_device()
    name = device.name.decode() if isinstance(device.name, bytes) else device.name
    library = cublas()
    result = {"dnnbook": __version__, "gpu": name, "cublas": library and library.version, "cases": []}
    print(f"dnnbook {__version__} on {name}; cuBLAS: {library.version if library else 'neither PyTorch nor CuPy'}")
    peer = bench_training.peer()
    worst = max(check(), bench_training.check(peer=peer))
    print(f"all kernels are right: the worst error is {worst:.2f} of its bound\n")
    print(f"{'what':28}{'size':34}{'time':>10}{'rate':>14}  share")
    for case in cases(library):
        if chosen(names, case.name, case.size):
            result["cases"].append(measure(case, seconds))
            print_row(result["cases"][-1])
    print("\nratios: our time over theirs, median and middle half of the rounds; below 1 we are faster")
    training = bench_training.bench(functools.partial(chosen, names), seconds=seconds, peer=peer)
    result["cases"] += training
    print(f"\n{_targets.summary(result['cases'])}")
    if file:
        write(file, json.dumps(result, indent=1))
    return result


def drawn(*shape, seed=0):
    return np.random.default_rng([seed, *shape]).standard_normal(shape).astype(np.float32)


def check(sizes=CHECKED, precisions=tuple(ROUNDING)):
    """Hold every kernel against float64 on random data, with outputs full of NaN before; the worst share of a bound."""
    from numba import cuda

    shares, eps = [], np.finfo(np.float32).eps

    def hold(what, got, want, bound):
        got = got.copy_to_host() if hasattr(got, "copy_to_host") else got
        wrong = ~(np.abs(got - want) <= bound)  # also where the result is NaN
        if np.any(wrong):
            raise ArithmeticError(f"{what}: {np.count_nonzero(wrong)} of {wrong.size} results are wrong")
        shares.append(float(np.max(np.abs(got - want) / bound, initial=0.0)))

    for (M, N, K), order in itertools.product(sizes, itertools.product((False, True), repeat=2)):
        a, b, bias, z = drawn(M, K), drawn(K, N, seed=1), drawn(N, seed=2), drawn(M, N, seed=3)
        A, B = (cuda.to_device(x.T.copy()).T if turned else cuda.to_device(x) for x, turned in zip((a, b), order, strict=True))
        exact, scale = a.astype(float) @ b, np.abs(a).astype(float) @ np.abs(b)
        lasts = {}, {"bias": bias}, {"bias": bias, "activation": "relu"}, {"activation": "tanh", "z": z}
        for precision, last in itertools.product(precisions, lasts):
            bound = error_bound(K, precision) * (scale + np.abs(bias)) + eps
            out = cuda.to_device(np.full((M, N), np.nan, np.float32))
            given = {k: v if isinstance(v, str) else cuda.to_device(v) for k, v in last.items()}
            want = exact + bias if "bias" in last else exact
            if "activation" in last:
                f = last["activation"]
                want = getattr(on_cpu, f"{f}_grad")(z.astype(float)) * want if "z" in last else getattr(on_cpu, f)(want)
            what = f"product {(M, N, K)} {order} {sorted(last)} in {precision}"
            hold(what, matmul(A, B, out=out, precision=precision, **given), want, bound)

    M, N, _ = max(sizes)
    z, y = drawn(M, N), np.abs(drawn(M, N, seed=1))
    for name in activations.__all__:
        want = getattr(on_cpu, name)(z.astype(float))
        hold(name, getattr(activations, name)(z), want, 16 * eps * (np.abs(want) + eps))
    want = losses.softmax_cross_entropy_grad(z.astype(float), y.astype(float))
    hold("softmax_cross_entropy_grad", layers.softmax_cross_entropy_grad(z, y), want, eps * (N + 32) * (np.abs(want) + 1 / M))
    want = losses.softmax_cross_entropy(z.astype(float), y.astype(float))
    hold("softmax_cross_entropy", layers.softmax_cross_entropy(z, y), want, 64 * eps * abs(want))
    for got, want in zip(layers.dense_vjp(z, z, np.eye(N, dtype=np.float32)), dense.dense_vjp(z, z, np.eye(N)), strict=True):
        hold("dense_vjp", got, want, eps * (M + N + 8) * (np.abs(z).max() ** 2 * M + 1))
    for name in ("sgd", "momentum", "nesterov_at_w", "rmsprop", "adam"):
        w, first = z.copy(), f"{name.partition('_')[0].replace('nesterov', 'momentum')}_init"
        state = [] if name == "sgd" else [getattr(optimizers, first)(w)]
        want = getattr(optimizers, name)(w.astype(float), y.astype(float), *[type(s)(*as_double(s)) for s in state])
        getattr(steps, f"{name}_")(w, y, *state)
        hold(name, w, want[0] if state else want, 16 * eps * (np.abs(z) + 1))
    return max(shares)


def as_double(state):
    return [x.astype(float) if isinstance(x, np.ndarray) else x for x in state]


class Library(NamedTuple):
    """What brings cuBLAS."""

    version: str
    array: Callable  # of a device array, without a copy
    product: Callable  # (a, b, out, precision), of its arrays: a function without arguments, or None if it has none for that


def cublas():
    """PyTorch or CuPy, whichever is installed; None if neither is."""
    try:
        torch = importlib.import_module("torch")
        name, array = f"PyTorch {torch.__version__}", lambda x: torch.as_tensor(x, device="cuda")
        return Library(name, array, functools.partial(of_pytorch, torch))
    except ImportError:
        pass
    try:
        cupy = importlib.import_module("cupy")
        return Library(f"CuPy {cupy.__version__}", cupy.asarray, functools.partial(of_cupy, cupy))
    except ImportError:
        return None


def of_pytorch(torch, a, b, out, precision):
    if precision == "bf16":
        a, b, out = (x.to(torch.bfloat16) for x in (a, b, out))

    def run():
        torch.backends.cuda.matmul.allow_tf32 = precision == "tf32"
        torch.mm(a, b, out=out)
        torch.backends.cuda.matmul.allow_tf32 = False  # for whatever is measured next

    return run


def of_cupy(cupy, a, b, out, precision):
    return (lambda: cupy.matmul(a, b, out=out)) if precision == "float32" else None


def cases(library=None, squares=SQUARES, odd=ODD, nets=NETS, elements=ELEMENTS):
    """All cases, one by one: their arrays live only as long as they are the current one."""
    sizes = [("product", (n, n, n), (False, False)) for n in squares] + [("product", size, (False, False)) for size in odd]
    for net in nets:
        for n_in, n_out in itertools.pairwise(net.sizes):
            what = "product of a layer"
            sizes += [(what, (net.batch, n_out, n_in), (False, False)), (what, (n_in, n_out, net.batch), (True, False))]
            sizes += [(what, (net.batch, n_in, n_out), (False, True))]
    for precision, (what, size, order) in itertools.product(ROUNDING, dict.fromkeys(sizes)):
        yield product(what if precision == "float32" else f"{what} in {precision}", *size, order, library, precision)
    yield from memory_bound(elements)


def product(what, M, N, K, order, library, precision="float32"):
    from numba import cuda

    shapes = [shape[::-1] if turned else shape for shape, turned in zip(((M, K), (K, N)), order, strict=True)]
    a, b = (cuda.to_device(drawn(*shape)) for shape in shapes)
    c = cuda.device_array((M, N), np.float32)
    turned = [x.T if t else x for x, t in zip((a, b), order, strict=True)]
    runs = {"dnnbook": lambda: matmul(*turned, out=c, precision=precision)}
    if library:
        others = [library.array(x).T if t else library.array(x) for x, t in zip((a, b), order, strict=True)]
        theirs = library.product(*others, library.array(c), precision)
        runs |= {"cuBLAS": theirs} if theirs else {}
    letters = "".join("NT"[t] for t in order)
    return Case(what, f"{M} x {N} x {K} {letters}", 2 * M * N * K, 0, runs)


def memory_bound(elements):
    from numba import cuda

    side = math.isqrt(elements)
    x, y, w = (cuda.to_device(drawn(side, side, seed=s)) for s in range(3))
    size, count = f"{side} x {side}", side * side
    copy = {"copy": lambda: y.copy_to_device(x)}
    for name in ("relu", "sigmoid", "tanh"):
        yield Case(name, size, 0, 8 * count, {"dnnbook": functools.partial(getattr(activations, name), x)} | copy)
    yield Case("sums of columns", size, 0, 4 * count, {"dnnbook": lambda: layers.column_sums(x)} | copy)
    targets = cuda.to_device(np.abs(drawn(side, side)))
    # Three passes over the scores and the targets: the last two find a row in the cache if it is not too long.
    gradient = {"dnnbook": lambda: layers.softmax_cross_entropy_grad(x, targets)}
    yield Case("softmax cross-entropy", size, 0, 12 * count, gradient | copy)
    for name, arrays in {"sgd": 3, "momentum": 5, "adam": 7}.items():
        state = [] if name == "sgd" else [getattr(steps, f"{name}_init")(w)]
        run = {"dnnbook": functools.partial(getattr(steps, f"{name}_"), w, x, *state)}
        yield Case(f"{name} step", size, 0, 4 * arrays * count, run | copy)


def clock(run, calls):
    """Seconds per call on the clock of the GPU."""
    from numba import cuda

    start, stop = cuda.event(), cuda.event()
    start.record()
    for _ in range(calls):
        run()
    stop.record()
    stop.synchronize()
    return start.elapsed_time(stop) * 1e-3 / calls


def measure(case, seconds, clock=clock):
    """One case as plain data."""
    first = {name: clock(run, 1) for name, run in case.runs.items()}  # compilation, first touch of memory
    once = {name: clock(run, 1) for name, run in case.runs.items()}
    calls = {name: max(1, round(SHORTEST / max(t, 1e-6))) for name, t in once.items()}
    rounds = min(max(7, int(seconds / max(sum(calls[n] * once[n] for n in calls), 1e-9))), 51)
    each = {name: [] for name in case.runs}
    for _ in range(rounds):
        for name, run in case.runs.items():
            each[name].append(clock(run, calls[name]))
    times = {name: Times(first[name], each[name]) for name in each}
    ours = times.pop("dnnbook")
    time = statistics.median(ours.each)
    row = {"name": case.name, "size": case.size, "seconds": time, "first": ours.first, "rounds": rounds}
    row |= {"tflops": case.flops / time * 1e-12} if case.flops else {"gbs": case.bytes / time * 1e-9}
    for name, theirs in times.items():
        share = [1 / x for x in ratio(ours, theirs)]
        if name == "copy":  # it moves the bytes of two arrays
            share = [s * case.bytes / (8 * math.prod(map(int, case.size.split(" x ")))) for s in share]
        row["share"] = dict(zip(("of", "median", "high", "low"), (name, *share), strict=True))
    return _targets.judged(row)


def print_row(row):
    rate = f"{row['tflops']:.3g} TFLOP/s" if "tflops" in row else f"{row['gbs']:.0f} GB/s"
    share = row.get("share")
    text = f"{share['median']:.0%} of {share['of']} ({share['low']:.0%}-{share['high']:.0%})" if share else ""
    text += _targets.text(row)
    print(f"{row['name']:28}{row['size']:34}{duration(row['seconds']):>10}{rate:>14}  {text}", flush=True)
