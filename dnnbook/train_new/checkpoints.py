"""Checkpoints: all that a training run needs to go on, in one file, written whole or not at all.

The file is NumPy's npz with plain arrays and one text in JSON: nothing in it is executed when it is read.
"""

import hashlib
import json
import os
import tempfile
from pathlib import Path

import numpy as np
from dnnbook.train.history import LISTS, History

VERSION = 1


def digest(params):
    """A fingerprint of parameters."""
    h = hashlib.sha256()
    for p in params:
        for a in p:
            h.update(f"{a.dtype} {a.shape}".encode() + a.tobytes())
    return h.hexdigest()[:16]


def save(path, *, settings, params, best, states, rng, history, waited):
    """Write a checkpoint beside its place, then put it there in one go.

    `settings` say which run this is, as plain data; `best` are the best parameters so far, or None.
    """
    arrays = {f"params/{i}/{j}": a for i, p in enumerate(params) for j, a in enumerate(p)}
    arrays |= {f"best/{i}/{j}": a for i, p in enumerate(best or ()) for j, a in enumerate(p)}
    arrays |= {f"state/{i}/{k}": x for i, s in enumerate(states) if s is not None for k, x in zip(s._fields, s, strict=True)}
    arrays |= {f"history/{name}": np.array(getattr(history, name), np.float64) for name in LISTS}
    text = {"version": VERSION, "settings": settings, "rng": rng.bit_generator.state, "waited": waited}
    text |= {"best_epoch": history.best_epoch, "stopped": history.stopped}
    arrays["text"] = np.array(json.dumps(text, default=lambda a: a.tolist()))
    path = Path(path)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            np.savez(file, **arrays)
            file.flush()
            os.fsync(file.fileno())
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def load(path, *, settings, params, states, rng):
    """Read a checkpoint of the same run: (params, best, states, history, waited); sets the state of `rng`.

    `params` and `states` are those of the start and give the forms.
    """
    with np.load(path, allow_pickle=False) as file:
        arrays = dict(file)
    text = json.loads(str(arrays["text"]))
    if text["version"] != VERSION:
        raise ValueError(f"fit: {path} is a checkpoint of version {text['version']}, expected {VERSION}")
    for key, expected in json.loads(json.dumps(settings)).items():
        if text["settings"].get(key) != expected:
            got = text["settings"].get(key)
            raise ValueError(f"fit: {path} is a checkpoint of another run: its {key} is {got!r}, that of this one {expected!r}")
    rng.bit_generator.state = text["rng"]
    history = History(**{name: arrays[f"history/{name}"].tolist() for name in LISTS})
    history.best_epoch, history.stopped = text["best_epoch"], text["stopped"]
    best = like(params, arrays, "best") if any(k.startswith("best/") for k in arrays) else None
    states = [s if s is None else state_like(s, arrays, f"state/{i}") for i, s in enumerate(states)]
    return like(params, arrays, "params"), best, states, history, text["waited"]


def like(params, arrays, name):
    return tuple(tuple(arrays[f"{name}/{i}/{j}"] for j in range(len(p))) for i, p in enumerate(params))


def state_like(state, arrays, name):
    read = {k: arrays[f"{name}/{k}"] for k in state._fields}
    return type(state)(**{k: read[k] if isinstance(x, np.ndarray) else type(x)(read[k]) for k, x in state._asdict().items()})
