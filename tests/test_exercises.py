"""Self-checks: right answers pass, typical wrong ones are refused and told where; the chapters and the registry agree."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from dnnbook import activations, exercises, optimizers

CHAPTERS = sorted(Path(__file__).parents[1].joinpath("book").glob("part*/[0-9][0-9]-*.md"))
EXERCISE = re.compile(r"^`{3,}\{exercise(?:-start)?\}[^\n]*\n((?::[\w-]+:[^\n]*\n)*)", re.M)
SOLUTION = re.compile(r"^```\{solution-start\} ([\w-]+)\n(.*?)^```\{solution-end\}", re.M | re.S)
CELL = re.compile(r"^```\{code-cell\} ipython3\n(.*?)^```$", re.M | re.S)
CHECK = re.compile(r'exercises\.check\("([^"]+)"')


def rmsprop(w, g, v, eta, beta, eps):
    v = beta * v + (1 - beta) * g**2
    return w - eta * g / (np.sqrt(v) + eps), v


def adam(w, g, m, v, t, eta, beta1, beta2, eps):
    t, m, v = t + 1, beta1 * m + (1 - beta1) * g, beta2 * v + (1 - beta2) * g**2
    return w - eta * (m / (1 - beta1**t)) / (np.sqrt(v / (1 - beta2**t)) + eps), m, v, t


def nesterov(w, g, v, eta, gamma):
    v = gamma * v - eta * g
    return w + gamma * v - eta * g, v


def softplus(z):
    return np.maximum(z, 0) + np.log1p(np.exp(-np.abs(z)))


def softmax(z):
    e = np.exp(z - z.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def softmax_vjp(g, z):
    return softmax(z) * (g - (g * softmax(z)).sum(axis=-1, keepdims=True))


def cross_entropy(z, y):
    z = z - z.max(axis=1, keepdims=True)
    return -(y * (z - np.log(np.exp(z).sum(axis=1, keepdims=True)))).sum() / len(z)


def cross_entropy_grad(z, y):
    return (softmax(z) * y.sum(axis=1, keepdims=True) - y) / len(z)


def dense_vjp(g, x, W):
    return g @ W.T, x.T @ g, g.sum(axis=0)


def refused(exercise, function):
    with pytest.raises(exercises.Wrong) as found:
        exercises.check(exercise, function)
    return str(found.value)


RIGHT = [
    ("1.2", lambda z: np.clip(z, 0, 6)),
    ("ex-build-softplus", softplus),
    ("ex-build-softplus", lambda z: np.logaddexp(0, z)),
    ("1.8", softmax_vjp),
    ("2.6", cross_entropy),
    ("2.7", cross_entropy_grad),
    ("3.7", dense_vjp),
    ("3.7", lambda g, x, W: [np.einsum("nm,dm->nd", g, W), np.einsum("nd,nm->dm", x, g), np.ones(len(g)) @ g]),
    ("9.5", nesterov),
    ("10.3", rmsprop),
    ("ex-adaptive-build", rmsprop),
    ("10.3", lambda eta, eps, beta, v, g, w: rmsprop(w, g, v, eta, beta, eps)),  # our names in another order
    ("10.3", lambda w, g, s, rate=0.1, keep=0.9, guard=1e-8: rmsprop(w, g, s, rate, keep, guard)),  # other names, our order
    ("10.6", adam),
]


@pytest.mark.parametrize(("exercise", "function"), RIGHT)
def test_right_answer_passes(exercise, function):
    found = exercises.check(exercise, function)
    assert exercise in (found.exercise.number, found.exercise.label)
    assert found.values >= 16
    assert str(found) == repr(found)
    assert str(found).endswith(f"agrees with the printed formula in {found.values} values.")


def flipped(w, g, v, eta, beta, eps):
    return w + eta * g / (np.sqrt(rmsprop(w, g, v, eta, beta, eps)[1]) + eps), beta * v + (1 - beta) * g**2


def old_mean(w, g, v, eta, beta, eps):
    return w - eta * g / (np.sqrt(v) + eps), beta * v + (1 - beta) * g**2


def changes(w, g, v, eta, beta, eps):
    v *= beta
    v += (1 - beta) * g**2
    return w - eta * g / (np.sqrt(v) + eps), v


def late(g, m, v, t, beta1, beta2):
    return adam(0 * g, g, m, v, t, 0.1, beta1, beta2, 1.0)[1:]


def early(w, g, m, v, t, eta, beta1, beta2, eps):
    return adam(w, g, m, v, t + 1, eta, beta1, beta2, eps)[0], *late(g, m, v, t, beta1, beta2)


def uncorrected(w, g, m, v, t, eta, beta1, beta2, eps):
    m, v, t = late(g, m, v, t, beta1, beta2)
    return w - eta * m / (np.sqrt(v) + eps), m, v, t


WRONG = [
    ("1.2", lambda z: np.maximum(0, z), "differs"),
    ("1.2", lambda z: np.clip(z, 0, 6.25), "differs"),
    ("1.2", lambda z: np.clip(z, -1e-6, 6), "differs"),
    ("1.2", lambda z: np.clip(z, 0, 6).astype(np.float32), "returns float32 for"),
    ("1.2", lambda z: np.clip(z, 0, 6).sum(), "returns shape ()"),
    ("1.2", lambda z: [str(x) for x in z], "returns an object of type list for"),
    ("1.2", lambda z: print(end=""), "returns None for"),
    ("1.7", lambda z: np.log1p(np.exp(z)), "differs"),
    ("1.7", lambda z: np.where(z > 30, z, np.log(1 + np.exp(np.minimum(z, 30)))), "differs"),
    ("1.8", lambda g, z: softmax(z) * (g - (g * softmax(z)).sum(axis=0)), "differs"),
    ("1.8", lambda g, z: softmax(z) * g, "differs"),
    ("1.8", lambda z, g: softmax_vjp(z, g), "differs"),  # our names, used the wrong way round
    ("2.6", lambda z, y: cross_entropy(z, y) * len(z), "differs"),
    ("2.6", lambda z, y: -(y * np.log(softmax(z))).sum() / len(z), "differs"),
    ("2.7", lambda z, y: (softmax(z) - y) / len(z), "differs"),
    ("3.7", lambda g, x, W: (g @ W, x.T @ g, g.sum(axis=0)), "stops with ValueError"),
    ("3.7", lambda g, x, W: (g @ W.T, x.T @ g, g.mean(axis=0)), r"differs from the printed formula in \bar b_i"),
    ("3.7", lambda g, x, W: (g @ W.T, (x.T @ g).T, g.sum(axis=0)), "returns shape"),
    ("3.7", lambda g, x, W: (g @ W.T, x.T @ g), "returns 2 results, expected 3"),
    ("9.5", lambda w, g, v, eta, gamma: (nesterov(w, g, v, eta, gamma)[0], v), "differs from the printed formula in v_t"),
    ("9.5", lambda w, g, v, eta, gamma: (w + gamma * v - eta * g, gamma * v - eta * g), "in w_t"),
    ("10.3", flipped, "in w_t"),
    ("10.3", old_mean, "in w_t"),
    ("10.3", lambda w, g, v, eta, beta, eps: rmsprop(w, g, v, eta, 1 - beta, eps), "in w_t"),
    ("10.3", lambda w, g, v, eta, beta, eps: rmsprop(w, g, v, eta, beta, 1e-8), "in w_t"),
    ("10.3", changes, "changes its argument v; return new arrays instead."),
    ("10.6", early, "in w_t"),
    ("10.6", uncorrected, "in w_t"),
    ("10.6", lambda w, g, m, v, t, eta, b1, b2, eps: (*adam(w, g, m, v, t, eta, b1, b2, eps)[:3], t), "in t"),
]


@pytest.mark.parametrize(("exercise", "function", "said"), WRONG)
def test_wrong_answer_is_refused(exercise, function, said):
    assert said in refused(exercise, function)


def test_message_of_a_wrong_value():
    assert refused("10.3", flipped) == (
        "Exercise 10.3 (ex-adaptive-build): flipped differs from the printed formula in w_t.\n"
        "    at       w = -0.474831, g = -0.406823, v = 0.248423, eta = 0.0700623, beta = 0.884184, eps = 0.178454\n"
        "    came     -0.5175551105529318\n"
        "    expected -0.4321076940506449"
    )


def test_message_of_an_array_shows_which_value():
    def by_column(g, z):
        return softmax(z) * (g - (g * softmax(z)).sum(axis=0))

    assert refused("1.8", by_column) == (
        "Exercise 1.8 (ex-build-softmax-vjp): by_column differs from the printed formula.\n"
        "    at       g = [[-0.991821], [0.657939], [-0.517145]], z = [[3.16695], [2.64072], [1.26671]]\n"
        "    came     -0.14079415798187256 (value 1 of 3)\n"
        "    expected 0 (value 1 of 3)"
    )


def test_message_of_an_error_in_the_readers_code():
    def my_relu6(z):
        return min(max(0, z), 6)

    first, at, line = refused("1.2", my_relu6).splitlines()
    assert first.startswith("Exercise 1.2 (ex-relu6): my_relu6 stops with ValueError: The truth value of an array")
    assert at.startswith("    at       z = [")
    assert re.fullmatch(r"    in line \d+ of my_relu6: return min\(max\(0, z\), 6\)", line)


def test_message_of_an_error_below_the_readers_code_names_the_readers_line():
    def my_relu6(z):
        return np.linalg.inv(z)

    assert refused("1.2", my_relu6).splitlines()[-1].endswith("of my_relu6: return np.linalg.inv(z)")


def test_message_of_parameters_that_do_not_fit():
    assert refused("10.3", lambda w, g, v, eta: w) == (
        "Exercise 10.3 (ex-adaptive-build): <lambda> takes (w, g, v, eta), expected (w, g, v, eta, beta, eps)."
    )
    assert refused("1.2", 3.0) == "Exercise 1.2 (ex-relu6): float is 3, expected a function of (z)."


def test_message_of_results_that_do_not_fit():
    assert refused("10.3", lambda w, g, v, eta, beta, eps: w).startswith(
        "Exercise 10.3 (ex-adaptive-build): <lambda> returns an object of type ndarray, expected 2 results: w_t, v_t.\n    at"
    )


def test_a_notebook_shows_the_message_alone():
    with pytest.raises(exercises.Wrong) as found:
        exercises.check("1.2", lambda z: z)
    assert found.value._render_traceback_() == str(found.value).splitlines()


def test_unknown_exercise():
    known = ", ".join(f"{e.number} ({e.label})" for e in exercises.EXERCISES)
    with pytest.raises(ValueError, match=r"^no exercise with a check is called '99\.9'; known: ") as found:
        exercises.check("99.9", softplus)
    assert str(found.value) == f"no exercise with a check is called '99.9'; known: {known}"


def test_without_the_packages_that_read_formulas():
    code = "import sys; sys.modules['lark'] = None; from dnnbook import exercises; exercises.check('1.2', abs)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == 'ImportError: the formula checker needs lark: pip install "dnnbook[verify]"'


# ---- the book -------------------------------------------------------------------------------------------------------------


def labels(text):
    """The exercises of a chapter in order: a label, or nothing where there is none."""
    return [(re.search(r"^:label: *(\S+)", m[1], re.M) or [None, None])[1] for m in EXERCISE.finditer(text)]


def test_numbers_are_those_of_the_chapters():
    """Chapters are numbered by their files, exercises by their order in the chapter."""
    printed = {}
    for chapter in CHAPTERS:
        n = int(chapter.name[:2])
        printed |= {label: f"{n}.{i}" for i, label in enumerate(labels(chapter.read_text("utf-8")), 1)}
    assert {e.label: e.number for e in exercises.EXERCISES} == {e.label: printed.get(e.label) for e in exercises.EXERCISES}


def test_every_check_of_a_chapter_is_registered_and_every_registered_one_is_offered():
    asked, run = set(), set()
    for chapter in CHAPTERS:
        text = chapter.read_text("utf-8")
        asked |= set(CHECK.findall(SOLUTION.sub("", text)))
        for label, body in SOLUTION.findall(text):
            found = {exercise for cell in CELL.findall(body) for exercise in CHECK.findall(cell)}
            assert found <= {label}, f"{chapter.name}: the solution of {label} checks {found}"
            run |= found
    registered = {e.label for e in exercises.EXERCISES}
    assert asked == registered
    assert run == registered


def test_every_registered_function_prints_a_formula_that_can_be_checked():
    assert (
        len({e.label for e in exercises.EXERCISES}) == len({e.number for e in exercises.EXERCISES}) == len(exercises.EXERCISES)
    )
    from dnnbook.formula.model import load

    assert [e.label for e in exercises.EXERCISES if load(f"dnnbook.{e.function}").unknown is not None] == []


@pytest.mark.parametrize("chapter", [c for c in CHAPTERS if CHECK.search(c.read_text("utf-8"))], ids=lambda c: c.stem)
def test_the_solutions_of_a_chapter_pass(chapter, capsys):
    names = {"np": np, "activations": activations, "optimizers": optimizers, "exercises": exercises}
    for label, body in SOLUTION.findall(chapter.read_text("utf-8")):
        if any(label == e.label for e in exercises.EXERCISES):
            for cell in CELL.findall(body):
                exec(cell, names)
    assert "Traceback" not in capsys.readouterr().out
