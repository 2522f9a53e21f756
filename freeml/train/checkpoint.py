"""A training run on disk: numbers only, written whole or not at all, and refused where it belongs to another run."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from freeml.errors import BadData
from freeml.ir.types import Array

_START_AGAIN = "delete it to start again"


def save(path: Path, identity: Mapping[str, Any], state: Mapping[str, Any], arrays: Mapping[str, Array]) -> None:
    """Write state (JSON) and arrays. After a kill at any time the file is the old one or the new one.

    identity: what the run must have in common with whoever goes on with it, by name, in words (JSON).
    """
    buffer = io.BytesIO()
    head = json.dumps({"identity": identity, "state": state}, sort_keys=True).encode()
    np.savez(buffer, allow_pickle=False, head=np.frombuffer(head, dtype=np.uint8), **arrays)
    temporary = path.with_name(path.name + ".part")
    with temporary.open("wb") as file:
        file.write(buffer.getvalue())
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def load(path: Path, identity: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Array]]:
    """State and arrays that `save` wrote. Raises BadData for a damaged file, and for one of another run: in what."""
    try:
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
        head = json.loads(arrays.pop("head").tobytes())
        known, state = dict(head["identity"]), dict(head["state"])
    except Exception as error:  # zipfile, zlib, numpy and json each raise their own for damaged bytes
        raise BadData(f"not a training run that freeml saved: {error}", where=str(path), hint=_START_AGAIN) from error
    now = json.loads(json.dumps(identity))
    for name in sorted(known.keys() | now.keys()):
        if known.get(name) != now.get(name):
            raise BadData(
                f"the run that was begun had {name} {known.get(name)}, this one has {now.get(name)}",
                where=str(path),
                hint=f"give what the run was begun with, or {_START_AGAIN}",
            )
    return state, arrays
