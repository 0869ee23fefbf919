"""Where the build keeps what it computed: one folder for each state of the package.

Executed cells, compiled code and the ledger all follow from the package's source. A folder named by its hash makes
each of them stale at once when the source changes; jupyter-cache and Numba look at less than that.
"""

import hashlib
import os
from pathlib import Path


def package_hash(folder):
    """Hash of every source file of the package, and of its kept measurements, names included."""
    digest = hashlib.sha256()
    for path in sorted(p for suffix in ("py", "lark", "json") for p in Path(folder).rglob(f"*.{suffix}")):
        digest.update(path.relative_to(folder).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:16]


def folder(app):
    """The cache for this state of the package, beside the doctrees."""
    path = Path(app.doctreedir).absolute().parent / "cache" / (app.config.book_package_hash or "none")
    path.mkdir(parents=True, exist_ok=True)
    return path


def prepare(app, config):
    config.nb_execution_cache_path = str(folder(app) / "cells")
    if config.book_package_hash:
        os.environ["NUMBA_CACHE_DIR"] = str(folder(app) / "numba")  # for this process and for the kernels


def lighten(app, doctree):
    """Nodes from eval-rst keep a document of their own, and with it the whole environment: 2 MB in each stored page."""
    for node in doctree.findall():
        node.document = doctree


def setup(app):
    app.add_config_value("book_package", "dnnbook", "env", str)
    app.add_config_value("book_package_hash", "", "env", str)
    app.connect("config-inited", prepare, priority=100)
    app.connect("doctree-read", lighten)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
