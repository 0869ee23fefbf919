"""Formulas for one number, compiled for the GPU from the source of the CPU's.

The body of ``activations.sigmoid`` is read from its file and compiled again, with two changes that no formula sees: its numbers
become float32, so that nothing is computed in float64, which is slow on a GPU; and the elementary functions that it calls
are those below.
"""

import ast
import functools
import inspect
import math
import textwrap

import numpy as np
from numba import cuda, float32

from dnnbook import _elementary, activations

inside = cuda.jit(device=True, inline="always")
"""Compile a helper into its caller: local arrays handed to it stay in registers, and no driver is needed to compile it."""


@inside
def exp(x):
    return float32(math.exp(x))


@inside
def expm1(x):
    return float32(math.expm1(x))


@inside
def log1p(x):
    return float32(math.log1p(x))


@inside
def tanh(x):
    return float32(math.tanh(x))


@inside
def sigmoid(x):
    e = float32(math.exp(-abs(x)))
    return (e if x < float32(0) else float32(1)) / (float32(1) + e)


@inside
def sigmoid_grad(x):
    e = float32(math.exp(-abs(x)))
    return e / ((float32(1) + e) * (float32(1) + e))


@inside
def tanh_grad(x):
    e = float32(math.exp(float32(-2) * abs(x)))
    return float32(4) * e / ((float32(1) + e) * (float32(1) + e))


@inside
def softplus(x):
    return max(x, float32(0)) + float32(math.log1p(math.exp(-abs(x))))


ELEMENTARY = {
    _elementary.exp: exp,
    _elementary.exp_nonpositive: exp,
    _elementary.expm1: expm1,
    _elementary.log1p: log1p,
    _elementary.tanh: tanh,
    _elementary.tanh_grad: tanh_grad,
    _elementary.sigmoid: sigmoid,
    _elementary.sigmoid_grad: sigmoid_grad,
    _elementary.softplus: softplus,
}
ELSEWHERE = "_elementary_"


class Single(ast.NodeTransformer):
    """Numbers of a formula as float32, and names in place of attributes of a module."""

    def visit_Constant(self, node):
        if type(node.value) not in (int, float):
            return node
        return ast.Call(ast.Name("float32", ast.Load()), [node], [])

    def visit_Attribute(self, node):
        return ast.Name(ELSEWHERE + node.attr, node.ctx) if ast.unparse(node.value) == "_elementary" else node


def parsed(body):
    """The syntax tree of a function without its docstring and decorators."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(body)))
    function = tree.body[0]
    function.decorator_list, function.name = [], body.__name__
    if ast.get_docstring(function) is not None:
        del function.body[0]
    return tree


def single(body):
    """The syntax tree of a formula for one number, in float32."""
    return ast.fix_missing_locations(Single().visit(parsed(body)))


@functools.cache
def scalar(name):
    """The activation of that name, or its derivative, as a device function."""
    return device(getattr(activations, name).kernel.body)


@functools.cache
def device(body, *numbers):
    """A formula for one number of the CPU as a device function, with all that it calls.

    Numbers that are given take the place of its arguments after the first.
    """
    known = body.__globals__
    space = {"__name__": f"{__name__}.{body.__name__}", "float32": float32}
    tree = single(body)
    arguments = tree.body[0].args
    for argument, x in zip(arguments.args[1:], numbers, strict=bool(numbers)):
        space[argument.arg] = x if isinstance(x, int) else np.float32(x)
    if numbers:
        arguments.args[1:], arguments.defaults = [], []
    for name in {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)} - {body.__name__, *space}:
        value = getattr(_elementary, name.removeprefix(ELSEWHERE)) if name.startswith(ELSEWHERE) else known.get(name)
        if hasattr(value, "py_func"):
            space[name] = ELEMENTARY[value] if value in ELEMENTARY else device(value.py_func)
    exec(compile(tree, body.__code__.co_filename, "exec"), space)
    return inside(space[body.__name__])
