"""Faults in second-order formulas and surfaces, planted one at a time in prints and in code, and in both at once."""

import mutants
import pytest
from test_mutations import name

from dnnbook.formula.model import load

# (function, what is printed, what is printed instead[, which occurrence])
PRINTS = [
    ("activations.sigmoid_grad2", r"(1 - 2 \sigma(z))", r"(2 \sigma(z) - 1)"),
    ("activations.tanh_grad2", r"-2 \tanh", r"2 \tanh"),
    ("activations.elu_grad2", r"\alpha \, e^{z}", r"e^{z}"),
    ("activations.elu_grad2", r"0 & \text{if } z > 0", r"1 & \text{if } z > 0"),
    ("activations.softplus_grad2", r"\sigma'(z)", r"\sigma(z)"),
    ("losses.mean_squared_error_hvp", r"\frac{2}{N}", r"\frac{1}{N}"),
    ("losses.softmax_cross_entropy_hvp", r"p_{nj} \, \dot z_{nj}", r"\dot z_{nj}"),
    ("losses.softmax_cross_entropy_hvp", r"\frac{s_n}{N}", r"\frac{1}{N}"),
    ("losses.sigmoid_cross_entropy_hvp", r"\sigma'", r"\sigma"),
    ("dense.dense_jvp", r"x_{nj} \, \dot w_{ji}", r"x_{nj} \, w_{ji}"),
    ("dense.dense_jvp", r" + \dot b_i", ""),
    ("dense.dense_vjp_jvp", r"\bar z_{ni} \, \dot w_{ji}", r"\dot{\bar z}_{ni} \, \dot w_{ji}"),
    ("dense.dense_vjp_jvp", r"\dot x_{nj} \, \bar z_{ni} +", ""),
    ("second_order.newton_step", r"+ \lambda", r"- \lambda"),
    ("second_order.newton_step", r"= -\mathbf{g}", r"= \mathbf{g}"),
    ("second_order.newton_step", r"(\mathbf{H} +", r"(\mathbf{H}^\top +"),
    ("second_order.newton_step", r"\lambda \, \mathbf{I}", r"\lambda^2 \, \mathbf{I}"),
    ("second_order.gauss_newton_step", r"-\mathbf{J}^\top", r"\mathbf{J}^\top"),
    ("second_order.gauss_newton_step", r"\mathbf{J}^\top \mathbf{J}", r"2 \mathbf{J}^\top \mathbf{J}"),
    ("second_order.levenberg_marquardt_step", r"+ \lambda \, \mathbf{I}", ""),
    ("second_order.levenberg_marquardt_step", r"\lambda \, \mathbf{I}", r"\lambda^2 \, \mathbf{I}"),
    ("second_order.marquardt_step", r"\mathbf{d} \odot \mathbf{d}", r"\mathbf{d}"),
    ("second_order.marquardt_step", r"+ \lambda", r"- \lambda"),
    ("second_order.predicted_decrease", r"\frac{1}{2}", ""),
    ("second_order.predicted_decrease", r"d_j^2", r"d_j"),
    ("second_order.predicted_decrease", r"- g_j", r"+ g_j"),
    ("second_order.gain_ratio", r"E_{t-1} - E_t", r"E_t - E_{t-1}"),
    ("second_order.nielsen_damping", r"\frac{1}{3}", r"\frac{1}{2}"),
    ("second_order.nielsen_damping", r"(2 \rho_t - 1)^3", r"(2 \rho_t - 1)^2"),
    ("second_order.nielsen_damping", r"\max", r"\min"),
    ("second_order.nielsen_damping", r"2 \nu_{t-1} &", r"\nu_{t-1} &"),
    (
        "second_order.nielsen_damping",
        r"\begin{cases} 2 & \text{if } \rho_t > 0",
        r"\begin{cases} \nu_{t-1} & \text{if } \rho_t > 0",
    ),
    ("second_order.fletcher_reeves_beta", r"\mathbf{g}_t^\top \mathbf{g}_t", r"\mathbf{g}_t^\top \mathbf{g}_{t-1}"),
    ("second_order.polak_ribiere_plus_beta", r"\max", r"\min"),
    ("second_order.polak_ribiere_plus_beta", r"- \mathbf{g}_{t-1})", r"+ \mathbf{g}_{t-1})"),
    ("second_order.polak_ribiere_plus_beta", r"\max \left( 0, ", r"\left( "),
    ("second_order.conjugate_direction", r"+ \beta_t", r"- \beta_t"),
    ("second_order.conjugate_direction", r"= -\mathbf{g}_t", r"= \mathbf{g}_t"),
    ("surfaces.beale", "2.625", "2.265"),
    ("surfaces.beale", "(1 - w_2^3)", "(1 - w_2)^3"),
    ("surfaces.beale_grad", "3 w_2^2 r_3", "3 w_2 r_3"),
    ("surfaces.beale_grad", r"r_1 (1 - w_2) -", r"r_1 (1 - w_2) +"),
    ("surfaces.beale_hessian", "9 w_2^4", "9 w_2^2"),
    ("surfaces.beale_hessian", "4 w_1 (r_2", "2 w_1 (r_2"),
    ("surfaces.rosenbrock", "(1 - w_1)^2", "(1 - w_2)^2"),
    ("surfaces.rosenbrock_grad", r"-400 w_1 (w_2", r"400 w_1 (w_2"),
    ("surfaces.rosenbrock_hessian", r"w_1^2 - 400 w_2 + 2", r"w_1^2 - 400 w_2"),
    ("surfaces.rosenbrock_hessian", r"& 200", r"& 100"),
    ("surfaces.saddle_grad", r"2 w_1 \\ -2 w_2", r"-2 w_2 \\ 2 w_1"),
    ("surfaces.quadratic", r"\kappa \, w_2^2", r"w_2^2"),
    ("surfaces.quadratic_hessian", r"1 & 0 \\ 0 & \kappa", r"\kappa & 0 \\ 0 & 1"),
]

