"""What this machine can do at most, and with which libraries."""

import os
import platform

import numba
import numpy as np

from dnnbook.bench.timing import in_turns


def processor():
    """The processor's name."""
    try:
        with open("/proc/cpuinfo") as file:
            names = [line.partition(":")[2].strip() for line in file if line.startswith("model name")]
        return names[0]
    except (OSError, IndexError):
        return platform.processor() or platform.machine()


def libraries():
    """Versions, and the BLAS in use with its kernel and threads."""
    from threadpoolctl import threadpool_info

    pools = [p for p in threadpool_info() if p["user_api"] == "blas"]
    return {
        "python": platform.python_version(),
        "numpy": np.__version__,
        "numba": numba.__version__,
        "threading layer": numba.config.THREADING_LAYER,
        "blas": [f"{p['internal_api']} {p['version']}, {p.get('architecture')}, {p['num_threads']} threads" for p in pools],
    }


def limits(size=2048, numbers=10_000_000):
    """The measured rate of a float32 matrix product in GFLOP/s, and of a copy in GB/s (bytes read and written)."""
    rng = np.random.default_rng(0)
    a, b = (rng.random((size, size), np.float32) for _ in range(2))
    x = rng.random(numbers, np.float32)
    c, y = np.empty_like(a), np.empty_like(x)
    times = in_turns({"product": lambda: np.dot(a, b, out=c), "copy": lambda: np.copyto(y, x)}, seconds=2)
    return {"gflops": 2e-9 * size**3 / min(times["product"].each), "gbs": 2e-9 * x.nbytes / min(times["copy"].each)}


def describe():
    """The machine, its libraries and its limits."""
    return {"processor": processor(), "cores": os.cpu_count(), **libraries(), **limits()}
