"""What the checks leave behind: JSON files, written whole or not at all, that say which code they speak about."""

import hashlib
import json
import os
import tempfile
from pathlib import Path

import dnnbook


def package_hash():
    """A hash of the package's sources: the ledger is good for exactly this code."""
    root = Path(dnnbook.__file__).parent
    digest = hashlib.sha256()
    for p in sorted([*root.rglob("*.py"), *root.rglob("*.lark")]):
        digest.update(p.relative_to(root).as_posix().encode() + b"\0" + p.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def write(found, file):
    """Write findings as JSON, whole or not at all."""
    target = Path(file)
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=target.parent, suffix=".json")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as f:
            json.dump(found, f, indent=1)
        os.replace(temporary, target)
    except BaseException:
        os.unlink(temporary)
        raise
