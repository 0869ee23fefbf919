"""Faults in batch normalization, dropout, penalties, clipping, diagnostics and schedules, in prints, in code, in both."""

import mutants
import pytest
from test_mutations import name
from test_mutations_second_order import in_both

# (function, what is printed, what is printed instead[, which occurrence])
PRINTS = [
    ("batch_norm.batch_norm", r"\gamma_j \, \hat x_{nj} + \beta_j", r"\gamma_j \, \hat x_{nj} - \beta_j"),
    ("batch_norm.batch_norm", r"\frac{1}{N} \sum_{n=1}^{N} (x_{nj}", r"\frac{1}{N - 1} \sum_{n=1}^{N} (x_{nj}"),
    ("batch_norm.batch_norm", r"\sqrt{\sigma_j^2 + \epsilon}", r"\sigma_j + \epsilon"),
    ("batch_norm.batch_norm", r"\sigma_j^2 + \epsilon", r"\sigma_j^2 - \epsilon"),
    ("batch_norm.batch_norm", r"\sqrt{\sigma_j^2 + \epsilon}", r"\sqrt{\sigma_j^2}"),
    ("batch_norm.batch_norm_vjp", r"- \frac{1}{N} \bar \beta_j", r"+ \frac{1}{N} \bar \beta_j"),
    ("batch_norm.batch_norm_vjp", r"- \frac{1}{N} \hat x_{nj} \bar \gamma_j", ""),
    ("batch_norm.batch_norm_vjp", r"\bar y_{nj} \, \hat x_{nj}", r"\bar y_{nj} \, x_{nj}"),
    ("batch_norm.batch_norm_vjp", r"\hat x_{nj} \bar \gamma_j", r"x_{nj} \bar \gamma_j"),
    ("batch_norm.batch_norm_vjp", r"\frac{\gamma_j}{\sqrt", r"\frac{1}{\sqrt"),
    (
        "batch_norm.batch_norm_vjp",
        r"\bar \beta_j &= \sum_{n=1}^{N} \bar y_{nj}",
        r"\bar \beta_j &= \frac{1}{N} \sum_{n=1}^{N} \bar y_{nj}",
    ),
    ("batch_norm.batch_norm_inference", r"x_{nj} - m_j", r"x_{nj} + m_j"),
    ("batch_norm.batch_norm_inference", r"v_j + \epsilon", r"v_j^2 + \epsilon"),
    ("batch_norm.batch_norm_inference_vjp", r"\bar y_{nj} \, \frac{x_{nj} - m_j}", r"\bar y_{nj} \, \frac{x_{nj}}"),
    ("batch_norm.running_statistics", r"(1 - \alpha) \, m_j + \alpha \, \mu_j", r"\alpha \, m_j + (1 - \alpha) \, \mu_j"),
    ("batch_norm.running_statistics", r"\frac{\alpha}{N - 1}", r"\frac{\alpha}{N}"),
    ("batch_norm.running_statistics", r"(x_{nj} - \mu_j)^2", r"(x_{nj} - m_j)^2"),
    ("dropout.dropout", r"\frac{m}{p} \, x", r"m \, x"),
    ("dropout.dropout", r"\frac{m}{p}", r"\frac{m}{1 - p}"),
    ("dropout.dropout_vjp", r"\frac{m}{p}", r"\frac{1 - m}{p}"),
    ("regularization.l2", r"\frac{\lambda}{2}", r"\lambda"),
    ("regularization.l2_grad", r"\lambda \, w", r"2 \lambda \, w"),
    ("regularization.l1", r"|w_{ji}|", r"w_{ji}"),
    ("regularization.l1_grad", r"\lambda \operatorname{sgn}(w_{ji})", r"\lambda \, |w_{ji}|"),
    ("regularization.decoupled_decay", r"\eta \lambda", r"\lambda"),
    ("regularization.max_norm", r"\min", r"\max"),
    ("regularization.max_norm", r"\frac{c}{n_i}", r"\frac{c}{n_i^2}"),
    ("gradients.clip_by_value", r"\max(-c, \min(c, g))", r"\min(-c, \max(c, g))"),
    ("gradients.clip_by_value", r"\max(-c, ", r"\max(0, "),
    ("gradients.clip_by_norm", r"\frac{c}{n}", r"\frac{1}{n}"),
    ("gradients.clip", r"\min \left( 1,", r"\max \left( 1,"),
    ("gradients.global_norm", r"\sqrt{\sum_{l=1}^{L} n_l^2}", r"\sum_{l=1}^{L} n_l"),
    ("gradients.dead_share", r"\max_{n} a_{ni} \le 0", r"\max_{n} a_{ni} < 0"),
    ("gradients.sparsity", r"a_{ni} = 0", r"a_{ni} \le 0"),
    ("schedules.step", r"\lfloor t / T \rfloor", r"t / T"),
    ("schedules.exponential", r"\gamma^t", r"\gamma^{t - 1}"),
    ("schedules.cosine", r"\frac{1}{2} (\eta_0", r"(\eta_0"),
    ("schedules.cosine", r"\tau = \min(t, T)", r"\tau = t"),
    ("schedules.cosine", r"1 + \cos", r"1 - \cos"),
    ("schedules.warm_up", r"t + 1", r"t - 1"),
]

