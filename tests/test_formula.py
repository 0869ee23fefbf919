"""The formula checker itself: what it accepts, what it refuses, and how it says so."""

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from dnnbook import _jit, formula
from dnnbook.formula import FormulaError, Mismatch, checks, evaluate, ledger
from dnnbook.formula.grammar import parse
from dnnbook.formula.model import Formula, discover, load

EVERY = discover()


@pytest.mark.parametrize(("path", "label"), EVERY, ids=[label for _, label in EVERY])
def test_print_agrees_with_code_and_with_its_parent(path, label):
    report = formula.check(path, label=label)
    assert report.passed
    assert report.points > 0
    assert report.error_print <= 2e-14
    if path.endswith(("_grad", "_vjp")):
        assert report.error_parent <= 1e-20
        assert report.error_differences <= 1e-6


# ---- functions made for these tests ----------------------------------------------------------------------------------


def make(tex, body, *parameters, returns="Result, :math:`y`.", kind="float", notes="", decorate=_jit.checked):
    """A function with a docstring, from its print, its body, and (name, type, symbol) of its parameters."""
    names = ", ".join(p[0] for p in parameters)
    tex = tex.replace("\n", "\n" + 7 * " ")
    described = "".join(f"    {n} : {t}\n        Argument, :math:`{s}`.\n" for n, t, s in parameters)
    doc = (
        f"Made for a test.\n\n    .. math::\n       :label: made\n\n       {tex}\n\n    {notes}\n\n"
        f"    Parameters\n    ----------\n{described}\n    Returns\n    -------\n    {kind}\n        {returns}\n"
    )
    space = {"np": np}
    exec(f"def made({names}):\n    r'''{doc}    '''\n    return {body}\n", space)
    function = space["made"]
    function.__module__ = __name__
    return decorate(function)


VECTOR = "array_like, shape (K)"
X, A = ("x", VECTOR, "x_k"), ("a", VECTOR, "a_k")
Z, C = ("z", "array_like", "z"), ("c", "float", "c")


def squares(tex=r"y = \sum_{k=1}^{K} x_k^2", **kwargs):
    return make(tex, "float(np.sum(x * x))", X, **kwargs)


def step(tex, body="np.where(z > c, 1.0, 0.0).astype(z.dtype)"):
    return make(tex, body, Z, C, kind="ndarray", returns=r"Result, :math:`h(z)`.")


def test_made_functions_pass_as_they_are():
    assert formula.check(squares()).passed
    assert formula.check(step(r"h(z) = \begin{cases} 1 & \text{if } z > c \\ 0 & \text{if } z \le c \end{cases}")).passed


def test_same_formula_in_other_dress_passes():
    for tex in (
        r"y=\sum_{k=1}^K x_k^{2}",
        r"y = \sum_k x_k \cdot x_k",
        r"y = \sum_{j=1}^{K} \left( x_j^2 \right)",
        r"y = s, \quad \text{where} \quad s = \sum_{k=1}^{K} x_k x_k",
        r"s = \sum_k x_k^2, \quad y = s",
        "y &= s \\\\\n  &\\text{where} \\quad s = \\sum_k x_k^2",
    ):
        assert formula.check(squares(tex)).passed, tex


@pytest.mark.parametrize(
    ("tex", "message"),
    [
        ("y = 1/2x", "exactly two factors"),
        ("y = x_1/x_1/x_1", "exactly two factors"),
        ("y = (x_1 + 1", r"'\)' is still open"),
        (r"y = \frac{1}{2", "'}' is still open"),
        ("y = |x_1 + 2", r"'\|' is still open"),
        ("y = x_1 + 2)", r"unexpected '\)'"),
        (r"y = \log x_1 x_1", "without parentheses"),
        (r"y = \alpah x_1", "not in the dialect"),
        (r"y = \sum_{j=1}^K", "unexpected 'end of formula'"),
        (r"y = x_1^", "unexpected 'end of formula'"),
        (r"y \approx x_1", "not in the dialect"),
        (r"y = \begin{cases} 1 & x_1 > 0 \end{aligned}", "unexpected|not in the dialect"),
        (r"y = \nabla x_1", "not in the dialect"),
        (r"y = x_1 ! 2", "not in the dialect"),
    ],
)
def test_text_outside_the_dialect_is_refused_with_a_caret(tex, message):
    with pytest.raises(FormulaError, match=message) as caught:
        formula.check(squares(tex))
    line, caret = str(caught.value).split("\n")[-2:]
    assert line.strip() == tex
    assert caret.strip() == "^"
    assert caret.index("^") - 4 <= len(tex)


