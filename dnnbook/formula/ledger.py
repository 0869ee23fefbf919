"""All printed formulas of the installed package with what their checks found: the ledger."""

import dataclasses
import time

import dnnbook
from dnnbook.formula import checks, every32
from dnnbook.formula.compare import Mismatch
from dnnbook.formula.files import package_hash, write
from dnnbook.formula.grammar import FormulaError
from dnnbook.formula.model import discover

LIMITS = [
    "A threshold in a print is probed exactly (at the number, and one float below and above) where a comparison depends on one "
    "number and its two sides cross between -50 and 50. In arrays, ties and zeros are drawn, but not every threshold.",
    "A branch that only the code has is met by chance: points lie 0.25 apart from -10 to 10, and thinner elsewhere.",
    "Arrays in a check are small: 1 to 6 along an axis, once 37. Faults of larger sizes are for the property tests.",
    "Functions of whole arrays are compared by the largest element of the result: an error in an element that is far smaller "
    "than the largest can hide below the tolerance. Their numbers go to some thousands, in float32 to ordinary size.",
    "NaN and infinities stand for no exact number; the property tests cover what the code does with them.",
    "Where a docstring says that 0/0 or 0 log 0 counts as 0, the print is read so.",
    "A formula that is not the derivative of another is held against its code only.",
    "Random numbers are arguments (noise, masks): the print says what is done with them, not how they are distributed.",
]


def row(path, label):
    """The report of one formula; a failure is a row too."""
    try:
        return checks.check(path, label=label)
    except Exception as e:  # whatever a function does wrong is a finding, not the end of the ledger
        message = str(e) if isinstance(e, FormulaError | Mismatch) else f"{path}: {e!r}"
        return checks.Report(path, label, "", "", None, passed=False, message=message)


def key(path, label, first):
    return path if first else f"{path}#{label}"


def selected(names):
    """The formulas asked for: all, or those whose path or name is listed."""
    every = discover()
    if not names:
        return every
    wanted = [(p, label) for p, label in every if any(n in (p, p.rpartition(".")[2], p.split(".")[1], label) for n in names)]
    unknown = [n for n in names if not any(n in (p, p.rpartition(".")[2], p.split(".")[1], label) for p, label in every)]
    if unknown:
        raise ValueError(f"no formula is called {', '.join(unknown)}; known: {', '.join(p for p, _ in every)}")
    return wanted


def build(names=(), progress=None):
    """Check formulas and return the ledger as plain data.

    Parameters
    ----------
    names : sequence of str
        Paths, function names or modules; all formulas by default.
    progress : callable, optional
        Called with each finished report.

    Returns
    -------
    dict
        ``package`` (hash of the sources), ``seconds`` and ``formulas``: path -> report, with what is known about all
        float32 inputs.
    """
    start, rows, seen = time.perf_counter(), {}, set()
    for path, label in selected(names):
        report = row(path, label)
        if progress:
            progress(report)
        rows[key(path, label, path not in seen)] = dataclasses.asdict(report) | {"every32": every32.entry(path)}
        seen.add(path)
    return {"package": package_hash(), "version": dnnbook.__version__, "seconds": time.perf_counter() - start, "formulas": rows}


def line(r):
    """One row of the printed table."""

    def number(x):
        return "-" if x is None else f"{x:.1e}"

    name = r.path.removeprefix("dnnbook.")
    state = "ok" if r.passed else "FAILED"
    return (
        f"{name:<38} {r.label:<30} {r.points:>6} {number(r.error_print):>8} {number(r.error_parent):>8} "
        f"{number(r.error_differences):>8} {r.ulp64:>6.2f} {r.ulp32:>6.2f}  {state}"
    )


HEADER = f"{'function':<38} {'equation':<30} {'points':>6} {'print':>8} {'parent':>8} {'differ.':>8} {'ulp64':>6} {'ulp32':>6}"


def verify(names=(), file=None, out=print):
    """Check formulas, print the table, write the JSON; True if all pass."""
    out(HEADER)

    def show(r):
        out(line(r))
        if not r.passed:
            out(r.message)

    ledger = build(names, progress=show)
    failed = sum(not r["passed"] for r in ledger["formulas"].values())
    out(f"{len(ledger['formulas'])} formulas, {failed} failed, {ledger['seconds']:.1f} s")
    if file:
        write(ledger, file)
    return failed == 0
