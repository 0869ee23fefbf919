"""``{formula} dnnbook.activations.elu``: one card for one formula.

The equation comes out of the docstring of the function that computes it, the badge out of this build's ledger, the code
out of the function: a chapter cannot print anything else under that number.
"""

import re
from pathlib import Path

from docutils import nodes
from sphinx.util import logging

from . import formulas, ledger
from .domain import to_row, warn
from .myst import MystDirective, details, fence, from_rst

logger = logging.getLogger(__name__)
DIRECTIVE = re.compile(r"^\s*(?:`{3,}|:{3,}|~{3,})\s*\{formula\}\s+([\w.]+)\s*$", re.M)


class FormulaDirective(MystDirective):
    """The card of a formula; the content is prose under it."""

    required_arguments = 1
    has_content = True

    def run(self):
        path = self.arguments[0]
        try:
            formula = formulas.find(path)
        except LookupError as error:
            raise self.error(str(error)) from None
        entries = ledger.entries(self.env.app)
        parts = [formula, *formulas.derivatives(formula)]
        elsewhere = [f for f in parts[1:] if f.path in self.env.book_own_cards]
        parts = [f for f in parts if f not in elsewhere]
        for f in parts:
            self.env.note_dependency(f.file)
            self.show(f, entries.get(f.path))

        card = nodes.container(classes=["formula-card"])
        card["ids"].append(f"formula-{formula.name.replace('_', '-')}")
        card += self.head(formula)
        for f in parts:
            if f is not formula:
                card += nodes.paragraph("", self.part_name(f, entries), classes=["formula-part"])
            for label, tex in f.doc.equations:
                card += self.parsed(fence("math", tex, label=label))
            if f.remarks:
                lines = [line for remark in f.remarks for line in (from_rst(remark, f.module), "")]
                card += nodes.container("", *self.parsed(lines), classes=["formula-remarks"])
        for f in elsewhere:
            card += self.parsed([f"{self.part_name(f, entries)}: equation {{eq}}`{f.doc.equations[0][0]}`."])
        card += self.meta(formula, parts, entries)
        card += self.symbols(formula, parts, entries)
        card += self.code(parts)
        content = self.content_nodes()
        if content:
            card += nodes.container("", *content, classes=["formula-prose"])
        for node in card.findall(nodes.math_block):
            node.line = self.lineno
        return [card]

    def show(self, f, entry):
        """Note the formula's place; refuse one that the ledger lacks."""
        where = (self.env.docname, self.lineno)
        kind = (entry and entry["kind"]) or ("derivative" if formulas.suffix(f.path) else "definition")
        self.env.get_domain("book").show(f.path, [label for label, _ in f.doc.equations], kind, where)
        if not entry and self.config.book_strict:
            warn("unverified", f"formula {f.path} is not in the ledger", where)

    def head(self, f):
        title = from_rst(f.doc.summary, f.module).rstrip(".")
        name = nodes.paragraph("", "", *self.parsed([title])[0].children, classes=["formula-name"])
        call = nodes.paragraph("", "", *self.parsed([f"{{py:func}}`{f.signature} <{f.path}>`"])[0].children)
        call["classes"].append("formula-call")
        return nodes.container("", name, call, classes=["formula-head"])

    def part_name(self, f, entries):
        gradient = (entries.get(f.path) or {}).get("kind") == "gradient"
        return "Gradient" if gradient else formulas.DERIVED[formulas.suffix(f.path)][0]

    def meta(self, formula, parts, entries):
        """The badges and the source, one quiet line."""
        line = nodes.paragraph(classes=["formula-meta"])
        for f in parts:
            name = "" if f is formula else f"{formulas.DERIVED[formulas.suffix(f.path)][1]}: "
            line += [badge(f, entries.get(f.path), name), nodes.Text(" ")]
        if twin := formulas.in_place(formula):
            line += self.parsed([f"In place: {{py:func}}`{twin.rpartition('.')[2]} <{twin}>`. "])[0].children
            line += nodes.Text(" ")
        if formula.source:
            line += self.parsed([from_rst(formula.source, formula.module)])[0].children
        return line

    def symbols(self, formula, parts, entries):
        """Which name in the code stands for which symbol."""
        rows, seen = [], set()
        for f in parts:
            for symbol, name, kind, text in symbol_rows(f, entries.get(f.path)):
                if (symbol, name) not in seen:
                    seen.add((symbol, name))
                    rows.append(f"* - {symbol}\n  - {name}\n  - {kind}\n  - {text}")
        table = fence("list-table", "* - Symbol\n  - Code\n  - Type\n  - Meaning\n" + "\n".join(rows), header_rows=1)
        return details("", *self.parsed(table), summary="Symbols", classes=["formula-symbols"])

    def code(self, parts):
        block = fence("code-block", "\n\n\n".join(f.code for f in parts), "python")
        return details("", *self.parsed(block), summary="Code", classes=["formula-code"])


