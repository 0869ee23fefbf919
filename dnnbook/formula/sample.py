"""Draws arguments from the whole domain that a docstring declares: ordinary, tiny, huge, at the ends, with ties."""

import inspect
import math
from typing import NamedTuple

import numpy as np

from dnnbook import _docstring

STYLES = ("normal", "small", "large", "ties", "normal", "ones", "huge", "wide")
GRID = np.linspace(-10.0, 10.0, 81)  # a threshold in the code that the print does not have shows between two of these
ROWS = 3  # rows of a leading axis, each held against the print by itself
SCALE = {"normal": 2.0, "small": 1e-3, "large": 40.0, "huge": 800.0, "ones": 2.0, "wide": 2.0}


class Draw(NamedTuple):
    """One set of arguments, by source ("w", "state.m")."""

    style: str
    arguments: dict


def draws(formula, rng, trials):
    """Sets of arguments for one formula. Those not called "extreme" are float32 numbers: both precisions see the same."""
    sizes = {}
    for i in range(trials):
        style = STYLES[i % len(STYLES)]
        sizes = pick_sizes(formula, rng, style)
        scalars = "default" if i == 0 else "ends" if i % 4 == 3 else "random"
        yield Draw(style, arguments(formula, rng, style, sizes, scalars))
        if formula.contract.is_elementwise:
            yield Draw("extreme", arguments(formula, rng, "extreme", sizes, scalars))
        if formula.pointwise and i < 2:
            yield Draw("grid", arguments(formula, rng, "grid", sizes, scalars))


def pick_sizes(formula, rng, style):
    """A length for each dimension letter: all different, so that a swapped index shows; or all 1."""
    letters = []
    for source in formula.table_sources():
        letters += [d for d in formula.field(source).shape or () if d.isalpha() and d not in letters]
    lengths = rng.permutation(np.arange(2, 3 + len(letters)))
    sizes = {d: 1 if style == "ones" else int(n) for d, n in zip(letters, lengths, strict=False)}
    if style == "wide" and letters:  # one axis longer than any block of a loop
        sizes[str(rng.choice(letters))] = 37
    return sizes


def arguments(formula, rng, style, sizes, scalars):
    out, points = {}, len(GRID) if style == "grid" else 12
    for source in formula.table_sources():
        a = formula.field(source)
        if a.kind == "array" and a.integer:
            top = sizes[a.below] if a.below else 4
            out[source] = rng.integers(top, size=[int(d) if d.isdigit() else sizes[d] for d in a.shape])
        elif a.kind == "array":
            size = points if a.shape is None else [*[ROWS] * a.lead, *[int(d) if d.isdigit() else sizes[d] for d in a.shape]]
            out[source] = array(a.domain or _docstring.INFINITE, rng, size, style)
        elif a.kind == "int":
            low = int(a.domain.low) if a.domain and math.isfinite(a.domain.low) else 0
            out[source] = low + int(rng.choice([0, 1, rng.integers(2, 12), rng.integers(12, 3000)]))
        else:
            out[source] = scalar(formula, source, a.domain or _docstring.INFINITE, rng, scalars)
    for name in formula.choices.values():
        out[name] = str(rng.choice(formula.by_name[name].choices))
    return out


def scalar(formula, source, domain, rng, how):
    default = formula.contract.signature.parameters.get(source)
    if how == "default" and default is not None and default.default is not inspect.Parameter.empty:
        return float(default.default)
    ends = [e for e, closed in ((domain.low, domain.has_low), (domain.high, domain.has_high)) if closed]
    if how == "ends" and ends and rng.random() < 0.6:
        return float(rng.choice(ends))
    if math.isinf(domain.low) and math.isinf(domain.high):
        return float(np.float32(rng.normal(0, 2000 if how == "ends" else 2)))
    if math.isinf(domain.high):
        return float(np.float32(domain.low + 10 ** rng.uniform(-2, 4 if how == "ends" else 1)))
    return float(
        np.float32(rng.uniform(domain.low + 0.05 * (domain.high - domain.low), domain.high - 0.05 * (domain.high - domain.low)))
    )


def array(domain, rng, size, style):
    """Numbers inside an interval."""
    finite = math.isfinite(domain.low) and math.isfinite(domain.high)
    if finite:
        x = rng.uniform(domain.low, domain.high, size)
        if style in ("extreme", "ties"):  # at and near the ends
            near = np.where((rng.random(size) < 0.5) | (style == "ties"), 0.0, 10.0 ** rng.uniform(-12, -1, size))
            x = np.where(rng.random(size) < 0.5, domain.low + near, domain.high - near)
    elif style == "extreme":
        x = rng.choice([-1.0, 1.0], size) * 10.0 ** rng.uniform(-300, 300, size)
    elif style == "ties":
        x = rng.integers(-1, 2, size).astype(float)
    elif style == "grid":
        x = rng.permutation(GRID)
    else:
        x = rng.normal(0, SCALE[style], size)
    if not finite and math.isfinite(domain.low):
        x = domain.low + np.abs(x - (0 if style == "extreme" else domain.low))
    if style != "extreme":
        x = x.astype(np.float32).astype(np.float64)
    return inside(x, domain)


def inside(x, domain):
    """Move what rounding, or an open end, has put outside."""
    low, high = np.float32(domain.low), np.float32(domain.high)
    if math.isfinite(domain.low):
        x = np.maximum(x, float(low if domain.has_low else np.nextafter(low, np.float32(np.inf))))
    if math.isfinite(domain.high):
        x = np.minimum(x, float(high if domain.has_high else np.nextafter(high, np.float32(-np.inf))))
    return x


def at_points(formula, base, source, values):
    """`base` with one pointwise array replaced by the given values and everything else held at its first element."""
    n = len(values)
    out = {k: (np.full(n, x[0]) if isinstance(x, np.ndarray) and formula.axes_of(k, None) == 0 else x) for k, x in base.items()}
    return out | {source: np.array(values, dtype=float)}
