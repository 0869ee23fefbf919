"""Holds a printed formula against the code, and a printed derivative against its parent: in print and in code."""

import dataclasses
import math

import mpmath
import numpy as np

from dnnbook._docstring import INFINITE
from dnnbook.formula import balance, parents, sample
from dnnbook.formula import values as v
from dnnbook.formula.compare import (
    DIGITS,
    TOLERANCE,
    Mismatch,
    call,
    elements,
    error,
    exact,
    explain,
    printed,
    settled,
    ulps,
)
from dnnbook.formula.evaluate import Evaluator
from dnnbook.formula.model import Formula, load

GOOD = 2.0**-51  # so close that the print need not be evaluated with more digits
TOLERANCE_ULP32 = {True: 4.0, False: 16.0}  # float32: elementwise functions; others, in units of the largest element


@dataclasses.dataclass
class Report:
    """What one formula's checks found; the worst error of each kind."""

    path: str
    label: str
    tex: str
    kind: str
    parent: str | None
    points: int = 0
    undefined: int = 0  # points where the print has no value, such as 0 log 0
    error_print: float = 0.0
    error_parent: float | None = None
    error_differences: float | None = None
    ulp64: float = 0.0
    ulp32: float = 0.0
    passed: bool = True
    message: str = ""
    names: list = dataclasses.field(default_factory=list)
    sources: list = dataclasses.field(default_factory=list)
    limits: list = dataclasses.field(default_factory=list)


def check(function, tex=None, label=None, trials=12, seed=0):
    """Check the print of one function; raises :class:`Mismatch` or :class:`FormulaError` where it fails.

    Parameters
    ----------
    function : str or callable
        The function or its path, such as ``"dnnbook.activations.relu"``.
    tex : str, optional
        Another print to hold the code against, instead of the docstring's own.
    label : str, optional
        Which of the docstring's equations; the first one by default.
    trials : int
        How many sets of arguments to draw.
    seed : int
        Seed of the draws.

    Returns
    -------
    Report
        Worst errors found.

    Examples
    --------
    >>> check("dnnbook.activations.sigmoid").passed
    True
    """
    if tex is None and isinstance(function, str):
        formula = load(function, label)
    else:
        formula = Formula(load(function).function if isinstance(function, str) else function, label, tex)
    return run(formula, trials, seed)


def run(formula, trials=12, seed=0):
    """All checks of one formula."""
    kind, parent = relation(formula)
    report = Report(formula.path, formula.label, formula.tex, kind, parent and parent.path)
    report.names = [[b.tex, f"{b.source} + {b.shift}" if b.shift else b.source] for b in formula.table]
    report.names += [[s, p] for s, p in {**formula.doc.uses, **{s: f"by {n}" for s, n in formula.choices.items()}}.items()]
    report.sources = list(formula.doc.sources)
    rng = np.random.default_rng(seed)
    used, pairs, bases = set(), {}, []
    for draw in sample.draws(formula, rng, trials):
        compare(formula, draw, report, used, pairs)
        if draw.style == "normal":
            bases.append(draw.arguments)
    if unused := [s for s in formula.table_sources() if s not in used]:
        raise Mismatch(f"{formula.where}: the print does not use the argument {', '.join(unused)}\n    {formula.tex}")
    if formula.pointwise:
        for draw in kinks(formula, bases[:3], pairs):
            compare(formula, draw, report, used, {})
    if report.undefined > report.points // 2:
        raise Mismatch(
            f"{formula.where}: the print has no value at {report.undefined} of {report.points} points\n    {formula.tex}"
        )
    if parent:
        bases = [parents.complete(formula, parent, base) for base in bases]
        report.error_parent = parents.against_print(formula, parent, kind, bases)
        report.error_differences = parents.against_code(formula, parent, kind, bases)
    return report


RELATIONS = {  # suffix of a name: how it is derived, and the suffix of what it is derived from
    "grad": ("gradient", ""),
    "grad2": ("gradient", "_grad"),
    "vjp": ("vjp", ""),
    "jvp": ("jvp", ""),
    "hvp": ("vjp", "_grad"),  # a Hessian is symmetric
    "hessian": ("jacobian", "_grad"),
}


def relation(formula):
    """("derivative", the formula it differentiates), or ("definition", "step" or "equation", None)."""
    stem, _, suffix = formula.path.rpartition("_")
    if suffix not in RELATIONS:
        step = any("." in s for s in formula.table_sources())
        return ("step" if step else "equation" if formula.unknown is not None else "definition"), None
    kind, of = RELATIONS[suffix]
    parent = load(stem + of)
    return ("derivative" if kind == "gradient" and parent.pointwise else kind), parent


