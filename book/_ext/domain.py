"""What the build knows about the book's equations: which formula stands where, and what kind each equation is."""

from typing import ClassVar

from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.domains import Domain
from sphinx.roles import XRefRole
from sphinx.util import logging
from sphinx.util.nodes import make_refnode

logger = logging.getLogger(__name__)
LEDGER_PAGE = "reference/ledger"


def warn(subtype, message, location):
    """A warning of the book; ``-W`` makes it an error."""
    logger.warning(message, location=location, type="book", subtype=subtype)


def owner(table, key, value):
    """The page that an entry of the domain's data comes from."""
    if table in ("generated", "claims"):
        return key
    return value["doc"] if table == "equations" else value[0]


class BookDomain(Domain):
    """Formulas and equations; the roles link an API page to the chapter and a badge to the ledger."""

    name, label = "book", "Book"
    roles: ClassVar = {"eq": XRefRole(), "row": XRefRole()}
    initial_data: ClassVar = {
        "shown": {},  # formula's path -> (docname, line)
        "equations": {},  # label -> {"doc", "line"}: every numbered equation
        "kinds": {},  # label -> (docname, kind, formula's path or ""): what an equation is
        "generated": {},  # docname -> True: pages that are made from all others
        "claims": {},  # docname -> the verdicts that its cells recorded
    }
    data_version = 1

    def show(self, path, labels, kind, location):
        """Note that a formula stands in this document."""
        seen = self.data["shown"].get(path)
        if seen is not None:
            warn("twice", f"formula {path} is shown twice; the other place is {seen[0]}, line {seen[1]}", location)
        self.data["shown"][path] = location
        for label in labels:
            self.data["kinds"][label] = (location[0], kind, path)

    def clear_doc(self, docname):
        for name, table in self.data.items():
            if name != "version":
                self.data[name] = {key: value for key, value in table.items() if owner(name, key, value) != docname}

    def merge_domaindata(self, docnames, otherdata):
        for name, table in otherdata.items():
            if name != "version":
                self.data[name].update({key: value for key, value in table.items() if owner(name, key, value) in docnames})

    def resolve_xref(self, env, fromdocname, builder, typ, target, node, contnode):
        if typ == "eq":
            if target not in self.data["equations"]:
                return nodes.inline("", "In no chapter yet.")
            link = env.domains.math_domain.resolve_xref(env, fromdocname, builder, "eq", target, node, contnode)
            return nodes.inline("", "In the book: equation ", link, nodes.Text("."))
        if LEDGER_PAGE not in env.found_docs:
            return contnode
        return make_refnode(builder, fromdocname, LEDGER_PAGE, f"row-{target}", contnode)

    def resolve_any_xref(self, env, fromdocname, builder, target, node, contnode):
        return []

    def check_consistency(self):
        """A numbered equation is a formula of the package or a statement."""
        for label, where in self.data["equations"].items():
            if label not in self.data["kinds"]:
                message = f"equation {label} has a number but no entry in the ledger: use {{formula}} or {{statement}}"
                warn("plain", message, (where["doc"], where["line"]))


def to_row(label, text):
    """A link to a row of the ledger."""
    return pending_xref("", text, refdomain="book", reftype="row", reftarget=label, refexplicit=True, refwarn=False)


def collect(app, doctree):
    """Note every numbered equation of a page."""
    equations = app.env.get_domain("book").data["equations"]
    for node in doctree.findall(nodes.math_block):
        if node.get("label"):
            equations[node["label"]] = {"doc": app.env.docname, "line": node.line}


def setup(app):
    app.add_config_value("book_strict", True, "env", bool)
    app.add_domain(BookDomain)
    app.connect("doctree-read", collect)
    return {"version": "1", "env_version": 1, "parallel_read_safe": True, "parallel_write_safe": True}
