"""Holds a printed derivative against its parent: against the derivative of its print, and against differences of its code.

``f_grad``, ``f_vjp`` (vector-Jacobian product) and ``f_jvp`` (Jacobian-vector product) belong to ``f``; ``f_grad2``, ``f_hvp``
(Hessian-vector product) and ``f_hessian`` to ``f_grad``. The i-th result of a vector-Jacobian product belongs to the i-th array
of f, and so does the i-th tangent of a Jacobian-vector product.
"""

import mpmath
import numpy as np
from mpmath import mpf
from scipy import differentiate

from dnnbook._docstring import INFINITE
from dnnbook.formula import compare, sample
from dnnbook.formula import values as v
from dnnbook.formula.evaluate import Evaluator, derivative

TOLERANCE_PARENT = 1e-20  # print against the derivative of the parent's print
TOLERANCE_DIFFERENCES = 1e-6  # code against differences of the parent's code
CLEAR = 0.05  # differences of the code stay this far from a kink


def differentiated(formula, parent, kind):
    """The parent's arguments that the results belong to, one for each slot."""
    arrays = [s for s in parent.table_sources() if parent.field(s).kind == "array" and not parent.field(s).integer]
    return arrays[: len(formula.slots)] if kind == "vjp" else arrays[:1]


def contracted(parent, arguments, g):
    """The parent's printed value, or its inner product with a cotangent."""
    arrays = {k: x for k, x in arguments.items() if isinstance(x, np.ndarray)}
    if not parent.pointwise or not arrays:
        value = parent.value(arguments)
        return value if g is None else np.sum(g * value)
    spread = dict(zip(arrays, np.broadcast_arrays(*arrays.values()), strict=True))
    total = mpf(0)
    for at in np.ndindex(next(iter(spread.values())).shape):
        one = {k: (spread[k][at] if k in spread else x) for k, x in arguments.items()}
        total += (1 if g is None else g[at]) * parent.value(one)
    return total


def complete(formula, parent, base):
    """Draw what only the parent takes, such as the bias of a dense layer: the derivative must not depend on it."""
    rng, sizes = np.random.default_rng(5), formula.dimensions(base)
    extra, many = {}, next((x.shape for x in base.values() if isinstance(x, np.ndarray)), ())
    for source in parent.table_sources():
        a = parent.field(source)
        if source not in base and a.kind == "array":
            size = many if parent.pointwise else [int(d) if d.isdigit() else sizes[d] for d in a.shape or ()]
            extra[source] = sample.array(a.domain or INFINITE, rng, size, "normal")
    return base | extra


def moved(formula, parent, base, t):
    """The parent's arguments, t along the tangents: what a Jacobian-vector product takes and its parent does not."""
    tangents = [s for s in formula.table_sources() if s not in parent.by_name]
    arrays = [s for s in parent.table_sources() if parent.field(s).kind == "array"]
    steps = {x: base[x] + t * base[r] for x, r in zip(arrays, tangents, strict=False)}
    return own(parent, base) | steps


def own(parent, arguments):
    return {k: x for k, x in arguments.items() if k in parent.table_sources() or k in parent.by_name}


def cotangent(formula):
    return formula.table_sources()[0]


def against_print(formula, parent, kind, bases):
    """Worst relative error between the print and the derivative of the parent's print, both with 50 digits."""
    worst = 0.0
    with mpmath.workdps(compare.DIGITS):
        for base in bases:
            for one in compare.elements(formula, base)[:6]:
                slots, _ = formula.evaluate(one)
                for sides, want in zip(slots, wanted(formula, parent, kind, one), strict=True):
                    worst = max(worst, *(distance(side, want) for side in sides))
    if worst > TOLERANCE_PARENT:
        raise compare.Mismatch(
            f"{formula.where}: the print is not the derivative of the print of {parent.name} (relative error {worst:.2g})\n"
            f"    {formula.tex}\n    {parent.tex}"
        )
    return worst


def wanted(formula, parent, kind, one):
    """What each slot must be: the parent's print differentiated."""
    if kind == "jvp":
        slots = range(len(formula.slots))
        return [derivative(lambda t, i=i: parent.evaluate(moved(formula, parent, one, t))[0][i][0], mpf(0)) for i in slots]
    given, sources = own(parent, one), differentiated(formula, parent, kind)
    if kind == "jacobian":
        units = v.diag([mpf(1)] * len(one[sources[0]]))
        return [np.stack([slope(parent, given, g, sources[0]) for g in units])]
    g = one[cotangent(formula)] if kind == "vjp" else None
    return [slope(parent, given, g, source) for source in sources]