# (function, code, code instead[, which occurrence[, helper that holds it]])
CODE = [
    ("batch_norm.batch_norm", "/ x.shape[0] + eps", "/ (x.shape[0] - 1 + 1e-9) + eps"),
    ("batch_norm.batch_norm", "x.shape[0] + eps)", "x.shape[0]) + eps"),
    ("batch_norm.batch_norm", "gamma / np.sqrt", "gamma * np.sqrt"),
    ("batch_norm.batch_norm", "+ beta[j]", "+ beta[0]"),
    ("batch_norm.batch_norm", "total / x.shape[0]", "total / x.shape[1]", 0, "_mean"),
    ("batch_norm.batch_norm", "d * d", "abs(d)", 0, "_squares"),
    ("batch_norm.batch_norm_vjp", "kept + slope[j] * d * (eps * inverse[j] * inverse[j])", "kept"),
    ("batch_norm.batch_norm_vjp", "along / squares", "along"),
    ("batch_norm.batch_norm_vjp", "(along * inverse)", "along"),
    ("batch_norm.batch_norm_vjp", "(g_mean * N)", "g_mean"),
    ("batch_norm.batch_norm_vjp", "squares / N + eps", "squares / N"),
    ("batch_norm.batch_norm_inference", "var + np.float64(eps)", "var"),
    ("batch_norm.batch_norm_inference", "- np.float64(mean[j])", ""),
    ("batch_norm.batch_norm_inference_vjp", "gamma[j] * inverse[j] * g[n, j]", "inverse[j] * g[n, j]"),
    ("batch_norm.batch_norm_inference_vjp", "dbeta[j] += g[n, j]", "dbeta[j] = g[n, j]"),
    ("batch_norm.running_statistics", "(x.shape[0] - 1)", "x.shape[0]"),
    ("batch_norm.running_statistics", "kept * var", "kept * mean"),
    ("batch_norm.running_statistics", "1 - np.float64(momentum)", "np.float64(momentum)"),
    ("dropout.dropout", "mask / keep * x", "mask * keep * x"),
    ("dropout.dropout", "mask / keep * x", "np.where(mask > 0, x, 0.0) / keep"),
    ("dropout.dropout_vjp", "mask / keep * g", "mask * g"),
    ("regularization.l2", "strength / 2", "strength"),
    ("regularization.l2", "range(w.shape[0])", "range(1, w.shape[0])"),
    ("regularization.l2_grad", "strength * w", "strength * w / 2"),
    ("regularization.l1", "abs(np.float64(w[j, i]))", "np.float64(w[j, i])"),
    ("regularization.l1_grad", "np.sign(w)", "np.where(w >= 0, 1.0, -1.0)"),
    ("regularization.decoupled_decay", "eta * strength", "strength"),
    ("regularization.max_norm", "axis=0", "axis=1"),
    ("regularization.max_norm", "np.minimum(1, c /", "np.minimum(c, c /"),
    ("gradients.clip_by_value", "-c if g < -c else g", "g"),
    ("gradients.clip_by_value", "g > c", "g > 1"),
    ("gradients.clip_by_norm", "np.minimum(1, ", "np.maximum(1, "),
    ("gradients.clip_by_norm", "** 2", "** 1", 0, "euclidean"),
    ("gradients.clip", "norm <= c", "norm >= c"),
    ("gradients.clip", "(c / norm)", "(1 / norm)"),
    ("gradients.global_norm", "unit * np.sqrt", "np.sqrt", 0, "euclidean"),
    ("gradients.dead_share", "top <= 0", "top < 0"),
    ("gradients.dead_share", "max(axis=0)", "min(axis=0)"),
    ("gradients.sparsity", "activations == 0", "activations <= 0"),
    ("schedules.constant", "return eta", "return eta + 1e-9"),
    ("schedules.step", "t // every", "t / every"),
    ("schedules.step", "t // every", "(t + 1) // every"),
    ("schedules.exponential", "gamma**t", "gamma**(t + 1)"),
    ("schedules.cosine", "min(t, steps) / steps", "t / steps"),
    ("schedules.cosine", "eta_min * math.sin(gone)", "eta_min * math.sin(left)"),
    ("schedules.warm_up", "t + 1", "t"),
    ("schedules.warm_up", "min(1, (t + 1) / steps)", "(t + 1) / steps"),
]

