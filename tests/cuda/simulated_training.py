"""Training in the simulator, held against that of the CPU; run by test_simulator.py in a process of its own."""

import types

import numpy as np
import pytest
from numba import cuda
from numba.cuda.simulator.cudadrv.devicearray import FakeCUDAArray
from simulated import Device, drawn

from dnnbook import network, optimizers, schedules, train
from dnnbook.cuda import Network, _graphs, _loops, _training
from dnnbook.cuda._steps import Steps

LAYERS = network.mlp([6, 5, 3], "tanh", batch_norm=True, dropout=0.4)
X, Y = drawn(7, 6), np.random.default_rng(2).integers(3, size=7)


def started(layers=LAYERS):
    return network.init(layers, np.random.default_rng(1))


def trained(layers, params, **options):
    """(network, history) on the device, what the CPU makes of the same."""
    net = Network(layers, params)
    history = net.fit(X, Y, rng=np.random.default_rng(4), **options)
    options.pop("graph", None)
    fitted = train.fit(layers, params, X, Y, rng=np.random.default_rng(4), progress=False, **options)
    return net, history, fitted


def test_equal_seeds_give_the_masks_the_order_and_the_numbers_of_the_cpu():
    """Two epochs of three steps; the last batch is smaller, and there are a schedule and a validation."""
    schedule = schedules.schedule("exponential", 0.1, gamma=0.9)
    options = {"batch_size": 3, "epochs": 2, "optimizer": "momentum", "schedule": schedule, "validation": (X[:4], Y[:4])}
    net, history, fitted = trained(LAYERS, started(), **options)
    for name in ("step_loss", "loss", "validation_loss", "validation_accuracy"):
        np.testing.assert_allclose(getattr(history, name), getattr(fitted.history, name), rtol=1e-5)
    assert len(history.seconds) == 2
    for p, q in zip(net.to_host(), fitted.params, strict=True):
        for a, b in zip(p, q, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


def test_batch_learning_keeps_the_order_and_a_callback_ends_it():
    layers, seen = network.mlp([6, 3]), []

    def callback(epoch, net, history):
        seen.append((epoch, len(history.loss)))
        return epoch == 2

    net = Network(layers, started(layers))
    there = Device(X), Device(np.eye(3, dtype=np.float32)[Y])
    history = net.fit(*there, rng=np.random.default_rng(4), batch_size=100, epochs=9, optimizer="sgd", callback=callback)
    fitted = train.fit(
        layers, started(layers), X, Y, rng=np.random.default_rng(4), batch_size=100, epochs=2, optimizer="sgd", progress=False
    )
    np.testing.assert_allclose(history.step_loss, fitted.history.step_loss, rtol=1e-5)
    assert seen == [(1, 1), (2, 2)]
    assert history.stopped == "callback"
    assert there[0].untouched()


def test_a_loss_that_is_no_number_ends_training():
    layers = network.mlp([6, 3])
    x = X.copy()
    x[2] = np.nan
    net = Network(layers, started(layers))
    step = list(np.random.default_rng(10).permutation(7)).index(2) // 2 + 1
    assert step > 1
    with pytest.raises(FloatingPointError, match=f"the loss is nan at epoch 1, step {step};"):
        net.fit(x, Y, rng=np.random.default_rng(10), batch_size=2, epochs=1)


@pytest.mark.parametrize("name", [*_loops.STEPS, "adam_uncorrected"])
def test_every_optimizer_makes_the_steps_of_the_cpu(name):
    """Three steps of 70 parameters, with a schedule of rates where there is one."""
    rates = [{}] * 3 if name == "adadelta" else [{"eta": 0.1}, {"eta": 0.05}, {"eta": 0.2}]
    w, g = drawn(70), drawn(70, seed=1)
    steps = Steps("fit", optimizers.optimizer(name), None if name == "adadelta" else lambda t: rates[t]["eta"])
    vector, table, counter = cuda.to_device(w.copy()), cuda.device_array(3 * steps.width, np.float32), np.zeros(1, np.int32)
    table.copy_to_device(steps.table(3).reshape(-1))
    counter = cuda.to_device(counter)
    kernel = steps.ready(vector, cuda.to_device(g), table, counter)
    state = optimizers.optimizer(name).init(w)
    for t, rate in enumerate(rates):
        counter.copy_to_device(np.array([t + 1], np.int32))
        kernel()
        state = optimizers.optimizer(name, **rate).update_(w, g, state)
        np.testing.assert_allclose(vector.copy_to_host(), w, rtol=1e-6, atol=1e-7)


def test_a_step_copies_nothing_and_makes_no_memory(monkeypatch):
    """Copies and new arrays are counted while steps run: there are none; around them are those of an epoch."""
    counts, inside, within = {}, {}, []

    def counted(owner, name):
        right = getattr(owner, name)

        def call(*args, **kwargs):
            counts[name] = counts.get(name, 0) + 1
            if within:
                inside[name] = inside.get(name, 0) + 1
            return right(*args, **kwargs)

        monkeypatch.setattr(owner, name, call)

    for name in ("copy_to_host", "copy_to_device"):
        counted(FakeCUDAArray, name)
    for name in ("device_array", "to_device"):
        counted(cuda, name)
    right, steps = _training.Pass.run, []

    def run(self, stream):
        steps.append(counts.copy())
        within.append(True)
        right(self, stream)
        within.pop()

    monkeypatch.setattr(_training.Pass, "run", run)
    net = Network(LAYERS, started())
    before = counts.get("copy_to_host", 0)
    net.fit(X, Y, rng=np.random.default_rng(4), batch_size=3, epochs=2)
    assert len(steps) == 6
    assert inside == {}
    assert counts["copy_to_host"] - before == 2  # the losses of each epoch
    assert steps[-1]["device_array"] == steps[0]["device_array"]
    assert steps[-1].get("to_device", 0) == steps[0].get("to_device", 0)


@pytest.mark.parametrize("call", ["Network", "fit", "predict", "loss_and_gradients_"])
def test_without_room_there_is_an_error_and_nothing_has_changed(call, monkeypatch):
    layers, right = network.mlp([6, 5, 3]), cuda.device_array
    net, params, made = Network(layers, started(layers)), started(layers), 0
    calls = {
        "Network": lambda: Network(layers, params),
        "fit": lambda: net.fit(X, Y, rng=np.random.default_rng(0), batch_size=3, epochs=1),
        "predict": lambda: net.predict(Device(X)),
        "loss_and_gradients_": lambda: net.loss_and_gradients_(X, Y, rng=np.random.default_rng(0)),
    }
    for room in range(99):
        made = 0

        def limited(*args, room=room, **kwargs):
            nonlocal made
            made += args[0] != 0  # in the simulator an empty array is made to see its type
            if made > room:
                raise RuntimeError("[CUresult.CUDA_ERROR_OUT_OF_MEMORY] Call to cuMemAlloc results in CUDA_ERROR_OUT_OF_MEMORY")
            return right(*args, **kwargs)

        monkeypatch.setattr(cuda, "device_array", limited)
        try:
            calls[call]()
        except MemoryError as error:
            assert str(error).startswith(f"{call}: the device has no room for an array ")  # noqa: PT017 - the last one succeeds
            monkeypatch.setattr(cuda, "device_array", right)
            for p, q in zip(net.to_host(), params, strict=True):
                for a, b in zip(p, q, strict=True):
                    np.testing.assert_array_equal(a, b)
        else:
            assert room > 2
            break
    monkeypatch.setattr(cuda, "device_array", right)
    np.testing.assert_array_equal(net.predict(X).shape, (7, 3))


class Driver:
    """What the driver would do, written down."""

    CUresult = types.SimpleNamespace(CUDA_SUCCESS=0)
    CUstreamCaptureMode = types.SimpleNamespace(CU_STREAM_CAPTURE_MODE_RELAXED="relaxed")

    def __init__(self, failing=None):
        self.log, self.failing = [], failing

    def CUstream(self, handle):
        return f"stream {handle}"

    def __getattr__(self, name):
        if not name.startswith("cu"):
            raise AttributeError(name)

        def call(*arguments):
            self.log.append((name, *arguments))
            results = {"cuStreamEndCapture": ["graph"], "cuGraphInstantiate": ["executable"]}.get(name, [])
            return (7 if name == self.failing else 0, *results)

        return call


STREAM = types.SimpleNamespace(handle=5)


def test_a_graph_is_recorded_once_and_replayed():
    driver = Driver()
    graph = _graphs.Graph(lambda: driver.log.append("kernels"), STREAM, driver)
    recorded = [
        ("cuStreamBeginCapture", "stream 5", "relaxed"),
        "kernels",
        ("cuStreamEndCapture", "stream 5"),
        ("cuGraphInstantiate", "graph", 0),
        ("cuGraphDestroy", "graph"),
    ]
    assert driver.log == recorded
    graph()
    graph()
    assert driver.log[5:] == [("cuGraphLaunch", "executable", "stream 5")] * 2
    del graph
    assert driver.log[7:] == [("cuGraphExecDestroy", "executable")]


@pytest.mark.parametrize("name", ["cuStreamBeginCapture", "cuStreamEndCapture", "cuGraphInstantiate", "cuGraphLaunch"])
def test_a_driver_that_refuses_is_named(name):
    with pytest.raises(RuntimeError, match=f"{name} of the CUDA driver: 7"):
        _graphs.Graph(lambda: None, STREAM, Driver(name))()


def test_a_recording_ends_where_a_kernel_fails():
    driver = Driver()
    with pytest.raises(ZeroDivisionError):
        _graphs.Graph(lambda: 1 / 0, STREAM, driver)
    assert driver.log[-1][0] == "cuStreamEndCapture"


@pytest.mark.parametrize(("failing", "asked"), [(None, None), ("cuGraphInstantiate", None), ("cuGraphInstantiate", True)])
def test_the_second_step_is_recorded_and_later_ones_replay_it(failing, asked, monkeypatch):
    driver, runs = Driver(failing), []
    monkeypatch.setattr(_graphs, "bindings", lambda: driver)
    step = _training.Pass.__new__(_training.Pass)
    step.launches, step.graph, step.plain = [lambda stream: runs.append(len(driver.log))], None, 0
    step(STREAM, asked)
    assert runs == [0]
    if asked:
        with pytest.raises(RuntimeError, match="cuGraphInstantiate"):
            step(STREAM, asked)
        return
    if failing:
        with pytest.warns(UserWarning, match="fit: the step is not recorded as a graph.*cuGraphInstantiate"):
            step(STREAM, asked)
        step(STREAM, asked)
        assert len(runs) == 4  # the first, the recording, and two plain ones
        return
    for _ in range(3):
        step(STREAM, asked)
    assert len(runs) == 2
    assert [line[0] for line in driver.log].count("cuGraphLaunch") == 3
    step(STREAM, asked)
