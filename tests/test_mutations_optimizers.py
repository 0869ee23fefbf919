"""Faults in the optimizers, planted one at a time: in prints, in pure code, and in the compiled steps in place.

They were written down before any was run. At the first run two were missed: a product of two gradients where their signs were
meant, which differs only where it underflows (the checker now draws all compared arrays tiny at once), and a length of RPROP
without its upper limit in place, which 20 steps from 0.1 never reached (the limits here are now near).
"""

import importlib

import mutants
import numpy as np
import pytest
from strategies import flat

from dnnbook import optimizers

# (function, what is printed, what is printed instead[, which occurrence])
PRINTS = [
    ("optimizers.nesterov", r"\tilde g_t", r"g_t"),
    ("optimizers.nesterov", r"+ v_t", r"- v_t"),
    ("optimizers.nesterov_point", r"\gamma \, ", ""),
    ("optimizers.nesterov_point", r"+ \gamma", r"- \gamma"),
    ("optimizers.nesterov_at_w", r"\gamma \, v_t -", r"\gamma \, v_{t-1} -"),
    ("optimizers.nesterov_at_w", r"v_t - \eta \, g_t", r"v_t"),
    ("optimizers.nesterov_at_w", r"+ \gamma \, v_t", r"+ v_t"),
    ("optimizers.adagrad", "g_t^2", "g_t"),
    ("optimizers.adagrad", r"\sqrt{v_t} + \epsilon", r"\sqrt{v_t + \epsilon}"),
    ("optimizers.adagrad", r"\sqrt{v_t}", r"\sqrt{v_{t-1}}"),
    ("optimizers.adagrad", r"\sqrt{v_t}", r"v_t"),
    ("optimizers.rmsprop", r"(1 - \beta) \, ", ""),
    ("optimizers.rmsprop", r"\sqrt{v_t} + \epsilon", r"\sqrt{v_t + \epsilon}"),
    ("optimizers.rmsprop", r"\sqrt{v_t} + \epsilon", r"\sqrt{v_t}"),
    ("optimizers.rmsprop_nesterov", r"\gamma \, u_t", r"\gamma \, u_{t-1}"),
    ("optimizers.rmsprop_nesterov", r"u_{t-1} - r_t", r"u_{t-1} + r_t"),
    ("optimizers.rmsprop_nesterov", r"\gamma \, u_t - r_t", r"u_t"),
    ("optimizers.adadelta", r"u_{t-1} + \epsilon", r"u_t + \epsilon"),
    ("optimizers.adadelta", r"\sqrt{v_t + \epsilon}", r"\sqrt{v_t} + \epsilon"),
    ("optimizers.adadelta", r"\Delta w_t^2", r"g_t^2"),
    ("optimizers.adadelta", r"&= -\frac", r"&= \frac"),
    ("optimizers.adam_uncorrected", r"\frac{m_t}", r"\frac{g_t}"),
    ("optimizers.adam_uncorrected", r"\beta_2 v_{t-1}", r"\beta_1 v_{t-1}"),
    ("optimizers.adamw", r"\lambda \, w_{t-1}", r"\lambda \, w_t"),
    ("optimizers.adamw", r"+ \lambda", r"- \lambda"),
    ("optimizers.adamw", r"1 - \beta_2^t", r"1 - \beta_2^{t-1}"),
    ("optimizers.rprop_minus", r"\min(\eta^+", r"\max(\eta^+"),
    ("optimizers.rprop_minus", r"\eta^-", r"\eta^+"),
    ("optimizers.rprop_minus", "g_t < 0", r"g_t \le 0"),
    ("optimizers.rprop_minus", r"\operatorname{sgn}(g_t)", r"g_t"),
    ("optimizers.rprop_minus", r"\operatorname{sgn}(g_t) \, \Delta_t", r"\operatorname{sgn}(g_t) \, \Delta_{t-1}"),
    ("optimizers.irprop_minus", r"\operatorname{sgn}(\tilde g_t)", r"\operatorname{sgn}(g_t)"),
    ("optimizers.irprop_minus", r"\Delta_{\mathrm{min}}", r"\Delta_{\mathrm{max}}"),
    ("optimizers.irprop_minus", r"0 & \text{if } \tilde g_{t-1} g_t < 0", r"0 & \text{if } \tilde g_{t-1} g_t > 0"),
    ("optimizers.rprop_plus", r"-\Delta w_{t-1}", r"\Delta w_{t-1}"),
    ("optimizers.rprop_plus", r"-\operatorname{sgn}(g_t)", r"\operatorname{sgn}(g_t)"),
    ("optimizers.rprop_plus", r"\begin{cases} 0 &", r"\begin{cases} g_t &"),
    ("optimizers.irprop_plus", r"E_t > E_{t-1}", r"E_t < E_{t-1}"),
    ("optimizers.irprop_plus", r"E_t > E_{t-1}", r"E_t \ge E_{t-1}"),
    ("optimizers.irprop_plus", r"\mathbb{1}[E_t > E_{t-1}] \, ", ""),
    ("optimizers.irprop_plus", r"\mathbb{1}[E_t > E_{t-1}]", r"\mathbb{1}[E_t > 0]"),
]

