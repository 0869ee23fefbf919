"""The elementary functions against extended precision: 2 units in the last place everywhere, and the limits exactly."""

import importlib.util
import math
from pathlib import Path

import mpmath
import numpy as np
import pytest

from dnnbook import _elementary, _jit
from dnnbook.formula import every32

MOST_ULP = 2.0
NAMES = ("exp", "exp_nonpositive", "expm1", "log1p", "tanh", "sigmoid", "softplus", "sigmoid_grad", "tanh_grad")
L = np.longdouble
LOOPS = {name: _jit.Loops(getattr(_elementary, name).py_func) for name in NAMES}
every = pytest.mark.parametrize("name", NAMES)
both = pytest.mark.parametrize("dtype", [np.float32, np.float64])


def over_square(a, e):
    return a / ((1 + e) * (1 + e))


# The plain formulas in extended precision, where they lose no digits: 11 bits more than float64
EXTENDED = {
    "exp": np.exp,
    "exp_nonpositive": np.exp,
    "expm1": np.expm1,
    "log1p": np.log1p,
    "tanh": np.tanh,
    "sigmoid": lambda x: np.where(x < 0, np.exp(-abs(x)), L(1)) / (1 + np.exp(-abs(x))),
    "softplus": lambda x: np.maximum(x, 0) + np.log1p(np.exp(-abs(x))),
    "sigmoid_grad": lambda x: over_square(np.exp(-abs(x)), np.exp(-abs(x))),
    "tanh_grad": lambda x: over_square(4 * np.exp(-2 * abs(x)), np.exp(-2 * abs(x))),
}
EXACT = {
    "exp": mpmath.exp,
    "exp_nonpositive": mpmath.exp,
    "expm1": mpmath.expm1,
    "log1p": mpmath.log1p,
    "tanh": mpmath.tanh,
    "sigmoid": lambda x: 1 / (1 + mpmath.exp(-x)),
    "softplus": lambda x: mpmath.log1p(mpmath.exp(-abs(x))) + max(x, 0),
    "sigmoid_grad": lambda x: over_square(mpmath.exp(-abs(x)), mpmath.exp(-abs(x))),
    "tanh_grad": lambda x: over_square(4 * mpmath.exp(-2 * abs(x)), mpmath.exp(-2 * abs(x))),
}
INF = math.inf
LIMITS = {  # at -inf, -0, 0 and inf; a zero has the sign of the exact result
    "exp": (0.0, 1.0, 1.0, INF),
    "exp_nonpositive": (0.0, 1.0, 1.0, None),
    "expm1": (-1.0, -0.0, 0.0, INF),
    "log1p": (math.nan, -0.0, 0.0, INF),
    "tanh": (-1.0, -0.0, 0.0, 1.0),
    "sigmoid": (0.0, 0.5, 0.5, 1.0),
    "softplus": (0.0, math.log(2), math.log(2), INF),
    "sigmoid_grad": (0.0, 0.25, 0.25, 0.0),
    "tanh_grad": (0.0, 1.0, 1.0, 0.0),
}


def domain(name, x):
    if name == "exp_nonpositive":
        return x[x <= 0]
    return x[x > -1] if name == "log1p" else x


def random(name, n, seed=0):
    """Random float64 numbers: half of all magnitudes, half where the function is not yet its limit."""
    rng = np.random.default_rng(seed)
    sign = rng.choice([-1.0, 1.0], n)
    wide = sign * 10.0 ** rng.uniform(-320, 308 if name == "log1p" else 3, n)
    near = sign * 10.0 ** rng.uniform(-12, 1.6, n)
    if name == "log1p":
        near[::4] = -1 + 10.0 ** rng.uniform(-16, 0, len(near[::4]))
    x = np.where(rng.random(n) < 0.5, wide, near)
    if name == "exp_nonpositive":
        return -np.abs(x)
    return np.where(x <= -1, -x, x) if name == "log1p" else x


