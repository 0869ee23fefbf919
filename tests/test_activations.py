"""Activations: values against plain formulas in extended precision, derivatives against differences, kinks as documented."""

import math
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from oracles import DEFAULTS, ELEMENTWISE, L, log_softmax, slope, softmax
from strategies import array

from dnnbook import activations as a
from dnnbook._docstring import interval

every = pytest.mark.parametrize("name", ELEMENTWISE)
NUMBERS = st.floats(-40, 40, width=32)
UNIT = interval("in [-1, 1]")
ROWS = st.integers(1, 5).flatmap(lambda k: st.lists(st.lists(NUMBERS, min_size=k, max_size=k), min_size=1, max_size=4))


def near(got, expected, rtol=4e-16, scale=0.0):
    np.testing.assert_allclose(np.asarray(got, L), expected, rtol=8 * rtol, atol=max(8 * rtol * scale, 5e-324))


@every
@given(z=st.floats(-300, 300), more=st.floats(0.01, 2))
def test_values_and_derivatives_equal_the_plain_formulas(name, z, more):
    value, derivative, _ = ELEMENTWISE[name]
    extra = [more] if name in DEFAULTS else []
    if name == "noisy_relu":
        assume(z + more != 0)
    near(getattr(a, name)(z, *extra), value(L(z), *map(L, extra)))
    near(getattr(a, f"{name}_grad")(z, *extra), derivative(L(z), *map(L, extra)))


@every
def test_values_and_derivatives_on_a_fine_grid(name):
    z = np.linspace(-8, 8, 1001) + 1e-5  # between the kinks and close to them
    extra = DEFAULTS.get(name, ())
    near(getattr(a, name)(z, *extra), ELEMENTWISE[name][0](z.astype(L), *extra))
    near(getattr(a, f"{name}_grad")(z, *extra), ELEMENTWISE[name][1](z.astype(L), *extra))


@every
@given(z=st.floats(-5, 10), more=st.floats(0.01, 2))
def test_derivatives_equal_differences(name, z, more):
    f, extra, kinks = getattr(a, name), [more] if name in DEFAULTS else [], ELEMENTWISE[name][2]
    kinks = (-more,) if kinks is None else kinks
    room = min([abs(z - k) for k in kinks], default=0.5)
    assume(room > 0.05)
    got = getattr(a, f"{name}_grad")(z, *extra)
    assert got == pytest.approx(slope(lambda t: f(z + t, *extra), min(room / 2, 0.2)), rel=1e-7, abs=1e-9)


ANALYTIC = {
    "sigmoid": lambda z: 1 / (1 + np.exp(-z)),
    "tanh": np.tanh,
    "softplus": lambda z: np.log(1 + np.exp(z)),
    "elu": lambda z: 2 * (np.exp(z) - 1),
}


@pytest.mark.parametrize("name", ANALYTIC)
@given(z=st.floats(-20, -0.1))
def test_derivatives_equal_the_complex_step(name, z):
    step = 1e-30
    expected = ANALYTIC[name](complex(z, step)).imag / step
    assert getattr(a, f"{name}_grad")(z, *DEFAULTS.get(name, ())) == pytest.approx(expected, rel=1e-14)


@pytest.mark.parametrize(
    ("call", "kink", "value", "derivative"),
    [
        (lambda f, z: f(z), 0.0, 0.0, 0.0),
        (lambda f, z: f(z), -0.0, 0.0, 0.0),
    ],
)
@pytest.mark.parametrize("name", ["relu", "absolute_relu", "relu6"])
def test_the_derivative_at_the_kink_is_0(name, call, kink, value, derivative):
    assert call(getattr(a, name), kink) == value
    assert call(getattr(a, f"{name}_grad"), kink) == derivative