# (function, code, code instead[, which occurrence[, helper that holds it]])
CODE = [
    ("activations.sigmoid_grad2", "(1 + e) * (1 + e) * (1 + e)", "(1 + e) * (1 + e)"),
    ("activations.sigmoid_grad2", "half if z > 0 else -half", "half"),
    ("activations.tanh_grad2", "8 * e", "4 * e"),
    ("activations.tanh_grad2", "expm1(-2 * abs(z))", "expm1(-abs(z))"),
    ("activations.elu_grad2", "alpha * math.exp(z)", "alpha * math.expm1(z)"),
    ("activations.elu_grad2", "z > 0", "z >= 0"),
    ("activations.softplus_grad2", "_sigmoid_grad(z)", "_sigmoid(z)"),
    ("losses.mean_squared_error_hvp", " / u.shape[0]", ""),
    ("losses.softmax_cross_entropy_hvp", "weight += y[n, k]", "weight = 1.0"),
    ("losses.softmax_cross_entropy_hvp", "weight = 0.0", "weight = 1e-9"),
    ("losses.sigmoid_cross_entropy_hvp", "u[n, k]", "u[0, k]"),
    ("dense.dense_jvp", "x @ rW", "rx @ rW"),
    ("dense.dense_vjp_jvp", "g @ rW.T", "rg @ rW.T"),
    ("dense.dense_vjp_jvp", "rg.sum(axis=0)", "rg.sum(axis=1)"),
    ("second_order.newton_step", "-g)", "g)"),
    ("second_order.newton_step", "H + lam", "H.T + lam"),
    ("second_order.gauss_newton_step", "-r", "r"),
    ("second_order.gauss_newton_step", "np.linalg.lstsq(A, b, rcond=None)[0]", "A.T @ b", 0, "solve"),
    ("second_order.levenberg_marquardt_step", "np.sqrt(lam)", "lam"),
    ("second_order.levenberg_marquardt_step", "range(2)", "range(0)", 0, "damped"),
    ("second_order.levenberg_marquardt_step", "- scale * (scale * x)", "", 0, "damped"),
    ("second_order.levenberg_marquardt_step", "-J.T @ (r + J @ x)", "-J.T @ (r - J @ x)", 0, "damped"),
    ("second_order.marquardt_step", "np.diag(scale)", "np.diag(np.abs(scale) + 1e-7)", 0, "damped"),
    ("second_order.marquardt_step", "(np.sqrt(lam)) * d", "(np.sqrt(lam))"),
    ("second_order.predicted_decrease", "np.float64(d[j]) * d[j]", "np.float64(d[j])"),
    ("second_order.predicted_decrease", "range(len(g))", "range(1, len(g))"),
    ("second_order.gain_ratio", "before - after", "before"),
    ("second_order.nielsen_damping", "rho > 0", "rho >= 0"),
    ("second_order.nielsen_damping", "** 3", "** 2"),
    ("second_order.nielsen_damping", "nu * lam, 2 * nu", "nu * lam, 2.0"),
    ("second_order.fletcher_reeves_beta", "above / below", "below / above"),
    ("second_order.polak_ribiere_plus_beta", "0.0 if beta < 0 else beta", "beta"),
    ("second_order.polak_ribiere_plus_beta", "g_prev[j]) * g_prev[j]", "g[j]) * g_prev[j]"),
    ("second_order.conjugate_direction", "* p", "* g"),
    ("surfaces.beale", "(1 + b + b * b)", "(1 + b * b)"),
    ("surfaces.beale_grad", "2 * b * r2", "b * r2"),
    ("surfaces.beale_hessian", "H[n, 1, 0] = H[n, 0, 1]", "H[n, 1, 0] = 0"),
    ("surfaces.rosenbrock", "w[n, 1]", "w[0, 1]"),
    ("surfaces.rosenbrock_hessian", "1200 * a * a", "1200 * a"),
    ("surfaces.saddle", "(a - b) * (a + b)", "(a - b) * (a - b)"),
    ("surfaces.quadratic_grad", "kappa * w[n, 1]", "w[n, 1]"),
]