def slope(parent, arguments, g, source):
    """The derivative of the parent's print with respect to each element of one argument."""
    x = arguments[source]

    def at(index):
        def f(t):
            if index == ():
                return contracted(parent, {**arguments, source: t}, g)
            moved = x.copy()
            moved[index] = t
            return contracted(parent, {**arguments, source: moved}, g)

        return derivative(f, x[index] if index else x)

    if not isinstance(x, np.ndarray):
        return at(())
    return compare.as_array([at(i) for i in np.ndindex(x.shape)]).reshape(x.shape)


def distance(a, b):
    if v.shape(a) != v.shape(b):
        return float("inf")
    a, b = np.ravel(a), np.ravel(b)
    top = max(abs(x) for x in b)
    return float(max(abs(x - y) for x, y in zip(a, b, strict=True)) / (top if top else mpf(1)))


# ---- against the code ---------------------------------------------------------------------------------


def against_code(formula, parent, kind, bases):
    """Worst relative error between the code of the derivative and differences of the parent's code, in float64."""
    test = {"derivative": pointwise, "jvp": along_tangents}.get(kind, directional)
    worst = max((test(formula, parent, kind, base) for base in bases), default=0.0)
    if not worst <= TOLERANCE_DIFFERENCES:
        raise compare.Mismatch(
            f"{formula.where}: the code of {formula.name} is not the derivative of the code of {parent.name} "
            f"(relative error of differences {worst:.2g})\n    {formula.tex}"
        )
    return worst


def pointwise(formula, parent, _, base):
    source = parent.table_sources()[0]
    z, worst = base[source], 0.0
    for i in range(len(z)):
        one = {k: (x[i : i + 1] if isinstance(x, np.ndarray) else x) for k, x in base.items()}
        if near_kink(parent, own(parent, one), source):
            continue

        def f(t, one=one):
            moved = {k: (np.broadcast_to(x, t.shape) if isinstance(x, np.ndarray) else x) for k, x in own(parent, one).items()}
            return compare.call(parent, moved | {source: t})[0]

        found = differentiate.derivative(f, z[i : i + 1], initial_step=CLEAR / 8).df[0]
        have = float(compare.call(formula, one)[0][0])
        worst = max(worst, abs(found - have) / max(abs(have), 1e-3))
    return worst


def near_kink(parent, one, source):
    """Does a comparison in the print tip over within reach of the differences?"""
    signs = []
    for side in (-CLEAR, CLEAR):
        e = Evaluator(parent, compare.elements(parent, one | {source: one[source] + side})[0])
        e.run()
        signs.append([mpmath.sign(e.ev(a) - (e.ev(b) if b is not None else 0)) for a, b in e.pairs])
    return signs[0] != signs[1]


def directional(formula, parent, kind, base):
    rng = np.random.default_rng(7)
    g = base[cotangent(formula)] if kind == "vjp" else None
    worst, results = 0.0, compare.call(formula, base)
    if kind == "jacobian":
        g = rng.normal(size=results[0].shape[:-1])
        results = [np.einsum("...ij,...i->...j", results[0], g)]
    for source, have in zip(differentiated(formula, parent, kind), results, strict=True):
        x, domain = base[source], parent.field(source).domain
        room = 1.0
        if domain is not None:
            room = np.minimum(np.minimum(x - domain.low, domain.high - x), 1.0)
        for _ in range(3):
            u = rng.normal(size=x.shape) * room

            def along(t, source=source, x=x, u=u):
                y = np.asarray(compare.call(parent, own(parent, base) | {source: x + t * u})[0])
                return float(np.sum(y if g is None else g * y))

            found = differentiate.derivative(np.vectorize(along, otypes=[float]), 0.0, initial_step=CLEAR / 8).df
            scale = max(float(np.sum(np.abs(np.asarray(have) * u))), 1e-3)
            worst = max(worst, abs(found - float(np.sum(np.asarray(have) * u))) / scale)
    return worst


def along_tangents(formula, parent, _, base):
    rng, worst = np.random.default_rng(7), 0.0
    for i, have in enumerate(compare.call(formula, base)):
        g = rng.normal(size=np.shape(have))

        def along(t, i=i, g=g):
            return float(np.sum(g * compare.call(parent, moved(formula, parent, base, t))[i]))

        found = differentiate.derivative(np.vectorize(along, otypes=[float]), 0.0, initial_step=CLEAR / 8).df
        worst = max(worst, abs(found - float(np.sum(g * have))) / max(float(np.sum(np.abs(g * have))), 1e-3))
    return worst
