"""Loops over all elements, compiled for the GPU from the source of the CPU's.

A step of an optimizer, ``for i in range(len(w)): ...``, is read from its file. Its loop is dealt out to the threads of the
grid, its numbers become float32, its square roots those of the device; nothing else changes. In a training loop its numbers,
such as the learning rate, lie on the device for many steps ahead (:func:`ahead`): the arguments of its kernel never change.
"""

import ast
import functools
import importlib
import math
from typing import NamedTuple

from numba import cuda, float32, types, uint32, uint64

from dnnbook import activations
from dnnbook.cuda._scalars import Single, device, parsed, scalar
from dnnbook.cuda._vectors import SIMULATED
from dnnbook.cuda.device import Launch, processors

THREADS = 32 if SIMULATED else 256
STEPS = {
    "sgd": "descent._sgd",
    "momentum": "descent._momentum",
    "nesterov_at_w": "descent._nesterov_at_w",
    "adagrad": "adaptive._adagrad",
    "rmsprop": "adaptive._rmsprop",
    "rmsprop_nesterov": "adaptive._rmsprop_nesterov",
    "adadelta": "adaptive._adadelta",
    "adam": "moments._adam",
    "adamw": "moments._adamw",
}  # the loops of the optimizers; nesterov has that of momentum
VECTOR = types.Array(types.float32, 1, "C")
COUNTER = types.Array(types.int32, 1, "C")


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
    tree, arrays, names = cut(body)
    return Loop(built(tree, body), types.void(*[VECTOR if name in arrays else types.float32 for name in names]))


@functools.cache
def ahead(body):
    """The same with its numbers in memory: row ``counter[0] - 1`` of a table, when the steps so far and this one are counted.

    Its arguments are the arrays, the table and the counter.
    """
    tree, arrays, names = cut(body)
    numbers = [name for name in names if name not in arrays]
    function = tree.body[0]
    function.args.args = [ast.arg(name) for name in [*(n for n in names if n in arrays), "table", "counter"]]
    lines = [f"row = uint32((counter[0] - 1) * {len(numbers)})"]
    lines += [f"{name} = table[row + uint32({i})]" for i, name in enumerate(numbers)]
    function.body[:0] = ast.parse("\n".join(lines)).body
    return Loop(built(tree, body), types.void(*[VECTOR] * len(arrays), VECTOR, COUNTER))


def cut(body):
    """(syntax tree of a loop for the grid, names of its arrays, names of its arguments)."""
    tree = Dealt().visit(parsed(body))
    arrays = {ast.unparse(node.value) for node in ast.walk(tree) if isinstance(node, ast.Subscript)}
    return tree, arrays, body.__code__.co_varnames[: body.__code__.co_argcount]


def built(tree, body):
    """The function of a syntax tree that was that of `body`."""
    space = {"__name__": f"{__name__}.{body.__name__}", "cuda": cuda, "math": math}
    space |= {"float32": float32, "uint32": uint32, "uint64": uint64}
    exec(compile(ast.fix_missing_locations(tree), body.__code__.co_filename, "exec"), space)
    return space[body.__name__]


def step(name, kind=dealt):
    """The loop of one of :data:`STEPS`."""
    module, _, function = STEPS[name].partition(".")
    return kind(getattr(importlib.import_module(f"dnnbook.optimizers.{module}"), function).py_func)


def step_ahead(name):
    """The same with its numbers in memory."""
    return step(name, ahead)


@functools.cache
def mapped(name):
    """y = f(x) for every element, with an activation or derivative of :mod:`dnnbook.activations`, as a :class:`Loop`."""
    return values(scalar(name))


@functools.cache
def values(f):
    """y = f(x) for every element, with a device function."""

    def kernel(x, y):
        for i in range(uint64(cuda.grid(1)), uint64(x.size), uint64(cuda.gridsize(1))):
            y[i] = f(x[i])

    return Loop(kernel, types.void(VECTOR, VECTOR))


@functools.cache
def products(f):
    """dx = g f(x) for every element: the way back through an activation with the derivative f. dx may be g."""

    def kernel(g, x, dx):
        for i in range(uint64(cuda.grid(1)), uint64(x.size), uint64(cuda.gridsize(1))):
            dx[i] = g[i] * f(x[i])

    return Loop(kernel, types.void(VECTOR, VECTOR, VECTOR))


@functools.cache
def kept():
    """y = m / p x for every element: dropout with a mask that is in memory, and its way back."""

    def kernel(x, m, y, p):
        for i in range(uint64(cuda.grid(1)), uint64(x.size), uint64(cuda.gridsize(1))):
            y[i] = m[i] / p * x[i]

    return Loop(kernel, types.void(VECTOR, VECTOR, VECTOR, types.float32))


def way_back(name):
    """:func:`products` with the derivative of an activation."""
    return products(device(getattr(activations, f"{name}_grad").kernel.body))


@functools.cache
def compiled(loop):
    """A kernel that runs with :data:`THREADS` threads in a block."""
    return cuda.jit(loop.body) if SIMULATED else cuda.jit(launch_bounds=(THREADS, 4))(loop.body)


def ready(loop, size, *arguments):
    """A loop over so many elements, at least one, as a :class:`~dnnbook.cuda.device.Launch`."""
    blocks = min(-(-size // THREADS), 8 * processors())
    return Launch(compiled(loop), blocks, THREADS if size >= THREADS else size, arguments)


def launch(loop, size, *arguments, stream=0):
    """Run a loop over so many elements."""
    if size:
        ready(loop, size, *arguments)(stream)
