"""Functions of whole rows, such as softmax: the way to make a public function out of a formula for many rows at once.

A row of ten scores is too short for vector registers. So ``@rowwise`` takes the rows in tiles and turns each of them into a
small array ``z[k, n]``, score k of row n: the formula's inner loops run over n, from row to row, and are fast whatever the
length of a row. A tile stays in the fastest memory, so that a formula may go over it several times.

A formula takes tiles, whose numbers it may overwrite, and arrays of one number for each row, which it leaves alone. Sums along
a row are kept in float64.
"""

import functools

import numba
import numpy as np

from dnnbook import _threads
from dnnbook._jit import kernel, public, uses_elementary

CELLS, LEAST, TOGETHER = 4096, 32, 8
"""How many numbers a tile has, about; how many rows at least, if there are so many; and how many rows are turned together."""

STORED = {
    "row": "put({result}, out, low)",
    "row / N": "put(over({result}, N), out, low)",
    "number": "out[low:high] = {result}",
    "mean": "out[low:high] = {result}",
}


@kernel
def height(row):
    """How many rows a tile has."""
    return max(LEAST, CELLS // row)


@kernel
def tile(a, low, high):
    """Some rows of an array, turned: [k, n] is number k of row n. Of an array of one number for each row, these numbers."""
    if a.ndim == 1:
        return a[low:high]
    N, K = high - low, a.shape[1]
    t = np.empty((K, N), a.dtype)
    whole = N - N % TOGETHER
    for n in range(0, whole, TOGETHER):
        for k in range(K):
            for i in range(TOGETHER):
                t[k, n + i] = a[low + n + i, k]
    for n in range(whole, N):
        for k in range(K):
            t[k, n] = a[low + n, k]
    return t


@kernel
def put(t, a, low):
    """Write a tile back into the rows of an array."""
    for n in range(t.shape[1]):
        for k in range(t.shape[0]):
            a[low + n, k] = t[k, n]


@kernel
def over(t, N):
    """A tile divided by the number of all rows."""
    for k in range(t.shape[0]):
        for n in range(t.shape[1]):
            t[k, n] /= N
    return t


@kernel
def total(costs):
    """The sum of a vector, from the first to the last: as a loop over all rows would have it."""
    s = 0.0
    for n in range(len(costs)):
        s += costs[n]
    return s


class Rows:
    """A formula for tiles of rows, compiled as a loop over arrays: what `kernel` is for a function of rows.

    Arguments are contiguous arrays of one dtype, float32 or float64, of shape (N, K), the last one in any case, or (N,);
    nothing is checked. The loop runs on the calling thread, unless `share` is true and :mod:`dnnbook._threads` finds it long
    enough. Each row's result depends on nothing but that row: tiles and threads change no bit.

    Attributes
    ----------
    body, tile : function
        The formula for tiles, as it stands and compiled, to be used inside other formulas.
    result : str
        What comes out: ``"row"``, a row for each row; ``"number"``, a number for each row; ``"mean"``, the mean of such
        numbers; ``"row / N"``, the derivative of a mean, where N is the number of rows.
    """

    def __init__(self, body, result):
        self.body, self.result, self.tile = body, result, kernel(body)
        self.cost = 2.0 if uses_elementary(body) else 1.0  # nanoseconds for each number, about
        self.loop = self.compile()

    def __call__(self, *values, share=False):
        z = values[-1]
        N = len(z)
        out = np.empty(z.shape if self.result.startswith("row") else N, np.float64 if self.result == "mean" else z.dtype)
        values = (*values, z.dtype.type(N), out) if self.result == "row / N" else (*values, out)
        if share and z.size * self.cost >= _threads.LEAST:
            _threads.share(self.loop, z.size * self.cost, *values)
        else:
            self.loop(*values)
        return total(out) / N if self.result == "mean" else out

    def compile(self):
        code = self.body.__code__
        names = code.co_varnames[: code.co_argcount]
        result = f"f({', '.join(f'tile({n}, low, high)' for n in names)})"
        more = ["N"] if self.result == "row / N" else []
        text = f"def {self.body.__name__}_rows({', '.join([*names, *more, 'out'])}):\n"
        text += f"    step = height({names[-1]}.shape[1])\n"
        text += "    for low in range(0, len(out), step):\n"
        text += "        high = min(low + step, len(out))\n"
        text += f"        {STORED[self.result].format(result=result)}\n"
        space = {"f": self.tile, "tile": tile, "put": put, "over": over, "height": height, "min": min}
        space["__name__"] = self.body.__module__
        # Numba's cache wants a file and a line, and takes a change of that file for a change of the code.
        exec(compile("\n" * (code.co_firstlineno - 1) + text, code.co_filename, "exec"), space)
        return numba.njit(cache=True, error_model="numpy", nogil=True)(space[f"{self.body.__name__}_rows"])


def rowwise(result):
    """Make a public function out of a formula for tiles of rows; `result` says what comes out (:class:`Rows`)."""

    def decorate(body):
        rows = Rows(body, result)
        return public(body, functools.partial(rows, share=True), casts=True, kernel=rows)

    return decorate
