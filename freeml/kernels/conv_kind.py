"""Which kernel computes a convolution, alone or before a pool."""

from __future__ import annotations

from freeml.ir.graph import Graph
from freeml.ir.int_ops import ConvI8, ConvPoolI8
from freeml.kernels.variants import Variant


def conv_kernel(op: ConvI8 | ConvPoolI8, graph: Graph, variant: Variant) -> str:
    """The kernel of a variant that computes a convolution."""
    if is_depthwise(op, graph):
        return "fml_depthwise_i8"
    return "fml_pointwise_i8" if is_pointwise(op) and variant.has_pointwise else "fml_conv_i8"


def short_name(kernel: str) -> str:
    """The name of a kernel in counts."""
    return kernel.removeprefix("fml_").removesuffix("_i8")


def is_pointwise(op: ConvI8 | ConvPoolI8) -> bool:
    """Whether fml_pointwise_i8 can compute a convolution: 1 x 1, stride 1, no padding, one group."""
    window = op.window
    return window.kernel == (1, 1) and window.stride == (1, 1) and not any(window.pad) and op.groups == 1


def is_depthwise(op: ConvI8 | ConvPoolI8, graph: Graph) -> bool:
    """Whether fml_depthwise_i8 can compute a convolution: a group for each of several input channels."""
    return op.groups > 1 and op.groups == graph.type_of(op.inputs[0]).shape[2]
