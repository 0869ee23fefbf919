"""Figures that read in light, in dark and aloud.

SVG figures go into the page itself, where two sentinel colors become the page's own text color; every image needs a text
that says what is to be seen.
"""

import hashlib
import html
import re
from pathlib import Path

from docutils import nodes
from sphinx.transforms.post_transforms import SphinxPostTransform

from .domain import warn

INK, GRID = "#010203", "#040506"  # drawn by dnnbook.figures for "text" and "grid"
ON_PAPER = {INK: "#222222", GRID: "#d9d9d9"}
FAINT = re.compile(rf"(?P<what>stroke|fill)(?P<sep>: ?|=\")(?P<hex>{GRID})(?P<end>\"?)")
HEAD = re.compile(r"<svg\b[^>]*>", re.S)
LENGTH = re.compile(r"\b(?P<side>width|height)=\"(?P<n>[\d.]+)(?P<unit>pt|px)?\"")
ID = re.compile(r"\bid=\"([^\"]+)\"")
USE = re.compile(r"(href=\"#|url\(#)([^\")]+)")


def for_page(svg, alt, prefix):
    """An SVG file as an element of the page: scalable, named, in the page's colors, with ids of its own."""
    svg = re.sub(r"<\?xml.*?\?>|<!DOCTYPE.*?>|<!--.*?-->|<metadata>.*?</metadata>", "", svg, flags=re.S)
    ids = set(ID.findall(svg))
    svg = ID.sub(lambda m: f'id="{prefix}-{m[1]}"', svg)
    svg = USE.sub(lambda m: f"{m[1]}{prefix}-{m[2]}" if m[2] in ids else m[0], svg)

    def faint(m):
        quote, joint = m["end"], ' {}-opacity="' if m["end"] else "; {}-opacity: "
        return f"{m['what']}{m['sep']}currentColor{quote}" + joint.format(m["what"]) + ".15" + quote

    svg = FAINT.sub(faint, svg).replace(INK, "currentColor")
    head = HEAD.search(svg)[0]
    sides = {m["side"]: float(m["n"]) * (4 / 3 if m["unit"] == "pt" else 1) for m in LENGTH.finditer(head)}
    bare = LENGTH.sub("", head)
    if "viewBox" not in bare and len(sides) == 2:
        bare = bare.replace("<svg", f'<svg viewBox="0 0 {sides["width"]:g} {sides["height"]:g}"', 1)
    limit = f"max-width: {sides['width']:.0f}px" if "width" in sides else "max-width: 100%"
    name = html.escape(alt, quote=True)
    new = bare.replace("<svg", f'<svg class="book-figure" role="img" aria-label="{name}" style="width: 100%; {limit}"', 1)
    return svg.replace(head, new, 1).strip()


def for_paper(svg):
    """The same file with real colors, for readers that show it on white."""
    for sentinel, color in ON_PAPER.items():
        svg = svg.replace(sentinel, color)
    return svg


class PlaceFigures(SphinxPostTransform):
    """Inline SVG on HTML pages, plain files elsewhere."""

    default_priority = 6  # after myst-nb has chosen among the forms of an output, before images are collected

    def run(self, **kwargs):
        on_page = self.app.builder.format == "html" and self.app.builder.name != "epub"
        for i, image in enumerate(list(self.document.findall(nodes.image))):
            path = Path(self.env.srcdir, image["uri"])
            if path.suffix != ".svg" or not path.exists():
                continue
            svg = path.read_text("utf-8")
            if on_page:
                raw = nodes.raw("", for_page(svg, image.get("alt", ""), f"f{i}"), format="html")
                image.replace_self(raw)
            elif INK in svg or GRID in svg:
                paper = for_paper(svg)
                target = path.with_name(hashlib.sha256(paper.encode()).hexdigest()[:32] + "-paper.svg")
                target.write_text(paper, "utf-8")
                image["uri"] = Path(image["uri"]).with_name(target.name).as_posix()
                image["candidates"] = {"*": image["uri"]}
                self.env.images.add_file(self.env.docname, image["uri"])


def require_alt(app, doctree):
    """Every image says what is to be seen in it."""
    for image in doctree.findall(nodes.image):
        if image.get("alt", "").strip():
            continue
        node = image
        while node.parent is not None and not node.line:
            node = node.parent
        warn("alt", f"an image without alt text{in_cell(image)}", (app.env.docname, node.line))


def in_cell(node):
    while node is not None:
        if node.get("nb_element") == "cell_code":
            return ": give the cell the metadata mystnb: image: alt:"
        node = node.parent
    return ""


def setup(app):
    app.add_post_transform(PlaceFigures)
    app.connect("doctree-read", require_alt)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