def compare(formula, draw, report, used, pairs):
    """Print against code at one set of arguments, in float64 and float32."""
    if formula.unknown is not None:
        return balance.compare(formula, draw, report, used, TOLERANCE_ULP32[False])
    got = call(formula, draw.arguments)
    digits, previous = DIGITS, None
    while True:  # more digits until the print itself is exact enough to judge by
        out, evaluators = printed(formula, draw.arguments, digits)
        errors = [[error(formula, g, side) for side in sides] for g, sides in zip(got, out, strict=True)]
        worst = max(e for sides in errors for e in sides)
        if worst <= GOOD or digits >= 1600 or (previous is not None and settled(previous, out)):
            break
        digits, previous = 2 * digits, out
    used |= {name for e in evaluators for name in e.used}
    pairs |= dict.fromkeys(pair for e in evaluators for pair in e.pairs)
    flat = [(g, side) for g, sides in zip(got, out, strict=True) for side in sides]
    report.points += sum(np.size(g) for g, _ in flat)
    report.undefined += sum(int(mpmath.isnan(x)) for _, side in flat for x in np.ravel(side))
    report.error_print = max(report.error_print, worst)
    if worst > TOLERANCE:
        raise Mismatch(explain(formula, draw.arguments, got, out, worst))
    report.ulp64 = max(report.ulp64, *(ulps(formula, g, side, np.float64) for g, side in flat))
    if draw.style not in (("extreme",) if formula.contract.is_elementwise else ("extreme", "large")):
        flat32 = zip(call(formula, draw.arguments, np.float32), out, strict=True)
        ulp = max(ulps(formula, g, side, np.float32) for g, sides in flat32 for side in sides)
        report.ulp32 = max(report.ulp32, ulp)
        if ulp > TOLERANCE_ULP32[formula.contract.is_elementwise]:
            raise Mismatch(explain(formula, draw.arguments, call(formula, draw.arguments, np.float32), out, ulp, "float32 ULP"))


# ---- kinks -----------------------------------------------------------------------------------------------


def kinks(formula, bases, pairs):
    """Arguments exactly at, just below and just above every point where a comparison in the print tips over."""
    for base in bases:
        tiny = {k: sample.inside(base[k] * 1e-200, formula.field(k).domain or INFINITE) for k in compared(formula, base, pairs)}
        if tiny:
            yield sample.Draw("extreme", base | tiny)  # a product of these is 0 in float64, and has lost its sign
        for source in formula.table_sources():
            x = base.get(source)
            if not isinstance(x, np.ndarray | float):
                continue
            values = {0.0} if isinstance(x, np.ndarray) else set()
            for pair in pairs:
                values |= roots(formula, base, source, pair)
            near = {f(x) for x in values for f in (float, lambda x: np.nextafter(x, 9e9), lambda x: np.nextafter(x, -9e9))}
            domain = formula.field(source).domain
            near = sorted(x for x in near if domain is None or x in domain)
            if isinstance(x, float):
                yield from (sample.Draw("extreme", base | {source: float(value)}) for value in near)
            elif near:
                yield sample.Draw("extreme", sample.at_points(formula, base, source, near))


def compared(formula, base, pairs):
    """The arrays that the comparisons in the print depend on."""
    e = Evaluator(formula, elements(formula, base)[0])
    e.run()
    e.used.clear()
    for side in {side for pair in pairs for side in pair if side is not None}:
        e.ev(side)
    return [k for k in e.used if isinstance(base[k], np.ndarray)]


def roots(formula, base, source, pair):
    """Floats where the two sides of a comparison are equal, found by bisection between sampled points."""
    one = {k: exact(x[0] if isinstance(x, np.ndarray) else x) for k, x in base.items()}

    def gap(x):
        e = Evaluator(formula, one | {source: v.exact(x)})
        a, b = pair
        return e.ev(a) - (e.ev(b) if b is not None else 0)

    grid = np.unique([-50.0, *np.ravel(base[source]).tolist(), 50.0])
    try:
        gaps = [gap(x) for x in grid]
    except Exception:  # the comparison stands inside a sum or needs an index: not a kink of one number
        return set()
    found = set()
    for i in range(len(grid) - 1):
        a, b = float(grid[i]), float(grid[i + 1])
        if gaps[i] * gaps[i + 1] > 0:
            continue
        for _ in range(1100):
            m = 0.0 if a < 0 < b else 0.5 * (a + b)  # most kinks are at 0, and by halves it takes a thousand steps there
            if m in (a, b):
                break
            at = gap(m) * gaps[i]
            below = math.nextafter(m, -math.inf)
            if at == 0 and gap(below) * gaps[i] > 0:
                a, b = below, m
                break
            a, b = (m, b) if at > 0 else (a, m)
        found |= {a, b}
    return found
