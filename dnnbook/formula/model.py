"""The printed formula of a function: its text, its tree, and the table that ties its symbols to the arguments."""

import functools
import importlib
import inspect
import math
from typing import NamedTuple

import numpy as np
from lark import Token, Tree

import dnnbook
from dnnbook import _docstring
from dnnbook.formula import values as v
from dnnbook.formula.evaluate import Evaluator, derivative, match
from dnnbook.formula.grammar import FormulaError, complain, parse
from dnnbook.formula.names import Head, Symbol, bindings, head, is_index, shape_of, text


class Slot(NamedTuple):
    """One returned value: where it stands in the result, and the left side that it must equal."""

    path: tuple  # (), (1,), (1, "m")
    tex: str
    heads: tuple
    shape: tuple[str, ...] | None
    single: bool = False  # one number beside arrays of any shape: a state's step count, or its loss


def free_axes(symbol):
    """On a left side, trailing one-letter subscripts are free indices."""
    n = 0
    for item in reversed(symbol.others):
        if symbol.bold or not is_index(item):
            break
        n += 1
    return n


@functools.cache
def declared_fields(state_class):
    """The Attributes of a state by name."""
    return {a.name: a for a in _docstring.read(state_class).parameters}


class Formula:
    """One numbered equation, printed in the docstring of the function that computes it."""

    def __init__(self, function, label=None, tex=None, module=None):
        self.function, self.name = function, function.__name__
        self.module = module or importlib.import_module(function.__module__)
        self.path = f"{function.__module__}.{self.name}"
        self.doc = _docstring.read(function)
        if not self.doc.equations:
            raise FormulaError(f"{self.path}: the docstring prints no labelled equation (.. math:: with :label:)")
        self.label, printed = next((e for e in self.doc.equations if label in (None, e[0])), self.doc.equations[0])
        self.tex = (tex if tex is not None else printed).strip()
        self.where = location(function, self.label)
        self.contract = function.contract
        self.parameters = self.contract.arguments
        self.by_name = {a.name: a for a in self.parameters}
        self.table = bindings([self.with_fields(a) for a in self.parameters if a.kind != "choice"], self.axes_of, self.where)
        self.functions = {text(parse(s, self.where, "expr")): self.full(path) for s, path in self.doc.uses.items()}
        self.choices = {
            text(parse(a.symbols[0], self.where, "expr")): a.name for a in self.parameters if a.kind == "choice" and a.symbols
        }
        self.tree = parse(self.tex, self.where)
        self.equations = self.read_equations()
        self.unknown = self.read_unknown()
        self.named_on_the_left = set()
        self.slots = self.read_slots()
        self.hold_heads()

    # ---- what the docstring declares -------------------------------------------------------------

    def with_fields(self, a):
        if a.kind == "other" and not a.fields:
            raise FormulaError(f"{self.where}: the type of {a.name} is {a.type!r}: not a number, an array or a described state")
        return a

    def field(self, source):
        """The declared Argument of a source such as "w" or "state.m"."""
        name, _, part = source.partition(".")
        return self.field_of(self.by_name[name], part) if part else self.by_name[name]

    def field_of(self, state, part):
        fields = declared_fields(self.state_class(state))
        if part not in fields:
            raise FormulaError(f"{self.where}: {state.type} has no field {part!r}")
        return fields[part]

    def state_class(self, state):
        return getattr(self.module, state.type.split(",")[0])

    def axes_of(self, source, _argument):
        a = self.field(source)
        return len(a.shape) if a.kind == "array" and a.shape is not None else 0

    def full(self, path):
        return path if "." in path else f"{self.function.__module__}.{path}"

    def table_sources(self):
        return list(dict.fromkeys(b.source for b in self.table))

    @functools.cached_property
    def pointwise(self):
        """Is every array of any shape, so that the print speaks about one element?"""
        return all(self.axes_of(s, None) == 0 for s in self.table_sources())

    @functools.cached_property
    def by_row(self):
        """Do arrays have leading axes of any number, so that the print speaks about one row?"""
        return any(a.lead for a in self.parameters)

    # ---- what is printed -----------------------------------------------------------------------------

    def read_equations(self):
        """[(left side, [left tree, right trees ...])]; definitions after "where" come first."""
        main, definitions, declared, out = [], [], {whole(b.key): b.tex for b in self.table}, []
        dimensions = {d for b in self.table for d in self.field(b.source).shape or ()}
        target = main
        for c in self.leaves(next(c for c in self.tree.children if isinstance(c, Tree))):
            if isinstance(c, Token):
                target = definitions if c.type == "WHERE" else target
                continue
            sides = [x for x in c.children if isinstance(x, Tree)]
            if next(x for x in c.children if getattr(x, "type", "") != "AMP") is sides[0]:
                target.append(sides)
            elif target:
                target[-1] += sides  # a row that begins with "=" continues the one above
            else:
                self.fail(c, "the first line has no left side")
        for sides in definitions + main:
            h = self.head(sides[0])
            if h is None and not self.asks(sides):
                self.fail(sides[0], "the left side is neither a symbol, nor f(z), nor a partial derivative")
            identity = h and (whole(h.key) if h.kind in ("symbol", "square") else h)
            known = declared.get(identity)
            if h is None or (known and self.asks(sides[1:])):
                h = Head("implicit")
            elif known or str(h.key) in dimensions:
                self.fail(sides[0], f"the left side defines {known or h.key}, which has a meaning already")
            else:
                declared[identity] = str(h.key)
            out.append((h, sides))
        return out

    def asks(self, sides):
        """Does the returned symbol stand inside these sides, so that they are an equation to be solved for it?"""
        key = self.returned_key()
        inside = (Symbol(t) for side in sides for t in side.iter_subtrees() if t.data in ("symbol", "scripted"))
        return key is not None and any(match(key, s) is not None for s in inside)

    def returned_key(self):
        """The symbol of the only returned value, or None."""
        symbols = self.doc.returns[0].symbols if len(self.doc.returns) == 1 else ()
        h = self.head(parse(symbols[0], self.where, "expr")) if symbols else None
        return h.key if h and h.kind == "symbol" else None

    def read_unknown(self):
        """The symbol that an implicit equation asks for, or None."""
        kinds = {h.kind for h, _ in self.equations}
        if "implicit" not in kinds:
            return None
        if self.pointwise or self.by_row:
            raise FormulaError(f"{self.where}: an equation to be solved needs arrays of declared shapes, without leading axes")
        if any(h.key == self.returned_key() for h, _ in self.equations):
            raise FormulaError(f"{self.where}: the result has a definition and an equation to be solved\n    {self.tex}")
        return self.returned_key()

    def hold_heads(self):
        """Every line must be returned or needed by one that is; a function on the left must be printed of its arguments."""
        arguments = {shape_of(parse(b.tex, self.where, "expr")): b.source for b in self.table}
        returned = {h for slot in self.slots for h in slot.heads}
        for h, sides in self.equations:
            if h not in returned and h.kind in ("function", "partial"):
                self.fail(sides[0], "the function does not return this left side")
            if h not in returned and h.kind != "implicit" and len(sides) > 2:
                self.fail(sides[2], "a definition on the way has one right side")
            if not all(a in arguments for a in h.arguments):
                self.fail(sides[0], "a function on the left is printed of its declared arguments")
        # g'(z) = 1 speaks about z
        self.named_on_the_left = {arguments[a] for h, _ in self.equations for a in h.arguments}

    def fail(self, tree, message):
        complain(self.tex, tree.meta.start_pos, message, self.where)

    def leaves(self, block):
        for c in block.children:
            if isinstance(c, Tree) and c.data == "block":
                yield from self.leaves(c)
            else:
                yield c

    def head(self, tree):
        try:
            return head(tree, free_axes)
        except ValueError as e:
            self.fail(tree, str(e))

    def letters(self, h, tree):
        """The free indices of a left side."""
        if h.kind in ("function", "implicit"):
            return []
        target = [c for c in tree.children if isinstance(c, Tree)][-1] if h.kind == "partial" else tree
        s = Symbol(target)
        letters = [text(i) for i in s.others[len(s.others) - free_axes(s) :]]
        if len(set(letters)) < len(letters):
            self.fail(tree, "the same index twice on the left side")
        return letters

    # ---- what is returned ------------------------------------------------------------------------------

    def read_slots(self):
        heads, out = [h for h, _ in self.equations], []
        many = len(self.doc.returns) > 1
        for i, r in enumerate(self.doc.returns):
            front = (i,) if many else ()
            for part, tex in (r.fields or {None: None}).items():
                path = front if part is None else (*front, part)
                declared = [tex] if tex else r.symbols
                if not declared:
                    raise FormulaError(f"{self.where}: the first sentence on the returned value must give its printed symbol")
                found = [self.head(parse(d, self.where, "expr")) for d in declared]
                known = tuple(h for h in found if h in heads)
                solved = self.unknown is not None and found[0].key == self.unknown
                if not known and not solved and not (part and self.is_declared(tex)):
                    raise FormulaError(
                        f"{self.where}: the function returns {declared[0]}, but no left side of the print is that"
                    )
                single = part is not None and self.field_of(r, part).kind in ("int", "float")
                out.append(Slot(path, declared[0], known, r.shape, single))
        if not out:
            raise FormulaError(f"{self.where}: the docstring has no Returns section")
        return out

    def is_declared(self, tex):
        s = Symbol(parse(tex, self.where, "expr"))
        return Evaluator(self, {b.source: v.mpf(1) for b in self.table}).find(s) is not None

    def result_shape(self, h):
        return next((s.shape for s in self.slots if h in s.heads), None) if hasattr(self, "slots") else None

    # ---- evaluation --------------------------------------------------------------------------------------

    def dimensions(self, arguments):
        """The sizes that the dimension letters of the declared shapes have for these arguments."""
        out = {}
        for source in self.table_sources():
            a = self.field(source)
            inner = v.shape(arguments.get(source))[-len(a.shape) :] if a.shape else ()  # without leading axes
            for letter, n in zip(a.shape or (), inner, strict=False):
                out |= {letter: n} if letter.isalpha() else {}
        return out

    def evaluate(self, arguments):
        """The printed value of every slot: a list over slots of lists over right sides; and the evaluator."""
        e = Evaluator(self, arguments)
        results = dict(e.run())
        needed = e.looked_up | {h.key for slot in self.slots for h in slot.heads}
        for h, sides in self.equations:
            if h.kind in ("symbol", "square") and h.key not in needed:
                self.fail(sides[0], f"{h.key} is defined, but nothing needs it")
        out = []
        for slot in self.slots:
            sides = [x for h in slot.heads for x in results[h]]
            out.append(sides or [e.ev(parse(slot.tex, self.where, "expr"))])
        return out, e

    def value(self, arguments):
        """The printed value of the first returned quantity."""
        return self.evaluate(arguments)[0][0][0]

    def function_named(self, name, arguments):
        """The formula that a symbol stands for, or None: declared by "Here ... is :func:`...`", or chosen by an argument."""
        if name in self.choices:
            return load(f"dnnbook.activations.{arguments[self.choices[name]]}")
        return load(self.functions[name]) if name in self.functions else None

    def apply(self, xs, caller, primes=0, asked_by=None):
        """This formula as a function inside another print: xs for its first arguments, the rest by name from the caller."""
        if primes and (printed := printed_derivative(self.path)):
            if asked_by is not None and printed.path == asked_by.path:
                raise ValueError("the print uses the derivative that it defines")
            return printed.apply(xs, caller, primes - 1)
        names = self.table_sources()
        if len(xs) > len(names):
            raise ValueError(f"{self.name} takes {', '.join(names)}")
        rest = {n: caller[n] if n in caller else v.exact(self.default(n)) for n in names[len(xs) :]}

        def at(*values):
            return self.value({**rest, **dict(zip(names, values, strict=False))})

        def f(*values):
            return derivative(lambda x: at(x, *values[1:]), values[0], primes)

        return v.elementwise(f, *xs) if self.pointwise else f(*xs)

    def default(self, name):
        value = self.contract.signature.parameters[name].default
        if value is inspect.Parameter.empty:
            raise ValueError(f"{self.name} needs a value for {name}")
        return value

    def show(self, arguments):
        """Arguments as a reader would type them."""
        return ", ".join(f"{k}={show(x)}" for k, x in arguments.items())


