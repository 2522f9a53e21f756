"""The folders of runtime_c/kernels, and what differs there from the portable kernels.

One entry of a literal table for each variant: how its kernels want weights, the scratch that they take, which kernel
calls which, and what their loops compute together, for whoever counts these.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from freeml.ir.types import Array
from freeml.kernels.packing import pairs_of_words, quads_of_bytes

# Which kernel calls which: their files are linked, too.
_CALLS: Mapping[str, tuple[str, ...]] = {
    "fml_conv_i8": ("fml_dense_i8",),
    "fml_pointwise_i8": ("fml_dense_i8",),
    "fml_conv_pool_i8": ("fml_conv_i8",),
    "fml_pointwise_pool_i8": ("fml_pointwise_i8",),
    "fml_depthwise_pool_i8": ("fml_depthwise_i8",),
    "fml_coded_conv_plain_i8": ("fml_conv_i8", "fml_conv_part_i8"),
    "fml_coded_conv_depthwise_i8": ("fml_depthwise_i8",),
    "fml_decoded_conv_ans_i8": ("fml_conv_i8",),
    "fml_decoded_conv_codebook_i8": ("fml_conv_i8",),
    "fml_decoded_conv_ternary_i8": ("fml_conv_i8",),
    "fml_decoded_conv_depthwise_i8": ("fml_depthwise_i8",),
    "fml_decoded_slice_ans_i8": ("fml_conv_i8",),
    "fml_decoded_slice_codebook_i8": ("fml_conv_i8",),
    "fml_decoded_slice_ternary_i8": ("fml_conv_i8",),
}


def _one_column(taps: int, channels: int) -> int:
    """FML_CONV_SCRATCH_BYTES of fml_kernels.h."""
    return taps * channels


def _two_columns_of_halves(taps: int, channels: int) -> int:
    """Columns of two pixels in 16 bits, filled up to a multiple of 4 products; the bytes of one where runs of taps are
    not whole words."""
    row_bytes = -(-taps * channels // 4) * 4
    return row_bytes * (4 if channels % 4 == 0 else 5)


def _rows_of_bytes(products: int, rows: int) -> int:
    return products * rows


def _pairs_of_words(products: int, rows: int) -> int:
    """fml_packed_bytes of runtime_c/kernels/armv7em/fml_packed.h."""
    return -(-rows // 2) * 2 * (-(-products // 4) * 4)


@dataclass(frozen=True, slots=True)
class Variant:
    """The kernels of one folder of runtime_c/kernels, with the portable ones that it does not replace.

    rows            weights of dot products of one group, int8 (out_c, products) -> flat int8 in memory order; None: as
                    they are. Depthwise weights have one order everywhere
    reads_words     of such weights: the table begins at a multiple of 4
    conv_scratch    bytes that fml_conv_i8 takes for (taps of a window, channels of a group)
    has_pointwise   whether fml_pointwise_i8 is better than fml_conv_i8 where both will do
    calls_nothing   kernels that call none here, other than elsewhere
    dot_loop        rows that a dot product computes in one go: four; two, by words; or one, eight products a loop
    gather_bytes    that a column is gathered by, where all is aligned to that
    depthwise_loop  four channels at once, or taps in lists
    block_bytes     bytes of so many rows of a group in SRAM, of (products, rows), in the order of `rows`
    most_block_bytes  of rows that are decoded at once, where a layer has more and one row has no more
    gap_pixels      neighbouring pixels that share an entry of weights by gaps: FML_PIXELS of
                    fml_coded_conv_pixels.h; 1: none do
    """

    rows: Callable[[Array], Array] | None = None
    reads_words: bool = False
    conv_scratch: Callable[[int, int], int] = _one_column
    has_pointwise: bool = True
    calls_nothing: frozenset[str] = frozenset()
    dot_loop: Literal["quads", "pairs", "eights"] = "quads"
    gather_bytes: int = 1
    depthwise_loop: Literal["quads", "lists"] = "quads"
    block_bytes: Callable[[int, int], int] = _rows_of_bytes
    most_block_bytes: int = 4096
    gap_pixels: int = 4

    def called_by(self, kernel: str) -> tuple[str, ...]:
        """Kernels that a kernel calls, and those that they call."""
        called = () if kernel in self.calls_nothing else _CALLS.get(kernel, ())
        return called + tuple(further for one in called for further in self.called_by(one))


VARIANTS: Mapping[str, Variant] = {
    "portable": Variant(),
    "armv6m": Variant(rows=quads_of_bytes, most_block_bytes=2048, gap_pixels=2),
    "armv7em": Variant(
        rows=pairs_of_words,
        reads_words=True,
        conv_scratch=_two_columns_of_halves,
        has_pointwise=False,  # a shared column is worth its copy
        calls_nothing=frozenset({"fml_conv_i8"}),
        dot_loop="pairs",
        gather_bytes=4,
        block_bytes=_pairs_of_words,
        most_block_bytes=8192,
    ),
    "msp430": Variant(dot_loop="eights", gather_bytes=2, depthwise_loop="lists", most_block_bytes=1024, gap_pixels=1),
}
