"""EPUB: what Sphinx's builder leaves out.

Pages with MathML say so, the font is listed, and pages name only style sheets that exist.
"""

import re
from pathlib import Path

from sphinx.builders import _epub_base
from sphinx.builders.epub3 import Epub3Builder

STYLES = ("pygments.css", "mathml.css", "epub.css")
ITEM = re.compile(r'(<item [^>]*?href="([^"]+\.xhtml)"[^>]*?)( ?/>)')


class BookEpub(Epub3Builder):
    """Sphinx's EPUB with a manifest that tells which pages hold MathML."""

    def build_content(self):
        super().build_content()
        manifest = Path(self.outdir, "content.opf")

        def declare(m):
            item, href, end = m.groups()
            holds = "properties=" not in item and "<math" in Path(self.outdir, href).read_text("utf-8")
            return item + (' properties="mathml"' if holds else "") + end

        manifest.write_text(ITEM.sub(declare, manifest.read_text("utf-8")), "utf-8")


def own_styles(app, pagename, templatename, context, doctree):
    """Only the book's own look: other extensions name style sheets that they copy for HTML alone."""
    if app.builder.name != "epub":
        return
    sheets = {Path(getattr(sheet, "filename", sheet)).name: sheet for sheet in context["css_files"]}
    context["css_files"] = [sheets[name] for name in STYLES if name in sheets]
    context["script_files"] = []


def setup(app):
    _epub_base.MEDIA_TYPES[".woff2"] = "font/woff2"
    app.add_builder(BookEpub, override=True)
    app.connect("html-page-context", own_styles, priority=950)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
