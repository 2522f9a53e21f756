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
from freeml.ir.stored_ans import Ans
from freeml.ir.stored_blocks import Blocks
from freeml.ir.stored_codes import Codes
from freeml.ir.stored_gaps import GapCodes, Gaps
from freeml.ir.stored_requant import Narrow, Single
from freeml.ir.stored_rice import Rice
from freeml.ir.stored_ternary import Ternary

ENCODINGS: Mapping[str, Encoding] = {
    "gaps": Gaps(),
    "gap_codes": GapCodes(),
    "rice": Rice(),
    "codes4": Codes(4),
    "codes3": Codes(3),
    "codes2": Codes(2),
    "ternary": Ternary(),
    "blocks": Blocks(),
    "ans": Ans(),
    "int16": Narrow(),
    "single": Single(),
}

__all__ = ["ENCODINGS", "Encoding", "Stored"]
