"""Self-checks: the book's verifier, run on the reader's own function.

A coding exercise names a function of the package whose print the reader implements in plain NumPy.
``exercises.check("10.3", my_rmsprop)`` draws arguments as the verifier does, evaluates the printed formula with 50 digits and
says where the reader's results differ.
"""

import inspect
import traceback
from typing import NamedTuple

import numpy as np

__all__ = ["EXERCISES", "Exercise", "Passed", "Wrong", "check"]

TOLERANCE = 1e-9  # generous to other orders of operations, too small for a wrong formula
FAR = ("extreme", "huge", "large")  # numbers where only a stable form survives
SHOWN = 300  # characters of one argument in a message


class Exercise(NamedTuple):
    """A coding exercise that the book can check.

    Attributes
    ----------
    number : str
        As printed: chapter and number.
    label : str
        The exercise's label in its chapter.
    function : str
        Whose print the reader implements.
    stable : bool
        Whether numbers as large as 1e300 and as small as 1e-300 belong to the exercise.
    """

    number: str
    label: str
    function: str
    stable: bool = False

    def __str__(self):
        return f"Exercise {self.number} ({self.label})"


EXERCISES = (
    Exercise("1.2", "ex-relu6", "activations.relu6"),
    Exercise("1.7", "ex-build-softplus", "activations.softplus", stable=True),
    Exercise("1.8", "ex-build-softmax-vjp", "activations.softmax_vjp"),
    Exercise("2.6", "ex-build-cross-entropy", "losses.softmax_cross_entropy", stable=True),
    Exercise("2.7", "ex-build-cross-entropy-grad", "losses.softmax_cross_entropy_grad", stable=True),
    Exercise("3.7", "ex-build-dense-vjp", "dense.dense_vjp"),
    Exercise("8.7", "ex-build-maxout-vjp", "activations.maxout_vjp"),
    Exercise("9.5", "ex-build-nesterov", "optimizers.nesterov_at_w"),
    Exercise("10.3", "ex-adaptive-build", "optimizers.rmsprop"),
    Exercise("10.6", "ex-build-adam", "optimizers.adam"),
    Exercise("12.6", "ex-build-polak-ribiere", "second_order.polak_ribiere_plus_beta"),
    Exercise("13.7", "ex-build-batch-norm-vjp", "batch_norm.batch_norm_vjp"),
)
"""Numbers are those of the printed book: chapter, and place among the chapter's exercises. A test holds them against it."""


class Wrong(AssertionError):
    """The reader's function and the printed formula differ; the message says where."""

    def _render_traceback_(self):
        """In a notebook the message is enough: the way through this module teaches nothing."""
        return str(self).splitlines()


class Passed(NamedTuple):
    """What a check found when nothing was wrong."""

    exercise: Exercise
    name: str
    values: int

    def __str__(self):
        return f"{self.exercise}: {self.name} agrees with the printed formula in {self.values} values."

    __repr__ = __str__


def find(exercise):
    """The exercise with this number or label."""
    for e in EXERCISES:
        if exercise in (e.number, e.label):
            return e
    known = ", ".join(f"{e.number} ({e.label})" for e in EXERCISES)
    raise ValueError(f"no exercise with a check is called {exercise!r}; known: {known}")