def test_at_the_other_kinks_the_documented_side_counts():
    assert a.relu6(6.0) == 6
    assert a.relu6_grad(6.0) == 0
    assert a.relu6_grad(np.nextafter(6.0, 0)) == a.relu6_grad(5e-324) == 1
    assert a.leaky_relu_grad(0.0, 0.25) == a.prelu_grad(0.0, 0.25) == 0.25
    assert a.leaky_relu_grad(5e-324, 0.25) == a.prelu_grad(5e-324, 0.25) == 1
    assert a.elu_grad(0.0, 2.0) == 2
    assert a.elu_grad(5e-324, 2.0) == 1
    assert a.noisy_relu_grad(-1.0, 1.0) == 0
    assert a.noisy_relu_grad(-1.0, np.nextafter(1.0, 2)) == 1
    assert a.relu_grad(5e-324) == 1
    assert a.absolute_relu_grad([-5e-324, 5e-324]).tolist() == [-1, 1]


def test_a_slope_of_0_gives_0_even_at_minus_infinity():
    for f in (a.leaky_relu, a.prelu):
        assert f([-np.inf, -3.0, 2.0], 0.0).tolist() == [0, 0, 2]
        assert np.isnan(f(np.nan, 0.0))


def test_defaults_are_those_of_the_papers():
    assert a.leaky_relu(-1.0) == -0.01
    assert a.elu(-1.0) == math.expm1(-1.0)


def test_the_sigmoid_keeps_its_digits_far_out():
    assert a.sigmoid(-740.0) == pytest.approx(math.exp(-740.0), rel=1e-2)  # subnormal: few digits, but not 0
    assert a.sigmoid_grad(700.0) == pytest.approx(math.exp(-700.0), rel=1e-14)
    assert a.tanh_grad(300.0) == pytest.approx(4 * math.exp(-600.0), rel=1e-13)
    assert a.softplus(-700.0) == pytest.approx(math.exp(-700.0), rel=1e-14)


@given(z=ROWS)
def test_softmax_and_its_logarithm_equal_scipy(z):
    z = np.array(z)
    near(a.softmax(z), softmax(z), rtol=4e-15)
    near(a.log_softmax(z), log_softmax(z), rtol=4e-16, scale=np.abs(z).max())
    assert a.softmax(z).sum(axis=-1) == pytest.approx(1, abs=1e-15)


def test_softmax_of_huge_and_infinite_scores():
    inf = np.inf
    assert a.softmax([1e300, -1e300, 1e300]).tolist() == [0.5, 0, 0.5]
    assert a.softmax([[inf, 0.0], [-inf, 0.0], [-inf, -inf], [inf, inf]]).tolist() == [[1, 0], [0, 1], [0.5, 0.5], [0.5, 0.5]]
    assert a.log_softmax([[inf, 0.0], [-inf, 0.0]]).tolist() == [[0, -inf], [-inf, 0]]
    assert np.isnan(a.softmax([[0.0, np.nan], [0.0, 0.0]])).tolist() == [[True, True], [False, False]]


def test_log_softmax_keeps_its_digits_where_one_probability_is_nearly_1():
    assert a.log_softmax([50.0, 0.0])[0] == pytest.approx(-math.exp(-50), rel=1e-14)
    assert a.log_softmax_vjp([1.0, 0.0], [50.0, 0.0])[0] == pytest.approx(math.exp(-50), rel=1e-14)
    assert a.softmax_vjp([1.0, 0.0], [50.0, 0.0])[0] == pytest.approx(math.exp(-50), rel=1e-14)


@pytest.mark.parametrize("name", ["softmax", "log_softmax", "maxout"])
@given(data=st.data(), z=ROWS)
def test_row_products_equal_differences(name, data, z):
    z = np.array(z) / 8
    f, vjp = getattr(a, name), getattr(a, f"{name}_vjp")
    step = 0.05
    if name == "maxout":  # away from ties
        top = np.sort(z, axis=-1)
        assume(z.shape[1] == 1 or (top[:, -1] - top[:, -2]).min() > 0.3)

    def draw(shape):
        return data.draw(array(shape, UNIT))

    g, u = draw(np.shape(f(z))), draw(z.shape)
    got = vjp(g, z)
    assert got.shape == z.shape
    assert np.sum(got * u) == pytest.approx(slope(lambda t: np.sum(g * f(z + t * u)), step), rel=1e-7, abs=1e-9)