def test_error_gives_file_line_formula_and_caret():
    with pytest.raises(FormulaError) as caught:
        formula.check("dnnbook.activations.sigmoid", tex=r"\sigma(z) = \frac{1}{1 + e^{-u}}")
    first, line, caret = str(caught.value).split("\n")
    assert re.match(r"dnnbook/activations\.py:\d+, formula line 1: undeclared symbol u; declared here: z", first)
    assert line.index("u") == caret.index("^")
    number = int(re.search(r":(\d+),", first).group(1))
    source = Path(sys.modules["dnnbook.activations"].__file__).read_text("utf-8").splitlines()
    assert source[number - 1].strip() == ":label: sigmoid"


@pytest.mark.parametrize(
    ("tex", "message"),
    [
        (r"w = \sum_{k=1}^{K} x_k^2", "returns y, but no left side"),  # a wrong name on the left, a single result
        (r"y = \sum_{k=1}^{K} v_k^2", "undeclared symbol v_k"),
        (r"y = \sum_{k=0}^{K} x_k^2", "outside the shape"),
        (r"y = \sum_{k=1}^{K} x_{kk}", "undeclared symbol x_{kk}"),
        (r"y = \sum_{k=1}^{K} x_k^{(1)}", "undeclared symbol"),
        (r"y = \sum_{k=1}^{K} \sum_{k=1}^{K} x_k^2", "already in use"),
        (r"y = \sum_{k=1}^{K} x^2", r"undeclared symbol x\^2"),
        (r"y = \mathbf{x}^\top \mathbf{x}", r"undeclared symbol \\mathbf{x}"),
        (r"x_k = 2", "has a meaning already"),
        (r"y = \sigma(x_1)", r"undeclared symbol \\sigma"),  # not declared here, though another module has one
        (r"y = 2, \quad y = 3", "has a meaning already"),
        (r"y = \frac{\partial E}{\partial x_1}", "on the left side only"),
        (r"y = x_1^2^2", "two superscripts"),
        (r"y = x_1^+^2", "two superscripts"),
        (r"y = x_1^+", r"undeclared symbol x_1\^\+"),
        (r"y = (x_1)^+", "a mark above what is not a symbol"),
    ],
)
def test_print_without_meaning_is_refused(tex, message):
    with pytest.raises(FormulaError, match=message):
        formula.check(squares(tex))


