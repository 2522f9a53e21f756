"""The kernel of a convolution by the encoding of its weights: the literal list."""

from __future__ import annotations

from collections.abc import Mapping

from freeml.ir.graph import Graph
from freeml.ir.int_ops import ConvI8
from freeml.kernels.coded_conv import CodedConvKernel, is_narrow
from freeml.kernels.coded_conv_gaps import ConvGapsKernel
from freeml.kernels.coded_conv_plain import ConvDepthwiseKernel, ConvPlainKernel
from freeml.kernels.conv_kind import is_depthwise
from freeml.kernels.decoded_conv import DecodedConvKernel, DecodedDepthwiseKernel
from freeml.kernels.decoded_slice import AnsSliceKernel, DecodedSliceKernel

_CODEBOOK = DecodedConvKernel("codebook")
_CODEBOOK_DEPTHWISE = DecodedDepthwiseKernel()
CODED_CONVS: Mapping[str | None, CodedConvKernel] = {
    None: ConvPlainKernel(),
    "gaps": ConvGapsKernel(),
    "codes4": _CODEBOOK,
    "codes3": _CODEBOOK,
    "codes2": _CODEBOOK,
    "ternary": DecodedConvKernel("ternary"),
    "ans": DecodedConvKernel("ans"),
}
_CODEBOOK_SLICE = DecodedSliceKernel("codebook")
DECODED_SLICES: Mapping[str | None, CodedConvKernel] = {
    "codes4": _CODEBOOK_SLICE,
    "codes3": _CODEBOOK_SLICE,
    "codes2": _CODEBOOK_SLICE,
    "ternary": DecodedSliceKernel("ternary"),
    "ans": AnsSliceKernel(),
}
CODED_DEPTHWISE: Mapping[str | None, CodedConvKernel] = {
    **CODED_CONVS,
    None: ConvDepthwiseKernel(),
    "codes4": _CODEBOOK_DEPTHWISE,
    "codes3": _CODEBOOK_DEPTHWISE,
    "codes2": _CODEBOOK_DEPTHWISE,
}


def coded_conv_kernel(graph: Graph, op: ConvI8) -> CodedConvKernel | None:
    """The kernel of an op with any constant that is not stored as it is; None where all are."""
    encoding = graph.consts[op.inputs[1]].encoding if op.inputs[1] in graph.consts else None
    if encoding is None and not is_narrow(graph, op):
        return None
    if op.output in graph.slices:
        return DECODED_SLICES[encoding]
    return (CODED_DEPTHWISE if is_depthwise(op, graph) else CODED_CONVS)[encoding]
