"""What every public function promises: NumPy's semantics, whatever the shape, the dtype and the layout of its arguments."""

import tracemalloc
import warnings

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from oracles import DEFAULTS, LIMITS
from strategies import ELEMENTWISE, FUNCTIONS, MODULES, WHOLE, WITH_ARRAYS, arguments, flat

from dnnbook import _threads, activations, optimizers
from dnnbook._rows import Rows

every = pytest.mark.parametrize("f", FUNCTIONS.values(), ids=FUNCTIONS)
every_elementwise = pytest.mark.parametrize("f", ELEMENTWISE.values(), ids=ELEMENTWISE)
every_whole = pytest.mark.parametrize("f", WHOLE.values(), ids=WHOLE)
every_with_arrays = pytest.mark.parametrize("f", WITH_ARRAYS.values(), ids=WITH_ARRAYS)
DTYPES = st.sampled_from([np.float32, np.float64])

# The solution of a system of equations may magnify round-off without bound; the verifier puts it back into the system.
SOLVED = {"newton_step", "gauss_newton_step", "levenberg_marquardt_step", "marquardt_step"}

# An argument that does not reach the result everywhere: its NaN may be left out.
UNREACHED = {("prelu", "alpha"), ("prelu_grad", "alpha"), ("prelu_vjp", "alpha"), ("maxout_vjp", "z")}


def leaves(values):
    """The arrays among arguments, those of a state included."""
    return [v for value in values for v in (value if isinstance(value, tuple) else [value]) if isinstance(v, np.ndarray)]


def mapped(values, change):
    """Arguments with every array changed."""
    one = lambda v: change(v) if isinstance(v, np.ndarray) else v  # noqa: E731
    return [type(v)(*map(one, v)) if isinstance(v, tuple) else one(v) for v in values]


def same(a, b):
    return all(np.array_equal(x, y, equal_nan=True) and x.dtype == y.dtype for x, y in zip(flat(a), flat(b), strict=True))


def test_the_table_holds_every_public_function():
    import importlib

    without = {n for m in MODULES for n in importlib.import_module(f"dnnbook.{m}").__all__ if f"{m}.{n}" not in FUNCTIONS}
    assert without == {
        *(n for n in optimizers.__all__ if n[0].isupper() or n.endswith(("_", "_init")) or n == "optimizer"),
        *("normal", "uniform", "lecun_normal", "lecun_uniform", "glorot_normal", "glorot_uniform", "he_normal", "he_uniform"),
        *("Minimum", "Objective", "conjugate_gradients", "levenberg_marquardt", "minimize_newton", "objective"),
        *("flatten", "unflatten", "hessian", "hessian_vector_product", "network_jacobian", "network_residuals"),
    }


@every
@given(data=st.data(), dtype=DTYPES)
def test_results_have_the_promised_dtype_and_shape(f, data, dtype):
    values = data.draw(arguments(f, dtype))
    results = f(*values)
    c = f.contract
    expected = dtype if leaves(values) else np.float64
    assert {r.dtype for r in flat(results, numbers=False) if r.dtype.kind == "f"} == {np.dtype(expected)}
    if c.is_elementwise:
        assert results.shape == values[0].shape
        return
    sizes = {}
    for a, v in zip(c.arguments, values, strict=True):
        if a.shape is not None:
            sizes |= zip(a.shape, v.shape[v.ndim - len(a.shape) :], strict=True)
            sizes["..."] = v.shape[: v.ndim - len(a.shape)]
    for r, y in zip(c.doc.returns, results if isinstance(results, tuple) else [results], strict=True):
        if r.shape is not None:
            assert y.shape == (sizes["..."] if r.lead else ()) + tuple(int(d) if d.isdigit() else sizes[d] for d in r.shape)
        elif r.kind == "float":
            assert isinstance(y, np.floating)
        elif r.kind == "array":
            assert np.shape(y) == values[0].shape


@every_with_arrays
@given(data=st.data())
def test_integers_count_as_float64(f, data):
    values = data.draw(arguments(f, whole=True))
    as_floats = mapped(values, lambda v: v.astype(np.float64))
    assert same(f(*values), f(*as_floats))


@every_with_arrays
@given(data=st.data())
def test_lists_count_as_arrays(f, data):
    values = data.draw(arguments(f, shape=(2, 3)))
    listed = [v.tolist() if isinstance(v, np.ndarray) else v for v in values]
    assert same(f(*values), f(*listed))


@every_with_arrays
@given(data=st.data(), dtype=DTYPES)
def test_inputs_stay_as_they_are(f, data, dtype):
    values = data.draw(arguments(f, dtype))
    before = [v.copy() for v in leaves(values)]
    f(*values)
    assert all(np.array_equal(a, b) for a, b in zip(before, leaves(values), strict=True))


