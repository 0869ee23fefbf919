"""Helpers to write MyST from a directive and let the parser do the rest."""

import re

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.util.docutils import SphinxDirective


def fence(name, body="", argument="", width=3, **options):
    """One MyST directive as lines; more backticks let fences nest."""
    ticks = "`" * width
    settings = [f":{key.replace('_', '-')}: {value}".rstrip() for key, value in options.items()]
    return [f"{ticks}{{{name}}} {argument}".rstrip(), *settings, *([""] if settings else []), *body.splitlines(), ticks, ""]


def from_rst(text, module):
    """The inline markup of a docstring as MyST."""

    def target(m):
        name = m[2].lstrip("~")
        return f"{{py:{m[1]}}}`{name.rpartition('.')[2]} <{name if '.' in name else f'{module}.{name}'}>`"

    text = re.sub(r":math:`([^`]+)`", lambda m: "$" + m[1].strip() + "$", text)
    text = re.sub(r":(func|class|mod):`([^`]+)`", target, text)
    return re.sub(r":(cite:[pt]|eq):`([^`]+)`", r"{\1}`\2`", text)


class MystDirective(SphinxDirective):
    """A directive that writes MyST."""

    def parsed(self, lines):
        """Nodes of some lines of MyST."""
        box = nodes.container()
        self.state.nested_parse(StringList(lines, source=f"<{self.name}>"), self.content_offset, box)
        return box.children

    def content_nodes(self):
        """Nodes of the directive's own content."""
        box = nodes.container()
        self.state.nested_parse(self.content, self.content_offset, box)
        return box.children


class details(nodes.General, nodes.Element):
    """A part of the page that opens on request; its attribute ``summary`` stands on the closed part."""


def visit_details(self, node):
    self.body.append(self.starttag(node, "details", ""))
    self.body.append(f"<summary>{self.encode(node['summary'])}</summary>\n")


def depart_details(self, node):
    self.body.append("</details>\n")


def skip(self, node):
    """Other writers show what is inside."""


def setup(app):
    app.add_node(details, html=(visit_details, depart_details), latex=(skip, skip), text=(skip, skip))
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