def symbol_rows(f, entry):
    """(symbol, code, type, meaning): from the verifier's own table of names where there is one."""
    about = {a.name: a for a in f.doc.parameters}
    names = [(symbol, name) for symbol, name in entry["names"]] if entry and entry.get("names") else []
    if not names:
        for a in f.doc.parameters:
            names += [(s, f"{a.name}.{field}") for field, s in a.fields.items()] or [(s, a.name) for s in a.symbols]
    described = set()
    for symbol, name in names:
        root = re.split(r"\W", name, maxsplit=1)[0]
        a = about.get(root)
        kind = text = ""
        if a is not None and root not in described:
            described.add(root)
            kind, text = a.type.replace("array_like", "array"), from_rst(a.text, f.module)
        yield f"${symbol.strip('$')}$", f"`{name}`", kind, text


def badge(f, entry, name):
    """A link to the ledger that says what was checked in this build."""
    if entry is None:
        return nodes.inline("", f"{name}not verified yet", classes=["formula-badge", "unknown"])
    if not entry["passed"]:
        return nodes.inline("", f"{name}fails", classes=["formula-badge", "failed"])
    text = f"✓ {name}{entry['points']} points, error {scientific(entry['error_print'])}"
    return to_row(entry["label"], nodes.inline("", text, classes=["formula-badge", "passed"]))


def scientific(x):
    """A short number: 3.1e-16 as 3.1 × 10⁻¹⁶."""
    if x is None:
        return "–"
    if x == 0:
        return "0"
    digits, power = f"{x:.1e}".split("e")
    return f"{digits} × 10" + str(int(power)).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))


def find_cards(app, env, docnames):
    """Before reading: which formulas have a card of their own, so that no other card repeats them."""
    found = set()
    for docname in env.found_docs:
        found.update(DIRECTIVE.findall(Path(env.doc2path(docname)).read_text("utf-8")))
    env.book_own_cards = found


def reread(app, env, added, changed, removed):
    """A derivative that got or lost its own card changes the card of its function."""
    before = getattr(env, "book_own_cards", set())
    find_cards(app, env, [])
    shown = env.get_domain("book").data["shown"]
    parents = {p.removesuffix(formulas.suffix(p)) for p in before ^ env.book_own_cards}
    return {shown[p][0] for p in parents if p in shown} & env.found_docs


def forget_labels(app, what, name, obj, options, lines):
    """The chapter owns the number; the API page shows the formula and points there."""
    kept, pending = [], []
    for line in lines:
        if m := re.match(r"\s+:label:\s*([\w-]+)", line):
            pending = [f":book:eq:`{m[1]}`", ""]
            continue
        if pending and line.strip() and not line.startswith(" "):
            kept += pending
            pending = []
        kept.append(line)
    lines[:] = [*kept, "", *pending]


def every_formula_has_a_place(app, env):
    """A public formula that no chapter shows is refused, or reported while chapters are being written."""
    shown = env.get_domain("book").data["shown"]
    found, broken = formulas.public(app.config.book_package)
    problems = [(f"formula {path} is shown in no chapter", f.file) for path, f in found.items() if path not in shown]
    problems += [(f"{module} does not import: {error}", None) for module, error in broken.items()]
    for message, place in problems:
        if app.config.book_strict:
            warn("homeless", message, place)
        else:
            logger.info("%s", message)


def setup(app):
    app.setup_extension("_ext.myst")
    app.add_directive("formula", FormulaDirective)
    app.connect("env-get-outdated", reread)
    app.connect("env-before-read-docs", find_cards)
    app.connect("autodoc-process-docstring", forget_labels, priority=400)
    app.connect("env-check-consistency", every_formula_has_a_place)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