@pytest.mark.parametrize(
    ("path", "tex"),
    [
        ("activations.sigmoid", r"\sigma(-z) = \frac{1}{1 + e^{-z}}"),
        ("activations.sigmoid", r"\sigma(z^2) = \frac{1}{1 + e^{-z}}"),
        ("activations.sigmoid", r"\sigma^2(z) = \frac{1}{1 + e^{-z}}"),
        ("activations.sigmoid", r"\sigma^{-1}(z) = \frac{1}{1 + e^{-z}}"),
        ("activations.sigmoid", r"\sigma(z) &= 17 \\ \sigma(z) &= \frac{1}{1 + e^{-z}}"),
        ("activations.sigmoid", r"\sigma(z) &= \frac{1}{1 + e^{-z}} \\ \sigma(0) &= 3"),
        ("activations.sigmoid", r"\sigma(z) &= \frac{1}{1 + e^{-z}} \\ h(z) &= 3"),
        ("activations.sigmoid", r"\sigma(z) = \frac{1}{1 + e^{-z}}, \quad \text{where} \quad q = 17"),
        ("activations.sigmoid_grad", r"\sigma'(z) = \sigma(z) {1 - \sigma(z)}"),
        ("activations.sigmoid_grad", r"\sigma'(z) = \sigma'(z)"),
        ("activations.sigmoid_grad", r"\sigma'(z) = \frac{1 - \sigma(z)}{\sigma^{-1}(z)}"),
        ("activations.linear", r"g(z) = e^{\log(z)}"),
        ("activations.linear", r"g(z) = (z^{0.5})^2"),
        ("activations.linear", r"g(z) = z \frac{\sqrt{z + 1}}{\sqrt{z + 1}}"),
        ("activations.relu", r"\operatorname{relu}(z) = \max(0, z) + \mathbb{1}[z = 3.5]"),
        ("activations.relu", r"\operatorname{relu}(z) = \max(z)"),
        ("losses.mean_squared_error", r"E = \frac{1}{N} \sum_{n=1}^{N} \sum_{k=1}^{K} {\hat y_{nk} - y_{nk}}^2"),
        ("losses.mean_squared_error", r"E = \frac{1}{N} \sum_{n=1}^{N} \sum_{k=1}^{K} \min((\hat y_{nk} - y_{nk})^2, 100000)"),
        ("losses.mean_squared_error", r"\mathcal{E} = \frac{1}{N} \sum_{n=1}^{N} \sum_{k=1}^{K} (\hat y_{nk} - y_{nk})^2"),
        ("losses.mean_squared_error_grad", r"\frac{\partial E}{\partial \hat y_{nk}^2} = \frac{2}{N} (\hat y_{nk} - y_{nk})"),
        ("losses.mean_squared_error_grad", r"\frac{\partial E^2}{\partial \hat y_{nk}} = \frac{2}{N} (\hat y_{nk} - y_{nk})"),
        ("activations.softmax", r"p_k = \frac{e^{\min(z_k, 100)}}{\sum_{j=1}^{K} e^{\min(z_j, 100)}}"),
        ("dense.dense", r"z_{ni} = \sum_{j=1}^{D} x_{nj} w_{ji} + b_{i + 0.5}"),
        ("dense.dense", r"z_{ni} = \sum_{j=1}^{D + 0.5} x_{nj} w_{ji} + b_i"),
        ("dense.layer_output", r"o_{ni}^{(k)} = \sigma(\sum_{j=1}^{D} w_{ji}^{(k)} o_{nj}^{(-(k-1))} + b_i^{(k)})"),
        ("dense.layer_output", r"o_{ni}^{(k)} = \sigma(\sum_{j=1}^{D} w_{ji}^{(k^2)} o_{nj}^{(k-1)} + b_i^{(k)})"),
        ("optimizers.sgd", r"w_t = w_{-t-1} - \eta g_t"),
        ("optimizers.sgd", r"w_t = w_{t^2-1} - \eta g_t"),
        ("optimizers.sgd", r"w_t = w_{t-1} - \min(\eta, 100) g_t"),
        ("initializers.he_std", r"s = \sqrt{\frac{2}{n_{-\mathrm{in}}}}"),
        ("initializers.he_std", r"s = \sqrt{\frac{2}{n_{\mathrm{in}^2}}}"),
    ],
)
def test_print_that_only_looks_right_is_refused(path, tex):
    """Found by trying to fool the checker: what a reader would read differs from the code."""
    with pytest.raises((FormulaError, Mismatch)):
        formula.check(f"dnnbook.{path}", tex=tex)


def test_indices_may_have_commas():
    tex = r"z_{n,i} = \sum_{j=1}^{D} x_{n,j} w_{j,i} + b_i"
    assert formula.check("dnnbook.dense.dense", tex=tex).passed


def test_or_is_not_and():
    with pytest.raises(FormulaError, match="not in the dialect"):
        formula.check(squares(r"s = 1 \text{ or } y = \sum_k x_k^2"))


