"""Plants a fault in a print, or in the code of a module that then runs uncompiled, and says whether the checker sees it."""

import importlib
import re
import sys
import types
from pathlib import Path
from unittest import mock

import numpy as np
import pytest

from dnnbook.formula import FormulaError, Mismatch, checks
from dnnbook.formula.model import Formula, load

CAUGHT = (Mismatch, FormulaError, ValueError, IndexError, TypeError, ZeroDivisionError)
TRIALS = 8


def caught(formula_of):
    """Run the checks on what `formula_of()` returns; the message of what was caught, or None for a survivor."""
    try:
        with np.errstate(all="ignore"):
            checks.run(formula_of(), trials=TRIALS)
    except CAUGHT as e:
        return f"{type(e).__name__}: {e}"
    return None


def name(fault):
    return f"{fault[0]}: {fault[1]} -> {fault[2]}"


def suite(prints, code, both=(), not_seen=(), more=()):
    """The tests of lists of faults: a module takes them with ``globals().update(mutants.suite(PRINTS, CODE))``.

    `more` are faults that the module tests itself: they only count as faults that must differ from all others.
    """

    @pytest.mark.parametrize("fault", prints, ids=name)
    def test_fault_in_a_print_is_caught(fault):
        assert caught(in_print(*fault)), f"{name(fault)} was not seen"

    @pytest.mark.parametrize("fault", code, ids=name)
    def test_fault_in_code_is_caught(fault):
        assert caught(in_code(*fault)), f"{name(fault)} was not seen"

    @pytest.mark.parametrize("path", sorted({fault[0] for fault in code}))
    def test_code_without_a_fault_passes_uncompiled(path):
        """The control: what catches the faults is the fault, not the running without compiler."""
        assert caught(in_code(path, "return", "return")) is None

    @pytest.mark.parametrize("fault", both, ids=name)
    def test_the_parent_tells_where_print_and_code_agree_on_a_fault(fault):
        assert "is not the derivative of the print of" in caught(in_both(*fault))

    @pytest.mark.parametrize(("planter", "fault", "reason"), not_seen, ids=[name(fault) for _, fault, _ in not_seen])
    def test_fault_that_cannot_be_seen(planter, fault, reason):
        assert reason
        assert caught(planter(*fault)) is None

    def test_there_are_enough_faults():
        every = [tuple(f) for f in [*prints, *code, *both, *more]]
        assert len(prints) >= 30
        assert len(code) >= 30
        assert len(set(every)) == len(every)

    tests = [test_fault_in_a_print_is_caught, test_fault_in_code_is_caught, test_code_without_a_fault_passes_uncompiled]
    tests += [test_the_parent_tells_where_print_and_code_agree_on_a_fault] if both else []
    tests += [test_fault_that_cannot_be_seen] if not_seen else []
    return {f.__name__: f for f in [*tests, test_there_are_enough_faults]}


def replaced(text, old, new, which=0):
    """`text` with one occurrence replaced; an error if it is not there, so that no fault is planted in nothing."""
    places = [m.start() for m in re.finditer(re.escape(old), text)]
    if len(places) <= which:
        raise LookupError(f"{old!r} does not occur {which + 1} times in {text!r}")
    at = places[which]
    return text[:at] + new + text[at + len(old) :]


def in_print(path, old, new, which=0):
    f = load(f"dnnbook.{path}")
    return lambda: Formula(f.function, f.label, replaced(f.tex, old, new, which))


# ---- code, uncompiled ---------------------------------------------------------------------------------------------------


def uncompiled(*args, **options):
    return args[0] if args else lambda body: body


NUMBA = types.SimpleNamespace(njit=uncompiled)


def like_math(f):
    """A function of NumPy that gives a Python float for one, as math does, but infinities where math would raise."""
    return lambda x: float(f(x)) if type(x) in (float, int) else f(x)


NAMES = ("exp", "expm1", "log", "log1p", "tanh", "sqrt", "sin", "cos")
MATH = types.SimpleNamespace(**{n: like_math(getattr(np, n)) for n in NAMES})
MATH.inf, MATH.nan, MATH.pi = np.inf, np.nan, np.pi


def run_source(name, text):
    """Execute the source of a module of the package with nothing compiled."""
    module = types.ModuleType(name)
    module.__file__ = importlib.import_module(name).__file__
    with mock.patch.dict(sys.modules, {"numba": NUMBA, "math": MATH}):
        exec(compile(text, module.__file__, "exec"), module.__dict__)
    return module


def source(name):
    return Path(importlib.import_module(name).__file__).read_text("utf-8")


def body_of(text, name):
    """(start, end) of the code of one function, its docstring left out."""
    start = re.search(rf"^def {name}\(", text, re.M).start()
    end = re.compile(r"^\S", re.M).search(text, text.index("\n", start) + 1)
    end = end.start() if end else len(text)
    doc = text.find('"""', start, end)
    return (text.index('"""', doc + 3) + 3 if doc >= 0 else start), end


def in_code(path, old, new, which=0, inside=None):
    """The formula of `path` with a fault planted in its body, or in the helper `inside` of the same module."""
    function = path.rpartition(".")[2]
    name = load(f"dnnbook.{path}").contract.body.__module__  # of a package, the room
    text = source(name)
    start, end = body_of(text, inside or function)
    text = text[:start] + replaced(text[start:end], old, new, which) + text[end:]
    return lambda: from_text(name, function, text)


def from_text(name, function, text):
    real = importlib.import_module("dnnbook._jit")
    plain = {}
    for below in ("dnnbook._jit", "dnnbook._rows", "dnnbook.activations"):  # each uses those before, and modules use these
        if below != name:
            with mock.patch.dict(sys.modules, plain):
                plain[below] = run_source(below, source(below))
    with mock.patch.dict(sys.modules, plain):
        module = run_source(name, text)
    assert real is sys.modules["dnnbook._jit"]
    return Formula(getattr(module, function), module=module)


def in_both(path, old, new, code, new_code, inside=None):
    """The formula of `path` with a fault in its print and one in its body, or in the helper `inside`."""

    def formula():
        function = path.rpartition(".")[2]
        room = load(f"dnnbook.{path}").contract.body.__module__
        text = source(room)
        start, end = body_of(text, inside or function)
        text = text[:start] + replaced(text[start:end], code, new_code) + text[end:]
        at = text.index(f":label: {function.replace('_', '-')}\n")
        return from_text(room, function, text[:at] + replaced(text[at:], old, new))

    return formula