def test_rows_of_many_axes_are_rows():
    z = np.arange(24.0).reshape(2, 3, 4) ** 2 % 7
    for f in (a.softmax, a.log_softmax, a.maxout):
        assert np.array_equal(f(z), [[f(row) for row in block] for block in z])
    g = np.ones((2, 3))
    assert np.array_equal(a.maxout_vjp(g, z)[1, 2], a.maxout_vjp(1.0, z[1, 2]))


def test_maxout_sends_the_gradient_to_the_first_winner():
    assert a.maxout([1.0, 3.0, 3.0]) == 3
    assert isinstance(a.maxout([1.0, 3.0]), np.float64)
    assert a.maxout_vjp(2.0, [1.0, 3.0, 3.0]).tolist() == [0, 2, 0]
    assert a.maxout_vjp(2.0, [-np.inf, -np.inf]).tolist() == [2, 0]
    assert np.isnan(a.maxout([1.0, np.nan, 3.0]))
    assert a.maxout_vjp(2.0, [1.0, np.nan, 3.0]).tolist() == [0, 2, 0]


@given(z=st.lists(NUMBERS, min_size=1, max_size=6).map(np.array))
def test_maxout_contains_relu_and_its_relatives_exactly(z):
    assert np.array_equal(a.maxout(np.stack([0 * z, z], -1)), a.relu(z))
    assert np.array_equal(a.maxout(np.stack([-z, z], -1)), a.absolute_relu(z))
    assert np.array_equal(a.maxout(np.stack([0.25 * z, z], -1)), a.prelu(z, 0.25))


@given(data=st.data())
def test_prelu_product_equals_differences(data):
    n, c = data.draw(st.integers(1, 4)), data.draw(st.integers(1, 3))

    def draw(*shape):
        x = data.draw(array(shape, UNIT))
        return x + np.where(x < 0, -0.25, 0.25)  # away from the kink

    g, z, alpha, u, v = draw(n, c), draw(n, c), draw(c), draw(n, c), draw(c)
    dz, dalpha = a.prelu_vjp(g, z, alpha)
    assert np.sum(dz * u) == pytest.approx(slope(lambda t: np.sum(g * a.prelu(z + t * u, alpha)), 0.01), rel=1e-7, abs=1e-9)
    assert np.sum(dalpha * v) == pytest.approx(slope(lambda t: np.sum(g * a.prelu(z, alpha + t * v)), 0.01), rel=1e-7, abs=1e-9)


def test_prelu_product_sums_float32_in_float64():
    n, g, z = 99_991, np.float32(5 / 7), np.float32(-5 / 11)
    _, dalpha = a.prelu_vjp(np.full((n, 1), g), np.full((n, 1), z), np.zeros(1, np.float32))
    assert dalpha[0] == np.float32(n * np.float64(g) * np.float64(z))
    assert dalpha[0] != np.float32(n * np.float64(g * z))  # even the product is not rounded to float32


KERNEL_FIRST = """
import warnings

import numpy as np

from dnnbook import activations as a

warnings.simplefilter("error")  # Numba warns of a loop asked for twice
for dtype in (np.float32, np.float64):
    z = np.array([-1.5, 0.5], dtype)
    for f in (a.sigmoid, a.relu, a.elu, a.relu_grad):
        more = [dtype(1)] if f is a.elu else []
        first, again = f.kernel(z, *more), f(z, *more)
        assert first.dtype == again.dtype == dtype, (f.__name__, first.dtype, again.dtype)
        assert np.array_equal(first, again), f.__name__
        assert f(z, *more, out=np.empty_like(z)).dtype == dtype
"""


def test_a_kernel_may_be_called_before_its_function():
    """In a process of its own: here, other tests have compiled everything."""
    done = subprocess.run([sys.executable, "-c", KERNEL_FIRST], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
