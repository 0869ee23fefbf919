"""Set before anything imports numba: a compiler cache of this very source, and Hypothesis without chance."""

import hashlib
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

pytest.register_assert_rewrite("mutants")

ROOT = Path(__file__).resolve().parents[1]

# Numba's cache does not notice edits in other files that a function calls, so its folder is named after the whole source.
source = hashlib.sha256()
for path in sorted((ROOT / "dnnbook").rglob("*.py")):
    source.update(path.read_bytes())
cache = Path(os.environ.get("NUMBA_CACHE_DIR") or ROOT / "build" / "numba")
os.environ["NUMBA_CACHE_DIR"] = str(cache / source.hexdigest()[:16])

# Several processes of pytest-xdist with several threads of BLAS each would fight for the cores.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

settings.register_profile(
    "dnnbook",
    derandomize=True,
    deadline=None,
    database=None,
    max_examples=15,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
settings.load_profile("dnnbook")
