"""Typesets maths at build time as MathML Core; browsers draw it, no script does.

A formula with a TeX error stops the build. The font is cut at build time out of the STIX Two Math that comes with an
installed package, so none is kept among the sources and none is fetched by a page.
"""

import functools
import html
import re
from importlib.resources import files
from pathlib import Path

from docutils import nodes
from math_core import LatexError, LatexToMathML
from sphinx.errors import SphinxError
from sphinx.locale import _
from sphinx.util.math import get_node_equation_number

from .mathfont import cut

# What math-core 0.9 lacks
MACROS = {
    "substack": r"\begin{subarray}{c}#1\end{subarray}",
    "pmb": r"\boldsymbol{#1}",
    "mathnormal": "#1",
    "mbox": r"\text{#1}",
    "dotsc": r"\ldots",
    "dotsb": r"\cdots",
    "setminus": r"\mathbin{\backslash}",
    "tag": r"\qquad(\text{#1})",
}
NUMBERED = re.compile(r"\\(begin|end)\{(split|alignedat|align|gather|alignat|equation|multline)\}(?:(?<=at\})\{\d+\})?")
UNNUMBERED = {"split": "aligned", "alignedat": "aligned", "alignat": "aligned"}  # numbers are Sphinx's; the others get a star
INNERMOST = re.compile(r"\\begin\{(\w+\*?)\}(?:(?!\\begin).)*?\\end\{\1\}", re.S)
ALIGNED = re.compile(r"(?<!\\)&|\\\\")  # an & or a \\ that needs an environment round it
# Browsers: Chromium leaves \Bigr) small when it has a script; Firefox draws the circled operators big; EPUB is XML
BIG_FENCE = re.compile(r"(<m(?:sub|sup|subsup)>)(<mo [^>]*minsize=[^>]*>[^<]*</mo>)")
CIRCLED = re.compile("<mo([^>]*)>([⊕⊗⊙])</mo>")
ENTITY = re.compile(r"&(?!(?:amp|lt|gt|quot|#\w+);)\w+;")


class TexError(SphinxError):
    """A formula that does not typeset."""

    category = "TeX error"


@functools.cache
def render(tex, display, macros=()):
    """MathML of one formula."""
    converter = LatexToMathML(macros=MACROS | dict(macros), annotation=True, xml_namespace=True, fancy_error=False)
    mathml = converter.convert_with_local_state(tex, displaystyle=display)
    mathml = CIRCLED.sub(r'<mo largeop="false"\1>\2</mo>', BIG_FENCE.sub(r"\1<mrow>\2</mrow>", mathml))
    return ENTITY.sub(lambda m: html.unescape(m[0]), mathml)


def with_environment(tex):
    """Give rows and alignment marks the environment they need, and take the numbers from environments that have them."""

    def outer(part):
        while (shorter := INNERMOST.sub("", part)) != part:
            part = shorter
        return part

    parts = [p.strip() for p in tex.split("\n\n") if p.strip()]
    parts = [rf"\begin{{aligned}}{p}\end{{aligned}}" if ALIGNED.search(outer(p)) else p for p in parts]
    return parts[0] if len(parts) == 1 else r"\begin{gathered}" + r"\\".join(parts) + r"\end{gathered}"


def typeset(writer, node, display):
    tex = node.astext()
    if display and not (node.get("no-wrap") or node.get("nowrap")):
        tex = with_environment(tex)
    tex = NUMBERED.sub(lambda m: rf"\{m[1]}{{{UNNUMBERED.get(m[2], m[2] + '*')}}}", tex)
    try:
        return render(tex, display, tuple(writer.builder.config.mathml_macros.items()))
    except LatexError as error:
        where = f"{node.source}:{node.line}" if node.line else writer.builder.current_docname
        raise TexError(f"{where}: at character {error}\n  in: {tex}") from None


def inline(self, node):
    self.body.append(self.starttag(node, "span", "", CLASS="math notranslate nohighlight"))
    self.body.append(typeset(self, node, display=False) + "</span>")
    raise nodes.SkipNode


def block(self, node):
    self.body.append(self.starttag(node, "div", "", CLASS="math notranslate nohighlight"))
    self.body.append(f'<div class="math-scroll">{typeset(self, node, display=True)}</div>')
    if node["number"]:
        self.body.append(f'<span class="eqno">({get_node_equation_number(self, node)})')
        self.add_permalink_ref(node, _("Link to this equation"))
        self.body.append("</span>")
    self.body.append("</div>\n")
    raise nodes.SkipNode


def font(app, config):
    target = Path(app.doctreedir).absolute().parent / "cache" / "font" / "math.woff2"
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        cut(files("ziamath") / "fonts" / "STIXTwoMath-Regular.ttf", target)
    config.html_static_path.append(str(target.parent))


def setup(app):
    app.add_config_value("mathml_macros", {}, "html", dict)
    app.add_html_math_renderer("mathml", (inline, None), (block, None))
    app.connect("config-inited", font)
    app.add_css_file("mathml.css")
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