def hard(name, dtype):
    """Where the reductions, selections and thresholds change over, with neighbors on both sides."""
    c = _elementary.SINGLE if dtype == np.float32 else _elementary.DOUBLE
    info = np.finfo(dtype)
    smallest, normal, largest = (math.log(float(x)) for x in (info.smallest_subnormal, info.tiny, info.max))
    logs = [smallest - math.log(2), smallest, normal, largest, -math.log(2) * info.nmant]
    half = [k * math.log(2) / 2 for k in range(-2 * 1080, 2 * 1080)]
    splits = [2.0**k * (1 + d) - 1 for k in range(-info.nmant, 70) for d in (math.sqrt(0.5) - 1, math.sqrt(2) - 1, 0.0)]
    constants = [c.overflow, c.underflow, c.minus_one, c.tanh_one, c.tiny, -c.tiny, c.zero]
    points = np.array([*constants, *logs, *half, *splits, *[x / 2 for x in logs]])
    with np.errstate(over="ignore"):
        points = np.concatenate([points, -points]).astype(dtype)
    low, high = np.nextafter(points, dtype(-INF)), np.nextafter(points, dtype(INF))
    return domain(
        name, np.unique(np.concatenate([points, low, high, np.nextafter(low, dtype(-INF)), np.nextafter(high, dtype(INF))]))
    )


def ulp_extended(got, exact):
    """The largest error of float64 numbers in units in the last place of the exact result."""
    with np.errstate(all="ignore"):
        near = np.clip(exact.astype(np.float64), -np.finfo(np.float64).max, np.finfo(np.float64).max)
        error = np.abs(got.astype(L) - exact) / np.spacing(np.abs(near)).astype(L)
    beyond = np.abs(exact) >= L(np.finfo(np.float64).max)
    assert np.isinf(got[beyond]).all() or not beyond.any()
    return float(error[~beyond].max(initial=0))


def ulp_exact(got, x, exact):
    """The same with mpmath; a result out of range counts as the first number beyond it."""
    dtype, worst = got.dtype.type, 0.0
    info = np.finfo(dtype)
    beyond = mpmath.mpf(2) ** info.maxexp
    with mpmath.workdps(60):
        for g, z in zip(got.tolist(), x.tolist(), strict=True):
            e = exact(mpmath.mpf(z))
            exponent = mpmath.frexp(e)[1] if e else info.minexp
            unit = mpmath.mpf(2) ** (max(exponent, info.minexp + 1) - 1 - info.nmant)
            g, e = (min(max(mpmath.mpf(v), -beyond), beyond) for v in (g, e))
            worst = max(worst, float(abs(g - e) / unit))
    return worst


@both
@every
def test_limits(name, dtype):
    minus, negative, positive, plus = LIMITS[name]
    tiny = np.finfo(dtype).smallest_subnormal
    for x, expected in ((-INF, minus), (-0.0, negative), (0.0, positive), (INF, plus), (-tiny, negative), (tiny, positive)):
        if expected is None or (name == "exp_nonpositive" and x > 0):
            continue
        if abs(x) == tiny and expected == 0:
            expected = x
        got = LOOPS[name](np.full(9, x, dtype))  # 8 of them in vector registers, and a last one
        np.testing.assert_allclose(got, dtype(expected), rtol=np.finfo(dtype).eps if expected == math.log(2) else 0)
        assert (np.signbit(got) == np.signbit(dtype(expected))).all() or np.isnan(expected)


@every
def test_a_nan_stays_whatever_its_bits(name):
    for bits in (0x7F800001, 0x7FC00000, 0x7FFFFFFF, 0xFF800001, 0xFFFFFFFF):
        assert np.isnan(LOOPS[name](np.full(9, bits, np.uint32).view(np.float32))).all()
    for bits in (0x7FF0000000000001, 0x7FF8000000000000, 0x7FFFFFFFFFFFFFFF, 0xFFF0000000000001, 0xFFFFFFFFFFFFFFFF):
        assert np.isnan(LOOPS[name](np.full(9, bits, np.uint64).view(np.float64))).all()


def test_logarithm_outside_its_domain():
    for dtype in (np.float32, np.float64):
        got = LOOPS["log1p"](np.array([-1.0, np.nextafter(dtype(-1), dtype(-2)), -2.0, -1e30, -INF], dtype))
        assert got[0] == -INF
        assert np.isnan(got[1:]).all()


@pytest.mark.parametrize("name", every32.ELEMENTARY)
def test_float32_slice(name):
    row = every32.measure(name, step=2**12 + 1)
    assert row["passed"], row


@both
@every
def test_hard_cases(name, dtype):
    x = hard(name, dtype)
    assert len(x) > 10_000
    x = x[:: 7 if dtype == np.float64 else 5]
    assert ulp_exact(LOOPS[name](x), x, EXACT[name]) <= MOST_ULP