# (function, code, code instead[, which occurrence[, helper that holds it]])
CODE = [
    ("optimizers.nesterov", "gamma * state.v - eta * g", "gamma * (state.v - eta * g)"),
    ("optimizers.nesterov", "w + v,", "w + state.v,"),
    ("optimizers.nesterov_point", "gamma * state.v", "gamma + state.v"),
    ("optimizers.nesterov_at_w", "(gamma * v - eta * g)", "(gamma * state.v - eta * g)"),
    ("optimizers.nesterov_at_w", "MomentumState(v)", "MomentumState(gamma * v - eta * g)"),
    ("optimizers.adagrad", "state.v + g * g", "state.v + abs(g)"),
    ("optimizers.adagrad", "np.sqrt(v) + eps", "np.sqrt(v + eps)"),
    ("optimizers.adagrad", "np.sqrt(v) + eps", "np.sqrt(state.v) + eps"),
    ("optimizers.rmsprop", "(1 - beta) * g", "beta * g"),
    ("optimizers.rmsprop", "+ eps", "- eps"),
    ("optimizers.rmsprop", "RmspropState(v)", "RmspropState(state.v)"),
    ("optimizers.rmsprop_nesterov", "gamma * state.u - r", "gamma * state.u - gamma * r"),
    ("optimizers.rmsprop_nesterov", "w + (gamma * u - r)", "w + u"),
    ("optimizers.rmsprop_nesterov", "RmspropNesterovState(v, u)", "RmspropNesterovState(u, v)"),
    ("optimizers.adadelta", "np.sqrt(state.u + eps)", "np.sqrt(state.u)"),
    ("optimizers.adadelta", "np.sqrt(v + eps)", "np.sqrt(state.v + eps)"),
    ("optimizers.adadelta", "(1 - rho) * step * step", "(1 - rho) * step"),
    ("optimizers.adam_uncorrected", "eta * m", "eta * g"),
    ("optimizers.adam_uncorrected", "np.sqrt(v) + eps", "np.sqrt(v + eps)"),
    ("optimizers.adam_uncorrected", "state.t + 1", "state.t"),
    ("optimizers.adamw", "weight_decay * w", "weight_decay"),
    ("optimizers.adamw", " + eta * weight_decay * w", ""),
    ("optimizers.adamw", "_correction(beta1, t)", "_correction(beta2, t)", 0, "_corrected"),
    ("optimizers.rprop_minus", "np.sign(before) * np.sign(now)", "before * now", 0, "_agreement"),
    ("optimizers.rprop_minus", "np.minimum(eta_plus * delta, delta_max)", "eta_plus * delta", 0, "_sizes"),
    ("optimizers.rprop_minus", "np.maximum(eta_minus * delta, delta_min)", "eta_minus * delta", 0, "_sizes"),
    ("optimizers.rprop_minus", "agreement > 0", "agreement >= 0", 0, "_sizes"),
    ("optimizers.rprop_minus", "agreement < 0", "agreement <= 0", 0, "_sizes"),
    ("optimizers.rprop_minus", "np.array(g)", "state.g"),
    ("optimizers.irprop_minus", "np.sign(kept)", "np.sign(g)"),
    ("optimizers.irprop_minus", "RpropState(kept", "RpropState(g"),
    ("optimizers.rprop_plus", "-state.step", "state.step"),
    ("optimizers.rprop_plus", "np.where(turned, 0, g)", "g"),
    ("optimizers.rprop_plus", "agreement < 0", "agreement <= 0"),
    ("optimizers.irprop_plus", "E > state.E", "E >= state.E"),
    ("optimizers.irprop_plus", "E > state.E", "E < state.E"),
    ("optimizers.irprop_plus", "delta, E)", "delta, state.E)"),
    ("optimizers.irprop_plus", "np.zeros_like(state.step)", "-np.sign(g) * delta"),
]

