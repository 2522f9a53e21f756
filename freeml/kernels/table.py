"""The kernel of each class of ops that compute: the literal list that planner and codegen look into."""

from __future__ import annotations

from collections.abc import Mapping

from freeml.ir.graph import Graph
from freeml.ir.int_ops import (
    AddI8,
    AvgPoolI8,
    ConvI8,
    ConvPoolI8,
    DenseI8,
    ExitHead,
    ExitMix,
    LutI8,
    MaxPoolI8,
    MulI8,
    PadI8,
    SoftmaxI8,
)
from freeml.ir.ops import ArgMax, Binary, Concat, Conv, Dense, Op, Transpose
from freeml.kernels.conv import ConvKernel
from freeml.kernels.conv_pool import ConvPoolKernel
from freeml.kernels.dense import DenseKernel
from freeml.kernels.elementwise import AddKernel, LutKernel, MulKernel
from freeml.kernels.exit_head import ExitHeadKernel, ExitMixKernel
from freeml.kernels.kernel import AnyKernel
from freeml.kernels.move import ConcatKernel, PadKernel, TransposeKernel
from freeml.kernels.pool import AvgPoolKernel, MaxPoolKernel
from freeml.kernels.softmax import ArgMaxKernel, SoftmaxKernel

KERNELS: Mapping[type[Op], AnyKernel] = {
    ConvI8: ConvKernel(),
    ConvPoolI8: ConvPoolKernel(),
    DenseI8: DenseKernel(),
    MaxPoolI8: MaxPoolKernel(),
    AvgPoolI8: AvgPoolKernel(),
    AddI8: AddKernel(),
    MulI8: MulKernel(),
    LutI8: LutKernel(),
    SoftmaxI8: SoftmaxKernel(),
    ArgMax: ArgMaxKernel(),
    Concat: ConcatKernel(),
    PadI8: PadKernel(),
    ExitHead: ExitHeadKernel(),
    ExitMix: ExitMixKernel(),
    Transpose: TransposeKernel(),
}

OF_FLOAT: Mapping[type[Op], AnyKernel] = {Conv: KERNELS[ConvI8], Dense: KERNELS[DenseI8], Binary: KERNELS[AddI8]}
"""By class of float op, a kernel that it becomes: whose products and parameters are its own."""


def kernel_of(graph: Graph, op: Op) -> AnyKernel:
    """The kernel of an op that computes, for constants as they are stored."""
    assert type(op) in KERNELS, f"no kernel for {type(op).__name__}"
    return KERNELS[type(op)].chosen(graph, op)
