"""Loops over all elements, compiled for the GPU from the source of the CPU's.

A step of an optimizer, ``for i in range(len(w)): ...``, is read from its file. Its loop is dealt out to the threads of the
grid, its numbers become float32, its square roots those of the device; nothing else changes.
"""

import ast
import functools
import importlib
import math
from typing import NamedTuple

from numba import cuda, float32, types, uint64

from dnnbook.cuda._scalars import Single, parsed, scalar
from dnnbook.cuda._vectors import SIMULATED
from dnnbook.cuda.device import processors

THREADS = 256
STEPS = {
    "sgd": "descent._sgd",
    "momentum": "descent._momentum",
    "nesterov_at_w": "descent._nesterov_at_w",
    "rmsprop": "adaptive._rmsprop",
    "adam": "moments._adam",
}  # the loops of the optimizers; nesterov has that of momentum
VECTOR = types.Array(types.float32, 1, "C")


class Dealt(Single):
    """A loop over the elements of an array, each thread with its own share of them."""

    def visit_For(self, node):
        first, *_ = ast.walk(node.iter)
        if ast.unparse(first).startswith("range(len("):
            array = ast.unparse(first.args[0].args[0])
            text = f"range(uint64(cuda.grid(1)), uint64({array}.size), uint64(cuda.gridsize(1)))"
            node.iter = ast.parse(text, mode="eval").body
        node.body = [self.visit(line) for line in node.body]
        return node

    def visit_Attribute(self, node):
        return ast.Attribute(ast.Name("math", ast.Load()), node.attr, node.ctx) if ast.unparse(node) == "np.sqrt" else node


class Loop(NamedTuple):
    """The Python function of a kernel, and the types of its arguments."""

    body: object
    signature: object


@functools.cache
def dealt(body):
    """A loop of the CPU over float32 arrays and numbers as a :class:`Loop` for the grid."""
    tree = Dealt().visit(parsed(body))
    space = {"__name__": f"{__name__}.{body.__name__}", "cuda": cuda, "float32": float32, "math": math, "uint64": uint64}
    exec(compile(ast.fix_missing_locations(tree), body.__code__.co_filename, "exec"), space)
    arrays = {ast.unparse(node.value) for node in ast.walk(tree) if isinstance(node, ast.Subscript)}
    names = body.__code__.co_varnames[: body.__code__.co_argcount]
    return Loop(space[body.__name__], types.void(*[VECTOR if name in arrays else types.float32 for name in names]))


def step(name):
    """The loop of one of :data:`STEPS`."""
    module, _, function = STEPS[name].partition(".")
    return dealt(getattr(importlib.import_module(f"dnnbook.optimizers.{module}"), function).py_func)


@functools.cache
def mapped(name):
    """y = f(x) for every element, with an activation or derivative of :mod:`dnnbook.activations`, as a :class:`Loop`."""
    f = scalar(name)

    def kernel(x, y):
        for i in range(uint64(cuda.grid(1)), uint64(x.size), uint64(cuda.gridsize(1))):
            y[i] = f(x[i])

    return Loop(kernel, types.void(VECTOR, VECTOR))


@functools.cache
def compiled(loop):
    """A kernel that runs with :data:`THREADS` threads in a block."""
    return cuda.jit(loop.body) if SIMULATED else cuda.jit(launch_bounds=(THREADS, 4))(loop.body)


def launch(loop, size, *arguments, stream=0):
    """Run a loop over so many elements."""
    if size:
        blocks = min(-(-size // THREADS), 8 * processors())
        compiled(loop)[blocks, THREADS if size >= THREADS else size, stream](*arguments)