def check(exercise, function, *, trials=16, seed=0):
    """Hold the reader's function against the printed formula of an exercise.

    The function takes the arguments of the package's function in their order, a state taken apart into its arrays and
    numbers: ``(w, g, v, eta, beta, eps)``. If its parameters have these names, their order is free. It returns a tuple
    where the print has several results, the parts of a state one by one. Arrays are float64.

    Parameters
    ----------
    exercise : str
        Number as printed, such as ``"10.3"``, or label, such as ``"ex-adaptive-build"``.
    function : callable
        The reader's function: plain Python and NumPy.
    trials : int
        How many sets of arguments to draw.
    seed : int
        Seed of the draws.

    Returns
    -------
    Passed
        How many values agreed.

    Raises
    ------
    Wrong
        Where the function differs from the print, fails, or returns something else than asked for.
    ImportError
        Without the packages that read formulas: ``pip install "dnnbook[verify]"``.

    Examples
    --------
    >>> def my_relu6(z):
    ...     return np.minimum(np.maximum(0, z), 6)
    >>> check("1.2", my_relu6)
    Exercise 1.2 (ex-relu6): my_relu6 agrees with the printed formula in 306 values.
    >>> check("1.2", lambda z: np.minimum(z, 6))
    Traceback (most recent call last):
    dnnbook.exercises.Wrong: Exercise 1.2 (ex-relu6): <lambda> differs from the printed formula.
        at       z = -0.764005
        came     -0.7640045881271362
        expected 0
    """
    from dnnbook.formula import sample
    from dnnbook.formula.model import load

    exercise = find(exercise)
    trial = Trial(exercise, load(f"dnnbook.{exercise.function}"), function)
    rng = np.random.default_rng(seed)
    draws = [d for d in sample.draws(trial.formula, rng, trials) if exercise.stable or d.style not in FAR]
    draws.sort(key=lambda d: d.style != "ones")  # a failure with one number in each array is the easiest to read
    return Passed(exercise, trial.name, sum(trial.run(d.arguments) for d in draws))


