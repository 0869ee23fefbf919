"""Initializers: the numbers of the papers, draws of that width, the same draws for the same seed, and clear errors."""

import math
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnnbook import initializers as i

SIZES = st.integers(1, 10**9)
SAMPLERS = {
    "lecun_normal": lambda n, m: 1 / n,
    "lecun_uniform": lambda n, m: 1 / n,
    "glorot_normal": lambda n, m: 2 / (n + m),
    "glorot_uniform": lambda n, m: 2 / (n + m),
    "he_normal": lambda n, m: 2 / n,
    "he_uniform": lambda n, m: 2 / n,
}
every = pytest.mark.parametrize("name", SAMPLERS)


@given(n=SIZES, m=SIZES)
def test_widths_are_those_of_the_papers(n, m):
    for name, args in [("lecun", (n,)), ("glorot", (n, m)), ("he", (n,))]:
        std, limit = getattr(i, f"{name}_std")(*args), getattr(i, f"{name}_limit")(*args)
        assert std**2 == pytest.approx(SAMPLERS[f"{name}_normal"](n, m), rel=1e-15)
        assert limit**2 == pytest.approx(3 * SAMPLERS[f"{name}_normal"](n, m), rel=1e-15)
        assert type(std) is type(limit) is np.float64


@every
def test_draws_have_the_promised_mean_variance_and_shape(name):
    n, m = 300, 500
    w = getattr(i, name)(np.random.default_rng(1), (n, m))
    variance = SAMPLERS[name](n, m)
    assert w.shape == (n, m)
    assert abs(w.mean()) < 5 * math.sqrt(variance / w.size)
    kurtosis = 3 if name.endswith("normal") else 9 / 5
    assert abs(w.var() - variance) < 5 * variance * math.sqrt((kurtosis - 1) / w.size)
    assert np.mean((w - w.mean()) ** 4) / w.var() ** 2 == pytest.approx(kurtosis, rel=0.05)
    if name.endswith("uniform"):
        limit = math.sqrt(3 * variance)
        assert 0.999 * limit < abs(w).max() <= limit


@every
def test_a_seed_gives_the_same_draw_in_both_precisions(name):
    f = getattr(i, name)
    a, b, c = (f(np.random.default_rng(7), (4, 3), dtype=t) for t in (np.float64, np.float64, np.float32))
    assert np.array_equal(a, b)
    assert c.dtype == np.float32
    assert np.array_equal(c, a.astype(np.float32))
    assert not np.array_equal(a, f(np.random.default_rng(8), (4, 3)))


def test_draws_of_any_shape_and_width():
    rng = np.random.default_rng(0)
    assert i.normal(rng, (2, 3, 4), 0.1).shape == i.uniform(rng, (2, 3, 4), 0.1).shape == (2, 3, 4)
    assert i.normal(rng, (5,), 0.0).tolist() == [0] * 5
    assert i.normal(rng, (10_000,), 2.0).std() == pytest.approx(2, rel=0.05)
    assert abs(i.uniform(rng, (10_000,), 2.0)).max() == pytest.approx(2, rel=0.01)


RNG = np.random.default_rng(0)
ERRORS = [
    (lambda: i.he_std(0), ValueError, "he_std: n_in is 0, expected a number in [1, inf)"),
    (lambda: i.glorot_std(3, 2.5), TypeError, "glorot_std: n_out is 2.5, expected an integer"),
    (lambda: i.normal(np.random, (2,), 1.0), TypeError, f"normal: rng is {np.random!r}, expected a numpy.random.Generator"),
    (lambda: i.uniform(RNG, (2.5,), 1.0), TypeError, "uniform: shape is (2.5,), expected a tuple of integers"),
    (lambda: i.uniform(RNG, 3, 1.0), TypeError, "uniform: shape is 3, expected a tuple of integers"),
    (lambda: i.normal(RNG, (2, 0), 1.0), ValueError, "normal: shape is (2, 0), expected sizes of at least 1"),
    (lambda: i.normal(RNG, (2,), -1.0), ValueError, "normal: std is -1.0, expected a number in [0, inf)"),
    (lambda: i.uniform(RNG, (2,), math.nan), ValueError, "uniform: limit is nan, expected a number in [0, inf)"),
    (lambda: i.uniform(RNG, (2,), "1"), TypeError, "uniform: limit is '1', expected a number"),
    (lambda: i.normal(RNG, (2,), 1.0, np.int32), TypeError, "normal: dtype is int32, expected float32 or float64"),
    (lambda: i.normal(RNG, (2,), 1.0, "f9"), TypeError, "normal: dtype is 'f9', expected float32 or float64"),
    *[
        (lambda n=n: getattr(i, n)(RNG, (2, 3, 4)), ValueError, f"{n}: shape is (2, 3, 4), expected (n_in, n_out)")
        for n in SAMPLERS
    ],
]


@pytest.mark.parametrize(("call", "kind", "message"), ERRORS, ids=[m for *_, m in ERRORS])
def test_errors_say_what_was_got_and_what_is_expected(call, kind, message):
    with pytest.raises(kind, match=f"^{re.escape(message)}$"):
        call()