def test_every_definition_must_be_needed_and_have_one_side():
    with pytest.raises(FormulaError, match="q is defined, but nothing needs it"):
        formula.check(squares(r"y = \sum_k x_k^2, \quad \text{where} \quad q = 17"))
    with pytest.raises(FormulaError, match="one right side"):
        formula.check(squares(r"s = \sum_k x_k^2 = \sum_k x_k, \quad y = s"))
    with pytest.raises(FormulaError, match="defines K, which has a meaning already"):
        formula.check(squares(r"K = 17, \quad y = \sum_k x_k^2"))


def test_code_that_changes_its_arguments_is_refused():
    def body(x):
        """Made for a test.

        .. math::
           :label: made

           y = \\sum_k x_k^2

        Parameters
        ----------
        x : array_like, shape (K)
            Argument, :math:`x_k`.

        Returns
        -------
        float
            Result, :math:`y`.
        """
        x *= x
        return float(x.sum())

    with pytest.raises(Mismatch, match="changes its arguments"):
        formula.check(_jit.checked(body))


def test_code_that_loses_the_dtype_is_refused():
    kept = make("h(z) = 2 z", "2 * z", Z, kind="ndarray", returns=r"Result, :math:`h(z)`.")
    lost = make("h(z) = 2 z", "2 * z.astype(float)", Z, kind="ndarray", returns=r"Result, :math:`h(z)`.")
    assert formula.check(kept).passed
    with pytest.raises(Mismatch, match="is float64 for arguments of float32"):
        formula.check(lost)


def test_late_steps_long_axes_and_large_numbers_are_tried():
    total = make(r"y = \sum_k x_k^2", "float(np.sum(x[:30] * x[:30]))", X)
    clipped = make(r"y = \sum_k x_k^2", "float(np.sum(np.minimum(x * x, 10000)))", X)
    naive = make(r"y = \log \sum_k e^{x_k}", "float(np.log(np.sum(np.exp(x))))", X)
    for wrong in (total, clipped, naive):
        with pytest.raises(Mismatch):
            formula.check(wrong)


def test_what_counts_as_zero_must_be_said():
    y, p = ("y", VECTOR + ", in [0, 1]", "y_k"), ("p", VECTOR + ", in [0, 1]", "p_k")
    body = "float(np.sum(np.where(y > 0, y * np.log(np.where(y > 0, p, 1.0)), 0.0)))"
    tex = r"y = \sum_k y_k \log p_k".replace("y =", "s =")
    said = make(tex, body, y, p, returns="Result, :math:`s`.", notes=r"Here :math:`0 \log 0` counts as 0.")
    unsaid = make(tex, body, y, p, returns="Result, :math:`s`.")
    with np.errstate(divide="ignore"):
        assert formula.check(said).passed
        with pytest.raises(Mismatch):
            formula.check(unsaid, trials=120)


def test_argument_missing_from_the_print_is_refused():
    with pytest.raises(Mismatch, match="does not use the argument a"):
        formula.check(make(r"y = \sum_k x_k", "float(np.sum(x))", X, A))


@pytest.mark.parametrize(
    ("condition", "other"), [(r"z \ge c", "z < c"), (r"z > c", r"z < c"), (r"z \ge c", r"z \le c"), (r"z > 1", r"z \le 1")]
)
def test_threshold_held_in_a_symbol_is_probed_exactly(condition, other):
    with pytest.raises((Mismatch, FormulaError), match=r"differ|rows of cases apply|does not use"):
        formula.check(step(rf"h(z) = \begin{{cases}} 1 & \text{{if }} {condition} \\ 0 & \text{{if }} {other} \end{{cases}}"))


def test_plus_and_minus_above_a_symbol_are_part_of_its_name():
    plus, minus = ("a", "float", r"\eta^+"), ("b", "float", r"\eta^-")
    for body, tex in (("a - 2 * b", r"y = \eta^+ - 2 \eta^-"), ("a - a * b", r"y = \eta^+ - \eta^+ \eta^-")):
        assert formula.check(make(tex, body, plus, minus)).passed
    with pytest.raises(Mismatch, match="differ"):
        formula.check(make(r"y = \eta^- - 2 \eta^+", "a - 2 * b", plus, minus))


