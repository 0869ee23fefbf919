"""Runs the code and the print on the same arguments, and measures how far apart they are."""

import copy
import math

import mpmath
import numpy as np

from dnnbook.formula import values as v

DIGITS = 50
TOLERANCE = 2e-14  # float64: relative error of each element (elementwise functions) or of the whole array (others)
TINY = 2.0**-1022


class Mismatch(AssertionError):
    """The print can be read, and the code computes something else."""


def call(formula, arguments, dtype=np.float64):
    """Run the code on arguments given by source; a list with the value of every slot."""
    args = []
    for p in formula.parameters:
        if p.kind == "other":
            cls = formula.state_class(p)
            args.append(cls(**{f: cast(arguments[f"{p.name}.{f}"], dtype) for f in p.fields}))
        elif p.name in arguments:
            args.append(cast(arguments[p.name], dtype))
        else:
            args.append(formula.default(p.name))
    before = copy.deepcopy(args)
    result = formula.function(*args)
    if not all(map(np.array_equal, leaves(before), leaves(args))):
        raise Mismatch(f"{formula.where}: {formula.name} changes its arguments")
    out = [slot_value(result, slot.path) for slot in formula.slots]
    arrays = any(isinstance(x, np.ndarray) and x.dtype.kind == "f" for x in arguments.values())
    for slot, y in zip(formula.slots, out, strict=True):
        if arrays and not slot.single and np.asarray(y).dtype != dtype:
            raise Mismatch(f"{formula.where}: {slot.tex} is {np.asarray(y).dtype} for arguments of {np.dtype(dtype)}")
    return out


def leaves(args):
    """The arrays and numbers of a call, those of a state one by one."""
    return [e for x in args for e in (x if isinstance(x, tuple) else [x])]


def cast(x, dtype):
    return x.astype(dtype) if isinstance(x, np.ndarray) and x.dtype.kind == "f" else x


def slot_value(result, path):
    for step in path:
        result = getattr(result, step) if isinstance(step, str) else result[step]
    return result


def elements(formula, arguments):
    """The arguments of the print: one set for array formulas, one for each element or row where it speaks about those."""
    split = {k for k, x in arguments.items() if isinstance(x, np.ndarray) and goes_by_item(formula, k)}
    n = max((len(arguments[k]) for k in split), default=1)
    return [{k: exact(x[i] if k in split else x) for k, x in arguments.items()} for i in range(n)]


def goes_by_item(formula, source):
    """Is this array taken apart, element by element or row by row?"""
    return formula.pointwise or (formula.by_row and formula.field(source).lead)


def exact(x):
    if isinstance(x, np.ndarray) and x.dtype.kind in "iu":
        return v.exact(x + 1)  # the print counts from 1
    return x if isinstance(x, str) else v.exact(x)


def printed(formula, arguments, digits):
    """The printed values of every slot, [slot][side] -> object array; and the evaluators, which know what was used."""
    with mpmath.workdps(digits):
        pairs = [formula.evaluate(one) for one in elements(formula, arguments)]
    values, evaluators = [list(x) for x in zip(*pairs, strict=True)]
    if not any(isinstance(x, np.ndarray) and goes_by_item(formula, k) for k, x in arguments.items()):
        return values[0], evaluators
    slots = [list(zip(*(e[s] for e in values), strict=True)) for s in range(len(formula.slots))]
    joined = zip(formula.slots, slots, strict=True)
    return [[x[0] if slot.single else stacked(x) for x in sides] for slot, sides in joined], evaluators


def stacked(values):
    """The values of the elements, or of the rows, as one array."""
    return np.stack(values) if v.shape(values[0]) else as_array(values)


def as_array(values):
    out = np.empty(len(values), dtype=object)
    out[:] = values
    return out


def settled(a, b):
    """Do two precisions of the print agree?"""
    pairs = [
        (x, y)
        for sa, sb in zip(a, b, strict=True)
        for p, q in zip(sa, sb, strict=True)
        for x, y in zip(np.ravel(p), np.ravel(q), strict=True)
    ]
    # a zero may be cancellation, as in e^z - 1 at z = 1e-300, and an infinity the logarithm of one: more digits will tell
    return all((x == y and x != 0 and mpmath.isfinite(x)) or abs(x - y) < mpmath.mpf("1e-25") * abs(y) for x, y in pairs)


def shapes_agree(formula, got, side):
    if np.shape(got) != v.shape(side):
        raise Mismatch(
            f"{formula.where}: the code returns shape {np.shape(got)}, the print has {v.shape(side)}\n    {formula.tex}"
        )


def error(formula, got, side):
    """Relative error of the code: by element for elementwise functions, by the largest element for others."""
    shapes_agree(formula, got, side)
    want, have = np.ravel(side), np.ravel(np.asarray(got, dtype=np.float64))
    if formula.contract.is_elementwise:
        return max((relative(h, w, abs(w)) for h, w in zip(have.tolist(), want, strict=True)), default=0.0)
    top = max((abs(w) for w in want if mpmath.isfinite(w)), default=mpmath.mpf(0))
    return max((relative(h, w, top) for h, w in zip(have.tolist(), want, strict=True)), default=0.0)


def relative(have, want, scale):
    if mpmath.isnan(want):  # the print has no value here, so the code must have none
        return math.inf if math.isfinite(have) else 0.0
    if math.isinf(have) or math.isnan(have):
        beyond = mpmath.isinf(want) or abs(want) > mpmath.mpf(1.7976931348623157e308)
        return 0.0 if beyond and math.isinf(have) and (have > 0) == (want > 0) else math.inf
    if mpmath.isinf(want):
        return math.inf
    return float(abs(have - want) / max(scale, mpmath.mpf(TINY)))


def ulps(formula, got, side, dtype):
    """Error in units in the last place of the exact result (or of its largest element)."""
    want, have = np.ravel(side), np.ravel(np.asarray(got))
    finite = [w for w in want if mpmath.isfinite(w)]
    top = max((abs(w) for w in finite), default=mpmath.mpf(0))
    worst = 0.0
    for h, w in zip(have.tolist(), want, strict=True):
        if mpmath.isnan(w) or mpmath.isinf(w):
            continue
        limit = float(np.finfo(dtype).max)
        if math.isinf(h) or math.isnan(h):
            worst = max(worst, 0.0 if math.isinf(h) and abs(w) >= limit else math.inf)
            continue
        unit = abs(w) if formula.contract.is_elementwise else top
        worst = max(worst, float(abs(h - w) / mpmath.mpf(float(np.spacing(dtype(min(unit, 0.99 * limit)))))))
    return worst


def explain(formula, arguments, got, out, worst, unit="relative"):
    """Where code and print differ most, as a reader would want to see it."""
    lines = [f"{formula.where}: code and print differ by {worst:.2g} ({unit})"]
    for slot, g, sides in zip(formula.slots, got, out, strict=True):
        for side in sides:
            want, have = np.ravel(side), np.ravel(np.asarray(g, dtype=np.float64))
            distances = [relative(h, w, abs(w)) for h, w in zip(have.tolist(), want, strict=True)]
            i = int(np.argmax(distances))
            if distances[i] > TOLERANCE:
                here = arguments
                if formula.pointwise:
                    here = {k: (x[i] if isinstance(x, np.ndarray) else x) for k, x in arguments.items()}
                lines.append(f"    {slot.tex}: the code gives {have[i]:.17g}, the print {mpmath.nstr(want[i], 17)}")
                lines.append(f"    at {formula.show(here)}")
    return "\n".join([*lines, *("    " + line for line in formula.tex.splitlines())])
