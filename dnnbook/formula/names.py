"""Which printed symbol stands for which argument: an explicit table per formula, read from the docstring.

There is no guessing: ``m_{t-1}`` means the argument whose description says so; a symbol that no description has is an error.
"""

import functools
import re
from typing import NamedTuple

from lark import Token, Tree

from dnnbook.formula.grammar import FormulaError, complain, parse

STEP = re.compile(r"t([+-]\d+)?")
MARKS = {"prime": "'", "star": "*", "plus": "+", "minus": "-"}  # part of the name, as in \eta^+
BOLD = (r"\mathbf", r"\boldsymbol", r"\bm")


def name_of(tree):
    r"""The plain name of a symbol: \hat{\mathbf{y}} is "y_hat", \varepsilon is "epsilon"."""
    head = tree.children[0]
    if head.type == "WRAP":
        inner = tree.children[1]
        inner = str(inner) if isinstance(inner, Token) else name_of(inner)
        return inner if head in BOLD else f"{inner}_{head[1:]}"
    if head.type == "NAMED":
        return re.search(r"\{(\w+)\}", head).group(1)
    return head.lstrip("\\").removeprefix("var")


def text(tree):
    """A subscript or label as words; only what reads the same way as it is meant: no signs in front, no powers."""
    if isinstance(tree, Token):
        return str(tree)
    if tree.data == "symbol":
        return name_of(tree)
    if tree.data == "scripted" and not (s := Symbol(tree)).powers:
        return s.label_text()
    if tree.data in ("number", "product", "add", "sub"):
        return {"add": "+", "sub": "-"}.get(tree.data, "").join(text(c) for c in tree.children)
    raise ValueError("a label is made of letters, numbers, + and - only")


def shape_of(tree):
    """A tree as text, to tell whether two prints are the same."""
    return str(tree) if isinstance(tree, Token) else f"{tree.data}({' '.join(shape_of(c) for c in tree.children)})"


class Symbol:
    """A printed symbol with its scripts sorted: indices, layer label, marks, powers."""

    def __init__(self, tree):
        base, scripts = (tree.children[0], tree.children[1:]) if tree.data == "scripted" else (tree, [])
        self.tree, self.base, self.items, self.label, self.marks, self.powers = tree, base, [], "", "", []
        for s in scripts:
            if s.data == "lower":
                for item in (c for c in s.children if isinstance(c, Tree)):  # the commas of x_{n,j} are tokens
                    self.items += item.children if item.data == "product" else [item]
            elif s.data in MARKS:
                self.marks += MARKS[s.data]
            elif s.data == "upper" and s.children[0].data == "paren" and len(s.children[0].children) == 1:
                self.label = text(s.children[0].children[0])
            else:
                self.powers.append(s)
        if sum(s.data == "lower" for s in scripts) > 1 or len(self.powers) + bool(self.label) + len(self.marks.strip("'")) > 1:
            raise ValueError("two superscripts, or two subscripts, on one symbol: use braces")
        self.name = name_of(base) if base.data == "symbol" else None
        self.bold = base.data == "symbol" and any(t in BOLD for t in base.scan_values(lambda t: isinstance(t, Token)))

    @functools.cached_property
    def stem(self):
        return (self.name or "") + self.marks

    @functools.cached_property
    def step(self):
        found = [text(i) for i in self.items if is_step(i)]
        return found[0] if found else None

    @functools.cached_property
    def others(self):
        """Subscripts that are not a step in time: indices and labels."""
        return [i for i in self.items if not is_step(i)]

    @functools.cached_property
    def plain_others(self):
        return tuple(map(plain, self.others))

    @functools.cached_property
    def is_letter(self):
        """A name and nothing around it."""
        return not self.items and not self.label and not self.marks and not self.bold

    def label_text(self):
        return self.stem + "".join(text(i) for i in self.items) + (f"({self.label})" if self.label else "")


def symbol(tree):
    """The symbol of a tree, sorted once: a formula is evaluated many times."""
    known = getattr(tree, "as_symbol", None)
    if known is None:
        known = tree.as_symbol = Symbol(tree)
    return known


class Key(NamedTuple):
    """The identity of a symbol: what must be the same for two prints to mean the same thing."""

    stem: str
    labels: tuple[str, ...]  # subscripts that are part of the name, as in \beta_1
    layer: str  # a superscript in parentheses
    step: str | None  # t, t-1 or t+1
    bold: bool
    axes: int  # how many indices an element has

    def __str__(self):
        layer = f"^({self.layer})" if self.layer else ""
        subs = [*self.labels, *([self.step] if self.step else [])]
        return self.stem + (f"_{','.join(subs)}" if subs else "") + layer


def is_step(item):
    return item.data in ("symbol", "add", "sub") and bool(STEP.fullmatch(plain(item)))


