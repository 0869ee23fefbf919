"""Every float32 number: activations of one number in float32 against float64, over all 2^32 inputs.

The float64 function is the reference; samples hold it against the print first. The elementary functions that have no print
(:mod:`dnnbook._elementary`) are held against those of NumPy. The results are kept in ``every32.json`` beside this file, each
with a hash of the code that it speaks about: where that has changed, the result is stale.
"""

import ast
import datetime
import functools
import hashlib
import inspect
import json
import math
import multiprocessing
import os
import subprocess
import textwrap
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
from tqdm import tqdm

from dnnbook import _elementary, _jit, activations
from dnnbook.formula import compare, files
from dnnbook.formula.model import load

FILE = Path(__file__).with_suffix(".json")
INPUTS = 2**32
TASK, BLOCK = 2**24, 2**18  # inputs of one job, and of one call
ELEMENTARY = {"exp": np.exp, "expm1": np.expm1, "log1p": np.log1p}
STRAIGHT = {"linear", "relu", "absolute_relu", "leaky_relu", "relu6"}  # made of straight pieces: rounded correctly
MOST_ULP = 2.0
SAMPLES = 600
SATURATED, DIGITS = 150.0, 250  # beyond, an exponential is below the smallest float32; within, so many digits are plenty
REFERENCE = 1e-3  # the float64 function is this close to the print, in ULP of float32


def names():
    """Activations, and their derivatives, that take one array; and elementary functions."""

    def one_array(f):
        arrays = [a.kind == "array" for a in f.contract.arguments] if hasattr(f, "contract") else []
        return sum(arrays) == 1 and f.contract.is_elementwise

    return [n for n in activations.__all__ if one_array(getattr(activations, n))] + list(ELEMENTARY)


def is_straight(name):
    return name.removesuffix("_grad") in STRAIGHT


# ---- measuring ------------------------------------------------------------------------------------------


# One over the unit in the last place of float32, by the exponent bits of a float64
PER_UNIT = 2.0 ** -np.clip(np.arange(2048.0) - 1022 - 24, -149, 104)
EXPONENT = np.int64(2047)


@_jit.kernel
def furthest(got, exact):
    """The largest error in units in the last place of float32, and where it is.

    NaN and infinities must be the same, and a zero must have the sign of the exact result. Beyond the range of float32
    everything counts as 2^128, the first number that is not in it.
    """
    worst, at, beyond = -1.0, 0, 2.0**128
    bits = exact.view(np.int64)
    for i in range(len(exact)):
        g, e = np.float64(got[i]), exact[i]
        if g == e and g != 0:
            error = 0.0
        elif math.isnan(g) or math.isnan(e):
            error = 0.0 if math.isnan(g) and math.isnan(e) else math.inf
        elif math.isinf(e) or (g == 0 and math.copysign(1.0, g) != math.copysign(1.0, e)):
            error = math.inf
        else:
            g, e = min(max(g, -beyond), beyond), min(max(e, -beyond), beyond)
            error = abs(g - e) * PER_UNIT[(bits[i] >> 52) & EXPONENT]
        if error > worst:
            worst, at = error, i
    return worst, at


@_jit.kernel
def first_unequal(got, exact):
    """The first place where the result is not the exact one rounded to float32, or -1."""
    for i in range(len(exact)):
        g, e = got[i], np.float32(exact[i])
        if g != e and not (math.isnan(g) and math.isnan(e)):
            return i
    return -1


def numbers(name, kind):
    """The defaults of the arguments that are no arrays, as the float32 function sees them."""
    contract = getattr(activations, name).contract
    return [kind(np.float32(contract.defaults[a.name])) for a in contract.arguments if a.kind == "float"]


def inputs(start, stop, step):
    return np.arange(start, stop, step, dtype=np.uint64).astype(np.uint32).view(np.float32)


@functools.cache
def elementary(name):
    """One of the elementary functions, for arrays."""
    return _jit.Loops(getattr(_elementary, name).py_func)


def functions(name):
    """What is tried with float32 numbers, and what with the same numbers in float64."""
    if name in ELEMENTARY:
        return elementary(name), ELEMENTARY[name]
    f, single, double = getattr(activations, name), numbers(name, np.float32), numbers(name, float)
    return (lambda z: f(z, *single)), (lambda z: f(z, *double))


def path(name):
    return f"dnnbook.{'_elementary' if name in ELEMENTARY else 'activations'}.{name}"


def task(name, start, stop, step):
    """(worst error, input) over bit patterns start, start + step, ..."""
    (f, reference), found = functions(name), (-1.0, 0.0)
    for low in range(start, stop, BLOCK * step):
        z = inputs(low, min(low + BLOCK * step, stop), step)
        with np.errstate(all="ignore"):  # a signaling NaN becomes a quiet one; NumPy's functions tell of overflow
            got, exact = f(z), reference(z.astype(np.float64))
        worst, at = furthest(got, exact)
        if is_straight(name) and worst <= 0.5 and (i := first_unequal(got, exact)) >= 0:
            worst, at = math.inf, i
        found = max(found, (float(worst), float(z[at])), key=lambda pair: pair[0])
    return found