@every_with_arrays
@given(data=st.data())
def test_inputs_may_be_read_only(f, data):
    values = data.draw(arguments(f))
    expected = f(*values)
    for v in leaves(values):
        v.flags.writeable = False
    assert same(f(*values), expected)


def strided(v):
    wide = np.full((*v.shape[:-1], 2 * v.shape[-1]) if v.ndim else (), -99, v.dtype)
    wide[..., ::2] = v
    return wide[..., ::2]


LAYOUTS = {
    "fortran": lambda v: np.array(v, order="F"),
    "strided": lambda v: strided(v) if v.ndim else v,
    "reversed": lambda v: np.flip(np.flip(v).copy()) if v.ndim else v,
    "transposed": lambda v: v.T.copy().T,
}


@every_with_arrays
@given(data=st.data(), layout=st.sampled_from(sorted(LAYOUTS)))
def test_the_layout_in_memory_changes_nothing(f, data, layout):
    values = data.draw(arguments(f))
    changed = mapped(values, LAYOUTS[layout])
    assert all(np.array_equal(a, b) for a, b in zip(leaves(values), leaves(changed), strict=True))
    assert same(f(*changed), f(*values))


@every_with_arrays
@given(data=st.data(), dtype=DTYPES)
def test_nan_in_gives_nan_out(f, data, dtype):
    values = data.draw(arguments(f, dtype))
    candidates = [
        (i, a.name)
        for i, (a, v) in enumerate(zip(f.contract.arguments, values, strict=True))
        if a.kind == "array" and v.size and (f.__name__, a.name) not in UNREACHED
    ]
    assume(candidates)
    i, _ = data.draw(st.sampled_from(candidates))
    where = tuple(data.draw(st.integers(0, n - 1)) for n in values[i].shape)
    clean = f(*values)
    values[i][where] = np.nan
    results = f(*values)
    assert any(np.isnan(r).any() for r in flat(results))
    if f.contract.is_elementwise:
        assert np.isnan(results[where])
        results, clean = np.atleast_1d(results), np.atleast_1d(clean)
        assert np.array_equal(np.delete(results.ravel(), np.isnan(results).ravel()), clean[~np.isnan(results)].ravel())


@every_elementwise
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_infinity_gives_the_limit_without_warnings(f, dtype):
    more = DEFAULTS.get(f.__name__.removesuffix("_grad"), ())
    with warnings.catch_warnings(), np.errstate(all="raise"):
        warnings.simplefilter("error")
        got = f(np.array([-np.inf, np.inf], dtype), *[dtype(x) for x in more])
        f(np.array([np.finfo(dtype).min, np.finfo(dtype).max, np.finfo(dtype).tiny, 5e-324], dtype), *more)
    assert got.tolist() == list(LIMITS[f.__name__])


@every_elementwise
@pytest.mark.parametrize("shape", [(0,), (3, 0), (0, 2, 4)])
def test_empty_in_gives_empty_out(f, shape):
    more = DEFAULTS.get(f.__name__.removesuffix("_grad"), ())
    assert f(np.empty(shape, np.float32), *more).shape == shape


@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
def test_no_rows_in_gives_no_rows_out(name):
    f, vjp = getattr(activations, name), getattr(activations, f"{name}_vjp")
    assert f(np.empty((0, 3))).shape == vjp(np.empty((2, 0, 3)), np.empty((2, 0, 3)))[0].shape == (0, 3)
    assert activations.maxout(np.empty((0, 3))).shape == (0,)


@every_elementwise
def test_a_number_in_gives_a_number_out(f):
    more = DEFAULTS.get(f.__name__.removesuffix("_grad"), ())
    one = f(np.array([1.0]), *more)[0]
    for x in (1, 1.0, True, np.float64(1), np.array(1.0), np.int8(1)):
        assert isinstance(f(x, *more), np.float64)
        assert f(x, *more) == one
    assert isinstance(f(np.float32(1), *more), np.float32)


@every_elementwise
@given(data=st.data(), dtype=DTYPES)
def test_out_takes_the_result(f, data, dtype):
    values = data.draw(arguments(f, dtype))
    out = np.full(values[0].shape, -99, dtype)
    got = f(*values, out=out)
    assert got is out
    assert np.array_equal(out, f(*values))
    assert np.array_equal(f(*values, out=values[0]), out)  # in place


@every_elementwise
@given(data=st.data())
def test_arrays_broadcast(f, data):
    values = data.draw(arguments(f, shape=(3,)))
    values[0] = np.stack([values[0], -values[0]])
    rows = [f(z, *values[1:]) for z in values[0]]
    assert np.array_equal(f(*values), rows)