# (function, print, print instead, code, code instead): the two agree, and only the parent tells that both are wrong
BOTH = [
    ("activations.tanh_grad2", r"-2 \tanh", r"-4 \tanh", "8 * e", "16 * e"),
    ("activations.elu_grad2", r"0 & \text{if } z > 0", r"1 & \text{if } z > 0", "return 0.0 if", "return 1.0 if"),
    ("losses.mean_squared_error_hvp", r"\frac{2}{N}", r"\frac{1}{N}", "d[n, k] = 2 *", "d[n, k] = 1 *"),
    ("losses.sigmoid_cross_entropy_hvp", r"\frac{1}{N} \, ", "", " / z.shape[0]", ""),
    ("dense.dense_jvp", r"+ x_{nj} \, \dot w_{ji}", r"+ 2 x_{nj} \, \dot w_{ji}", "+ x @ rW", "+ 2 * x @ rW"),
    ("dense.dense_vjp_jvp", r"(\dot x_{nj}", r"(2 \dot x_{nj}", "rx.T @ g", "2 * rx.T @ g"),
    ("surfaces.rosenbrock_hessian", " + 2 &", " &", " - 400 * b + 2", " - 400 * b"),
    ("surfaces.saddle_hessian", "0 & -2", "0 & 2", "2, -2", "2, 2"),
]

NOT_SEEN = [
    # (planter, fault, the reason)
    (
        mutants.in_code,
        ("second_order.levenberg_marquardt_step", "range(2)", "range(3)", 0, "damped"),
        "A correction more: the same solution.",
    ),
    (
        mutants.in_code,
        ("surfaces.saddle_hessian", "H[n] = np.nan", "pass", 0, "_lost"),
        "Differs at NaN only, which no exact number stands for; the property tests cover it.",
    ),
    (
        mutants.in_print,
        ("second_order.newton_step", r"= -\mathbf{g}", r"= \mathbf{g} - 2 \mathbf{g}"),
        "The same equation: a control, not a fault.",
    ),
]


@pytest.mark.parametrize("fault", PRINTS, ids=name)
def test_fault_in_a_print_is_caught(fault):
    assert mutants.caught(mutants.in_print(*fault)), f"{name(fault)} was not seen"


@pytest.mark.parametrize("fault", CODE, ids=name)
def test_fault_in_code_is_caught(fault):
    assert mutants.caught(mutants.in_code(*fault)), f"{name(fault)} was not seen"


@pytest.mark.parametrize("path", sorted({fault[0] for fault in CODE}))
def test_code_without_a_fault_passes_uncompiled(path):
    assert mutants.caught(mutants.in_code(path, "return", "return")) is None


def in_both(path, old, new, code, new_code):
    def formula():
        function = path.rpartition(".")[2]
        room = load(f"dnnbook.{path}").contract.body.__module__
        text = mutants.source(room)
        start, end = mutants.body_of(text, function)
        text = text[:start] + mutants.replaced(text[start:end], code, new_code) + text[end:]
        at = text.index(f":label: {function.replace('_', '-')}\n")
        return mutants.from_text(room, function, text[:at] + mutants.replaced(text[at:], old, new))

    return formula


@pytest.mark.parametrize("fault", BOTH, ids=name)
def test_the_parent_tells_where_print_and_code_agree_on_a_fault(fault):
    assert "is not the derivative of the print of" in mutants.caught(in_both(*fault))


@pytest.mark.parametrize(("planter", "fault", "reason"), NOT_SEEN, ids=[name(fault) for _, fault, _ in NOT_SEEN])
def test_fault_that_cannot_be_seen(planter, fault, reason):
    assert reason
    assert mutants.caught(planter(*fault)) is None


def test_there_are_enough_faults():
    every = [tuple(f) for f in PRINTS + CODE + BOTH]
    assert len(PRINTS) >= 30
    assert len(CODE) >= 30
    assert len(set(every)) == len(every)
