"""The book's own checks: tiny books that are right, and tiny books that the build must refuse."""

import io
import json
import re
import sys
from pathlib import Path

import pytest

pytest.importorskip("myst_nb", reason="the book extra is not installed")
pytestmark = pytest.mark.filterwarnings("ignore")  # warnings of Sphinx and its extensions are not ours

from sphinx.application import Sphinx  # noqa: E402
from sphinx.util.docutils import docutils_namespace, patch_docutils  # noqa: E402

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "book"))

EXTENSIONS = ["myst_nb", "sphinx.ext.autodoc", "numpydoc", "sphinxcontrib.bibtex"]
EXTENSIONS += [f"_ext.{name}" for name in ("cache", "mathml", "domain", "ledger", "formula", "statements", "ledger_page")]
EXTENSIONS += [f"_ext.{name}" for name in ("claims", "figures", "notebooks")]

TOY = r'''"""Two formulas and their derivatives."""

__all__ = ["cube", "cube_grad", "square", "square_grad"]


def square(x):
    r"""Square of a number.

    .. math::
       :label: square

       \operatorname{square}(x) = x^2

    Parameters
    ----------
    x : array_like
        Side, :math:`x`.

    Returns
    -------
    ndarray
        Area, :math:`\operatorname{square}(x)`.

    Notes
    -----
    Source: :cite:p:`euclid`, book 2.
    """
    return x * x  # the secret of squares


def square_grad(x):
    r"""Derivative of :func:`square`.

    .. math::
       :label: square-grad

       \operatorname{square}'(x) = 2 x

    Parameters
    ----------
    x : array_like
        Side, :math:`x`.

    Returns
    -------
    ndarray
        Slope, :math:`\operatorname{square}'(x)`.
    """
    return 2 * x


def cube(x):
    r"""Cube of a number.

    .. math::
       :label: cube

       \operatorname{cube}(x) = x^3

    Parameters
    ----------
    x : array_like
        Side, :math:`x`.

    Returns
    -------
    ndarray
        Volume, :math:`\operatorname{cube}(x)`.
    """
    return x * x * x


def cube_grad(x):
    r"""Derivative of :func:`cube`.

    .. math::
       :label: cube-grad

       \operatorname{cube}'(x) = 3 x^2

    Parameters
    ----------
    x : array_like
        Side, :math:`x`.

    Returns
    -------
    ndarray
        Slope, :math:`\operatorname{cube}'(x)`.
    """
    return 3 * x * x
'''
SQUARE, CUBE = "```{formula} toybook.shapes.square\n\nProse under the card.\n```\n", "```{formula} toybook.shapes.cube\n```\n"
NOTEBOOK = """---
jupytext: {text_representation: {extension: .md, format_name: myst}}
kernelspec: {display_name: Python 3, language: python, name: python3}
lecture: [T1]
---
"""
SVG = '<svg xmlns="http://www.w3.org/2000/svg" width="72pt" height="36pt" viewBox="0 0 72 36"><defs><clipPath id="c"/></defs>'
SVG += '<path clip-path="url(#c)" style="stroke: #010203; fill: none"/><path style="stroke: #040506"/></svg>'
CELL = """```{code-cell} ipython3
---
%s
---
from IPython.display import SVG
SVG('%s')
```
"""
ALT = "mystnb: {image: {alt: A line that rises}, figure: {caption: It rises., name: fig-rise}}"
VERDICT = """```{code-cell} ipython3
from dnnbook import claims
claims.verdict("T1", "bounded", "Half of it holds.", "0.5 +- 0.1")
```
"""
BIB = "@book{euclid, author={Euclid}, title={Elements}, year={1956}, publisher={Dover}}\n"
TOPICS = """[T]
title = "Toys"
items = [{id = "T1", kind = "claim", text = "A claim"}, {id = "T2", kind = "formula", text = "Later"}]
"""


def entry(name, kind, passed=True, parent=None):
    return {
        "label": name.replace("_", "-"),
        "tex": "",
        "kind": kind,
        "parent": parent and f"toybook.shapes.{parent}",
        "points": 214,
        "error_print": 1.5e-16,
        "error_parent": 1e-30 if parent else None,
        "error_differences": 3e-11 if parent else None,
        "ulp32": 0.5,
        "ulp64": 0.75,
        "passed": passed,
        "message": "" if passed else "code and print differ at x = 3",
        "names": [["x", "x"]],
        "sources": [],
        "limits": [],
    }