def test_threshold_between_two_numbers_is_probed_exactly():
    larger = [("a", "float", "a"), ("b", "float", "b")]
    assert formula.check(make(r"y = \mathbb{1}[a > b]", "float(a > b)", *larger)).passed
    with pytest.raises(Mismatch, match="differ"):
        formula.check(make(r"y = \mathbb{1}[a \ge b]", "float(a > b)", *larger))


def test_a_product_in_place_of_two_signs_is_seen():
    pair = [("z", "array_like", "z"), ("a", "array_like", "a")]
    tex = r"h = \mathbb{1}[z a > 0]"
    for body, passes in (("(np.sign(z) * np.sign(a) > 0).astype(z.dtype)", True), ("(z * a > 0).astype(z.dtype)", False)):
        f = make(tex, body, *pair, kind="ndarray", returns="Result, :math:`h`.")
        if passes:
            assert formula.check(f).passed
        else:
            with pytest.raises(Mismatch, match="differ"):
                formula.check(f)


def test_one_row_of_cases_must_apply():
    with pytest.raises(FormulaError, match="2 rows of cases apply"):
        formula.check(step(r"h(z) = \begin{cases} 1 & \text{if } z > c \\ 0 & \text{if } z \le c + 1 \end{cases}"))


def test_layer_label_must_be_the_declared_one():
    layer = ("x", VECTOR, "x_k^{(l)}")
    assert formula.check(make(r"y = \sum_k x_k^{(l)}", "float(np.sum(x))", layer)).passed
    for wrong in ("x_k^{(l+1)}", "x_k", "x_k^{(m)}"):
        with pytest.raises(FormulaError, match="undeclared symbol"):
            formula.check(make(rf"y = \sum_k {wrong}", "float(np.sum(x))", layer))


def test_matrices_multiply_as_printed():
    W, v = ("W", "array_like, shape (M, K)", r"\mathbf{W}"), ("v", VECTOR, r"\mathbf{v}")
    returns = r"Result, :math:`\mathbf{y}`."

    def made(tex, body="W @ v"):
        return make(tex, body, W, v, kind="ndarray, shape (M)", returns=returns)

    assert formula.check(made(r"\mathbf{y} = \mathbf{W} \mathbf{v}")).passed
    for tex, message in (
        (r"\mathbf{y} = \mathbf{W}^\top \mathbf{v}", "cannot multiply shapes"),
        (r"\mathbf{y} = \mathbf{v} \mathbf{W}", "two vectors side by side"),
        (r"\mathbf{y} = \mathbf{W} \odot \mathbf{v}", "needs two arrays of one shape"),
        (r"\mathbf{y} = \mathbf{W} \cdot \mathbf{v}", "between two arrays"),
        (r"\mathbf{y} = \mathbf{W} \mathbf{v} + 1", "cannot add shapes"),
    ):
        with pytest.raises(FormulaError, match=message):
            formula.check(made(tex))
    with pytest.raises(Mismatch, match="differ"):
        formula.check(made(r"\mathbf{y} = 2 \mathbf{W} \mathbf{v}"))


def test_mismatch_shows_values_and_point():
    with pytest.raises(Mismatch) as caught:
        formula.check("dnnbook.activations.relu", tex=r"\operatorname{relu}(z) = \min(0, z)")
    assert re.search(r"the code gives \S+, the print \S+\n\s+at z=\S+", str(caught.value))


def test_derivative_is_held_against_its_parent_too():
    """The same wrong constant in print and code of a derivative: only the parent can tell."""

    def parent_of(tex, body):
        made = make(tex, body, Z, kind="ndarray", returns=r"Result, :math:`h'(z)`.")
        f = Formula(made)
        f.path = f"{__name__}.cube_grad"
        return f

    globals()["cube"] = make("h(z) = z^3", "z * z * z", Z, kind="ndarray", returns=r"Result, :math:`h(z)`.")
    good, bad = parent_of("h'(z) = 3 z^2", "3 * z * z"), parent_of("h'(z) = 2 z^2", "2 * z * z")
    assert checks.run(good).error_parent < 1e-30
    with pytest.raises(Mismatch, match="not the derivative of the print"):
        checks.run(bad)


