"""``{ledger}``: every numbered equation of the book in one table; ``{ledger-summary}``: the counts alone."""

from collections import Counter

from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util.docutils import SphinxDirective

from . import ledger
from .formula import scientific

COMPUTED = dict.fromkeys(("definition", "step", "equation"), "formula")
COMPUTED |= dict.fromkeys(("derivative", "gradient", "jacobian", "jvp", "vjp"), "derivative")
COLUMNS = ["Equation", "Function", "Kind", "Derivative", "Points", "Print", "Differences"]
COLUMNS += ["ULP 64", "ULP 32", "All of float32", "Chapter", "Sources", "Tests"]


class table_of_equations(nodes.General, nodes.Element):
    """Stands for the table until every page has been read."""


class summary_of_equations(nodes.General, nodes.Element):
    """Stands for the counts until every page has been read."""


class Ledger(SphinxDirective):
    def run(self):
        return [table_of_equations()]


class Summary(SphinxDirective):
    def run(self):
        return [summary_of_equations()]


class Fill(SphinxPostTransform):
    """Writes the table once all equations are known, before references are resolved."""

    default_priority = 5

    def run(self, **kwargs):
        for node in list(self.document.findall(table_of_equations)):
            node.replace_self([self.counts(), *self.table(), *self.limits()])
        for node in list(self.document.findall(summary_of_equations)):
            node.replace_self(self.counts())

    @property
    def book(self):
        return self.env.get_domain("book").data

    def rows(self):
        """(label, kind, path, entry) of every numbered equation in the order of the book."""
        entries, order = ledger.by_label(self.app), {doc: i for i, doc in enumerate(self.env.toc_fignumbers)}
        rows = [
            (label, kind, path, entries.get(label) if path else None) for label, (_, kind, path) in self.book["kinds"].items()
        ]

        def position(row):
            parts = [int(p) for p in ledger.number(self.env, row[0]).split(".") if p]
            return parts, order.get(self.book["kinds"][row[0]][0], 0)

        return sorted(rows, key=position)

    def counts(self):
        """One tile for each kind of equation."""
        rows = self.rows()
        kinds = Counter(COMPUTED.get(kind, "formula") if path else kind for _, kind, path, _ in rows)
        words = {
            "formula": ("formula equal to its code", "formulas equal to their code"),
            "derivative": ("derivative checked twice", "derivatives checked twice"),
            "definition": ("definition without code", "definitions without code"),
            "theorem": ("theorem", "theorems"),
            "derivation": ("step of a derivation", "steps of derivations"),
            "example": ("worked example", "worked examples"),
        }
        errors = [entry["error_print"] for *_, entry in rows if entry and entry["passed"]]
        tiles = [(str(n), words[kind][n != 1]) for kind in words if (n := kinds.get(kind))]
        if errors:
            tiles.append((scientific(max(errors)), "worst error against a print"))
        box = nodes.bullet_list(classes=["ledger-counts"])
        for figure, text in tiles:
            item = nodes.paragraph("", "", nodes.strong("", figure), nodes.Text(" "), nodes.inline("", text))
            box += nodes.list_item("", item)
        return box

    def table(self):
        body = nodes.tbody()
        for label, kind, path, entry in self.rows():
            body += self.row(label, kind, path, entry)
        head = nodes.thead("", nodes.row("", *(nodes.entry("", nodes.paragraph("", name)) for name in COLUMNS)))
        group = nodes.tgroup("", *(nodes.colspec(colwidth=1) for _ in COLUMNS), head, body, cols=len(COLUMNS))
        return [nodes.table("", group, classes=["sortable", "ledger"])]

    def row(self, label, kind, path, entry):
        doc = self.book["kinds"][label][0]
        cells = [self.eq(label)]
        if path:
            cells += [self.function(path), nodes.Text(kind), self.derivatives(path, entry)]
        else:
            cells += [nodes.literal("", label), nodes.Text(kind), nodes.Text("–")]
        if entry:
            cells.append(nodes.Text(str(entry["points"])))
            cells += [nodes.Text(scientific(entry[key])) for key in ("error_print", "error_differences")]
            cells += [nodes.Text("–" if entry[key] is None else f"{entry[key]:.2f}") for key in ("ulp64", "ulp32")]
            cells.append(self.every32(entry.get("every32")))
        else:
            cells += [nodes.Text("–") for _ in range(6)]
        chapter = pending_xref("", nodes.inline(), refdomain="std", reftype="doc", reftarget=f"/{doc}", refdoc=self.env.docname)
        chapter["refexplicit"], chapter["refwarn"] = False, True
        cells += [chapter, self.sources(entry["sources"] if entry else []), self.tests(path)]
        row = nodes.row("", *(nodes.entry("", nodes.paragraph("", "", cell)) for cell in cells))
        row["ids"].append(f"row-{label}")
        return row

    def eq(self, label):
        return pending_xref("", nodes.Text(label), refdomain="math", reftype="eq", reftarget=label, refdoc=self.env.docname)

    def function(self, path):
        name = nodes.literal("", path.rpartition(".")[2])
        return pending_xref("", name, refdomain="py", reftype="func", reftarget=path, refdoc=self.env.docname, refexplicit=True)

    def every32(self, found):
        """The worst error over all inputs, if that was measured and the code is still the same."""
        if not found:
            return nodes.Text("–")
        return nodes.Text("stale" if found["stale"] else f"{found['worst']:.2f}")

    def derivatives(self, path, entry):
        """Of a function its derivatives, of a derivative the function."""
        known = {e["label"]: p for p, e in ledger.entries(self.app).items() if e["parent"] == path}
        labels = [label for label in known if label in self.book["kinds"]]
        cell = nodes.inline()
        for label in labels:
            cell += [*([nodes.Text(", ")] if len(cell) else []), self.eq(label)]
        parent = ledger.entries(self.app).get(entry["parent"]) if entry and entry["parent"] else None
        if parent and parent["label"] in self.book["kinds"]:
            cell += [nodes.Text("of "), self.eq(parent["label"])]
        return cell if len(cell) else nodes.Text("–")

    def tests(self, path):
        found = ledger.tests(self.app).get(path.rpartition(".")[2], []) if path else []
        if not found:
            return nodes.Text("–")
        cell = nodes.inline()
        for i, (_, test) in enumerate(found[:2]):
            cell += [*([nodes.Text(", ")] if i else []), nodes.literal("", test)]
        if len(found) > 2:
            cell += nodes.Text(f" and {len(found) - 2} more")
        return cell

    def sources(self, keys):
        if not keys:
            return nodes.Text("–")
        target = ",".join(keys)
        return pending_xref("", nodes.Text(target), refdomain="cite", reftype="p", reftarget=target, refdoc=self.env.docname)

    def limits(self):
        """What the verifier does not see, in its own words."""
        try:
            from dnnbook.formula import LIMITS
        except ImportError:
            return []
        items = [nodes.list_item("", nodes.paragraph("", text)) for text in LIMITS]
        head = nodes.rubric("", "What these checks do not see")
        return [head, nodes.bullet_list("", *items)] if items else []


def rewrite(app, env):
    """The pages with counts change with any other page."""
    return [doc for doc, kinds in env.get_domain("book").data["generated"].items() if kinds]


def note(app, doctree):
    found = any(doctree.findall(lambda n: isinstance(n, table_of_equations | summary_of_equations)))
    if found:
        app.env.get_domain("book").data["generated"][app.env.docname] = True


def setup(app):
    app.add_node(table_of_equations)
    app.add_node(summary_of_equations)
    app.add_directive("ledger", Ledger)
    app.add_directive("ledger-summary", Summary)
    app.add_post_transform(Fill)
    app.connect("doctree-read", note)
    app.connect("env-updated", rewrite)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
