"""The optimizer of a training loop on the device: one kernel for all parameters, and its numbers for many steps ahead.

The CPU's step works out its numbers, such as the corrections of Adam, and hands them to a loop. Here it is asked for them
without a loop, for all steps of an epoch, and the table goes to the device.
"""

import types

import numpy as np

from dnnbook import optimizers
from dnnbook.cuda.device import allocated
from dnnbook.train import steps


class Steps:
    """An optimizer at its first state for parameters that stand in one vector on the device.

    Parameters
    ----------
    where : str
        What errors call it.
    optimizer : Optimizer
    schedule : function, optional
        ``schedule(t)`` is the learning rate of step t.

    Attributes
    ----------
    width : int
        How many numbers a step takes.
    """

    def __init__(self, where, optimizer, schedule=None):
        from dnnbook.cuda import _loops

        self.where, self.optimizer, self.schedule, self.taken = where, optimizer, schedule, 0
        if schedule:
            steps.rate(where, optimizer)
        made_here = optimizer.name in optimizers.TWINS and type(optimizer.numbers) is dict
        if not made_here or optimizer.name not in _loops.STEPS | {"adam_uncorrected": None}:
            expected = ", ".join(map(repr, [*_loops.STEPS, "adam_uncorrected"]))
            raise ValueError(f"{where}: optimizer is {optimizer.name!r}, expected one of {expected} on the GPU")
        pure, init, step = optimizers.TWINS[optimizer.name]
        _, body, state_class = step.with_numbers.args
        self.defaults = {n: pure.contract.defaults[n] for n in optimizers.floats(pure.contract)}
        self.body = types.FunctionType(body.__code__, body.__globals__ | {"run": self.record})
        self.first = optimizer.init(np.zeros(1, np.float32)) if init else None
        self.state = [state_class(*self.first)] if init else []
        self.loop, self.row, self.arrays = None, (), ()
        before = self.state
        self.width = len(self.next())
        self.state = before
        self.kernel = _loops.ahead(self.loop.py_func)

    def record(self, loop, arrays, *numbers):
        """What the step calls instead of running its loop."""
        self.loop, self.arrays, self.row = loop, arrays, [x for few in numbers for x in few]

    def next(self, eta=None):
        """The numbers of the next step, of which the state is counted on."""
        numbers = self.defaults | self.optimizer.numbers | ({} if eta is None else {"eta": eta})
        w, g = "w", "g"
        after = self.body(w, g, *self.state, *[numbers[n] for n in self.defaults])
        self.state = [after] if self.state else []
        return self.row

    def table(self, count):
        """The numbers of so many steps, one row for each."""
        rows = np.empty((count, self.width), np.float32)
        for i in range(count):
            if self.schedule:
                rate = steps.with_rate(self.optimizer, self.schedule(self.taken)).numbers["eta"]
            rows[i] = self.next(rate if self.schedule else None)
            self.taken += 1
        return rows

    def ready(self, vector, gradient, table, counter):
        """The kernel of a step."""
        from dnnbook.cuda import _loops

        memory = {"w": vector, "g": gradient}
        for x in self.first or ():
            if isinstance(x, np.ndarray):
                memory[id(x)] = filled(self.where, vector.size, x[0])
        arrays = [memory[x if isinstance(x, str) else id(x)] for x in self.arrays]
        return _loops.ready(self.kernel, vector.size, *arrays, table, counter)


def filled(where, size, value):
    """A vector on the device with one number everywhere."""
    made = allocated(where, size)
    made.copy_to_device(np.full(size, value, np.float32))
    return made