@pytest.mark.parametrize("f", [activations.prelu, activations.prelu_grad, activations.noisy_relu], ids=lambda f: f.__name__)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(5, 1), (700, 3), (2, 50, 10), (3, 1024), (2, 1500)])
def test_numbers_for_each_column_act_as_if_repeated(f, dtype, shape):
    rng = np.random.default_rng(0)
    z, column = rng.normal(size=shape).astype(dtype), rng.normal(size=shape[-1]).astype(dtype)
    expected, out = f(z, np.broadcast_to(column, shape).copy()), np.empty_like(z)
    assert np.array_equal(f(z, column), expected)
    assert np.array_equal(f.kernel(z, column), expected)
    assert f(z, column, out=out) is out
    assert np.array_equal(out, expected)
    strided = np.repeat(column, 2)[::2]
    assert np.array_equal(f(z, strided), expected)
    assert f(z, column, out=z) is z
    assert np.array_equal(z, expected)


def test_numbers_for_each_column_are_not_copied_and_threads_change_no_bit(monkeypatch):
    z, alpha = np.random.default_rng(0).normal(size=(70_001, 30)), np.linspace(0, 1, 30)
    expected = activations.prelu.kernel(z, alpha)
    tracemalloc.start()
    activations.prelu.kernel(z, alpha)
    assert tracemalloc.get_traced_memory()[1] < 1.1 * z.nbytes  # the result
    tracemalloc.stop()
    monkeypatch.setattr(_threads, "LEAST", 1000)
    for count in (2, 3):
        monkeypatch.setattr(_threads, "cores", lambda count=count: count)
        monkeypatch.setattr(_threads, "_team", None)
        assert np.array_equal(activations.prelu(z, alpha), expected)
        assert len(_threads._team) == count - 1


def test_empty_arrays_broadcast_without_warnings():
    assert activations.prelu(np.empty((3, 0)), np.ones(1)).shape == (3, 0)
    assert activations.prelu(np.empty((0, 3)), np.ones(3)).shape == (0, 3)


def test_what_was_right_once_does_not_let_a_wrong_call_pass():
    z, alpha = np.ones((2, 3)), np.ones(3)
    for _ in range(2):
        assert activations.prelu(z, alpha).dtype == np.float64
        assert activations.prelu(z.astype(np.float32), alpha=alpha).dtype == np.float64
        with pytest.raises(ValueError, match="the shapes do not broadcast"):
            activations.prelu(z, np.ones(2))
        with pytest.raises(TypeError, match="alpha has dtype complex128"):
            activations.prelu(z, 1j * alpha)


@every_elementwise
@given(data=st.data())
def test_compiled_elements_equal_uncompiled(f, data):
    values = data.draw(arguments(f, shape=(6,)))
    body, broadcast = f.contract.body, np.broadcast_arrays(*values)
    expected = [body(*map(float, row)) for row in zip(*broadcast, strict=True)]
    np.testing.assert_array_max_ulp(f(*values), np.array(expected), 2)


def by_rows(rows, *values):
    """What a formula for tiles of rows gives, uncompiled, with all rows in one tile."""
    y = rows.body(*(v.T.copy() for v in values))
    return {"row": y.T, "row / N": y.T / len(values[-1]), "number": y, "mean": np.mean(y)}[rows.result]


@every_whole
@given(data=st.data())
def test_compiled_arrays_equal_uncompiled(f, data):
    values, _, _ = f.contract.bind(data.draw(arguments(f)), {})
    with np.errstate(all="ignore"):
        results = by_rows(f.kernel, *values) if isinstance(f.kernel, Rows) else f.contract.body(*values)
    for a, b in zip(flat(f.kernel(*values)), flat(results), strict=True):
        np.testing.assert_allclose(a, b, rtol=4e-15, atol=4e-15 * np.max(np.abs(b), initial=0, where=np.isfinite(b)))


@every_elementwise
@given(data=st.data())
def test_float32_elements_are_near_float64(f, data):
    values = data.draw(arguments(f, np.float32, shape=(6,)))
    values = [v if isinstance(v, np.ndarray) else float(np.float32(v)) for v in values]
    exact = f(*[v.astype(np.float64) if isinstance(v, np.ndarray) else v for v in values])
    np.testing.assert_array_max_ulp(f(*values), exact.astype(np.float32), 2)


@pytest.mark.parametrize("f", [f for f in WHOLE.values() if f.__name__ not in SOLVED], ids=lambda f: f.__name__)
@given(data=st.data())
def test_float32_arrays_are_near_float64(f, data):
    values = mapped(data.draw(arguments(f, np.float32)), np.abs)  # no cancellation: the bound below is then a fair one
    values = [float(np.float32(v)) if isinstance(v, float) else v for v in values]
    exact = f(*mapped(values, lambda v: v.astype(np.float64)))
    largest = max(np.max(v, initial=1) for v in leaves(values)) if leaves(values) else 0
    for a, b in zip(flat(f(*values)), flat(exact), strict=True):
        scale = np.max(np.abs(b), initial=largest, where=np.isfinite(b))
        np.testing.assert_allclose(a, b, rtol=0, atol=8 * np.finfo(np.float32).eps * scale)