def plain(item):
    """A subscript as text, or nothing where it is no label but an expression to evaluate."""
    try:
        return text(item)
    except ValueError:
        return ""


def is_index(item):
    return item.data == "symbol" and len(text(item)) == 1 and text(item).islower()


def declared_key(symbol, axes, tex, where):
    """The key of a symbol as the docstring declares it for an argument with that many axes."""
    others = symbol.others
    if symbol.bold:
        return Key(symbol.stem, tuple(map(text, others)), symbol.label, symbol.step, True, axes)
    split = len(others) - axes
    if split < 0 or not all(is_index(i) for i in others[split:]):
        complain(tex, 0, f"an array with {axes} axes is printed bold, or with {axes} indices", where)
    return Key(symbol.stem, tuple(map(text, others[:split])), symbol.label, symbol.step, False, axes)


class Binding(NamedTuple):
    """A printed symbol and where its value comes from."""

    tex: str
    key: Key
    source: str  # "w", or "state.m"
    shift: int  # the symbol is the argument plus this: t = state.t + 1


class Head(NamedTuple):
    """A left side: a symbol, a function of its arguments, a partial derivative, or one side of an equation to be solved."""

    kind: str  # "symbol", "square", "function", "partial", "implicit"
    key: Key | None = None
    primes: int = 0
    arguments: tuple[str, ...] = ()
    of: str = ""  # the name on top of a partial derivative


def head(tree, axes_of):
    """Read a left side; `axes_of(symbol)` tells how many of its subscripts are free indices. None if it is nothing of these."""
    if tree.data in ("symbol", "scripted"):
        s = Symbol(tree)
        square = [shape_of(p) for p in s.powers] == ["upper(number(2))"]
        if s.name and (not s.powers or square):
            return Head("square" if square else "symbol", free_key(s, axes_of(s)))
    if tree.data == "product" and len(tree.children) == 2 and tree.children[1].data == "paren":
        s = Symbol(tree.children[0]) if tree.children[0].data in ("symbol", "scripted") else None
        if s and s.name and not s.items and not s.powers:
            key = Key(s.stem.rstrip("'"), (), s.label, None, s.bold, 0)
            return Head("function", key, s.marks.count("'"), function_arguments(tree.children[1]))
    if tree.data == "fcall" and isinstance(tree.children[0], Tree):
        f, arguments = tree.children
        primes = [c.type for c in f.children[1:]]
        if primes in ([], ["PRIME"]):
            key = Key(function_name(f), (), "", None, False, 0)
            return Head("function", key, len(primes), function_arguments(arguments))
    if tree.data == "partial":
        top, below = [Symbol(c) for c in tree.children if isinstance(c, Tree)]
        if top.name and below.name and not top.powers and not below.powers:
            return Head("partial", free_key(below, axes_of(below)), of=top.label_text())
    return None


def function_arguments(paren):
    """The arguments of a function on the left: symbols, and nothing done to them."""
    trees = [c for c in paren.children if isinstance(c, Tree)]
    if any(t.data not in ("symbol", "scripted") or Symbol(t).powers or not Symbol(t).name for t in trees):
        raise ValueError("a function on the left is printed of its plain arguments, as in g(z)")
    return tuple(shape_of(t) for t in trees)


def function_name(f):
    return re.search(r"\w+(?=\}?$)", f.children[0]).group()


def free_key(s, axes):
    others = s.others
    split = len(others) - axes
    return Key(s.stem, tuple(map(text, others[:split])), s.label, s.step, s.bold, axes)


def bindings(arguments, axes_of, where):
    """The table of a formula: each declared symbol with the argument that it means."""
    table = []
    for a in arguments:
        found = [(f"{a.name}.{f}", tex) for f, tex in a.fields.items()] or [(a.name, tex) for tex in a.symbols]
        rows = [row for source, tex in found if (row := binding(source, tex, axes_of(source, a), where))]
        if not rows:
            raise FormulaError(f"{where}: the first sentence on the argument {a.name} must give its printed symbol")
        table += rows
    owners = {}
    for b in table:
        if owners.setdefault(b.key, b.source) != b.source:
            raise FormulaError(f"{where}: {b.tex} is declared for both {owners[b.key]} and {b.source}")
    return table


def binding(source, tex, axes, where):
    """One row of the table, or None where the maths is not a symbol."""
    tree, shift = parse(tex, where, "expr"), 0
    if tree.data in ("add", "sub") and tree.children[1].data == "number":  # "t - 1": the print's t is one more
        n = int(tree.children[1].children[0])
        tree, shift = tree.children[0], n if tree.data == "sub" else -n
    if tree.data not in ("symbol", "scripted"):
        return None
    s = Symbol(tree)
    if s.name is None or s.powers:
        return None
    return Binding(tex, declared_key(s, axes, tex, where), source, shift)