def toy_ledger(**changes):
    rows = {name: entry(name, "definition") for name in ("square", "cube")}
    rows |= {f"{name}_grad": entry(f"{name}_grad", "derivative", parent=name) for name in ("square", "cube")}
    rows["square"]["every32"] = {"worst": 1.2345, "stale": False}
    rows["cube"]["every32"] = {"worst": 1.2345, "stale": True}
    return {"package": "toy", "formulas": {f"toybook.shapes.{name}": row for name, row in (rows | changes).items()}}


@pytest.fixture(scope="module")
def toy(tmp_path_factory):
    """The toy package on the path."""
    home = tmp_path_factory.mktemp("toy")
    (home / "toybook").mkdir()
    (home / "toybook/__init__.py").write_text("")
    (home / "toybook/shapes.py").write_text(TOY)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(home))
        patch.setenv("PYTHONPATH", str(ROOT))  # for the kernels
        patch.setenv("NUMBA_CACHE_DIR", str(home / "numba"))
        yield home


def build(folder, pages, ledger=None, builder="html", font=False, **settings):
    """Build a book of some pages; the output folder and the warnings. Cutting the font takes seconds: once is enough."""
    source, doctrees, cache = folder / "book", folder / "build" / "doctrees", folder / "build" / "cache"
    for path in (source, cache / "toy", cache / "font"):
        path.mkdir(parents=True, exist_ok=True)
    (cache / "toy/ledger.json").write_text(json.dumps(ledger or toy_ledger()))
    if not font:
        (cache / "font/math.woff2").write_bytes(b"")
    for name, text in ({"references.bib": BIB, "coverage.toml": TOPICS} | pages).items():
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_text(text, "utf-8")
    overrides = {
        "extensions": EXTENSIONS,
        "html_math_renderer": "mathml",
        "nb_execution_mode": "cache",
        "nb_execution_raise_on_error": True,
        "myst_enable_extensions": ["dollarmath", "amsmath"],
        "bibtex_bibfiles": ["references.bib"],
        "book_package": "toybook",
        "book_package_hash": "toy",
        "book_coverage": "coverage.toml",
        "numfig": True,
        "math_numfig": True,
        "numpydoc_show_class_members": False,
        "suppress_warnings": ["mystnb.unknown_mime_type"],
    } | settings
    warnings = io.StringIO()
    out = folder / "build" / builder
    with patch_docutils(str(source)), docutils_namespace():
        app = Sphinx(source, None, out, doctrees, builder, overrides, status=None, warning=warnings, freshenv=True)
        app.build()
    return out, re.sub(r"\x1b\[[\d;]*m", "", warnings.getvalue())


def index(*pages):
    return "# Toys\n\n```{toctree}\n:numbered:\n\n" + "\n".join(pages) + "\n```\n"


@pytest.fixture(scope="module")
def book(toy, tmp_path_factory):
    """A book in which everything is right."""
    statement = "```{statement} rule\n:kind: theorem\n\n(f g)' = f' g + f g'\n```\n"
    refuted = "```{refuted} dnnbook.activations.sigmoid\n\\sigma(z) = \\frac{1}{1 + e^{z}}\n```\n"
    parts = [NOTEBOOK, "# Shapes", SQUARE, CUBE, statement, refuted, CELL % (ALT, SVG), VERDICT, "See {eq}`square`."]
    pages = {
        "index.md": index("shapes", "api", "reference/ledger", "reference/coverage", "bib"),
        "shapes.md": "\n\n".join(parts),
        "api.md": "# API\n\n```{eval-rst}\n.. automodule:: toybook.shapes\n   :members:\n```\n",
        "reference/ledger.md": "# Ledger\n\n```{ledger}\n```\n",
        "reference/coverage.md": "# Coverage\n\n```{coverage}\n```\n\n```{verdicts} shapes\n```\n",
        "bib.md": "# Sources\n\n```{bibliography}\n```\n",
    }
    test = tmp_path_factory.mktemp("tests") / "test_shapes.py"
    test.write_text("def test_area():\n    assert square(3) == 9\n")
    look = {"html_theme": "sphinx_book_theme"}
    out, warnings = build(tmp_path_factory.mktemp("book"), pages, font=True, book_tests=str(test.parent), **look)
    assert warnings == ""
    return out


