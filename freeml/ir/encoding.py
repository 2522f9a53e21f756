"""How constants are stored: the literal list of encodings. An array stays dense for everybody but its kernel.

An encoding is a function of the dense array, and back. What it gives are sections: each becomes a C array of its own,
named by what it holds (`freeml/kernels/layer.py`), so that an ELF's symbols tell bytes of weights, of indices, of
codebooks and of restart tables apart. Where decoding goes from value to value, the restart table says where decoding
may begin: tiles do, so that a decoder's state never outlives a call.

The encodings themselves are in files of their own; each knows arrays, and neither ops nor kernels.
"""

from __future__ import annotations

from collections.abc import Mapping

from freeml.ir.stored import Encoding, Stored
from freeml.ir.stored_gaps import Gaps
from freeml.ir.stored_requant import Narrow, Single

ENCODINGS: Mapping[str, Encoding] = {
    "gaps": Gaps(),
    "int16": Narrow(),
    "single": Single(),
}

__all__ = ["ENCODINGS", "Encoding", "Stored"]
