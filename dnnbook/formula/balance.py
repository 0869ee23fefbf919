"""Equations to be solved: the code's solution is put into the print, and the two sides must balance."""

import math

import mpmath
import numpy as np
from lark import Token

from dnnbook.formula import values as v
from dnnbook.formula.compare import DIGITS, TOLERANCE, Mismatch, call, exact
from dnnbook.formula.evaluate import Evaluator
from dnnbook.formula.names import function_name


def compare(formula, draw, report, used, most_ulp32):
    """The code's solution put into the printed equation, in float64 and float32."""
    report.points += 1
    try:
        results = {dtype: call(formula, draw.arguments, dtype)[0] for dtype in (np.float64, np.float32)}
    except np.linalg.LinAlgError:  # no solution, or not a single one
        report.undefined += 1
        return
    gaps = {}
    for dtype, got in results.items():
        gaps[dtype], evaluator = imbalance(formula, draw.arguments, got)
        used |= evaluator.used
    ulp = {dtype: gap / float(np.finfo(dtype).eps) for dtype, gap in gaps.items()}
    report.error_print = max(report.error_print, gaps[np.float64])
    report.ulp64, report.ulp32 = max(report.ulp64, ulp[np.float64]), max(report.ulp32, ulp[np.float32])
    if gaps[np.float64] > TOLERANCE or ulp[np.float32] > most_ulp32:
        raise Mismatch(
            f"{formula.where}: the code's {formula.slots[0].tex} does not solve the printed equation: its sides differ by "
            f"{gaps[np.float64]:.2g} of the size of their terms (float32: {gaps[np.float32]:.2g})\n"
            f"    at {formula.show(draw.arguments)}\n    {formula.tex}"
        )


def imbalance(formula, arguments, got):
    """An equation to be solved, with the code's result put in: the gap between its sides relative to the size of its terms.

    A method that is stable closes the gap up to round-off, however badly conditioned the equation is.
    """
    with mpmath.workdps(DIGITS):
        known, result = {k: exact(x) for k, x in arguments.items()}, exact(np.float64(got))
        evaluator = Evaluator(formula, known, result)
        sizes = Magnitude(formula, known, result).run()
        worst = mpmath.mpf(0)
        for (h, (left, *rights)), (_, terms) in zip(evaluator.run(), sizes, strict=True):
            for right in rights if h.kind == "implicit" else ():
                if not v.shape(left) == v.shape(right) == np.shape(got):
                    shapes = f"{v.shape(left)} and {v.shape(right)}, the unknown has {np.shape(got)}"
                    raise Mismatch(f"{formula.where}: the sides have shapes {shapes}\n    {formula.tex}")
                gap = max(abs(x) for x in np.ravel(left - right))
                top = max(x for side in terms for x in np.ravel(side))
                worst = max(worst, gap / top if top else gap)
        return (float(worst) if np.isfinite(got).all() else math.inf), evaluator


class Magnitude(Evaluator):
    """The size of the terms: every number positive, every difference a sum. The scale to judge an equation's balance by."""

    def __init__(self, formula, arguments, solution):
        positive = {k: v.elementwise(abs, x) for k, x in arguments.items()}
        super().__init__(formula, positive, v.elementwise(abs, solution))

    def ev_sub(self, a, b):
        return self.ev_add(a, b)

    def ev_neg(self, a):
        return self.ev(a)

    def call(self, f, xs):
        if isinstance(f, Token) or function_name(f) not in ("diag", "tr"):
            raise ValueError("an equation to be solved has sums, products and powers only")
        return super().call(f, xs)

    def script(self, y, p):
        if p.data != "top" and len(v.shape(y)) == 2:
            raise ValueError("an equation to be solved has no inverse matrix")
        return super().script(y, p)