def text_of(path):
    """What a reader sees of a page, without the tags."""
    return " ".join(re.sub(r"<[^>]+>", "", re.sub(r"<annotation.*?</annotation>", "", path.read_text("utf-8"))).split())


def test_card(book):
    page, text = (book / "shapes.html").read_text("utf-8"), text_of(book / "shapes.html")
    card = page.split('id="formula-square"')[1].split('id="formula-cube"')[0]
    assert 'id="equation-square"' in card
    assert 'id="equation-square-grad"' in card
    assert "(1.1)" in card
    assert "(1.2)" in card
    assert "<math" in card
    assert 'href="api.html#toybook.shapes.square"' in card
    assert 'href="reference/ledger.html#row-square"' in card
    assert "✓ 214 points, error 1.5 × 10⁻¹⁶" in card
    assert "Euclid" in card
    assert "the secret of squares" in card
    assert "Parameters\n    ---" not in text
    assert "Prose under the card." in card
    assert "Side," in card


def test_api_page_points_back(book):
    page = (book / "api.html").read_text("utf-8")
    assert 'href="shapes.html#equation-square"' in page
    assert 'id="equation-square"' not in page


def test_ledger_page_and_file(book):
    page, text = (book / "reference/ledger.html").read_text("utf-8"), text_of(book / "reference/ledger.html")
    rows = re.findall(r'<tr[^>]*id="row-([\w-]+)"', page)
    assert rows == ["square", "square-grad", "cube", "cube-grad", "rule"]
    assert "test_area" in text
    cells = {row: re.sub(r"<[^>]+>", " ", page.split(f'id="row-{row}"')[1].split("</tr>")[0]) for row in rows}
    assert "1.23" in cells["square"]
    assert "stale" in cells["cube"]
    assert [row for row in rows if "stale" in cells[row] or "1.23" in cells[row]] == ["square", "cube"]
    assert "2 formulas equal to their code" in text
    assert "2 derivatives checked twice" in text
    assert "1 theorem" in text
    kept = json.loads((book / "ledger.json").read_text())
    square = kept["formulas"]["toybook.shapes.square"]
    assert (square["number"], square["chapter"], square["tests"]) == ("1.1", "shapes", [["test_shapes.py", "test_area"]])
    assert kept["statements"]["rule"] == {"kind": "theorem", "number": "1.5", "chapter": "shapes"}


def test_coverage_page(book):
    text = text_of(book / "reference/coverage.html")
    assert "1 of 2 topics are covered" in text
    assert "bounded Half of it holds (0.5 +- 0.1)." in text
    assert "not yet covered" in text
    page = (book / "reference/coverage.html").read_text("utf-8")
    assert 'href="../shapes.html#claim-T1"' in page
    rows = re.findall(r"<tr.*?</tr>", page.split('class="verdicts')[1].split("</table>")[0], re.S)
    assert len(rows) == 2, "a heading, and one verdict"
    assert all(text in rows[1] for text in ("T1", "A claim", "bounded", "shapes.html"))


def test_refuted_print_says_why(book):
    page = (book / "shapes.html").read_text("utf-8")
    assert "Refused by the verifier" in page
    assert "ode and print differ" in page


def test_figure_goes_into_the_page(book):
    page = (book / "shapes.html").read_text("utf-8")
    svg = re.search(r"<svg class=\"book-figure\".*?</svg>", page, re.S)[0]
    assert 'role="img" aria-label="A line that rises"' in svg
    assert "stroke: currentColor; fill: none" in svg
    assert 'style="stroke: currentColor" stroke-opacity=".15"' in svg
    assert 'id="f0-c"' in svg
    assert "url(#f0-c)" in svg
    assert "max-width: 96px" in svg


def test_no_page_asks_another_machine(book):
    media = r'<(?:script|img|iframe|source|video|audio)\b[^>]*\bsrc="(?:https?:)?//'
    loads = re.compile(media + r'|<link\b[^>]*href="(?:https?:)?//')
    pages = sorted(book.rglob("*.html"))
    assert len(pages) > 5
    for page in pages:
        assert loads.search(page.read_text("utf-8")) is None, page
    for sheet in book.rglob("*.css"):
        assert re.search(r"(?:url\(|@import )['\"]?(?:https?:)?//", sheet.read_text("utf-8")) is None, sheet
    assert (book / "_static/math.woff2").stat().st_size > 10_000