def whole(key):
    """The identity of a symbol, told apart from others: a bold one is the same with any number of axes."""
    return key._replace(axes=0) if key is not None and key.bold else key


def show(x):
    if isinstance(x, np.ndarray):
        return "[" + ", ".join(map(show, x.tolist() if x.dtype != object else list(x))) + "]"
    if isinstance(x, list):
        return "[" + ", ".join(map(show, x)) + "]"
    return str(x) if isinstance(x, (str, int, np.integer)) else f"{float(x):.6g}" if not math.isinf(x) else str(x)


def location(function, label):
    """file:line of the equation, the file relative to the package."""
    body = inspect.unwrap(function)
    code = body.__code__
    before, package, file = code.co_filename.replace("\\", "/").rpartition("/dnnbook/")
    line = code.co_firstlineno
    try:
        lines = inspect.getsourcelines(body)[0]
        line += next((i for i, t in enumerate(lines) if f":label: {label}" in t), 0)
    except OSError:
        pass  # built from text, as in the tests
    return f"{package.strip('/')}/{file}:{line}" if before else f"{file.rpartition('/')[2]}:{line}"


@functools.cache
def load(path, label=None):
    """The formula that a function of the package prints."""
    module, _, name = path.rpartition(".")
    return Formula(getattr(importlib.import_module(module), name), label)


@functools.cache
def printed_derivative(path):
    """The formula of f_grad where f is elementwise and the package prints it."""
    module, _, name = path.rpartition(".")
    f = getattr(importlib.import_module(module), f"{name}_grad", None)
    return load(f"{path}_grad") if f is not None and _docstring.read(f).equations else None


def discover():
    """(path, label) of every printed equation of the public functions, in the order of the package."""
    out = []
    for name in dnnbook.__all__:
        module = importlib.import_module(f"dnnbook.{name}")
        for public in getattr(module, "__all__", ()):
            f = getattr(module, public)
            if inspect.isfunction(f) and hasattr(f, "contract") and f.__module__ == module.__name__:
                out += [(f"{module.__name__}.{public}", label) for label, _ in _docstring.read(f).equations]
    return out
