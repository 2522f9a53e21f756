"""What loops of kernels do, counted: what runtime_c/kernels/<variant>/cycles.toml prices.

Counts follow the loops of the kernels: calls, pixels, gathered bytes, products, outputs. Each is the most that any tile
of n units can have that starts at a multiple of n: every tap inside the input but where padding costs more, and as many
window positions as a tile can touch. A name is KERNEL.COUNT; kernels of one name in several variants share counts, and
a variant's table leaves out what costs nothing there. The kernels of each family are counted in its file; here is what
several count.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from freeml.ir.graph import Graph
from freeml.ir.types import Array
from freeml.kernels.reads import Ints
from freeml.kernels.variants import Variant

LoopCounts = dict[str, Ints]

QUAD = 4  # outputs that a kernel may compute together
NEAR_UNITS = 65_535  # a position beyond needs a 32-bit division
REQUANT_BYTES = 7  # bias, mult and shift of one output
_ROUTINE_SHIFTS = (18, 32)  # that the MSP430's routines requantize; others take the way of plain C


def named(kernel: str, counts: Mapping[str, Ints]) -> LoopCounts:
    """Counts of one kernel."""
    return {f"{kernel}.{name}": count for name, count in counts.items()}


def far(n_units: int, n: Ints) -> Ints:
    """Whether a tile begins beyond what 16 bits count."""
    return np.full_like(n, int(n_units > NEAR_UNITS))


def bits(shift: Array) -> int:
    """Places that the plain C of fml_requant.h shifts by, at most: a loop where a core has no barrel shifter."""
    wide = shift.astype(int)
    return int(np.where(wide > 16, wide - 17, wide - 1).max(initial=0))


def odd_shifts(graph: Graph, shift: str, n: Ints, pixels: Ints) -> Ints:
    """Outputs whose shift the MSP430's routines leave to C: at most those of each pixel, in every pixel."""
    shifts = graph.consts[shift].array
    low, high = _ROUTINE_SHIFTS
    return np.minimum(n, pixels * int(((shifts < low) | (shifts > high)).sum()))


def dots(variant: Variant, n: Ints, products: int, alone: Ints) -> LoopCounts:
    """Of n dot products of so many products, of which some are computed without three neighbours."""
    if variant.dot_loop == "pairs":
        return {"output": n}
    if variant.dot_loop == "eights":
        return {"output": n, "mac": n * products, "loop": n * -(-products // 8)}
    return {"output": n, "alone": alone, "mac": n * products, "alone_mac": alone * products}


def row_pairs(variant: Variant, pairs: Ints, products: int) -> LoopCounts:
    """Of pairs of rows that a variant computes in one go, in words of four products."""
    if variant.dot_loop != "pairs":
        return {}
    return {"pair": pairs, "pair_word": pairs * -(-products // 4), "pair_tail": pairs * (products % 4 != 0)}
