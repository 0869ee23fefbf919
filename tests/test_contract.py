"""The errors of the contract: each names the function, the argument, what was got and what is expected."""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from strategies import FUNCTIONS

from dnnbook import activations as a
from dnnbook import dense as d
from dnnbook import losses

X = np.ones((2, 3))
F = "expected float32, float64 or integers"
ERRORS = [
    # elementwise
    (lambda: a.relu(), TypeError, "relu: missing a required argument: 'z'"),
    (lambda: a.relu(1.0, 2.0), TypeError, "relu: too many positional arguments"),
    (lambda: a.relu(x=1.0), TypeError, "relu: missing a required argument: 'z'"),
    (lambda: a.elu(1.0, beta=2.0), TypeError, "elu: got an unexpected keyword argument 'beta'"),
    (lambda: a.elu(1.0, 2.0, alpha=2.0), TypeError, "elu: multiple values for argument 'alpha'"),
    (lambda: a.relu(1j), TypeError, f"relu: z has dtype complex128, {F}"),
    (lambda: a.relu("1"), TypeError, f"relu: z has dtype <U1, {F}"),
    (lambda: a.relu(None), TypeError, f"relu: z has dtype object, {F}"),
    (lambda: a.relu(np.ones(2, np.float16)), TypeError, f"relu: z has dtype float16, {F}"),
    (lambda: a.relu(np.ones(2, np.longdouble)), TypeError, f"relu: z has dtype {np.dtype(np.longdouble)}, {F}"),
    (lambda: a.relu(np.ones(2, ">f8")), TypeError, f"relu: z has dtype >f8, {F}"),
    (lambda: a.relu(np.array(["2020"], "M8[Y]")), TypeError, f"relu: z has dtype datetime64[Y], {F}"),
    (lambda: a.elu(1.0, -0.5), ValueError, "elu: alpha is -0.5, expected a number in [0, inf)"),
    (lambda: a.elu(1.0, alpha=np.inf), ValueError, "elu: alpha is inf, expected a number in [0, inf)"),
    (lambda: a.elu(1.0, alpha=np.nan), ValueError, "elu: alpha is nan, expected a number in [0, inf)"),
    (lambda: a.elu(1.0, alpha="1"), TypeError, "elu: alpha is '1', expected a number"),
    (lambda: a.elu(1.0, alpha=None), TypeError, "elu: alpha is None, expected a number"),
    (lambda: a.elu(1.0, alpha=[1.0]), TypeError, "elu: alpha is [1.0], expected a number"),
    (lambda: a.elu(1.0, alpha=np.ones(1)), TypeError, "elu: alpha is array([1.]), expected a number"),
    (lambda: a.prelu(X, np.ones(2)), ValueError, "prelu: the shapes do not broadcast: z (2, 3), alpha (2,)"),
    (lambda: a.relu(X, out=np.ones((3, 2))), ValueError, "relu: out is float64 (3, 2), expected an array of float64 (2, 3)"),
    (
        lambda: a.relu(X, out=np.ones((2, 3), np.float32)),
        ValueError,
        "relu: out is float32 (2, 3), expected an array of float64 (2, 3)",
    ),
    (lambda: a.relu(1.0, out=[0.0]), ValueError, "relu: out is [0.0], expected an array of float64 ()"),
    # whole arrays
    (lambda: a.softmax(1.0), ValueError, "softmax: z has shape (), expected (..., K)"),
    (lambda: a.softmax(np.ones((2, 0))), ValueError, "softmax: z has shape (2, 0), expected (..., K) with K at least 1"),
    (
        lambda: a.softmax_vjp(np.ones((2, 4)), X),
        ValueError,
        "softmax_vjp: z has shape (2, 3), expected (..., K) with K = 4 as in g (2, 4)",
    ),
    (
        lambda: a.softmax_vjp(np.ones((5, 3)), X),
        ValueError,
        "softmax_vjp: z has shape (2, 3), expected (..., K) with ... = (5,)",
    ),
    (lambda: a.maxout_vjp(np.ones(3), X), ValueError, "maxout_vjp: z has shape (2, 3), expected (..., K) with ... = (3,)"),
    (
        lambda: a.prelu_vjp(X, X, np.ones(2)),
        ValueError,
        "prelu_vjp: alpha has shape (2,), expected (C,) with C = 3 as in g (2, 3)",
    ),
    (
        lambda: losses.cross_entropy(X, np.ones((3, 3))),
        ValueError,
        "cross_entropy: y has shape (3, 3), expected (N, K) with N = 2 as in p (2, 3)",
    ),
    (lambda: losses.cross_entropy([0.5], [1.0]), ValueError, "cross_entropy: p has shape (1,), expected (N, K)"),
    (
        lambda: losses.mean_squared_error(np.ones((0, 3)), np.ones((0, 3))),
        ValueError,
        "mean_squared_error: y_hat has shape (0, 3), expected (N, K) or (N,) with N at least 1",
    ),
    (
        lambda: losses.mean_squared_error(np.ones(3), np.ones((3, 1))),
        ValueError,
        "mean_squared_error: y has shape (3, 1), expected (3,) as y_hat",
    ),
    (
        lambda: losses.mean_squared_error(np.ones((2, 2, 2)), X),
        ValueError,
        "mean_squared_error: y_hat has shape (2, 2, 2), expected (N, K) or (N,)",
    ),
    (
        lambda: losses.mean_squared_error([[1.0], [1.0, 2.0]], X),
        ValueError,
        "mean_squared_error: y_hat is not an array of one shape",
    ),
    (lambda: losses.cross_entropy(1.5 * X, X), ValueError, "cross_entropy: p has a value 1.5, expected values in [0, 1]"),
    (lambda: losses.cross_entropy(X, -X), ValueError, "cross_entropy: y has a value -1.0, expected values in [0, inf)"),
    (lambda: losses.cross_entropy(X, np.inf * X), ValueError, "cross_entropy: y has a value inf, expected values in [0, inf)"),
    (
        lambda: losses.sigmoid_cross_entropy(X, 2 * X),
        ValueError,
        "sigmoid_cross_entropy: y has a value 2.0, expected values in [0, 1]",
    ),
    (lambda: losses.softmax_cross_entropy(X, 1j * X), TypeError, f"softmax_cross_entropy: y has dtype complex128, {F}"),
    (
        lambda: d.dense(X, np.ones((2, 4)), np.ones(4)),
        ValueError,
        "dense: W has shape (2, 4), expected (D, M) with D = 3 as in x (2, 3)",
    ),
    (
        lambda: d.layer_output(X, np.ones((3, 1)), np.ones(1), "step"),
        ValueError,
        "layer_output: activation is 'step', expected one of 'sigmoid', 'tanh', 'relu'",
    ),
    (lambda: d.weight_update(X, X, np.inf), ValueError, "weight_update: eta is inf, expected a number in [0, inf)"),
]


