"""From a fresh process to a trained small network: imports, compilation or what the cache has of it, two epochs."""

import json
import os
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from typing import NamedTuple

SCRIPTS = {
    "dnnbook": """
import numpy as np
from dnnbook import network, train
rng = np.random.default_rng(0)
x, y = rng.random((100, 20), np.float32), rng.integers(3, size=100)
layers = network.mlp([20, 10, 3])
train.fit(layers, network.init(layers, rng), x, y, epochs=2, rng=rng, progress=False)
""",
    "torch": """
import torch
x, y = torch.rand(100, 20), torch.randint(3, (100,))
model = torch.nn.Sequential(torch.nn.Linear(20, 10), torch.nn.ReLU(), torch.nn.Linear(10, 3))
optimizer = torch.optim.Adam(model.parameters())
for _ in range(2):
    for rows in torch.randperm(100).split(32):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(model(x[rows]), y[rows]).backward()
        optimizer.step()
""",
    "jax": """
import jax, jax.numpy as jnp, numpy as np, optax
rng = np.random.default_rng(0)
x, y = rng.random((100, 20), np.float32), np.eye(3, dtype=np.float32)[rng.integers(3, size=100)]
w = [(rng.random(s, np.float32) - 0.5, np.zeros(s[1], np.float32)) for s in ((20, 10), (10, 3))]
adam = optax.adam(0.001)
def loss(w, x, y):
    for W, b in w[:-1]:
        x = jax.nn.relu(x @ W + b)
    return -jnp.mean(jnp.sum(y * jax.nn.log_softmax(x @ w[-1][0] + w[-1][1]), axis=1))
@jax.jit
def step(w, state, x, y):
    change, state = adam.update(jax.grad(loss)(w, x, y), state)
    return optax.apply_updates(w, change), state
state = jax.jit(adam.init)(w)
for _ in range(2):
    for rows in np.split(rng.permutation(100), range(32, 100, 32)):
        w, state = step(w, state, x[rows], y[rows])
jax.block_until_ready(w)
""",
}
# Compilation inside a compilation counts as a function, but its seconds are those of the outer one.
COUNTED = """
import json, sys
from numba.core import event
with event.install_recorder("numba:compile") as recorder:
    exec(sys.stdin.read())
functions, depth, seconds = 0, 0, 0.0
for when, e in recorder.buffer:
    if e.is_start:
        functions, depth, begin = functions + 1, depth + 1, when if depth == 0 else begin
    else:
        depth -= 1
        seconds += 0 if depth else when - begin
print(json.dumps({"functions": functions, "seconds": seconds}))
"""


class Compiled(NamedTuple):
    """What a process compiled.

    Attributes
    ----------
    functions : int
        How many functions, each type of arguments counted; those that the cache has are not compiled.
    seconds : float
        How long that took.
    """

    functions: int
    seconds: float


def fresh(script, cache=None):
    """Run a script in a process of its own, with this folder as Numba's cache."""
    env = os.environ | ({"NUMBA_CACHE_DIR": str(cache)} if cache else {})
    subprocess.run([sys.executable, "-c", script], env=env, check=True)


def compiled(script, cache):
    """What a script compiles in a process of its own, with this folder as Numba's cache."""
    env = os.environ | {"NUMBA_CACHE_DIR": str(cache)}
    done = subprocess.run([sys.executable, "-c", COUNTED], input=script, env=env, check=True, stdout=subprocess.PIPE, text=True)
    return Compiled(**json.loads(done.stdout.splitlines()[-1]))


class Starts:
    """The two cases of a fresh process. The empty cache is a folder of its own each time; a warm one is that of the first."""

    def __enter__(self):
        self.folders = ExitStack()
        self.warm = self.folder()
        return self

    def __exit__(self, *error):
        self.folders.close()

    def folder(self):
        return self.folders.enter_context(tempfile.TemporaryDirectory(prefix="dnnbook-"))

    def empty(self):
        fresh(SCRIPTS["dnnbook"], self.folder())

    def filled(self):
        fresh(SCRIPTS["dnnbook"], self.warm)
