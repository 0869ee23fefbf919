"""The ledger: what this build found when it held every formula against its code."""

import ast
import json
from pathlib import Path

from docutils import nodes
from sphinx.errors import ConfigError
from sphinx.util import logging

from .cache import folder
from .domain import warn

logger = logging.getLogger(__name__)


def load(app):
    """The ledger of this state of the package, computed once and kept."""
    kept = folder(app) / "ledger.json"
    if kept.exists():
        return json.loads(kept.read_text("utf-8"))
    logger.info("checking every formula of %s ...", app.config.book_package)
    try:
        from dnnbook.formula import ledger

        found = ledger.build()
    except Exception as error:
        if app.config.book_strict:
            raise ConfigError(f"the ledger cannot be made: {error!r}") from error
        logger.info("the ledger cannot be made yet: %r", error)
        return {"package": "", "formulas": {}}
    kept.write_text(json.dumps(found, indent=1), "utf-8")
    return found


def whole(app):
    if not hasattr(app, "book_ledger"):
        app.book_ledger = load(app)
    return app.book_ledger


def entries(app):
    """Path of a formula -> its entry."""
    return whole(app)["formulas"]


def by_label(app):
    """Label of an equation -> its entry; a docstring with several equations has several."""
    return {entry["label"]: entry for entry in entries(app).values()}


def number(env, label):
    """The printed number of an equation, such as ``1.3``."""
    equation = env.get_domain("book").data["equations"].get(label)
    if equation is None:
        return ""
    numbers = env.toc_fignumbers.get(equation["doc"], {}).get("displaymath", {})
    return ".".join(map(str, numbers.get(nodes.make_id(f"equation-{label}"), ())))


def tests(app):
    """Name of a function -> the tests that mention it, as (file, test)."""
    if hasattr(app, "book_found_tests"):
        return app.book_found_tests
    found = {}
    for file in sorted(Path(app.config.book_tests).rglob("test_*.py")) if app.config.book_tests else []:
        for test in ast.walk(ast.parse(file.read_text("utf-8"))):
            if not (isinstance(test, ast.FunctionDef) and test.name.startswith("test")):
                continue
            for name in mentioned(test):
                found.setdefault(name, set()).add((file.name, test.name))
    app.book_found_tests = {name: sorted(where) for name, where in found.items()}
    return app.book_found_tests


def mentioned(test):
    """Every name that a test uses: plain, as an attribute, or as the text of a parameter."""
    for node in ast.walk(test):
        if isinstance(node, ast.Name):
            yield node.id
        elif isinstance(node, ast.Attribute):
            yield node.attr
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value.rpartition(".")[2]


def failing(app, env):
    """A formula that fails its check is refused, shown or not."""
    shown = env.get_domain("book").data["shown"]
    for path, entry in entries(app).items():
        if not entry["passed"]:
            warn("failed", f"formula {path} fails: {entry['message']}", shown.get(path.partition("#")[0]))


def write(app, exception):
    """Put the ledger beside the pages, with the number and the chapter of each equation."""
    if exception or app.builder.name != "html":
        return
    env, book = app.env, app.env.get_domain("book").data
    known = tests(app)

    def place(label):
        return {"number": number(env, label), "chapter": book["equations"].get(label, {}).get("doc")}

    formulas = {
        path: entry | place(entry["label"]) | {"tests": known.get(path.partition("#")[0].rpartition(".")[2], [])}
        for path, entry in entries(app).items()
    }
    statements = {label: {"kind": kind} | place(label) for label, (_, kind, path) in book["kinds"].items() if not path}
    Path(app.outdir, "ledger.json").write_text(
        json.dumps(whole(app) | {"formulas": formulas, "statements": statements}, indent=1), "utf-8"
    )


def setup(app):
    app.add_config_value("book_tests", "", "html", str)
    app.connect("env-check-consistency", failing)
    app.connect("build-finished", write)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