def test_download_has_outputs(book):
    notebook = json.loads((book / "shapes.ipynb").read_text())
    assert notebook["metadata"]["kernelspec"]["name"] == "python3"
    assert any("application/vnd.dnnbook.claim+json" in o["data"] for c in notebook["cells"] for o in c.get("outputs", []))
    assert 'href="shapes.ipynb"' in (book / "shapes.html").read_text("utf-8")


def test_download_runs_again_and_reads_without_the_book(book):
    import nbformat
    from nbclient import NotebookClient

    notebook = nbformat.read(book / "shapes.ipynb", as_version=4)
    before = [cell.outputs for cell in notebook.cells if cell.cell_type == "code"]
    NotebookClient(notebook, timeout=60).execute()
    after = [cell.outputs for cell in notebook.cells if cell.cell_type == "code"]
    assert [[o.data for o in outputs] for outputs in after] == [[o.data for o in outputs] for outputs in before]
    prose = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    assert "{formula}" not in prose
    assert "**Square of a number.** `toybook.shapes.square`\n\n$$\n\\operatorname{square}(x) = x^2\n$$" in prose
    assert "$$\n(f g)' = f' g + f g'\n$$" in prose
    assert "Prose under the card." in prose


BIB_PAGE = {"bib.md": "# Sources\n\n```{bibliography}\n```\n"}
PLAIN = {"html_theme": "basic"}
WHOLE = f"# Shapes\n\n{SQUARE}\n{CUBE}\n"
REFUSED = {
    "shown twice": (WHOLE + SQUARE, "formula toybook.shapes.square is shown twice; the other place is shapes, line 3"),
    "shown nowhere": (f"# Shapes\n\n{SQUARE}", "formula toybook.shapes.cube is shown in no chapter"),
    "unknown": (WHOLE + "```{formula} toybook.shapes.circle\n```\n", "toybook.shapes.circle does not exist"),
    "number without entry": (WHOLE + "```{math}\n:label: stray\n\nx = 1\n```\n", "equation stray has a number but no entry"),
    "dollars with a label": (WHOLE + "$$x = 1$$ (stray)\n", "equation stray has a number but no entry"),
    "image without alt": (WHOLE + "![](x.svg)\n", "shapes.md:11: WARNING: an image without alt text"),
    "wrong form that is right": (
        WHOLE + "```{refuted} dnnbook.activations.sigmoid\n\\sigma(z) = \\frac{1}{1 + e^{-z}}\n```\n",
        "the verifier accepts this print for dnnbook.activations.sigmoid",
    ),
    "wrong form that nobody can read": (
        WHOLE + "```{refuted} dnnbook.activations.sigmoid\n\\sigma(z) = \\oint z\n```\n",
        "the verifier cannot read this print",
    ),
    "topic that is not in the list": (f"---\nlecture: [Z9]\n---\n{WHOLE}", "the lecture's list has no Z9"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused(case, toy, tmp_path):
    page, message = REFUSED[case]
    _, warnings = build(tmp_path, {"index.md": index("shapes", "bib"), "shapes.md": page, "x.svg": SVG, **BIB_PAGE}, **PLAIN)
    assert message in warnings


def test_right_book_is_not_refused(toy, tmp_path):
    page = WHOLE + "![A line](x.svg)\n\n$$x = 1$$\n"
    _, warnings = build(tmp_path, {"index.md": index("shapes", "bib"), "shapes.md": page, "x.svg": SVG, **BIB_PAGE}, **PLAIN)
    assert warnings == ""


def test_failing_formula_is_refused(toy, tmp_path):
    ledger = toy_ledger(cube=entry("cube", "definition", passed=False))
    _, warnings = build(tmp_path, {"index.md": index("shapes", "bib"), "shapes.md": WHOLE, **BIB_PAGE}, ledger, **PLAIN)
    assert "formula toybook.shapes.cube fails: code and print differ at x = 3" in warnings


def test_unverified_formula_is_refused(toy, tmp_path):
    ledger = toy_ledger()
    del ledger["formulas"]["toybook.shapes.cube"]
    pages = {"index.md": index("shapes", "bib"), "shapes.md": WHOLE, **BIB_PAGE}
    _, warnings = build(tmp_path, pages, ledger, **PLAIN)
    assert "formula toybook.shapes.cube is not in the ledger" in warnings
    _, warnings = build(tmp_path, pages, ledger, book_strict=False, **PLAIN)
    assert warnings == ""


def test_cell_without_alt_and_verdict_without_topic_are_refused(toy, tmp_path):
    other = VERDICT.replace("T1", "T2")
    page = f"{NOTEBOOK}\n{WHOLE}\n{CELL % ('tags: [hide-input]', SVG)}\n{other}"
    line = page[: page.index("```{code-cell}")].count("\n") + 1
    _, warnings = build(tmp_path, {"index.md": index("shapes", "bib"), "shapes.md": page, **BIB_PAGE}, **PLAIN)
    found = re.search(r"shapes.md:(\d+): WARNING: an image without alt text", warnings)
    assert line <= int(found[1]) < line + CELL.count("\n")
    assert "a verdict on T2, which the front matter" in warnings


def test_derivative_with_a_card_of_its_own(toy, tmp_path):
    page = WHOLE + "```{formula} toybook.shapes.cube_grad\n```\n"
    out, warnings = build(tmp_path, {"index.md": index("shapes", "bib"), "shapes.md": page, **BIB_PAGE}, **PLAIN)
    assert warnings == ""
    text = (out / "shapes.html").read_text("utf-8")
    assert text.count('id="equation-cube-grad"') == 1
    assert text.index('id="formula-cube-grad"') < text.index('id="equation-cube-grad"')


def test_epub_shows_figures_in_real_colors(toy, tmp_path):
    page = f"{NOTEBOOK}\n{WHOLE}\n{CELL % (ALT, SVG)}"
    out, warnings = build(
        tmp_path,
        {"index.md": index("shapes", "bib"), "shapes.md": page, **BIB_PAGE},
        builder="epub",
        extensions=[*EXTENSIONS, "_ext.epub"],
        version="1",
        copyright="2026",
        epub_css_files=["mathml.css"],
        suppress_warnings=["epub.unknown_project_files", "mystnb.unknown_mime_type"],
    )
    assert warnings == ""
    page = (out / "shapes.xhtml").read_text("utf-8")
    assert "<script" not in page
    images = re.findall(r'<img alt="A line that rises" src="([^"]+)"', page)
    assert len(images) == 1
    svg = (out / images[0]).read_text("utf-8")
    assert "#222222" in svg
    assert "#d9d9d9" in svg
    assert 'shapes.xhtml" media-type="application/xhtml+xml" properties="mathml"' in (out / "content.opf").read_text("utf-8")


def test_sources_without_docstring_keep_their_comments(toy):
    from _ext import formulas

    code = formulas.find("toybook.shapes.square").code
    assert code == "def square(x):\n    return x * x  # the secret of squares"


def test_derivatives_of_every_kind_belong_to_their_function():
    from _ext import formulas

    def names(path):
        return [f.name for f in formulas.derivatives(formulas.find(path))]

    assert names("dnnbook.activations.tanh") == ["tanh_grad", "tanh_grad2"]
    assert names("dnnbook.dense.dense") == ["dense_vjp", "dense_jvp", "dense_vjp_jvp"]
    assert names("dnnbook.losses.mean_squared_error") == ["mean_squared_error_grad", "mean_squared_error_hvp"]
    assert names("dnnbook.surfaces.beale") == ["beale_grad", "beale_hessian"]
    assert names("dnnbook.dense.dense_vjp") == names("dnnbook.activations.tanh_grad") == []
    assert formulas.suffix("dnnbook.dense.dense_vjp_jvp") == "_vjp_jvp"
    assert formulas.suffix("dnnbook.dense.dense") == ""


def test_wide_prints_get_the_environment_that_they_need():
    from _ext import mathml

    assert mathml.with_environment(r"a &= b \\ c &= d") == r"\begin{aligned}a &= b \\ c &= d\end{aligned}"
    assert mathml.with_environment("a = b") == "a = b"
    assert "<mfrac>" in mathml.render(r"\frac{1}{2}", True)
