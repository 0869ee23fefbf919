"""The heavy parts on an NVIDIA GPU, for float32 arrays, in kernels compiled by Numba.

NumPy arrays are copied to the device and the results back. Arrays that are on the device already (whatever has
``__cuda_array_interface__``: Numba's, CuPy's, PyTorch's) are used where they are, and the results stay there.
Without a GPU every function raises :class:`RuntimeError` and names what is missing; nothing falls back to something slow.

:class:`Network` keeps a network there and trains it. :func:`matmul` is the product of matrices; :mod:`dnnbook.cuda.layers`,
:mod:`~dnnbook.cuda.activations` and :mod:`~dnnbook.cuda.optimizers` have the names of the CPU's. Needs the extra ``cuda``:
``pip install "dnnbook[cuda]"``.
"""

from dnnbook.cuda import activations, layers, optimizers
from dnnbook.cuda.device import is_available, missing
from dnnbook.cuda.network import Network
from dnnbook.cuda.products import matmul

__all__ = ["Network", "activations", "is_available", "layers", "matmul", "missing", "optimizers"]