# (function, print, print instead, code, code instead): the two agree, and only the parent tells that both are wrong
BOTH = [
    ("batch_norm.batch_norm_vjp", r"\frac{\gamma_j}{\sqrt", r"\frac{2 \gamma_j}{\sqrt", "gamma[j] *", "2 * gamma[j] *"),
    ("batch_norm.batch_norm_inference_vjp", r"\frac{\gamma_j}", r"\frac{2 \gamma_j}", "gamma[j] *", "2 * gamma[j] *"),
    ("dropout.dropout_vjp", r"\frac{m}{p}", r"\frac{m}{p^2}", "mask / keep", "mask / keep / keep"),
    ("regularization.l2_grad", r"\lambda \, w", r"2 \lambda \, w", "strength * w", "2 * strength * w"),
    ("regularization.l1_grad", r"\operatorname{sgn}(w_{ji})", "w_{ji}", "np.sign(w)", "w"),
]

NOT_SEEN = [
    # (planter, fault, the reason)
    (
        mutants.in_code,
        ("batch_norm.batch_norm_vjp", "- rest_slope[j] * d", ""),
        "A correction of round-off, below the tolerance at the sizes drawn.",
    ),
    (
        mutants.in_code,
        ("batch_norm.batch_norm_vjp", "(across[n, j] - rest[j])", "(across[n, j] + rest[j])"),
        "The mean that is left after the first pass is round-off.",
    ),
    (
        mutants.in_code,
        ("batch_norm.batch_norm_vjp", "(g[n, j] - g_mean[j]) - slope[j] * d", "g[n, j] - slope[j] * d"),
        "The second pass takes the mean away: the same result.",
    ),
    (
        mutants.in_code,
        ("batch_norm.batch_norm_vjp", "(g[n, j] - g_mean[j]) - slope[j] * d", "(g[n, j] - g_mean[j])"),
        "The second pass takes the slope away as well: the same result.",
    ),
    (
        mutants.in_code,
        ("gradients.dead_share", "np.where(np.isnan(top), np.nan, top <= 0)", "top <= 0"),
        "Differs at NaN only, which no exact number stands for; the tests of behaviour cover it.",
    ),
    (
        mutants.in_print,
        ("regularization.decoupled_decay", r"(1 - \eta \lambda)", r"(1 - \lambda \eta)"),
        "The same factor: a control, not a fault.",
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
