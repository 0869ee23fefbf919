"""Reads a docstring: its formula, its arguments, its sources.

The docstring is the contract. Its type lines (``array_like, shape (N, K), in [0, 1]``) are what the call wrapper enforces,
its formula and symbols are what the verifier checks, and both are what a reader reads: nothing is declared twice.
"""

import inspect
import math
import re
import textwrap
from dataclasses import dataclass, field

MATH = re.compile(r"^\.\. math::[ ]*\n[ ]+:label:[ ]*(?P<label>[\w-]+)[ ]*\n\n?(?P<tex>(?:[ ]+\S.*\n|[ ]*\n)+)", re.M)
SECTION = re.compile(r"^(?P<title>[A-Z][A-Za-z ]+)\n-{3,}\n", re.M)
ENTRY = re.compile(r"^(?P<name>[A-Za-z_][\w, ]*?)(?: : (?P<type>.+))?$")
SOURCE = re.compile(r":cite:[pt]:`([^`]+)`")
USES = re.compile(r":math:`([^`]+)` is\s+:func:`~?([\w.]+)`")
CONVENTION = re.compile(r":math:`(0/0|0 \\log 0)` counts as 0")
FIELD = re.compile(r"``(\w+)`` is :math:`([^`]+)`")


@dataclass(frozen=True)
class Interval:
    """An interval of numbers; each end belongs to it or not."""

    low: float
    high: float
    has_low: bool
    has_high: bool
    text: str

    def __contains__(self, x):
        above = x >= self.low if self.has_low else x > self.low
        below = x <= self.high if self.has_high else x < self.high
        return bool(above and below)


@dataclass(frozen=True)
class Argument:
    """One entry of Parameters, Returns or Attributes."""

    name: str
    type: str
    text: str
    kind: str  # "array", "float", "int", "choice" or "other"
    shape: tuple[str, ...] | None = None  # None: any shape, the function works elementwise
    lead: bool = False  # the shape begins with "...": any leading axes
    flat: bool = False  # a vector is accepted and counts as one column
    integer: bool = False  # an array of integers
    below: str | None = None  # integers in {0, ..., below - 1}
    domain: Interval | None = None
    choices: tuple[str, ...] = ()
    symbols: tuple[str, ...] = ()  # as printed: the maths of the description's first sentence
    fields: dict[str, str] = field(default_factory=dict)  # of a state: field name -> symbol

    @property
    def shape_text(self):
        names = ["..."] * self.lead + list(self.shape or ())
        return f"({', '.join(names)}{',' if len(names) == 1 else ''})"


@dataclass(frozen=True)
class Docstring:
    """What a docstring says."""

    summary: str
    equations: tuple[tuple[str, str], ...]  # (label, LaTeX)
    parameters: tuple[Argument, ...]
    returns: tuple[Argument, ...]
    sources: tuple[str, ...]  # keys of the bibliography
    uses: dict[str, str]  # symbol -> function that it stands for
    conventions: tuple[str, ...]  # what counts as 0 in this print
    text: str


def interval(text):
    """Parse ``in [0, inf)``; None where the text has no interval."""
    m = re.search(r"\bin ([\[(])([^,\[\]()]+),\s*([^,\[\]()]+)([\])])", text)
    if m is None:
        return None
    return Interval(float(m[2]), float(m[3]), m[1] == "[", m[4] == "]", m[0].removeprefix("in "))


def argument(name, kind_text, description):
    """One entry of a section from its type line and its description."""
    m = re.search(r"shape \(([^)]*)\)", kind_text)
    dims = [d.strip() for d in m[1].split(",") if d.strip()] if m else None
    lead = bool(dims) and dims[0] == "..."
    below = re.search(r"in \{0, \.\.\., (\w+) ?- ?1\}", kind_text)
    choices = re.match(r"\{([^}]*)\}", kind_text)
    first = re.match(r"(array_like|ndarray|float|int)\b", kind_text)
    word = "choice" if choices else first[1] if first else "other"
    sentence = re.split(r"(?<=[.;:])\s", description + " ", maxsplit=1)[0]
    return Argument(
        name=name,
        type=kind_text,
        text=description,
        kind={"array_like": "array", "ndarray": "array"}.get(word, word),
        shape=tuple(dims[lead:]) if dims is not None else None,
        lead=lead,
        flat=bool(re.search(r"\) or \(\w+,\)", kind_text)),
        integer=bool(re.match(r"(array_like|ndarray) of int\b", kind_text)),
        below=below and below[1],
        domain=interval(kind_text),
        choices=tuple(re.findall(r"[\"']([^\"']+)[\"']", choices[1])) if choices else (),
        symbols=tuple(re.findall(r":math:`([^`]+)`", sentence)),
        fields=dict(FIELD.findall(description)),
    )


def entries(section):
    """The entries of a numpydoc section: a type line, then an indented description."""
    out, head, body = [], None, []
    for line in [*section.splitlines(), "end"]:
        if line and not line.startswith(" "):
            if head is not None and (m := ENTRY.match(head)):
                text = " ".join(textwrap.dedent("\n".join(body)).split())
                names, kind = (m["name"], m["type"]) if m["type"] else ("", head)
                out += [argument(n.strip(), kind, text) for n in names.split(",")]
            elif head is not None:
                text = " ".join(textwrap.dedent("\n".join(body)).split())
                out.append(argument("", head, text))
            head, body = line, []
        else:
            body.append(line)
    return tuple(out)


def sections(doc):
    """Split a docstring into its front matter ("") and its titled sections."""
    found = list(SECTION.finditer(doc))
    ends = [m.start() for m in found[1:]] + [len(doc)]
    front = doc[: found[0].start()] if found else doc
    return {"": front, **{m["title"]: doc[m.end() : end] for m, end in zip(found, ends, strict=False)}}


def read(obj):
    """Read the docstring of a function or class of the package."""
    doc = (inspect.getdoc(obj) or "") + "\n"
    parts = sections(doc)
    return Docstring(
        summary=" ".join(parts[""].strip().split("\n\n")[0].split()),
        equations=tuple((m["label"], textwrap.dedent(m["tex"]).strip()) for m in MATH.finditer(doc)),
        parameters=entries(parts.get("Parameters", parts.get("Attributes", ""))),
        returns=entries(parts.get("Returns", "")),
        sources=tuple(dict.fromkeys(k for keys in SOURCE.findall(doc) for k in keys.split(","))),
        uses=dict(USES.findall(doc)),
        conventions=tuple(CONVENTION.findall(doc)),
        text=doc,
    )


INFINITE = Interval(-math.inf, math.inf, False, False, "(-inf, inf)")
