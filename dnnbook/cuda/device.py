"""What a GPU needs to be there, and arrays: how they are checked, where they are, how they get to the device and back.

Nothing here imports Numba's CUDA target before it is needed.
"""

import importlib.util
import math
import sys
from typing import NamedTuple

import numpy as np

FLOAT = np.dtype(np.float32)
LIMIT = 2**31  # elements: kernels count in 32 bits


def missing():
    """What keeps the functions of :mod:`dnnbook.cuda` from running here, in words; None if nothing does.

    Returns
    -------
    str or None
        The package, driver or device that is missing.
    """
    if importlib.util.find_spec("numba_cuda") is None:
        return "the package numba-cuda is not installed: pip install 'dnnbook[cuda]'"
    from numba import cuda

    if cuda.is_available():
        return None
    try:
        count = len(cuda.gpus)
    except Exception as error:  # whatever the driver raises, its text tells what is wrong
        return f"the CUDA driver does not load: {' '.join(str(error).split()).rstrip('. :')}"
    return "the CUDA driver finds no GPU" if count == 0 else "the GPU or its driver is too old for this version of numba-cuda"


def is_available():
    """Whether there is a GPU, a driver and the package numba-cuda to use them.

    Returns
    -------
    bool
        True where the functions of :mod:`dnnbook.cuda` run.
    """
    return missing() is None


def need(where):
    """An error that names what is missing, unless there is a GPU."""
    reason = missing()
    if reason is not None:
        raise RuntimeError(f"{where}: there is no GPU to run on: {reason}")


def need_capability(where, what, least):
    """An error unless the GPU has at least the compute capability (major, minor) that something needs."""
    from numba import cuda

    if not simulated() and (got := tuple(cuda.get_current_device().compute_capability)) < least:
        least, got = (".".join(map(str, version)) for version in (least, got))
        raise RuntimeError(f"{where}: {what} needs a GPU of compute capability {least} or higher, got {got}")


class Array(NamedTuple):
    """A checked argument: a matrix whose rows or columns are contiguous, or a contiguous vector."""

    name: str
    shape: tuple
    on_device: bool
    transposed: bool  # the columns are contiguous, not the rows
    pitch: int  # elements from one contiguous row (or column) to the next
    pointer: int  # address of the first element on the device; 0 for a NumPy array, which will begin on a multiple of 256
    memory: object  # what was given, or a contiguous copy of it
    where: str = ""  # the function that it was given to

    @property
    def extent(self):
        """Elements from the first to the last."""
        *height, width = self.shape[::-1] if self.transposed else self.shape
        return 0 if 0 in self.shape else (height[0] - 1) * self.pitch + width if height else width

    @property
    def fours(self):
        """Whether four neighbors never straddle a row's end nor a multiple of 16 bytes."""
        width, height = self.shape if self.transposed else self.shape[::-1]
        return width % 4 == 0 and (self.pitch % 4 == 0 or height < 2) and self.pointer % 16 == 0

    def flat(self, stream=0):
        """The elements from first to last as one run of device memory; a NumPy array is copied there."""
        from numba import cuda

        if self.extent == 0:
            return cuda.device_array(0, FLOAT)
        if not self.on_device:
            return copied(self.where, self.memory.reshape(-1), stream)
        return run(self.memory, self.extent)


def argument(where, name, value, *letters, sizes=None):
    """One array held against its declared shape, without touching its elements.

    `letters` names the axes; `sizes` remembers the length of each letter and the array that it came from.
    """
    interface = interface_of(value)
    if interface is None:
        value = np.asarray(value)
        dtype, shape, strides, pointer = value.dtype, value.shape, value.strides, 0
    else:
        dtype, shape, pointer = np.dtype(interface["typestr"]), tuple(interface["shape"]), interface["data"][0]
        strides = interface.get("strides") or contiguous(shape, dtype.itemsize)
    if dtype != FLOAT:
        raise TypeError(f"{where}: {name} has dtype {dtype}, expected float32")
    wrong = f"{where}: {name} has shape {shape}, expected ({', '.join(letters)}{',' if len(letters) == 1 else ''})"
    if len(shape) != len(letters):
        raise ValueError(wrong)
    sizes = {} if sizes is None else sizes
    for letter, n in zip(letters, shape, strict=True):
        expected, owner = sizes.setdefault(letter, (n, f"{name} {shape}"))
        if n != expected:
            raise ValueError(f"{wrong} with {letter} = {expected} as in {owner}")
    transposed, pitch = layout(shape, strides)
    if pitch is None and interface is not None:
        raise ValueError(f"{where}: {name} has strides {strides} bytes, expected contiguous rows or columns")
    if interface is None:
        value = np.ascontiguousarray(value.T if transposed else value)
        pitch = value.shape[-1]
    array = Array(name, shape, interface is not None, transposed, pitch, pointer, value, where)
    if max(array.extent, *shape) >= LIMIT - 2**16:  # room for the rest of a tile beyond the end
        raise ValueError(f"{where}: {name} spans {array.extent} elements, expected fewer than 2**31 - 2**16")
    return array


