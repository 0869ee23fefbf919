"""What this machine can do at most, and with which libraries."""

import os
import platform
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numba
import numpy as np

from dnnbook import _threads
from dnnbook.bench.timing import in_turns


def processor():
    """The processor's name."""
    try:
        with open("/proc/cpuinfo") as file:
            names = [line.partition(":")[2].strip() for line in file if line.startswith("model name")]
        return names[0]
    except (OSError, IndexError):
        return platform.processor() or platform.machine()


def blas():
    """The BLAS libraries in this process, each with its owner, kernel and threads; compiled code uses SciPy's."""
    try:
        from threadpoolctl import threadpool_info
    except ImportError as error:
        raise ImportError("bench needs threadpoolctl, which is not installed: pip install 'dnnbook[bench]'") from error
    import scipy.linalg.cython_blas  # noqa: F401 - loads the library that compiled code calls

    pools = [p for p in threadpool_info() if p["user_api"] == "blas"]
    return [
        f"{Path(p['filepath']).parent.name}: {p['internal_api']} {p['version']}, "
        f"{p.get('architecture', 'unknown')} kernels, {p['num_threads']} threads"
        for p in pools
    ]


def threading_layer():
    """Numba's threading layer, if a function has started it."""
    try:
        return numba.threading_layer()
    except ValueError:
        return "not started"


def settings():
    """The variables in the environment that change how libraries use the machine."""
    known = ("OPENBLAS_", "OMP_", "MKL_", "NUMBA_", "BLIS_", "VECLIB_")
    return {k: x for k, x in sorted(os.environ.items()) if k.startswith(known) and k != "NUMBA_CACHE_DIR"}


def cores():
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def limits(size=2048, numbers=10_000_000, seconds=2.0):
    """The highest rates measured: a float32 matrix product in GFLOP/s, and a copy in GB/s, bytes read and written.

    The copy is tried on one thread and on all cores; where one core cannot fill the memory bus, the second is the limit.
    """
    rng = np.random.default_rng(0)
    a, b = (rng.random((size, size), np.float32) for _ in range(2))
    c, x = np.empty_like(a), np.ones(numbers, np.float32)
    y = np.zeros_like(x)
    parts = list(zip(np.array_split(y, cores()), np.array_split(x, cores()), strict=True))
    with ThreadPoolExecutor(cores()) as pool:
        runs = {
            "product": lambda: np.dot(a, b, out=c),
            "one": lambda: np.copyto(y, x),
            "all": lambda: list(pool.map(lambda pair: np.copyto(*pair), parts)),
        }
        times = in_turns(runs, seconds)  # with a rest: the matrix product leaves threads awake
    one, every = (2e-9 * x.nbytes / min(times[which].each) for which in ("one", "all"))
    return {"gflops": 2e-9 * size**3 / min(times["product"].each), "gbs": max(one, every), "gbs_one_thread": one}


def describe(**sizes):
    """The machine, its libraries and its limits."""
    return {
        "processor": processor(),
        "cores": cores(),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "numba": numba.__version__,
        "loop_threads": _threads.cores(),
        "threading_layer": threading_layer(),
        "blas": blas(),
        "settings": settings(),
        **limits(**sizes),
    }