def reference_error(name, seed=0):
    """How far the float64 function is from the print at random inputs, in ULP of float32."""
    formula, rng = load(f"dnnbook.activations.{name}"), np.random.default_rng(seed)
    tiny = rng.integers(INPUTS, size=SAMPLES, dtype=np.uint64).astype(np.uint32).view(np.float32)
    z = np.concatenate([tiny[np.abs(tiny) < SATURATED], rng.normal(0, 20, SAMPLES).astype(np.float32)]).astype(np.float64)
    arguments = dict(zip(formula.table_sources(), [z, *numbers(name, float)], strict=True))
    got, (sides, *_) = compare.call(formula, arguments)[0], compare.printed(formula, arguments, DIGITS)[0]
    units = [2.0 ** max(math.frexp(float(w))[1] - 24, -149) for w in sides[0]]
    return max(float(abs(g - w)) / unit for g, w, unit in zip(got.tolist(), sides[0], units, strict=True))


def measure(name, step=1, workers=1):
    """The worst error of a function over every `step`-th float32 number; a row of the file.

    Raises
    ------
    Mismatch
        If the float64 function is no good reference.
    """
    apart = 0.0 if name in ELEMENTARY else reference_error(name)
    if apart > REFERENCE:
        raise compare.Mismatch(f"dnnbook.activations.{name}: float64 is {apart:.2g} ULP of float32 from the print")
    starts = range(0, INPUTS, TASK) if step == 1 else [0]
    jobs = [(name, s, s + TASK if step == 1 else INPUTS, step) for s in starts]
    if workers == 1:
        results = [task(*job) for job in tqdm(jobs, desc=name, disable=step > 1)]
    else:
        with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn")) as pool:
            results = list(tqdm(pool.map(task, *zip(*jobs, strict=True)), desc=name, total=len(jobs)))
    worst, at = max(results, key=lambda pair: pair[0])
    return {"worst": worst, "at": at.hex(), "passed": worst <= (0.5 if is_straight(name) else MOST_ULP)}


# ---- the kept results -------------------------------------------------------------------------------------


def code(function):
    """The source of a function without decorators and docstring, and of the helpers of its module that it calls."""
    body = inspect.unwrap(getattr(function, "py_func", function))
    text = textwrap.dedent(inspect.getsource(body))
    node = ast.parse(text).body[0]
    first = node.body[1] if ast.get_docstring(node) is not None else node.body[0]
    lines = text.splitlines()
    out = [lines[node.lineno - 1], *lines[first.lineno - 1 :]]
    helpers = (body.__globals__.get(n) for n in sorted(body.__code__.co_names))
    own = [h for h in helpers if hasattr(h, "py_func") and h.py_func.__module__ == body.__module__]
    return "\n".join([*out, *map(code, own)])


@functools.cache
def source_hash(name):
    """A hash of what the float32 results of a function rest on in this package."""
    text = inspect.getsource(_jit.Loops.compile) + repr(sorted(_jit.NUMBER.items()))
    if name not in ELEMENTARY:
        text += code(getattr(activations, name))
    if name in ELEMENTARY or _jit.uses_elementary(inspect.unwrap(getattr(activations, name))):
        text += inspect.getsource(_elementary)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


@functools.cache
def kept():
    return json.loads(FILE.read_text("utf-8")) if FILE.exists() else {}


def entry(where):
    """What is known about a function: its row of the file and whether its code has changed since, or None."""
    row = kept().get(where)
    return row and row | {"stale": row["source"] != source_hash(where.rpartition(".")[2])}


def commit():
    """The commit that is checked out, where there is one."""
    done = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=FILE.parent, capture_output=True, text=True, check=False)
    return done.stdout.strip() or None


def verify(asked=(), workers=None, out=print):
    """Measure functions over all inputs and keep the results; True if all are within their bound."""
    if unknown := [n for n in asked if n not in names()]:
        raise ValueError(f"no function of one number is called {', '.join(unknown)}; known: {', '.join(names())}")
    good = True
    for name in asked or names():
        row = measure(name, workers=workers or os.cpu_count())
        row |= {"date": datetime.date.today().isoformat(), "commit": commit(), "package": files.package_hash()}
        kept.cache_clear()
        files.write(kept() | {path(name): row | {"source": source_hash(name)}}, FILE)
        state = "ok" if row["passed"] else "FAILED"
        out(f"{name:<20} {row['worst']:8.4f} ULP at {float.fromhex(row['at']):.9g}  {state}")
        good &= row["passed"]
    kept.cache_clear()
    return good
