"""Writes each chapter as an executed notebook beside its page, and puts it behind the download button.

myst-nb's own copy has no outputs when they came from the cache. Jupyter does not know the book's directives: in the copy
a formula becomes plain maths.
"""

import re
from contextlib import suppress
from pathlib import Path

import nbformat
from jupyter_cache import get_cache
from myst_nb.core.read import read_myst_markdown_notebook

from . import formulas, mathml

FENCE = re.compile(
    r"^(`{3,}|:{3,})\{(formula|statement|refuted|verdicts)\} *(\S+) *\n((?::[\w-]+:[^\n]*\n)*)(.*?)^\1 *$", re.M | re.S
)


def plain(text):
    """Markdown for any Jupyter: formulas out of their functions, statements as displayed maths."""

    def display(tex):
        return f"$$\n{mathml.with_environment(tex)}\n$$"

    def replace(m):
        name, argument, content = m[2], m[3], m[5].strip()
        if name == "formula":
            parts = [formulas.find(argument), *formulas.derivatives(formulas.find(argument))]
            lines = [f"**{parts[0].doc.summary}** `{argument}`"]
            lines += [display(tex) for f in parts for _, tex in f.doc.equations]
            return "\n\n".join([*lines, content])
        if name == "verdicts":
            return "*The table of verdicts stands on the page; the build makes it from all chapters.*"
        return ("Refused by the verifier:\n\n" if name == "refuted" else "") + display(content)

    return FENCE.sub(replace, text)


def is_notebook(env, docname):
    return "kernelspec" in env.metadata.get(docname, {})


def executed(app, docname):
    """The notebook of a chapter with its outputs."""
    source = Path(app.env.doc2path(docname))
    notebook = read_myst_markdown_notebook(source.read_text("utf-8"), app.env.myst_config, path=source)
    with suppress(KeyError):  # a notebook without code is not run
        _, notebook = get_cache(app.config.nb_execution_cache_path).merge_match_into_notebook(notebook)
    return notebook


def write(app, exception):
    if exception or app.builder.name != "html":
        return
    for docname in app.env.found_docs:
        if not is_notebook(app.env, docname):
            continue
        notebook = executed(app, docname)
        notebook.metadata["kernelspec"] = {"display_name": "Python 3", "language": "python", "name": "python3"}
        for part in (notebook, *notebook.cells):
            part.metadata.pop("source_map", None)
            if part.get("cell_type") == "markdown":
                part.source = plain(part.source)
        target = Path(app.outdir, docname + ".ipynb")
        target.parent.mkdir(parents=True, exist_ok=True)
        nbformat.write(notebook, target)


def offer(app, pagename, templatename, context, doctree):
    """Put the notebook first in the theme's download menu."""
    if not is_notebook(app.env, pagename):
        return
    for group in context.get("header_buttons", []):
        if group.get("label") == "download-buttons":
            link = {
                "type": "link",
                "url": pagename.rpartition("/")[2] + ".ipynb",
                "text": ".ipynb",
                "icon": "fas fa-code",
                "tooltip": "Download this chapter as an executed notebook",
                "label": "download-notebook-button",
            }
            group["buttons"].insert(0, link)


def setup(app):
    app.connect("build-finished", write)
    app.connect("html-page-context", offer, priority=900)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
