"""The optimizers a second time: for one parameter, in extended precision, as the papers' pseudo-code says it.

Each takes the parameter, its gradient, the state before (a dictionary) and the numbers, and gives the parameter and the state
after. No code is shared, neither between them nor with the package.
"""

import numpy as np


def sgd(w, g, s, eta):
    return w - eta * g, {}


def momentum(w, g, s, eta, gamma):
    v = gamma * s["v"] - eta * g
    return w + v, {"v": v}


nesterov = momentum  # the gradient comes from elsewhere, the arithmetic is the same


def nesterov_at_w(w, g, s, eta, gamma):
    """The look-ahead step, taken from the point behind and seen from the point ahead."""
    behind = w - gamma * s["v"]
    behind, after = momentum(behind, g, s, eta, gamma)
    return behind + gamma * after["v"], after


def adagrad(w, g, s, eta, eps):
    total = s["v"] + g**2
    return w - eta / (eps + total**0.5) * g, {"v": total}


def rmsprop(w, g, s, eta, beta, eps):
    v = s["v"] - (1 - beta) * (s["v"] - g**2)
    return w - eta / (eps + v**0.5) * g, {"v": v}


def rmsprop_nesterov(w, g, s, eta, beta, gamma, eps):
    """Goodfellow's algorithm 8.6, seen from the point ahead."""
    behind = w - gamma * s["u"]
    v = s["v"] - (1 - beta) * (s["v"] - g**2)
    u = gamma * s["u"] - eta / (eps + v**0.5) * g
    return behind + u + gamma * u, {"v": v, "u": u}


def adadelta(w, g, s, rho, eps):
    v = s["v"] - (1 - rho) * (s["v"] - g**2)
    step = -(((s["u"] + eps) / (v + eps)) ** 0.5) * g
    return w + step, {"v": v, "u": s["u"] - (1 - rho) * (s["u"] - step**2)}


def adam(w, g, s, eta, beta1, beta2, eps):
    t = s["t"] + 1
    m, v = s["m"] - (1 - beta1) * (s["m"] - g), s["v"] - (1 - beta2) * (s["v"] - g**2)
    return w - eta * (m / (1 - beta1**t)) / (eps + (v / (1 - beta2**t)) ** 0.5), {"m": m, "v": v, "t": t}


def adam_uncorrected(w, g, s, eta, beta1, beta2, eps):
    m, v = s["m"] - (1 - beta1) * (s["m"] - g), s["v"] - (1 - beta2) * (s["v"] - g**2)
    return w - eta * m / (eps + v**0.5), {"m": m, "v": v, "t": s["t"] + 1}


def adamw(w, g, s, eta, beta1, beta2, eps, weight_decay):
    """First the decay, then a step of Adam from there."""
    return adam((1 - eta * weight_decay) * w, g, s, eta, beta1, beta2, eps)


def rprop_plus(w, g, s, eta_plus, eta_minus, delta_min, delta_max):
    delta, step = s["delta"], s["step"]
    if s["g"] * g > 0:
        delta = min(delta * eta_plus, delta_max)
        step = -np.sign(g) * delta
    elif s["g"] * g < 0:
        delta = max(delta * eta_minus, delta_min)
        step = -step
        g = 0 * g
    else:
        step = -np.sign(g) * delta
    return w + step, {"g": g, "step": step, "delta": delta}


def rprop_minus(w, g, s, eta_plus, eta_minus, delta_min, delta_max):
    delta = s["delta"]
    if s["g"] * g > 0:
        delta = min(delta * eta_plus, delta_max)
    elif s["g"] * g < 0:
        delta = max(delta * eta_minus, delta_min)
    return w - np.sign(g) * delta, {"g": g, "delta": delta}


def irprop_plus(w, g, s, E, eta_plus, eta_minus, delta_min, delta_max):
    delta, step = s["delta"], -s["step"]
    if s["g"] * g > 0:
        delta = min(delta * eta_plus, delta_max)
        step = -np.sign(g) * delta
    elif s["g"] * g < 0:
        delta = max(delta * eta_minus, delta_min)
        if s["E"] >= E:
            step = 0 * w
        g = 0 * g
    else:
        step = -np.sign(g) * delta
    return w + step, {"g": g, "step": step, "delta": delta, "E": E}


def irprop_minus(w, g, s, eta_plus, eta_minus, delta_min, delta_max):
    delta = s["delta"]
    if s["g"] * g > 0:
        delta = min(delta * eta_plus, delta_max)
    elif s["g"] * g < 0:
        delta = max(delta * eta_minus, delta_min)
        g = 0 * g
    return w - np.sign(g) * delta, {"g": g, "delta": delta}