class Trial:
    """One function of a reader against one print."""

    def __init__(self, exercise, formula, function):
        self.exercise, self.formula, self.function = exercise, formula, function
        self.name = getattr(function, "__name__", type(function).__name__)
        self.order = self.passed_by()

    def wrong(self, message, arguments=None, lines=()):
        text = [f"{self.exercise}: {self.name} {message}"]
        if arguments is not None:
            text.append(f"    at       {', '.join(f'{k} = {show(x)}' for k, x in arguments.items())}")
        return Wrong("\n".join([*text, *(f"    {line}" for line in lines)]))

    # ---- arguments ----------------------------------------------------------------------------------

    def given(self, arguments):
        """Arguments by the reader's names: a state is taken apart, and what the print does not need has its default."""
        out = {}
        for p in self.formula.parameters:
            parts = {f: f"{p.name}.{f}" for f in p.fields} or {p.name: p.name}
            for name, source in parts.items():
                value = arguments[source] if source in arguments else self.formula.default(source)
                out[name] = value.copy() if isinstance(value, np.ndarray) else value
        return out

    def names(self):
        return [name for p in self.formula.parameters for name in p.fields or [p.name]]

    def passed_by(self):
        """How to pass arguments: by "name" if the reader uses our names, else by "place"; an error if they do not fit."""
        if not callable(self.function):
            raise self.wrong(f"is {show(self.function)}, expected a function of ({', '.join(self.names())}).")
        try:
            signature = inspect.signature(self.function)
            own = list(signature.parameters)
            if set(self.names()) <= set(own):
                signature.bind(**dict.fromkeys(self.names()))
                return "name"
            signature.bind(*self.names())
        except ValueError:  # built in: it will tell by itself
            return "place"
        except TypeError:
            raise self.wrong(f"takes ({', '.join(own)}), expected ({', '.join(self.names())}).") from None
        return "place"

    # ---- results --------------------------------------------------------------------------------------

    def run(self, drawn):
        """The number of values that agree at one set of arguments."""
        given = self.given(drawn)
        results = self.results(given)
        count = 0
        for slot, have, sides in zip(self.formula.slots, results, self.expected(drawn), strict=True):
            count += self.compare(slot, self.numbers(slot, have, sides[0], given), sides[0], given)
        return count

    def results(self, given):
        """What the reader's function returns, one value for each result of the print."""
        mine = {k: x.copy() if isinstance(x, np.ndarray) else x for k, x in given.items()}
        try:
            with np.errstate(all="ignore"):
                result = self.function(**mine) if self.order == "name" else self.function(*mine.values())
        except Exception as error:
            raise self.wrong(f"stops with {type(error).__name__}: {error}", given, self.place(error)) from error
        for name, x in given.items():
            if isinstance(x, np.ndarray) and not np.array_equal(x, mine[name], equal_nan=True):
                raise self.wrong(f"changes its argument {name}; return new arrays instead.", given)
        symbols = ", ".join(slot.tex for slot in self.formula.slots)
        if len(self.formula.slots) == 1:
            return [result]
        if not isinstance(result, tuple | list):
            raise self.wrong(f"returns {kind(result)}, expected {len(self.formula.slots)} results: {symbols}.", given)
        if len(result) != len(self.formula.slots):
            raise self.wrong(f"returns {len(result)} results, expected {len(self.formula.slots)}: {symbols}.", given)
        return list(result)

    def place(self, error):
        """The line of the reader's code that an error comes from, if it can be told."""
        file = getattr(getattr(self.function, "__code__", None), "co_filename", None)
        frames = [f for f in traceback.extract_tb(error.__traceback__) if f.filename == file and f.line]
        return [f"in line {f.lineno} of {f.name}: {f.line}" for f in frames[-1:]]

    def expected(self, drawn):
        """The printed formula's values, evaluated with as many digits as it needs."""
        from dnnbook.formula import compare

        digits, previous = compare.DIGITS, None
        while True:
            values, _ = compare.printed(self.formula, drawn, digits)
            if not self.exercise.stable or digits >= 1600 or (previous is not None and compare.settled(previous, values)):
                return values
            digits, previous = 2 * digits, values

    def numbers(self, slot, have, want, given):
        """One result as an array of floats of the printed shape."""
        from dnnbook.formula import values as v

        try:
            array = np.asarray(have)
        except ValueError:
            array = np.array(None)
        if array.dtype.kind not in "biuf":
            raise self.wrong(f"returns {kind(have)} for {slot.tex}, expected numbers.", given)
        if array.shape != v.shape(want):
            raise self.wrong(f"returns shape {array.shape} for {slot.tex}, expected {v.shape(want)}.", given)
        if array.dtype in (np.float32, np.float16):
            raise self.wrong(f"returns {array.dtype} for {slot.tex}, expected float64 as its arguments.", given)
        return array.astype(np.float64)

    def compare(self, slot, have, want, given):
        import mpmath

        have, want = have.ravel(), np.ravel(want)
        finite = [abs(w) for w in want if mpmath.isfinite(w)]
        top = max(finite, default=0) / 1000  # an error far below the other values is forgiven
        if self.exercise.stable and self.formula.contract.is_elementwise:
            top = 0
        for i, (h, w) in enumerate(zip(have.tolist(), want, strict=True)):
            if not mpmath.isnan(w) and not agree(h, w, top):
                at, index = self.at(given, i, len(want))
                of = "" if len(self.formula.slots) == 1 else f" in {slot.tex}"
                lines = [f"came     {number(h)}" + index, f"expected {number(w)}" + index]
                raise self.wrong(f"differs from the printed formula{of}.", at, lines)
        return len(want)

    def at(self, given, i, n):
        """The arguments of the i-th value: where the print speaks about single numbers, only those."""
        if self.formula.pointwise:
            return {k: x[i] if isinstance(x, np.ndarray) and n > 1 else x for k, x in given.items()}, ""
        return given, f" (value {i + 1} of {n})" if n > 1 else ""


def agree(have, want, top):
    """Are two numbers the same for a reader's code?"""
    import mpmath

    if mpmath.isinf(want) or abs(want) > np.finfo(float).max:
        return have == float(want)
    if not np.isfinite(have):
        return False
    return abs(have - want) <= TOLERANCE * max(abs(want), top, 2.0**-1022)


def number(x):
    """A number as a float prints, with all its digits."""
    return repr(float(x)).removesuffix(".0")


def kind(x):
    return "None" if x is None else f"an object of type {type(x).__name__}"


def show(x):
    """An argument as a reader would type it; long arrays by their shape."""
    if isinstance(x, np.ndarray):
        text = "[" + ", ".join(map(show, x)) + "]" if x.ndim else show(x[()])
        return text if len(text) <= SHOWN else f"an array of shape {x.shape}"
    if isinstance(x, float | np.floating):
        return f"{x:.6g}"
    return repr(x.item() if isinstance(x, np.generic) else x)
