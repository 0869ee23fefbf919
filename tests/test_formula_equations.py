"""The formula checker: equations to be solved, matrices, rates of change, and what is derived from what."""

import numpy as np
import pytest
from test_formula import make

from dnnbook import formula
from dnnbook.formula import FormulaError, Mismatch, checks, parents
from dnnbook.formula.balance import imbalance
from dnnbook.formula.model import load

MATRIX, VECTOR = "array_like, shape (K, K)", "array_like, shape (K,)"
A, B, LAM = ("A", MATRIX, r"\mathbf{A}"), ("b", VECTOR, r"\mathbf{b}"), ("lam", "float, in (0, inf)", r"\lambda")
SOLVE = r"\mathbf{A} \mathbf{x} = \mathbf{b}"


def solver(tex=SOLVE, body="np.linalg.solve(A, b)", *more, returns=r"Solution, :math:`\mathbf{x}`.", parameters=(A, B)):
    return make(tex, body, *parameters, *more, returns=returns, kind="ndarray, shape (K,)")


def test_solution_is_put_into_the_printed_equation():
    report = formula.check(solver())
    assert report.passed
    assert report.kind == "equation"
    assert report.points == 12
    assert 0 < report.error_print < 1e-15
    assert 0 < report.ulp32 < 4


@pytest.mark.parametrize(
    "tex",
    [
        r"\mathbf{A} \mathbf{x} - \mathbf{b} = \mathbf{b} - \mathbf{b}",
        r"\mathbf{b} = \mathbf{A} \mathbf{x}",
        r"2 \mathbf{A} \mathbf{x} = 2 \mathbf{b}",
        r"\mathbf{M} \mathbf{x} = \mathbf{b}, \quad \text{where} \quad \mathbf{M} = \mathbf{A}",
        r"\mathbf{A} \mathbf{x} = \mathbf{b} = 2 \mathbf{b} - \mathbf{b}",
    ],
)
def test_same_equation_in_other_dress_passes(tex):
    assert formula.check(solver(tex)).passed


@pytest.mark.parametrize(
    "tex",
    [
        r"\mathbf{A}^\top \mathbf{x} = \mathbf{b}",
        r"\mathbf{A} \mathbf{x} = -\mathbf{b}",
        r"\mathbf{A} \mathbf{x} = \mathbf{b} = 2 \mathbf{b}",
        r"\mathbf{A} \mathbf{x} + \mathbf{x} = \mathbf{b}",
    ],
)
def test_other_equation_is_refused_with_the_place(tex):
    with pytest.raises(Mismatch, match=r"does not solve the printed equation: its sides differ by .*\n    at A=\[\["):
        formula.check(solver(tex))


@pytest.mark.parametrize("body", ["np.linalg.solve(A, b) * (1 + 1e-12)", "np.linalg.solve(A, b) * np.nan", "0 * b"])
def test_code_that_does_not_solve_is_refused(body):
    with pytest.raises(Mismatch, match="does not solve the printed equation"):
        formula.check(solver(body=body))


def test_bad_conditioning_is_not_held_against_the_code():
    """Singular values from 1 to 1e-9: no digit of the solution is sure, and yet it closes the equation."""
    rng = np.random.default_rng(0)
    J = rng.normal(size=(8, 4)) @ np.diag([1, 1e-3, 1e-6, 1e-9])
    step = load("dnnbook.second_order.levenberg_marquardt_step")
    arguments = {"J": J, "r": rng.normal(size=8), "lam": 1e-18}
    got = step.function(**arguments)
    assert imbalance(step, arguments, got)[0] < 1e-14
    assert imbalance(step, arguments, got * (1 + 1e-9))[0] > 1e-11


def test_points_without_a_solution_are_counted():
    half = solver(body="np.linalg.solve(A if abs(A).max() > 0.01 else 0 * A, b)")
    report = formula.check(half)
    assert 0 < report.undefined < 6
    assert report.points == 12
    with pytest.raises(Mismatch, match="the print has no value at 9 of 12 points"):
        formula.check(solver(body="np.linalg.solve(A if abs(A).max() > 20 else 0 * A, b)"))


@pytest.mark.parametrize(
    ("tex", "message"),
    [
        (r"\mathbf{A} \mathbf{y} = \mathbf{b}", "the left side is neither a symbol, nor"),
        (r"\mathbf{x} = \mathbf{b}, \quad \mathbf{A} \mathbf{x} = \mathbf{b}", "a definition and an equation to be solved"),
        (r"\mathbf{b}^\top \mathbf{A} \mathbf{x} = \mathbf{b}^\top \mathbf{b}", r"the sides have shapes \(\) and \(\)"),
        (r"\mathbf{A} \mathbf{x} = \exp(\mathbf{b})", "sums, products and powers only"),
        (r"\mathbf{A}^{-1} \mathbf{x} = \mathbf{b}", "no inverse matrix"),
        (r"\mathbf{A} \mathbf{x} + \lambda = \mathbf{b}", r"undeclared symbol \\lambda"),
        (r"\mathbf{A} \mathbf{x} = \mathbf{A}", r"cannot|the sides have shapes"),
    ],
)
def test_equation_that_makes_no_sense_is_refused(tex, message):
    with pytest.raises((FormulaError, Mismatch), match=message):
        formula.check(solver(tex))


