"""How initialisers are stored on the device, in a model's metadata: written with a small network, and read back.

The key is the initialiser's name behind a prefix; the value the name of an encoding (ir/encoding.py), or "dense".
"""

from __future__ import annotations

from collections.abc import Mapping

import onnx

from freeml.errors import UnsupportedOp
from freeml.ir.encoding import ENCODINGS

PREFIX = "freeml.encoding:"
DENSE = "dense"


def encodings_of(model: onnx.ModelProto, where: str) -> Mapping[str, str]:
    """Encodings by initialiser; those that are dense are left out. Raises UnsupportedOp for one that nobody knows."""
    found = {}
    for prop in model.metadata_props:
        if not prop.key.startswith(PREFIX) or prop.value == DENSE:
            continue
        if prop.value not in ENCODINGS:
            raise UnsupportedOp(
                f"initialiser {prop.key.removeprefix(PREFIX)!r} is stored as {prop.value!r}, which is none of "
                f"{', '.join(sorted(ENCODINGS))}",
                where=where,
                hint="compress the network again, or take that entry out of its metadata",
            )
        found[prop.key.removeprefix(PREFIX)] = prop.value
    return found
