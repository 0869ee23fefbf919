"""What a network on the device is given: checked, and brought there where it is not there yet."""

import numpy as np

from dnnbook import network
from dnnbook.cuda._stages import Matrix
from dnnbook.cuda.device import FLOAT, allocated, argument, contiguous, interface_of, run, simulated


def examples(where, x, width):
    """(matrix of the examples on the device or NumPy array, whether they are on the device)."""
    if interface_of(x) is None:
        x = network.as_table(where, "x", x, FLOAT)
    x = table(where, "x", x)
    if x.shape[1] != width:
        raise ValueError(f"{where}: x has shape {x.shape}, expected (N, {width})")
    return x


def table(where, name, value):
    """A matrix without gaps between its rows."""
    a = argument(where, name, value, "N", "D")
    if a.transposed or (a.on_device and a.pitch != a.shape[1]):
        raise ValueError(f"{where}: {name} has gaps between its rows or contiguous columns, expected contiguous rows")
    return a


def targets(where, y, shape, loss, on_device):
    """Targets where the examples are. Labels that are on the device come to the host once, to be held against the classes."""
    interface = interface_of(y)
    if (interface is not None) != on_device:
        places = {True: "on the device", False: "a NumPy array"}
        raise TypeError(f"{where}: y is {places[not on_device]} and x is {places[on_device]}, expected one place for both")
    if interface is not None:
        if np.dtype(interface["typestr"]) == FLOAT and tuple(interface["shape"]) == shape:
            return table(where, "y", y)
        y = fetched(where, "y", y)
    return table(where, "y", network.targets(y, shape, loss))


def fetched(where, name, value):
    """A contiguous array on the device as a NumPy array."""
    from numba import cuda

    interface = interface_of(value)
    shape, strides = tuple(interface["shape"]), interface.get("strides")
    if strides and tuple(strides) != contiguous(shape, np.dtype(interface["typestr"]).itemsize):
        raise ValueError(f"{where}: {name} is not C-contiguous")
    if simulated():
        return np.array(type("Held", (), {"__array_interface__": interface, "owner": value})())
    return cuda.as_cuda_array(value).copy_to_host()


def matrix(where, array, stream):
    """A checked table as a matrix on the device, which is that of the caller if it is there."""
    rows, columns = array.shape
    if array.on_device:
        return Matrix(run(array.memory, rows * columns), rows, columns)
    made = Matrix(allocated(where, max(-(-rows * columns // 4) * 4, 4)), rows, columns)
    made.flat.copy_to_device(array.memory.reshape(-1), stream)
    return made


def rows_of(array):
    """``rows_of(array)(first, last)`` are rows of a checked table as a vector, wherever it is."""
    (rows, columns), memory = array.shape, array.memory
    whole = run(memory, rows * columns) if array.on_device else memory.reshape(-1)
    return lambda first, last: whole[first * columns : last * columns]
