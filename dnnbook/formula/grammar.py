"""From the printed text to a tree: the strict grammar, and errors that point at the place."""

import functools
import re
from importlib.resources import files

import lark
from lark import Token


class FormulaError(Exception):
    """The print cannot be read: it leaves the dialect, or uses a symbol that the docstring does not declare."""


def complain(tex, position, message, where=""):
    """Raise a FormulaError that shows the line of the formula with a caret under the place."""
    start = tex.rfind("\n", 0, position) + 1
    line = tex[start:].split("\n")[0]
    row = tex.count("\n", 0, position) + 1
    prefix = f"{where}, formula line {row}: " if where else ""
    raise FormulaError(f"{prefix}{message}\n    {line}\n    {' ' * (position - start)}^")


class Bars:
    """Tells an opening | from a closing one: it closes if a bar is open and an operand has just ended."""

    always_accept = ("BAR", "NBAR")
    ends = frozenset(
        {"RBAR", "RNORM", "LETTER", "DIGIT", "NUMBER", "GREEK", "ELL", "NAMED", "RBRACE", "RPAR", "PRIME", "TOP", "STAR"}
    )

    def process(self, stream):
        stack, last = [], None
        for token in stream:
            if token.type in self.always_accept:
                kind = "NORM" if token.type == "NBAR" else "BAR"
                closes = bool(stack) and stack[-1] == kind and last in self.ends
                if closes:
                    stack.pop()
                else:
                    stack.append(kind)
                token = Token.new_borrow_pos(("R" if closes else "L") + kind, token.value, token)
            last = token.type
            yield token


@functools.cache
def parser():
    return lark.Lark(
        files(__package__).joinpath("dialect.lark").read_text("utf-8"),
        parser="lalr",
        start=["start", "expr"],
        postlex=Bars(),
        propagate_positions=True,
        maybe_placeholders=False,
    )


CLOSERS = {"RPAR": "')'", "RBRACE": "'}'", "RBAR": "'|'", "RNORM": r"'\|'", "END_CASES": r"'\end{cases}'"}
BARE_FUNCTION = re.compile(r"\\(log|ln|exp|tanh|sinh|cosh|sin|cos)\b[^(]*$")


@functools.lru_cache(maxsize=4096)
def parse(tex, where="", start="start"):
    """The tree of a formula ("start") or of a single expression ("expr")."""
    try:
        return parser().parse(tex, start=start)
    except lark.UnexpectedCharacters as e:
        word = re.match(r"\\[A-Za-z]+(\{\w*\})?|.", tex[e.pos_in_stream :], re.S).group()
        complain(tex, e.pos_in_stream, f"{word!r} is not in the dialect, or not allowed here", where)
    except lark.UnexpectedToken as e:
        at_end = e.token.type == "$END"
        position = len(tex.rstrip()) if at_end else e.token.start_pos
        missing = [text for name, text in CLOSERS.items() if name in e.accepts]
        hint = f"; {' or '.join(missing)} is still open" if missing else ""
        if not at_end and e.token.type not in CLOSERS and re.search(r"/\s*\w+\s*$", tex[:position]):
            hint = r"; '/' joins exactly two factors: write \frac{a}{b}"
        elif BARE_FUNCTION.search(tex[:position]) and not missing:
            hint = "; a function without parentheses must be the last factor of its product: write f(x) y"
        complain(tex, position, f"unexpected {'end of formula' if at_end else str(e.token)!r}{hint}", where)
