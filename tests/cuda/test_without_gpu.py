"""Where there is no GPU: the package imports, arguments are checked, and the error says what is missing."""

import importlib.util
import subprocess
import sys

import numpy as np
import pytest

from dnnbook import cuda, network
from dnnbook.cuda import device

X = np.ones((2, 3), np.float32)


class Device:
    """The description of an array on a device, with no memory behind it."""

    def __init__(self, shape, strides=None, dtype="<f4", pointer=256):
        self.__cuda_array_interface__ = {
            "shape": shape,
            "strides": strides,
            "typestr": dtype,
            "data": (pointer, False),
            "version": 3,
        }


@pytest.mark.parametrize(
    ("change", "error", "text"),
    [
        ({"b": X}, ValueError, r"matmul: b has shape (2, 3), expected (K, N) with K = 3 as in a (2, 3)"),
        ({"a": X[0]}, ValueError, r"matmul: a has shape (3,), expected (M, K)"),
        ({"a": X.astype(float)}, TypeError, r"matmul: a has dtype float64, expected float32"),
        ({"b": [[1, 2]] * 3}, TypeError, r"matmul: b has dtype int64, expected float32"),
        ({"bias": X[0]}, ValueError, r"matmul: bias has shape (3,), expected (N,) with N = 2 as in b (3, 2)"),
        ({"activation": "step"}, ValueError, r"matmul: activation is 'step', expected one of 'absolute_relu'"),
        ({"z": X.T}, ValueError, r"matmul: z has shape (3, 2), expected (M, N) with M = 2 as in a (2, 3)"),
        (
            {"z": X[:, :2]},
            ValueError,
            r"matmul: z asks for the derivative of an activation: expected an activation, and no bias",
        ),
        ({"out": X.T}, ValueError, r"matmul: out has shape (3, 2), expected (M, N) with M = 2"),
        ({"out": np.ones((2, 2), np.float32).T}, ValueError, r"matmul: out has no contiguous rows"),
        ({"a": Device((2, 3))}, TypeError, r"matmul: b is a NumPy array and a is on the device, expected one place for all"),
        (
            {"a": Device((2, 3), (24, 8))},
            ValueError,
            r"matmul: a has strides (24, 8) bytes, expected contiguous rows or columns",
        ),
        ({"a": Device((2, 3), dtype="<f8")}, TypeError, r"matmul: a has dtype float64, expected float32"),
        ({"a": Device((2**16, 2**15))}, ValueError, r"matmul: a spans 2147483648 elements, expected fewer than 2**31 - 2**16"),
    ],
)
def test_wrong_arguments_are_named_before_anything_runs(change, error, text):
    arguments = {"a": X, "b": X.T} | change
    with pytest.raises(error) as caught:
        cuda.matmul(arguments.pop("a"), arguments.pop("b"), **arguments)
    assert str(caught.value).startswith(text)


@pytest.mark.parametrize(
    ("shape", "strides", "transposed", "pitch"),
    [
        ((3, 5), None, False, 5),
        ((3, 5), (28, 4), False, 7),
        ((3, 5), (4, 12), True, 3),
        ((3, 5), (4, 16), True, 4),
        ((3, 1), (40, 8), False, 10),
        ((1, 3), (4, 40), True, 10),
        ((1, 1), (12, 8), False, 1),
        ((0, 5), (20, 4), False, 5),
        ((3, 5), (4, 8), None, None),
        ((3, 5), (-20, 4), None, None),
        ((3, 5), (0, 4), None, None),
        ((3, 5), (22, 4), None, None),
    ],
)
def test_rows_or_columns_of_device_arrays_are_recognized(shape, strides, transposed, pitch):
    if pitch is None:
        with pytest.raises(ValueError, match="contiguous"):
            device.argument("f", "x", Device(shape, strides), "M", "N")
    else:
        x = device.argument("f", "x", Device(shape, strides), "M", "N")
        assert (x.transposed, x.pitch) == (transposed, pitch)


@pytest.mark.skipif(cuda.is_available(), reason="there is a GPU")
def test_the_error_says_what_is_missing():
    assert not cuda.is_available()
    with pytest.raises(RuntimeError, match=r"matmul: there is no GPU to run on: the (package|CUDA driver)"):
        cuda.matmul(X, X.T)
    with pytest.raises(RuntimeError, match=r"Network: there is no GPU to run on: the (package|CUDA driver)"):
        cuda.Network(network.mlp([2, 3]), [(X, X[0])])


def test_the_package_is_named_where_it_is_not_installed(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert cuda.missing() == "the package numba-cuda is not installed: pip install 'dnnbook[cuda]'"


def test_nothing_else_imports_it_and_it_imports_no_cuda_itself():
    code = (
        "import sys, dnnbook.network, dnnbook.train; assert 'dnnbook.cuda' not in sys.modules\n"
        "import dnnbook.cuda; assert not [m for m in sys.modules if m.startswith(('numba.cuda', 'numba_cuda', 'cuda'))]"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