@every
def test_random_float64(name):
    x = random(name, 300_000)
    with np.errstate(all="ignore"):
        assert ulp_extended(LOOPS[name](x), EXTENDED[name](x.astype(L))) <= MOST_ULP


@every
def test_extended_precision_is_a_good_reference(name):
    x = random(name, 400, seed=1)
    with np.errstate(all="ignore"):
        wide = EXTENDED[name](x.astype(L))
    with mpmath.workdps(60):
        for z, w in zip(x.tolist(), wide, strict=True):
            e = EXACT[name](mpmath.mpf(z))
            if abs(e) < mpmath.mpf(2) ** 1024:
                whole, rest = float(w), float(w - L(float(w)))
                unit = max(abs(e) * mpmath.mpf(2) ** -53, mpmath.mpf(2) ** -1074)
                assert abs(mpmath.mpf(whole) + mpmath.mpf(rest) - e) <= 0.01 * unit


@both
@every
def test_results_are_the_same_wherever_a_number_stands(name, dtype):
    """Vector registers, the numbers left over at the end, unaligned starts, threads: the same bits."""
    x = domain(name, np.random.default_rng(3).normal(0, 5, 4000).astype(dtype))
    whole = LOOPS[name](x)
    for start, stop in ((0, 1), (1, 2), (3, 20), (5, 1000), (7, len(x))):
        assert np.array_equal(LOOPS[name](x[start:stop]), whole[start:stop])
    assert np.array_equal([LOOPS[name](v) for v in x[:50]], whole[:50])
    assert np.array_equal(LOOPS[name](x[::-1]), whole[::-1])
    assert np.array_equal(LOOPS[name](x, out=x), whole)


FAULTS = [
    (
        "exp",
        "log_2_low\n    return r, r * r * _polynomial(c.exp, r), t",
        "log_2_high\n    return r, r * r * _polynomial(c.exp, r), t",
    ),
    ("exp", "0.16666666818179024", "0.16667666818179024"),
    ("exp", "89.0, -110.0", "88.0, -110.0"),
    ("exp", "89.0, -110.0", "89.0, -100.0"),
    ("expm1", "return z + z", "return y + y"),
    ("log1p", "lost / y", "c.zero"),
    ("log1p", "0.40000336201193054", "0.40100336201193054"),
    ("tanh", "-20.0, 10.0", "-20.0, 8.0"),
    ("tanh", "e * below + y * lost", "c.zero"),
    ("sigmoid", "y - y * q", "y - q"),
    ("softplus", "0.39998872905628524", "0.39996872905628524"),
    ("sigmoid_grad", "y - y * lost", "y + y * lost"),
    ("tanh_grad", "large * c.four_small, large * c.small", "c.four_small * c.big * (large * c.small), large * c.small"),
]


@pytest.mark.parametrize(("name", "old", "new"), FAULTS, ids=[f"{n}: {a[:12]} -> {b[:12]}" for n, a, b in FAULTS])
def test_a_fault_is_found(name, old, new, tmp_path):
    """Each of them by one of the checks above, in float32."""
    text = Path(_elementary.__file__).read_text("utf-8").replace("cache=True", "cache=False")
    assert text.count(old) == 1
    file = tmp_path / "faulty.py"
    file.write_text(text.replace(old, new))
    spec = importlib.util.spec_from_file_location("dnnbook._elementary", file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    loops = _jit.Loops(getattr(module, name).py_func)
    x = np.concatenate([every32.inputs(0, every32.INPUTS, 2**12 + 1), hard(name, np.float32)])
    x = domain(name, x[np.isfinite(x)])
    with np.errstate(all="ignore"):
        worst, _ = every32.furthest(loops(x), EXTENDED[name](x.astype(L)).astype(np.float64))
    assert worst > MOST_ULP


@pytest.mark.slow
@every
def test_a_hundred_million_random_float64(name):
    worst = 0.0
    for seed in range(100):
        x = random(name, 10**6, seed=1000 + seed)
        with np.errstate(all="ignore"):
            worst = max(worst, ulp_extended(LOOPS[name](x), EXTENDED[name](x.astype(L))))
    print(f"{name}: {worst:.4f} ULP")
    assert worst <= MOST_ULP


@pytest.mark.slow
@both
@every
def test_all_hard_cases(name, dtype):
    x = hard(name, dtype)
    assert ulp_exact(LOOPS[name](x), x, EXACT[name]) <= MOST_ULP
