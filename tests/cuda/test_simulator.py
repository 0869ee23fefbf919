"""The kernels on a simulated GPU, which must be switched on before Numba is imported: in a process of its own."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[1]


@pytest.mark.skipif(importlib.util.find_spec("numba_cuda") is None, reason="the package numba-cuda is not installed")
@pytest.mark.parametrize("what", ["tests/cuda/simulated_products.py", "dnnbook/cuda"])
def test_on_a_simulated_gpu(what):
    environment = os.environ | {"NUMBA_ENABLE_CUDASIM": "1", "PYTHONPATH": str(ROOT)}
    options = ["-o", "addopts=--import-mode=importlib --doctest-modules", "-p", "no:cacheprovider", "-q", what]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
