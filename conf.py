"""Sphinx configuration: sphinx-build -W --keep-going -c . -d build/doctrees -b html book build/html"""

import importlib.util
import inspect
import os
import re
import sys
from pathlib import Path

ROOT = Path(__file__).parent
sys.path[:0] = [str(ROOT), str(ROOT / "book")]

from _ext.cache import package_hash  # noqa: E402

project = "dnnbook"
author = "the dnnbook authors"
copyright = "2026, the dnnbook authors"
version = release = re.search(r'__version__ = "(.+?)"', (ROOT / "dnnbook/__init__.py").read_text("utf-8"))[1]
language = "en"

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "numpydoc",
    "sphinx.ext.viewcode",
    "sphinx_design",
    "sphinx_copybutton",
    "sphinx_togglebutton",
    "sphinx_exercise",
    "sphinx_proof",
    "sphinxcontrib.bibtex",
    "_ext.cache",
    "_ext.mathml",
    "_ext.domain",
    "_ext.ledger",
    "_ext.formula",
    "_ext.statements",
    "_ext.ledger_page",
    "_ext.claims",
    "_ext.figures",
    "_ext.notebooks",
    "_ext.epub",
]
exclude_patterns = ["_ext", "_static"]
if importlib.util.find_spec("numba_cuda") is None:  # there is no compiler for GPUs on macOS
    exclude_patterns.append("part1/17-*")

# What the book checks about itself
book_package = "dnnbook"
book_package_hash = package_hash(ROOT / "dnnbook")  # any change of the package re-reads every page
book_tests = str(ROOT / "tests")
book_strict = True  # -D book_strict=0: formulas that no chapter shows yet are reported, not refused

# Markdown and notebooks
myst_enable_extensions = ["dollarmath", "amsmath", "deflist", "colon_fence", "attrs_inline", "attrs_block", "smartquotes"]
myst_heading_anchors = 3
nb_execution_mode = "cache"
nb_execution_raise_on_error = True
nb_execution_timeout = 120
nb_merge_streams = True
nb_code_prompt_show = nb_code_prompt_hide = "Code"
nb_render_markdown_format = "myst"  # tables and maths in the Markdown that cells display
# The kernels inherit these: that it is the book that runs them, and where the package is
os.environ["DNNBOOK_BOOK"] = "1"
os.environ.pop("MPLBACKEND", None)  # another backend would lose the figures
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # small matrices: on busy cores two threads wait for each other
os.environ["PYTHONPATH"] = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])

# Numbers: (2.3) is the third equation of chapter 2
numfig = True
numfig_secnum_depth = 1
numfig_format = {"figure": "Figure %s", "table": "Table %s", "code-block": "Listing %s", "section": "Chapter %s"}
math_numfig = True
math_eqref_format = "({number})"
html_math_renderer = "mathml"
mathml_macros = {"R": r"\mathbb{R}"}

# Python reference
autodoc_default_options = {"members": True}
autodoc_typehints = "none"
numpydoc_show_class_members = False
viewcode_line_numbers = True
viewcode_follow_imported_members = False  # a layer is documented, and its source shown, where it is defined
add_module_names = False

# Sources
bibtex_bibfiles = ["book/references.bib"]
bibtex_reference_style = "author_year"

# HTML
html_theme = "sphinx_book_theme"
html_title = "dnnbook"
html_static_path = ["book/_static"]
html_favicon = "book/_static/favicon.svg"
STATIC = sorted((ROOT / "book/_static").iterdir())
html_css_files = [p.name for p in STATIC if p.suffix == ".css" and p.stem not in ("mathml", "epub")]
html_js_files = [(p.name, {"defer": "defer"}) for p in STATIC if p.suffix == ".js"]
html_theme_options = {
    "logo": {"text": "dnnbook"},
    "use_download_button": True,
    "use_fullscreen_button": False,
    "show_navbar_depth": 1,
    "navbar_persistent": [],
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
    "show_toc_level": 2,
    "footer_content_items": ["copyright.html"],
}
html_context = {"default_mode": "auto"}
html_show_sphinx = False
html_show_search_summary = False  # a summary would be fetched, which a page opened from disk may not do
html_sourcelink_suffix = ""
togglebutton_hint = "Show"
togglebutton_hint_hide = "Hide"
copybutton_exclude = ".linenos, .gp, .go"

# EPUB
epub_show_urls = "no"
epub_css_files = ["mathml.css", "epub.css"]
suppress_warnings = [
    "epub.unknown_project_files",
    "toc.empty_glob",  # a part whose chapters are still to come
    "mystnb.unknown_mime_type",  # the record of a claim: a page shows its text, the build reads its data
]


def written_in(app, module, name):
    """The module whose source defines a member: of a package of rooms, the room."""
    member = sys.modules[module]
    for part in name.split("."):
        member = getattr(member, part, None)
    return getattr(inspect.unwrap(member), "__module__", None) if callable(member) else None


def setup(app):
    app.connect("viewcode-follow-imported", written_in)
