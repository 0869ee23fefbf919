"""The notebooks that a reader downloads: executed, and they run again as they are."""

import os
import re

import pytest
from booksite import HTML, pages

nbformat = pytest.importorskip("nbformat")
pytestmark = pytest.mark.built
NOTEBOOKS = [p.removesuffix(".html") + ".ipynb" for p in pages() if re.match(r"part\d+/", p)]


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_notebook_holds_its_outputs(html, name):
    nb = nbformat.read(html / name, as_version=4)
    nbformat.validate(nb)
    code = [c for c in nb.cells if c.cell_type == "code"]
    assert code
    assert all(c.execution_count for c in code)
    assert any(c.outputs for c in code)


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_notebook_runs_again(html, name, tmp_path, monkeypatch):
    nbclient = pytest.importorskip("nbclient")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(os.environ, "NUMBA_CACHE_DIR", str(HTML.parent / "numba-again"))
    nb = nbformat.read(html / name, as_version=4)
    nbclient.NotebookClient(nb, timeout=300, kernel_name="python3").execute()
