"""``{statement}``: a numbered equation that states rather than computes. ``{refuted}``: a print that the verifier refuses."""

import hashlib
import json
import re
from typing import ClassVar

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.util import logging

from .cache import folder
from .domain import warn
from .myst import MystDirective, fence

logger = logging.getLogger(__name__)
KINDS = ("definition", "theorem", "derivation", "example")


class Statement(MystDirective):
    """``{statement} label`` with LaTeX as its content."""

    required_arguments = 1
    has_content = True
    option_spec: ClassVar = {"kind": lambda text: directives.choice(text, KINDS)}

    def run(self):
        label = self.arguments[0]
        kind = self.options.get("kind", "definition")
        self.env.get_domain("book").data["kinds"][label] = (self.env.docname, kind, "")
        found = self.parsed(fence("math", "\n".join(self.content), label=label))
        for node in found:
            for block in node.findall(nodes.math_block):
                block.line = self.lineno
        return found


class Refuted(MystDirective):
    """``{refuted} function`` with LaTeX as its content: the build runs the check and wants it to fail."""

    required_arguments = 1
    has_content = True
    option_spec: ClassVar = {"title": directives.unchanged}

    def run(self):
        path, tex = self.arguments[0], "\n".join(self.content)
        reason = self.reason(path, tex)
        title = nodes.paragraph("", "", nodes.strong("", self.options.get("title", "Refused by the verifier")))
        box = nodes.container("", title, classes=["refuted"])
        box += nodes.container("", *self.parsed(fence("math", tex)), classes=["refuted-print"])
        box += nodes.container("", *self.parsed([reason]), classes=["refuted-reason"])
        return [box]

    def reason(self, path, tex):
        """The verifier's verdict on this print, computed once for this state of the package."""
        kept = folder(self.env.app) / "refuted.json"
        known = json.loads(kept.read_text("utf-8")) if kept.exists() else {}
        key = hashlib.sha256(f"{path}\n{tex}".encode()).hexdigest()
        if key not in known:
            known[key] = self.check(path, tex)
            kept.write_text(json.dumps(known, indent=1), "utf-8")
        outcome, message = known[key]
        where = (self.env.docname, self.lineno)
        if outcome == "passed":
            warn("refuted", f"the verifier accepts this print for {path}; it is not a wrong form", where)
        elif outcome == "unreadable":
            warn("refuted", f"the verifier cannot read this print, so it says nothing about it: {message}", where)
        return readable(message, tex)

    def check(self, path, tex):
        from dnnbook import formula

        try:
            formula.check(path, tex=tex)
        except formula.Mismatch as error:
            return "refused", readable(str(error), tex)
        except formula.FormulaError as error:
            return "unreadable", str(error)
        return "passed", ""


def readable(message, tex):
    """The verifier's message as sentences: without its place in the file, the print or long arrays; digits that count."""
    first, *rest = message.splitlines() or [""]
    text = first.partition(": ")[2] or first
    for line in (line.strip() for line in rest if line.strip() not in tex):
        line = re.sub(r"-?\d+\.\d{5,}(?:e[+-]?\d+)?", lambda m: f"{float(m[0]):.4g}", line)
        if m := re.match(r"(.+?): (the code gives .*)", line):
            text += f"; for ${m[1]}$ {m[2]}"
        elif line.startswith("at ") and len(line) < 80:
            text += f" at `{line[3:]}`"
        elif not line.startswith(("at ", "^")):
            text += f"; {line}"
    return text[:1].upper() + text[1:].rstrip(".") + "."


def setup(app):
    app.add_directive("statement", Statement)
    app.add_directive("refuted", Refuted)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
