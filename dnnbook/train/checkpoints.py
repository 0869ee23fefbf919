"""Checkpoints: all that a run needs to go on, in one file, written whole or not at all.

The file is NumPy's npz with plain arrays and one text in JSON: nothing in it is executed when it is read.
"""

import hashlib
import json
import os
import zipfile
from pathlib import Path

import numpy as np

from dnnbook.train.history import LISTS, History

VERSION = 2  # 1 had a state of the optimizer for every array


def place(where, checkpoint, resume):
    """The path of the checkpoint, or None; an error now rather than after the first epoch."""
    if checkpoint is None:
        if resume:
            raise ValueError(f"{where}: resume is True, expected a checkpoint with it")
        return None
    path = Path(checkpoint)
    if not path.parent.is_dir() or path.is_dir():
        raise ValueError(f"{where}: checkpoint is {str(checkpoint)!r}, expected a file in a folder that exists")
    return path


def digest(arrays):
    """A fingerprint."""
    h = hashlib.sha256()
    for a in arrays:
        h.update(f"{a.dtype} {a.shape}".encode())
        h.update(np.ascontiguousarray(a))
    return h.hexdigest()[:16]


def save(path, *, settings, params, best, states, rng, history):
    """Write a checkpoint beside its place, then put it there in one go.

    `settings` say which run this is, as plain data; `best` are the best parameters so far, or None.
    """
    arrays = named("params", params) | named("best", best or ())
    for i, state in enumerate(states):
        arrays |= {} if state is None else {f"state/{i}/{k}": x for k, x in state._asdict().items()}
    arrays |= {f"history/{name}": np.array(getattr(history, name), np.float64) for name in LISTS}
    text = {"version": VERSION, "settings": settings, "rng": rng.bit_generator.state}
    arrays["text"] = np.array(json.dumps(text, default=lambda a: a.tolist()))
    part = path.with_name(f".{path.name}.part")
    try:
        with part.open("wb") as file:
            np.savez(file, **arrays)
            file.flush()
            os.fsync(file.fileno())  # else the new name could reach the disk before the content
        os.replace(part, path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def load(where, path, *, settings, params, states, rng):
    """Read a checkpoint of the same run: (params, best, states, history); sets the state of `rng`.

    `params` and `states` are those of the start: they give the forms.
    """
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as zipped:
            arrays = dict(zipped)
        text = json.loads(str(arrays["text"]))
        version, theirs = text["version"], text["settings"]
    except (AttributeError, EOFError, KeyError, TypeError, ValueError, zipfile.BadZipFile) as error:
        raise ValueError(f"{where}: {str(path)!r} is not a checkpoint that training has written") from error
    if version != VERSION:
        raise ValueError(f"{where}: {str(path)!r} has version {version}, expected {VERSION}")
    for key, ours in json.loads(json.dumps(settings)).items():
        if theirs[key] != ours:
            raise ValueError(f"{where}: {str(path)!r} is of another run: its {key} is {theirs[key]!r}, here it is {ours!r}")
    rng.bit_generator.state = text["rng"]
    history = History(**{name: arrays[f"history/{name}"].tolist() for name in LISTS})
    best = entries(arrays, "best", params) if any(key.startswith("best/") for key in arrays) else None
    return entries(arrays, "params", params), best, states_of(arrays, states), history


def named(name, params):
    return {f"{name}/{i}/{j}": a for i, p in enumerate(params) for j, a in enumerate(p)}


def entries(arrays, name, params):
    return tuple(tuple(arrays[f"{name}/{i}/{j}"] for j in range(len(p))) for i, p in enumerate(params))


def states_of(arrays, states):
    """The states of the optimizer, in the forms of its first states."""

    def read(i, key, x):
        a = arrays[f"state/{i}/{key}"]
        return a if isinstance(x, np.ndarray) else type(x)(a)

    return [s and type(s)(**{k: read(i, k, x) for k, x in s._asdict().items()}) for i, s in enumerate(states)]