def test_code_of_a_derivative_is_held_against_differences_of_the_parents_code(monkeypatch):
    monkeypatch.setattr(formula.parents, "against_print", lambda *_: 0.0)
    globals()["cube"] = make("h(z) = z^3", "z * z * z", Z, kind="ndarray", returns=r"Result, :math:`h(z)`.")
    f = Formula(make("h'(z) = 2 z^2", "2 * z * z", Z, kind="ndarray", returns=r"Result, :math:`h'(z)`."))
    f.path = f"{__name__}.cube_grad"
    with pytest.raises(Mismatch, match="is not the derivative of the code"):
        checks.run(f)


def test_digits_grow_until_the_print_is_exact():
    """e^z - 1 at z = 1e-200 is 0 with 50 digits; the check must not stop there."""
    f = make(r"h(z) = e^{z} - 1", "np.expm1(z)", Z, kind="ndarray", returns=r"Result, :math:`h(z)`.", decorate=_jit.checked)
    assert formula.check(f).passed
    wrong = make(r"h(z) = e^{z} - 1", "np.exp(z) - 1", Z, kind="ndarray", returns=r"Result, :math:`h(z)`.")
    with pytest.raises(Mismatch):
        formula.check(wrong)


def test_derivative_by_differences_is_good_to_half_the_digits():
    import mpmath

    with mpmath.workdps(50):
        assert abs(evaluate.derivative(mpmath.exp, mpmath.mpf(1)) - mpmath.e) < mpmath.mpf("1e-50")
        assert abs(evaluate.derivative(mpmath.exp, mpmath.mpf(1), 2) - mpmath.e) < mpmath.mpf("1e-30")


def test_names_table_can_be_printed():
    report = formula.check("dnnbook.activations.elu")
    assert [r"\alpha", "alpha"] in report.names
    assert ["z", "z"] in report.names


def test_tree_knows_where_it_stands():
    tree = parse("y = x + z")
    assert tree.children[0].children[0].meta.start_pos == 0


# ---- the command line and the ledger -----------------------------------------------------------------------------------


def test_ledger_is_plain_data_and_written_whole(tmp_path):
    book = ledger.build(["relu"])
    row = book["formulas"]["dnnbook.activations.relu"]
    assert row["passed"]
    assert row["label"] == "relu"
    assert row["sources"] == ["glorot2011"]
    file = tmp_path / "new" / "ledger.json"
    ledger.write(book, file)
    assert json.loads(file.read_text()) == json.loads(json.dumps(book))
    with pytest.raises(TypeError):
        ledger.write({"a": object()}, file)
    assert json.loads(file.read_text())["formulas"]
    assert [p.name for p in file.parent.iterdir()] == ["ledger.json"]


def test_failing_formula_is_a_row_and_an_exit_status(monkeypatch, capsys):
    real = ledger.checks.check

    def broken(path, **kwargs):
        if path.endswith(".relu"):
            raise Mismatch("planted")
        return real(path, **kwargs)

    monkeypatch.setattr(ledger.checks, "check", broken)
    assert ledger.verify(["relu", "sigmoid"]) is False
    out = capsys.readouterr().out
    assert "FAILED" in out
    assert "planted" in out
    assert "2 formulas, 1 failed" in out
    monkeypatch.undo()
    assert ledger.verify(["sigmoid"]) is True


def test_command_line(tmp_path):
    file = tmp_path / "ledger.json"
    command = [sys.executable, "-m", "dnnbook", "verify"]
    done = subprocess.run([*command, "relu", "--json", str(file)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "1 formulas, 0 failed" in done.stdout
    assert json.loads(file.read_text())["package"] == ledger.package_hash()
    unknown = subprocess.run([*command, "relo"], capture_output=True, text=True)
    assert unknown.returncode == 2
    assert "no formula is called relo; known: " in unknown.stderr


def test_load_is_shared():
    assert load("dnnbook.activations.relu") is load("dnnbook.activations.relu")
