"""Evaluates a formula as printed, with as many digits as asked.

One :class:`Evaluator` holds one formula and one set of arguments. It walks the tree; every rule is one method named after
the grammar's rule. Names are looked up in the formula's table only (:mod:`dnnbook.formula.names`).
"""

import itertools
from typing import NamedTuple

import mpmath
import numpy as np
from lark import Token, Tree
from mpmath import mpf

from dnnbook.formula import values as v
from dnnbook.formula.grammar import complain
from dnnbook.formula.names import function_name, name_of, plain, shape_of, symbol

COMPARE = {
    "<": lambda a, b: a < b,
    ">": lambda a, b: a > b,
    "=": lambda a, b: a == b,
    "le": lambda a, b: a <= b,
    "ge": lambda a, b: a >= b,
    "ne": lambda a, b: a != b,
    "lt": lambda a, b: a < b,
    "gt": lambda a, b: a > b,
}


POWERS = {f"upper(number({n}))" for n in range(2, 10)}  # of a function: f^2(z)


class Result(NamedTuple):
    """One left side with the values of its right sides."""

    head: object
    values: list


def derivative(f, x, order=1):
    """The derivative of a smooth f by central differences, good to half of the digits in force."""
    if order == 0:
        return f(x)
    with mpmath.workdps(2 * mpmath.mp.dps):
        h = mpf(10) ** (-mpmath.mp.dps // 3)
        return (derivative(f, x + h, order - 1) - derivative(f, x - h, order - 1)) / (2 * h)


class Evaluator:
    """Evaluates one formula for one set of arguments, and what the code gave for the symbol that an equation asks for."""

    def __init__(self, formula, arguments, solution=None):
        self.formula, self.arguments = formula, arguments
        self.dims = formula.dimensions(arguments)
        self.defined, self.index, self.used = {}, {}, set(formula.named_on_the_left)
        if solution is not None:
            self.defined[formula.unknown] = solution
        self.looked_up = set()  # definitions that another line needed
        self.pairs = []  # the two sides of every comparison met: a kink is where they are equal

    def run(self):
        """Evaluate all equations; a Result for each left side, in the order of the print's logic."""
        return [Result(h, self.equation(h, sides)) for h, sides in self.formula.equations]

    def equation(self, h, sides):
        if h.kind == "implicit":
            return [self.ev(side) for side in sides]
        letters = self.formula.letters(h, sides[0])
        extents = self.extents(h, letters, sides[1:])
        columns = [[] for _ in sides[1:]]
        for at in itertools.product(*(range(1, n + 1) for n in extents)):
            self.index.update(zip(letters, at, strict=True))
            for column, side in zip(columns, sides[1:], strict=True):
                column.append(self.ev(side))
        for c in letters:
            del self.index[c]
        out = [self.array(c, extents) if letters else c[0] for c in columns]
        if h.kind in ("symbol", "square"):
            self.defined[h.key] = v.elementwise(v.sqrt, out[0]) if h.kind == "square" else out[0]
        return out

    @staticmethod
    def array(column, extents):
        out = np.empty(len(column), dtype=object)
        out[:] = column
        return out.reshape(extents)

    def extents(self, h, letters, sides):
        declared = self.formula.result_shape(h)
        if declared is not None and len(declared) == len(letters):
            return [int(d) if d.isdigit() else int(self.dims[d]) for d in declared]
        return [self.extent(c, *sides) for c in letters]

    def fail(self, tree, message):
        complain(self.formula.tex, tree.meta.start_pos, message, self.formula.where)

    def ev(self, tree):
        try:
            if tree.data in ("symbol", "scripted"):
                return self.ev_symbol(tree)
            return getattr(self, "ev_" + tree.data)(*tree.children)
        except OverflowError:
            self.fail(tree, "a number too large to be evaluated")
        except (ValueError, IndexError, TypeError) as e:
            self.fail(tree, str(e))

    # ---- sums, products, functions ----------------------------------------------------------------

    def ev_add(self, a, b):
        return v.add(self.ev(a), self.ev(b))

    def ev_sub(self, a, b):
        return v.add(self.ev(a), v.times(mpf(-1), self.ev(b)))

    def ev_neg(self, a):
        return v.times(mpf(-1), self.ev(a))

    def ev_dot(self, a, op, b):
        return v.dot(op, self.ev(a), self.ev(b))

    def ev_slash(self, a, b):
        a, b = self.ev(a), self.ev(b)
        if "0/0" in self.formula.doc.conventions and v.shape(a) == v.shape(b) == () and a == b == 0:
            return mpf(0)
        return v.divide(a, b)

    def ev_frac(self, _, a, b):
        return self.ev_slash(a, b)

    def product(self, a, b):
        if r"0 \log 0" in self.formula.doc.conventions and v.shape(a) == v.shape(b) == () and a == 0 and mpmath.isinf(b):
            return mpf(0)
        return v.times(a, b)

    def ev_braces(self, a):
        if a.data not in ("symbol", "number"):
            self.fail(a, "braces do not show on the page: write parentheses")
        return self.ev(a)

    def ev_number(self, n):
        return mpf(int(n)) if n.isdigit() else mpf(n)

    def ev_sqrt(self, _, a):
        return v.elementwise(v.sqrt, self.ev(a))

    def ev_abs(self, _l, a, _r):
        x = self.ev(a)
        if v.shape(x) == ():
            self.pairs.append((a, None))
        return v.elementwise(abs, x)

    def ev_floor(self, _l, a, _r):
        return v.elementwise(mpmath.floor, self.ev(a))

    @staticmethod
    def norm(x, kind):
        if len(v.shape(x)) != {"2": 1, "F": 2}.get(kind):
            raise ValueError(r"only the norms \|x\|_2 of a vector and \|A\|_F of a matrix")
        return mpmath.sqrt(sum(e * e for e in x.flat))

    def ev_norm(self, _l, a, _r):
        return self.norm(self.ev(a), "2")

    def ev_bare(self, f, x):
        return self.call(f, [self.ev(x)])

    ev_fopen = ev_bare

    def ev_fcall(self, f, args):
        trees = [x for x in args.children if isinstance(x, Tree)]
        if isinstance(f, Token) and len(trees) < 2:
            self.fail(trees[0], f"{f} of one number")
        if isinstance(f, Token):
            self.pairs += list(itertools.combinations(trees, 2))
        return self.call(f, [self.ev(x) for x in trees])

    def call(self, f, xs):
        if isinstance(f, Token):  # \max, \min of a list
            return v.elementwise(max if f == r"\max" else min, *xs)
        name = function_name(f)
        suffix = f.children[1] if len(f.children) > 1 else None
        if name == "diag":
            return v.diag(xs[0])
        if name == "tr":
            return np.trace(xs[0])
        if suffix is not None and suffix.type == "PRIME":
            return v.elementwise(lambda x: derivative(v.FUNCTIONS[name], x), *xs)
        y = v.elementwise(v.FUNCTIONS[name], *xs)
        return y if suffix is None else v.power(y, int(suffix))

    def ev_paren(self, *xs):
        xs = [x for x in xs if isinstance(x, Tree)]
        if len(xs) > 1:
            self.fail(xs[0], "a list in parentheses, but what stands before it is not a known function")
        return self.ev(xs[0])

    def ev_product(self, *factors):
        results, i = [], 0
        while i < len(factors):
            tree, after = factors[i], factors[i + 1] if i + 1 < len(factors) else None
            if i and tree.data == "number":
                self.fail(tree, "a number after a factor")
            s = symbol(tree) if tree.data in ("symbol", "scripted") else None
            f = s and s.name and self.find(s) is None and self.function(s)
            if f:
                results.append(self.apply(s, f, after))
                i += 1
            else:
                results.append(self.ev(tree))
            i += 1
        y = results[-1]  # matrix products are associative: right to left is cheapest
        for x in reversed(results[:-1]):
            y = self.product(x, y)
        return y

    def function(self, s):
        return self.formula.function_named(s.stem.rstrip("'"), self.arguments) if s.label == "" and not s.items else None

    def apply(self, s, f, after):
        r"""The printed function f at what stands in the parentheses after it, with primes and powers: \sigma'(z)^2."""
        group, *powers = after.children if after is not None and after.data == "scripted" else [after]
        if group is None or group.data != "paren":
            self.fail(s.tree, f"the function {s.name} needs its argument in parentheses")
        xs = [self.ev(x) for x in group.children if isinstance(x, Tree)]
        self.used |= set(f.table_sources()[len(xs) :])
        if any(shape_of(p) not in POWERS for p in s.powers):
            self.fail(s.tree, r"f^{-1}(z) reads as the inverse function: write 1 / f(z), or (f(z))^{-1}")
        y = f.apply(xs, self.arguments, s.marks.count("'"), asked_by=self.formula)
        for p in s.powers + powers:
            y = self.script(y, p)
        return y

    # ---- big operators, cases ------------------------------------------------------------------

    def ev_big(self, *parts):
        *ops, bounds, body = parts
        letter, at = self.range(bounds, body)
        terms = []
        for n in at:
            self.index[letter] = n
            terms.append(self.ev(body))
        self.index.pop(letter, None)
        op = str(ops[-1])
        if ops[0] == r"\arg":
            best = (max if op == r"\max" else min)(terms)
            return mpf(at[terms.index(best)])  # the first one on ties
        if op in (r"\max", r"\min"):
            if not terms:
                self.fail(body, f"{op} over an empty range")
            return (max if op == r"\max" else min)(terms)
        total = terms[0] if terms else mpf(op == r"\prod")
        for x in terms[1:]:
            total = v.add(total, x) if op == r"\sum" else total * x
        return total

    def range(self, bounds, body):
        r, upper = bounds.children[0], bounds.children[1] if len(bounds.children) > 1 else None
        letter = str(r if isinstance(r, Token) else r.children[0])
        if letter in self.index:
            self.fail(body, f"the index {letter} is already in use")
        if isinstance(r, Tree) and r.data == "from_":
            if upper is None:
                self.fail(body, "a lower bound without an upper one")
            return letter, range(self.whole(r.children[2]), self.whole(upper) + 1)
        if isinstance(r, Tree) and r.data == "member":
            return letter, [int(x) for x in self.ev(r.children[2]).flat]
        skip = self.whole(r.children[2]) if isinstance(r, Tree) and r.data == "except" else None
        return letter, [n for n in range(1, self.extent(letter, body) + 1) if n != skip]

    def extent(self, letter, *trees):
        """How far an index runs: the length of the axis that it indexes."""
        for t in itertools.chain(*(tree.iter_subtrees() for tree in trees)):
            if t.data == "scripted" and (s := symbol(t)).name and (hit := self.find(s)):
                for axis, item in enumerate(hit[1]):
                    if item.data == "symbol" and name_of(item) == letter:
                        return hit[0].shape[axis]
            elif t.data == "scripted" and s.name and any(plain(i) == letter for i in s.items):
                self.unknown(s)
        self.fail(trees[0], f"no array tells how far the index {letter} runs")

    def ev_cases(self, *rows):
        rows = [r for r in rows if isinstance(r, Tree)]
        hits = []
        for row in rows:
            trees = [c for c in row.children if isinstance(c, Tree)]
            cond = trees[1] if len(trees) > 1 else None
            if (cond is None and not hits) or (cond is not None and self.ev(cond)):
                hits.append(trees[0])
        if len(hits) != 1:
            self.fail(rows[0], f"{len(hits)} rows of cases apply at {self.formula.show(self.arguments)}")
        return self.ev(hits[0])

    def ev_cond(self, *parts):
        self.pairs += list(itertools.pairwise(parts[::2]))
        results = [self.ev(p) for p in parts[::2]]
        ops = [COMPARE[str(op).lstrip("\\").removesuffix("q")] for op in parts[1::2]]
        return all(op(a, b) for op, (a, b) in zip(ops, itertools.pairwise(results), strict=True))

    def ev_matrix(self, *rows):
        rows = [[self.ev(x) for x in r.children if isinstance(x, Tree)] for r in rows if isinstance(r, Tree)]
        if len({len(r) for r in rows}) > 1:
            raise ValueError(f"the rows of the matrix have {', '.join(str(len(r)) for r in rows)} entries")
        if any(v.shape(x) for r in rows for x in r):
            raise ValueError("an entry of the matrix is not a number")
        return self.array([x for r in rows for x in r], (len(rows), len(rows[0])) if len(rows[0]) > 1 else (len(rows),))

    def ev_indicator(self, _, cond):
        return mpf(int(self.ev(cond)))

    def ev_partial(self, *parts):
        self.fail(next(t for t in parts if isinstance(t, Tree)), "a partial derivative can stand on the left side only")

    # ---- symbols ------------------------------------------------------------------------------------

    def ev_symbol(self, tree):
        s = symbol(tree)
        if s.name is None:
            if s.marks or s.label:
                self.fail(tree, "a mark above what is not a symbol")
            if s.base.data == "norm" and s.items:
                y = self.norm(self.ev(s.base.children[1]), plain(s.items[0]))
            else:
                y = self.ev(s.base)
                y = y[self.positions(s.items)] if s.items else y
        else:
            hit = self.find(s)
            if hit is None:
                self.unknown(s)
            y, items = hit
            if items:
                at = self.positions(items)
                if any(not 0 <= a < n for a, n in zip(at, y.shape, strict=False)):
                    self.fail(tree, f"index {tuple(a + 1 for a in at)} is outside the shape {y.shape} of {s.name}")
                y = y[at]
        for p in s.powers:
            y = self.script(y, p)
        return y

    def positions(self, items):
        return tuple(self.whole(i) - 1 for i in items)

    def whole(self, tree):
        """The value of an index or a bound."""
        if tree.data == "symbol" and (s := symbol(tree)).is_letter and s.name in self.index:
            return self.index[s.name]
        x = self.ev(tree)
        if v.shape(x) or x != int(x):
            self.fail(tree, "an index, or the end of a sum, is not a whole number")
        return int(x)

    def unknown(self, s):
        if self.function(s):
            self.fail(s.tree, f"{s.name} is a function: it needs an argument in parentheses")
        known = [b.tex for b in self.formula.table] + [str(k) for k in self.defined] + list(self.index) + sorted(self.dims)
        printed = self.formula.tex[s.tree.meta.start_pos : s.tree.meta.end_pos]
        self.fail(s.tree, f"undeclared symbol {printed}; declared here: {', '.join(known)}")

    def script(self, y, p):
        return v.transpose(y) if p.data == "top" else v.power(y, self.ev(p.children[0]))

    def find(self, s):
        """(value, indices still to apply) of a symbol, or None if nothing of that name is declared."""
        plain = s.is_letter
        if plain and s.name in self.index:
            return mpf(self.index[s.name]), []
        for key, value in self.defined.items():
            if (items := match(key, s)) is not None:
                self.looked_up.add(key)
                return value, items
        for b in self.formula.table:
            if (items := match(b.key, s)) is not None:
                self.used.add(b.source)
                value = self.arguments[b.source]
                return (value + b.shift if b.shift else value), items
        if plain and s.name in self.dims:
            return mpf(self.dims[s.name]), []
        if plain and s.name in ("e", "pi"):
            return (mpmath.e if s.name == "e" else mpmath.pi) + mpf(0), []
        if s.bold and s.name == "I" and not s.items:
            return v.Identity(), []
        if s.bold and s.name == "1" and not s.items:
            self.fail(s.tree, "a vector of ones has no declared length: write the sum")
        return None


def match(key, s):
    """The indices that are left of symbol s when its name is this key; None where it is another symbol."""
    if key.stem != s.stem or key.layer != s.label or key.step != s.step or key.bold != s.bold:
        return None
    others, n = s.others, len(key.labels)
    if s.plain_others[:n] != key.labels:
        return None
    items = others[n:]
    if key.bold:
        return items if len(items) < max(key.axes, 1) else None
    return items if len(items) == key.axes else None