def whole(where, name, value, shape=None):
    """A contiguous array of any shape, or of a given one, as one vector."""
    interface = interface_of(value)
    if interface is None:
        value = np.asarray(value)
        dtype, got, strides = value.dtype, value.shape, value.strides
    else:
        dtype, got = np.dtype(interface["typestr"]), tuple(interface["shape"])
        strides = interface.get("strides")
    if dtype != FLOAT:
        raise TypeError(f"{where}: {name} has dtype {dtype}, expected float32")
    if shape is not None and got != shape:
        raise ValueError(f"{where}: {name} has shape {got}, expected {shape} as w")
    size = math.prod(got)
    if (
        strides is not None
        and size
        and any(n > 1 and s != c for n, s, c in zip(got, strides, contiguous(got, dtype.itemsize), strict=True))
    ):
        raise ValueError(f"{where}: {name} is not C-contiguous")
    return Array(name, (size,), interface is not None, False, size, 0, value, where)


def layout(shape, strides):
    """(transposed, pitch) of a matrix or vector with such strides in bytes; the pitch is None if nothing is contiguous."""
    if len(shape) == 1:
        return False, shape[0] if shape[0] < 2 or strides[0] == FLOAT.itemsize else None
    for transposed in (False, True):
        (height, width), (down, across) = (shape[::-1], strides[::-1]) if transposed else (shape, strides)
        if 0 in shape or (height < 2 and (width < 2 or across == FLOAT.itemsize)):
            return transposed, width
        if (width < 2 or across == FLOAT.itemsize) and down >= width * FLOAT.itemsize and down % FLOAT.itemsize == 0:
            return transposed, down // FLOAT.itemsize
    return False, None


def contiguous(shape, itemsize):
    return tuple(itemsize * math.prod(shape[i + 1 :]) for i in range(len(shape)))


def shape_of(value):
    """The shape of an array or a number, wherever it is."""
    interface = interface_of(value)
    return np.shape(value) if interface is None else tuple(interface["shape"])


def writable(value):
    """Whether something is an array that may be changed in place."""
    interface = interface_of(value)
    return isinstance(value, np.ndarray) and value.flags.writeable if interface is None else not interface["data"][1]


def interface_of(value):
    """The description of an array on the device; None for everything else."""
    if isinstance(value, np.ndarray):
        return None
    interface = getattr(value, "__cuda_array_interface__", None)
    if interface is None and hasattr(value, "copy_to_host"):  # an array of the simulator
        interface = value.__array_interface__
    return interface


def run(owner, extent):
    """So many elements of device memory from the first of an array, as one contiguous array."""
    from numba import cuda

    holder = type("Run", (), {"owner": owner})()
    interface = interface_of(owner) | {"shape": (extent,), "strides": None}
    if simulated():
        holder.__array_interface__ = interface
        return type(cuda.device_array(0))(np.asarray(holder))
    holder.__cuda_array_interface__ = interface
    return cuda.as_cuda_array(holder)


class Launch(NamedTuple):
    """A kernel with its grid and its arguments: a call runs it."""

    kernel: object
    grid: object
    block: object
    arguments: tuple

    def __call__(self, stream=0):
        self.kernel[self.grid, self.block, stream](*self.arguments)


WORK = {}  # device memory kept for later calls, by device and stream


def workspace(size, stream, where):
    """So many elements of device memory for the kernels of one call; the next call in the stream has them again."""
    from numba import cuda

    key = (0, 0) if simulated() else (cuda.get_current_device().id, int(stream))
    if key not in WORK or WORK[key].size < size:
        WORK[key] = allocated(where, size)
    return WORK[key][:size]


def processors():
    """The multiprocessors of the GPU; one in the simulator."""
    from numba import cuda

    return 1 if simulated() else cuda.get_current_device().MULTIPROCESSOR_COUNT


def simulated():
    from dnnbook.cuda._vectors import SIMULATED

    return SIMULATED


def to_host(array, out=None, stream=0):
    """A device array as a NumPy array, when the stream has come to its end."""
    host = array.copy_to_host(out, stream)
    if stream != 0:
        stream.synchronize()
    return host


def same_place(where, *arrays):
    """An error unless all arrays are NumPy's or all are on the device; tells whether they are there."""
    first, *others = [a for a in arrays if a is not None]
    for other in others:
        if other.on_device != first.on_device:
            places = {True: "on the device", False: "a NumPy array"}
            raise TypeError(
                f"{where}: {other.name} is {places[other.on_device]} and {first.name} is {places[first.on_device]},"
                " expected one place for all"
            )
    return first.on_device


def empty(where, like, shape):
    """A new array on the device, of the library that `like` comes from where that is PyTorch or CuPy."""
    library = type(like.memory).__module__.partition(".")[0] if like.on_device else "numba"
    if library == "torch":
        return allocated(where, shape, like.memory.new_empty)
    if library == "cupy":
        return allocated(where, shape, lambda shape: sys.modules["cupy"].empty(shape, FLOAT))
    return allocated(where, shape)


def allocated(where, shape, make=None, dtype=FLOAT):
    """A new array on the device, made by a function of its shape; an error that says so where there is no room for it."""
    from numba import cuda

    try:
        return make(shape) if make else cuda.device_array(shape, dtype)
    except Exception as error:
        if "out of memory" not in str(error).lower().replace("_", " "):
            raise
        raise MemoryError(f"{where}: the device has no room for an array {shape} of {np.dtype(dtype)}") from error


def copied(where, values, stream=0):
    """A contiguous NumPy array, copied to the device."""
    made = allocated(where, values.shape, dtype=values.dtype)
    made.copy_to_device(values, stream)
    return made
