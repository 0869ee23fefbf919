"""The ledger: what this build found when it held every formula against its code."""

import json

from sphinx.util import logging

from .cache import folder
from .domain import warn

logger = logging.getLogger(__name__)


def load(app):
    """The ledger of this state of the package, computed once and kept."""
    kept = folder(app) / "ledger.json"
    if kept.exists():
        return json.loads(kept.read_text("utf-8"))
    try:
        from dnnbook.formula import ledger
    except ImportError as error:
        if app.config.book_strict:
            warn("ledger", f"the ledger needs the verifier: {error}", None)
        return {"package": "", "formulas": {}}
    logger.info("checking every formula of %s", app.config.book_package)
    found = ledger.build()
    kept.write_text(json.dumps(found, indent=1), "utf-8")
    return found


def entries(app):
    """Path of a formula -> its entry."""
    if not hasattr(app, "book_ledger"):
        app.book_ledger = load(app)
    return app.book_ledger["formulas"]


def setup(app):
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