def test_equation_about_single_elements_or_rows_is_refused():
    element = make("2 y = z", "z / 2", ("z", "array_like", "z"), kind="ndarray", returns="Result, :math:`y`.")
    with pytest.raises(FormulaError, match="an equation to be solved needs arrays of declared shapes"):
        formula.check(element)


def test_unused_argument_of_an_equation_is_refused():
    with pytest.raises(Mismatch, match="the print does not use the argument lam"):
        formula.check(solver(SOLVE, "np.linalg.solve(A, b)", LAM))


# ---- matrices ------------------------------------------------------------------------------------------------------------

W = ("w", "array_like, shape (..., 2)", "w_i")


def matrix(tex, body="np.stack([w[:, 0], 2 * w[:, 1]], axis=1)", kind="ndarray, shape (..., 2)"):
    return make(tex, body, W, kind=kind, returns=r"Result, :math:`\mathbf{y}`.")


def test_matrices_are_read_row_by_row():
    assert formula.check(matrix(r"\mathbf{y} = \begin{pmatrix} w_1 \\ 2 w_2 \end{pmatrix}")).passed
    body, kind = "np.stack([w, 3 * w], axis=2)", "ndarray, shape (..., 2, 2)"
    assert formula.check(matrix(r"\mathbf{y} = \begin{pmatrix} w_1 & 3 w_1 \\ w_2 & 3 w_2 \end{pmatrix}", body, kind)).passed
    with pytest.raises(Mismatch, match="code and print differ"):
        formula.check(matrix(r"\mathbf{y} = \begin{pmatrix} w_1 & w_2 \\ 3 w_1 & 3 w_2 \end{pmatrix}", body, kind))


@pytest.mark.parametrize(
    ("tex", "message"),
    [
        (r"\mathbf{y} = \begin{pmatrix} w_1 & 1 \\ w_2 \end{pmatrix}", "the rows of the matrix have 2, 1 entries"),
        (
            r"\mathbf{y} = \begin{pmatrix} \mathbf{v} \\ w_2 \end{pmatrix}, \quad \text{where} \quad v_k = w_k",
            "undeclared symbol",
        ),
        (r"\mathbf{y} = \begin{pmatrix} w_1 \\ w_2", "unexpected 'end of formula'"),
        (r"\mathbf{y} = \begin{bmatrix} w_1 \\ w_2 \end{bmatrix}", "not in the dialect"),
    ],
)
def test_matrix_outside_the_dialect_is_refused(tex, message):
    with pytest.raises(FormulaError, match=message):
        formula.check(matrix(tex))


# ---- what is derived from what --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "kind", "parent"),
    [
        ("activations.tanh_grad2", "derivative", "activations.tanh_grad"),
        ("losses.softmax_cross_entropy_hvp", "vjp", "losses.softmax_cross_entropy_grad"),
        ("surfaces.beale_hessian", "jacobian", "surfaces.beale_grad"),
        ("surfaces.beale_grad", "gradient", "surfaces.beale"),
        ("dense.dense_jvp", "jvp", "dense.dense"),
        ("dense.dense_vjp_jvp", "jvp", "dense.dense_vjp"),
    ],
)
def test_second_derivatives_are_held_against_the_first(path, kind, parent):
    report = formula.check(f"dnnbook.{path}")
    assert (report.kind, report.parent) == (kind, f"dnnbook.{parent}")
    assert 0 < report.error_parent < 1e-20
    assert 0 < report.error_differences < 1e-6


FAULTY = {
    "dense.dense_jvp": lambda f: lambda *a: f(*a) + 1e-3,
    "dense.dense_vjp_jvp": lambda f: lambda *a: (f(*a)[0], f(*a)[1] * 1.001, f(*a)[2]),
    "surfaces.beale_hessian": lambda f: lambda w: f(w) * np.array([[1, 1.001], [1, 1]]),
    "losses.sigmoid_cross_entropy_hvp": lambda f: lambda u, z: 1.001 * f(u, z),
}


@pytest.mark.parametrize("path", FAULTY)
def test_differences_of_the_parents_code_find_a_fault_in_the_code(path, monkeypatch):
    child = load(f"dnnbook.{path}")
    kind, parent = checks.relation(child)
    bases = [d.arguments for d in checks.sample.draws(child, np.random.default_rng(0), 2) if d.style == "normal"]
    bases = [parents.complete(child, parent, base) for base in bases]
    assert parents.against_code(child, parent, kind, bases) < 1e-6
    monkeypatch.setattr(child, "function", FAULTY[path](child.function))
    with pytest.raises(Mismatch, match="is not the derivative of the code of"):
        parents.against_code(child, parent, kind, bases)


def test_rate_of_change_is_a_symbol_of_its_own():
    x, r = ("x", VECTOR, "x_k"), ("rx", VECTOR, r"\dot x_k")
    body = "float(np.sum(x * rx))"
    assert formula.check(make(r"y = \sum_{k=1}^{K} x_k \dot x_k", body, x, r)).passed
    with pytest.raises(Mismatch, match="code and print differ"):
        formula.check(make(r"y = \sum_{k=1}^{K} x_k (x_k + 0 \dot x_k)", body, x, r))