# (step in place, code, code instead[, which occurrence[, helper that holds it]])
IN_PLACE = [
    ("sgd_", "-= eta * g[i]", "-= eta * g[0]", 0, "_sgd"),
    ("momentum_", "w[i] += v[i]", "w[i] += v[i] + 1e-9", 0, "_momentum"),
    ("nesterov_", "(eta, gamma)", "(gamma, eta)"),
    ("nesterov_at_w_", "w[i] += gamma * v[i]", "w[i] += v[i]", 0, "_nesterov_at_w"),
    ("adagrad_", "v[i] += g[i] * g[i]", "v[i] = g[i] * g[i]", 0, "_adagrad"),
    ("rmsprop_", "rest * g[i] * g[i]", "rest * (g[i] * g[i])", 0, "_rmsprop"),
    ("rmsprop_nesterov_", "u[i] = gamma * u[i] - r", "u[i] = gamma * u[i]", 0, "_rmsprop_nesterov"),
    ("adadelta_", "u[i] + eps", "v[i] + eps", 0, "_adadelta"),
    ("adam_", "beta2, t)", "beta2, state.t + 2)"),
    ("adam_", "state.v, t)", "state.v, state.t)"),
    ("adam_uncorrected_", "eta, 1.0", "eta, 2.0"),
    ("adamw_", "+ decay * w[i]", "", 0, "_adamw"),
    ("rprop_minus_", "before[i] = g[i]", "before[i] += g[i]", 0, "_rprop_minus"),
    ("irprop_minus_", "np.sign(before[i]) * delta[i]", "np.sign(g[i]) * delta[i]", 0, "_irprop_minus"),
    ("rprop_plus_", "-step[i] if back", "step[i] if back", 0, "_rprop_plus"),
    ("irprop_plus_", "E > state.E", "True"),
    ("irprop_plus_", "_replace(E=E)", "_replace(E=state.E)"),
    ("irprop_plus_", "min(eta_plus * delta, delta_max)", "eta_plus * delta", 0, "_size"),
    ("irprop_minus_", "agreement < 0 else delta", "agreement <= 0 else delta", 0, "_size"),
]


globals().update(mutants.suite(PRINTS, CODE, more=IN_PLACE))


def differs(step, old, new, which=0, inside=None):
    """Does the faulty step in place, uncompiled, leave the path of its pure twin?"""
    pure, init, _ = optimizers.TWINS[step.removesuffix("_")]
    room = pure.contract.body.__module__
    text = mutants.source(room)
    start, end = mutants.body_of(text, inside or step)
    text = text[:start] + mutants.replaced(text[start:end], old, new, which) + text[end:]
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(importlib.sys.modules, "dnnbook._jit", mutants.run_source("dnnbook._jit", mutants.source("dnnbook._jit")))
        module = mutants.run_source(room, text)
    rng, w = np.random.default_rng(0), np.array([1.0, -2.0, 0.5, 3.0])
    loss = "E" in pure.contract.names
    limits = {k: x for k, x in {"delta_min": 0.06, "delta_max": 0.11}.items() if k in pure.contract.names}  # both are reached
    v, state = w.copy(), [] if init is None else [init(w)]
    twin = [getattr(module, type(s).__name__)(*[np.array(x) if isinstance(x, np.ndarray) else x for x in s]) for s in state]
    for _ in range(20):
        g, E = rng.normal(size=4), [rng.normal()] * loss
        after = pure(w, g, *state, *E, **limits)
        w, state = (after, []) if init is None else (after[0], after[1:])
        with np.errstate(all="ignore"):
            got = getattr(module, step)(v, g, *twin, *E, **limits)
        twin = [got] * len(twin)
        if not all(np.array_equal(a, b) for a, b in zip(flat((w, *state)), flat((v, *twin)), strict=True)):
            return True
    return False


@pytest.mark.parametrize("fault", IN_PLACE, ids=mutants.name)
def test_fault_in_place_is_caught(fault):
    assert differs(*fault), f"{mutants.name(fault)} was not seen"


@pytest.mark.parametrize("step", sorted({fault[0] for fault in IN_PLACE}))
def test_a_step_without_a_fault_keeps_to_the_path(step):
    assert not differs(step, "run", "run")


def test_every_step_in_place_has_a_fault():
    assert {f[0] for f in IN_PLACE} == {f"{n}_" for n in optimizers.TWINS}