@pytest.mark.parametrize(("call", "kind", "message"), ERRORS, ids=[m for *_, m in ERRORS])
@pytest.mark.parametrize("again", [False, True])
def test_errors_say_what_was_got_and_what_is_expected(call, kind, message, again):
    if again:  # a good call of the same shapes before does not let a bad one pass
        losses.cross_entropy(X / 2, X)
        losses.sigmoid_cross_entropy(X, X)
        a.softmax_vjp(X, X)
    with pytest.raises(kind, match=f"^{re.escape(message)}$"):
        call()


def test_a_value_out_of_range_is_found_after_a_good_call_of_the_same_arrays():
    p = X / 2
    losses.cross_entropy(p, X)
    p[1, 2] = -0.25
    with pytest.raises(ValueError, match=r"^cross_entropy: p has a value -0\.25, expected values in \[0, 1\]$"):
        losses.cross_entropy(p, X)


@pytest.mark.parametrize("f", FUNCTIONS.values(), ids=FUNCTIONS)
def test_every_function_says_which_argument_is_missing(f):
    first = f.contract.names[0]
    with pytest.raises(TypeError, match=f"^{f.__name__}: missing a required argument: '{first}'$"):
        f()


@pytest.mark.parametrize("f", FUNCTIONS.values(), ids=FUNCTIONS)
def test_every_docstring_has_formula_parameters_returns_source_and_example(f):
    doc = f.contract.doc
    assert [label for label, _ in doc.equations] == [f.__name__.replace("_", "-")]
    assert [p.name for p in doc.parameters] == f.contract.names
    assert all(p.symbols or p.fields for p in (*doc.parameters, *doc.returns))
    assert doc.sources
    assert ">>> " in doc.text


def test_a_docstring_that_leaves_an_argument_out_is_an_error():
    from dnnbook._jit import checked

    @checked
    def short(z, alpha):
        """Nothing.

        Parameters
        ----------
        z : array_like
            Input.
        """

    with pytest.raises(TypeError, match=r"^short: the docstring does not describe alpha$"):
        short(1.0, 2.0)


def test_python_numbers_take_the_dtype_of_the_arrays_as_in_numpy():
    z = np.ones(2, np.float32)
    assert a.prelu(z, 0.25).dtype == a.elu(z, 2).dtype == np.float32
    assert a.prelu(z, np.float64(0.25)).dtype == a.prelu(z, [0.25]).dtype == a.prelu(1, 0.25).dtype == np.float64
    assert a.prelu(1.0, z).dtype == np.float32


FLOOR = """
import time; t0 = time.process_time()
import numba, numpy
@numba.vectorize(cache=True)
def f(z):
    return 0.0 if z <= 0 else z
f.add(numba.float64(numba.float64)); f(numpy.ones(2))
print(time.process_time() - t0)
"""
OURS = """
import sys, time; t0 = time.process_time()
import dnnbook; t1 = time.process_time()
from dnnbook.activations import relu; relu([1.0, -1.0])
heavy = {"sphinx", "hypothesis", "matplotlib", "sklearn", "mlxtend", "mnist1d", "lark", "mpmath", "torch", "jax", "pandas"}
print(time.process_time() - t0, t1 - t0, *sorted(heavy & set(sys.modules)))
"""


def test_import_and_first_call_cost_little_more_than_numba_itself(tmp_path):
    """Processor time in fresh processes with warm caches; most of it is Numba's own start, so that is the measure."""
    files = [tmp_path / "floor.py", tmp_path / "ours.py"]
    for file, text in zip(files, (FLOOR, OURS), strict=True):
        file.write_text(text)
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).resolve().parents[1])}

    def run(file):
        done = subprocess.run([sys.executable, file], capture_output=True, text=True, check=True, env=environment)
        return done.stdout.split()

    runs = [[run(f) for f in files] for _ in range(4)][1:]  # the first fills the caches
    assert all(len(ours) == 2 for _, ours in runs), runs  # nothing heavy came along
    floor, ours, package = (min(map(float, column)) for column in zip(*[(f[0], *o) for f, o in runs], strict=True))
    assert package < 0.1  # measured: 0.001 s; submodules load on first use
    assert ours < 1.5 * floor  # measured: 1.1 times
