"""The kernels on a simulated GPU, which must be switched on before Numba is imported: in processes of their own."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
SIMULATED = "products", "tensor_cores", "layers", "bench", "network", "training", "rungs"
PARTS = *[f"tests/cuda/simulated_{part}.py" for part in SIMULATED], "dnnbook/cuda"

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("numba_cuda") is None, reason="the package numba-cuda is not installed"
)


@pytest.fixture(scope="module")
def begin():
    """Begins a part. All begin at the same time, but for the workers of pytest-xdist: each of them has tests of its own."""
    environment = os.environ | {"NUMBA_ENABLE_CUDASIM": "1", "PYTHONPATH": os.pathsep.join([str(ROOT), str(HERE)])}
    environment["NUMBA_CACHE_DIR"] = str(Path(os.environ["NUMBA_CACHE_DIR"]).parent)  # conftest.py adds the name of the source
    addopts = "addopts=--import-mode=importlib --doctest-modules --ignore-glob=*_peer.py"
    options = ["-o", addopts, "-p", "no:cacheprovider", "-q"]
    command = [sys.executable, "-m", "pytest", *options]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    begun = {}

    def begin(part):
        for each in [part] if "PYTEST_XDIST_WORKER" in os.environ else PARTS:
            if each not in begun:
                begun[each] = subprocess.Popen([*command, each], cwd=ROOT, env=environment, **pipes)
        return begun[part]

    yield begin
    for process in begun.values():
        process.kill()
        process.wait()
        process.stdout.close()


@pytest.mark.parametrize("part", PARTS)
def test_on_a_simulated_gpu(part, begin):
    process = begin(part)
    text, _ = process.communicate()
    assert process.returncode == 0, text[-8000:]
