"""``{coverage}``: the lecture's list, held against the chapters and their verdicts. ``{verdicts}``: the verdicts of a part."""

import tomllib
from pathlib import Path

from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util.docutils import SphinxDirective
from sphinx.util.nodes import make_refnode

from dnnbook.claims import MIME

from .domain import warn
from .notebooks import executed, is_notebook

COLUMNS = ["Id", "What the lecture asks for", "Kind", "Chapter", "Found by experiment"]


class table_of_coverage(nodes.General, nodes.Element):
    """Stands for the tables until every page has been read."""


class table_of_verdicts(nodes.General, nodes.Element):
    """Stands for the table until every page has been read."""


class Coverage(SphinxDirective):
    def run(self):
        self.env.note_dependency(str(path(self.env.app)))
        self.env.get_domain("book").data["generated"][self.env.docname] = True
        return [table_of_coverage()]


class Verdicts(SphinxDirective):
    """``{verdicts} part1/``: the claims with a verdict in the pages of this folder."""

    required_arguments = 1

    def run(self):
        self.env.note_dependency(str(path(self.env.app)))
        self.env.get_domain("book").data["generated"][self.env.docname] = True
        return [table_of_verdicts(folder=self.arguments[0])]


def path(app):
    return Path(app.confdir, app.config.book_coverage)


def topics(app):
    """The lecture's list: groups of (id, kind, text)."""
    groups = tomllib.loads(path(app).read_text("utf-8")).values()
    return [(group["title"], [(i["id"], i["kind"], i["text"]) for i in group["items"]]) for group in groups]


def ids_of(env, docname):
    """The ids that a chapter names in its front matter."""
    named = env.metadata.get(docname, {}).get("lecture", [])
    if isinstance(named, str):
        named = named.strip("[]").replace("'", "").replace('"', "").split(",")
    return [str(i).strip() for i in named if str(i).strip()]


class Fill(SphinxPostTransform):
    default_priority = 5

    def run(self, **kwargs):
        for node in list(self.document.findall(table_of_coverage)):
            node.replace_self(self.pages())
        for node in list(self.document.findall(table_of_verdicts)):
            node.replace_self(self.verdicts(node["folder"]))

    def pages(self):
        env = self.env
        chapters, verdicts = {}, {}
        for doc in sorted(env.found_docs):
            for i in ids_of(env, doc):
                chapters.setdefault(i, []).append(doc)
        for doc, found in sorted(env.get_domain("book").data["claims"].items()):
            for claim in found:
                verdicts.setdefault(claim["claim"], []).append((doc, claim))
        every = [i for _, items in topics(self.app) for i, *_ in items]
        covered = sum(i in chapters for i in every)
        experiments = sum(map(len, verdicts.values()))
        line = f"{covered} of {len(every)} topics are covered so far; {experiments} verdicts rest on executed experiments."
        out = [nodes.paragraph("", line)]
        for title, items in topics(self.app):
            out.append(nodes.rubric("", title))
            out.append(self.table(items, chapters, verdicts))
        return out

    def table(self, items, chapters, verdicts):
        body = nodes.tbody()
        for i, kind, text in items:
            where = nodes.inline()
            for n, doc in enumerate(chapters.get(i, [])):
                where += [*([nodes.Text(", ")] if n else []), self.chapter(doc)]
            if not len(where):
                where += nodes.inline("", "not yet covered", classes=["not-yet"])
            cells = [nodes.strong("", i), nodes.Text(text), nodes.Text(kind), where, self.found(verdicts.get(i, []))]
            row = nodes.row("", *(nodes.entry("", nodes.paragraph("", "", cell)) for cell in cells))
            row["ids"].append(f"topic-{i}")
            body += row
        head = nodes.thead("", nodes.row("", *(nodes.entry("", nodes.paragraph("", name)) for name in COLUMNS)))
        group = nodes.tgroup("", *(nodes.colspec(colwidth=w) for w in (1, 10, 3, 5, 8)), head, body, cols=len(COLUMNS))
        return nodes.table("", group, classes=["coverage"])

    def verdicts(self, folder):
        """A row for each verdict, in the order of the chapters."""
        texts = {i: text for _, items in topics(self.app) for i, _, text in items}
        body = nodes.tbody()
        for doc, found in sorted(self.env.get_domain("book").data["claims"].items()):
            for claim in found if doc.startswith(folder) else ():
                i, mark = claim["claim"], nodes.inline("", claim["verdict"], classes=["verdict", f"verdict-{claim['verdict']}"])
                link = make_refnode(self.app.builder, self.env.docname, doc, f"claim-{i}", mark)
                cells = [nodes.strong("", i), nodes.Text(texts.get(i, "")), link, self.chapter(doc)]
                body += nodes.row("", *(nodes.entry("", nodes.paragraph("", "", cell)) for cell in cells))
        names = ["Id", "What the lecture says", "Verdict", "Chapter"]
        head = nodes.thead("", nodes.row("", *(nodes.entry("", nodes.paragraph("", name)) for name in names)))
        group = nodes.tgroup("", *(nodes.colspec(colwidth=w) for w in (1, 10, 3, 5)), head, body, cols=len(names))
        return nodes.table("", group, classes=["verdicts"])

    def chapter(self, doc):
        link = pending_xref("", nodes.inline(), refdomain="std", reftype="doc", reftarget=f"/{doc}", refexplicit=False)
        link["refdoc"], link["refwarn"] = self.env.docname, True
        return link

    def found(self, verdicts):
        cell = nodes.inline()
        for doc, claim in verdicts:
            mark = nodes.inline("", claim["verdict"], classes=["verdict", f"verdict-{claim['verdict']}"])
            link = make_refnode(self.app.builder, self.env.docname, doc, f"claim-{claim['claim']}", mark)
            text = f" {claim['sentence'].rstrip('.')}" + (f" ({claim['value'].rstrip('.')})" if claim["value"] else "") + ". "
            cell += [link, nodes.Text(text)]
        return cell if len(cell) else nodes.Text("–")


def collect(app, doctree):
    """Read the verdicts out of a chapter's executed cells."""
    env = app.env
    if not is_notebook(env, env.docname):
        return
    outputs = [output for cell in executed(app, env.docname).cells for output in cell.get("outputs", [])]
    found = [dict(output["data"][MIME]) for output in outputs if MIME in output.get("data", {})]
    if found:
        env.get_domain("book").data["claims"][env.docname] = found


def check(app, env):
    """A chapter names only ids of the list, and gives verdicts only on claims that it names."""
    if not path(app).is_file():
        return
    known = {i for _, items in topics(app) for i, *_ in items}
    for doc in env.found_docs:
        for i in ids_of(env, doc):
            if i not in known:
                warn("coverage", f"the lecture's list has no {i}", doc)
        for claim in env.get_domain("book").data["claims"].get(doc, []):
            if claim["claim"] not in ids_of(env, doc):
                warn("coverage", f"a verdict on {claim['claim']}, which the front matter (lecture: [...]) does not name", doc)


def setup(app):
    app.add_config_value("book_coverage", "book/coverage.toml", "env", str)
    app.add_node(table_of_coverage)
    app.add_node(table_of_verdicts)
    app.add_directive("coverage", Coverage)
    app.add_directive("verdicts", Verdicts)
    app.add_post_transform(Fill)
    app.connect("doctree-read", collect)
    app.connect("env-check-consistency", check)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
