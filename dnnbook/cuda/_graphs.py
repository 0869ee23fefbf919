"""A sequence of kernels as one CUDA graph: recorded once, started by one call to the driver.

Launching a kernel takes the host longer than a small kernel takes the GPU. A training step is ten to thirty kernels whose
arguments never change, so that the second step is recorded and all later ones replay it.
"""

import importlib.util
import weakref

from dnnbook.cuda.device import simulated


def missing():
    """What keeps graphs from being recorded here, in words; None if nothing does."""
    if simulated():
        return "the simulator has no graphs"
    if importlib.util.find_spec("cuda") is None or importlib.util.find_spec("cuda.bindings") is None:
        return "the package cuda-bindings is not installed"
    return None


class Graph:
    """The kernels that `launch` starts in a stream, recorded and not run; a call runs them.

    Parameters
    ----------
    launch : function
        Starts kernels in `stream` and does nothing else on the device. All of them must have run before: a kernel that is
        loaded or memory that is made while a stream is recorded would be an error of the driver.
    stream : numba.cuda stream
        Not the default stream, which cannot be recorded.

    Raises
    ------
    RuntimeError
        The driver refuses.
    """

    def __init__(self, launch, stream, driver=None):
        self.driver = driver = driver or bindings()
        self.stream = driver.CUstream(int(stream.handle))
        # Relaxed: memory that Numba frees meanwhile, of arrays that nobody uses any more, has nothing to do with the stream.
        mode = driver.CUstreamCaptureMode.CU_STREAM_CAPTURE_MODE_RELAXED
        self.asked("cuStreamBeginCapture", self.stream, mode)
        try:
            launch()
        except BaseException:
            driver.cuStreamEndCapture(self.stream)  # ends the recording, whatever it says
            raise
        (graph,) = self.asked("cuStreamEndCapture", self.stream)
        try:
            (self.executable,) = self.asked("cuGraphInstantiate", graph, 0)
        finally:
            self.asked("cuGraphDestroy", graph)
        weakref.finalize(self, driver.cuGraphExecDestroy, self.executable)

    def __call__(self):
        self.asked("cuGraphLaunch", self.executable, self.stream)

    def asked(self, name, *arguments):
        """The results of a function of the driver, which begin with an error code."""
        error, *results = getattr(self.driver, name)(*arguments)
        if error != self.driver.CUresult.CUDA_SUCCESS:
            raise RuntimeError(f"{name} of the CUDA driver: {getattr(error, 'name', error)}")
        return results


def bindings():
    from cuda.bindings import driver

    return driver
