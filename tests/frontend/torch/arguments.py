"""Every argument of every operator that the torch front end has a rule for: a call, and another value for each.

    CALLS       "op.overload": the arguments of a call that torch accepts
    OTHERS      "op.overload": another value of each argument; it must change what torch computes
    HARMLESS    arguments that change nothing of what an inference computes, with the reason

test_arguments.py compares the keys with torch's own schemas: a rule, an overload or an argument that is not here
fails. `X` marks a tensor that the network computes; other tensors are constants.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

GENERATOR = torch.Generator().manual_seed(5)


@dataclass(frozen=True)
class X:
    """A computed tensor: its sample, and its name."""

    shape: tuple[int, ...]
    name: str = "x"
    positive: bool = False

    @property
    def sample(self) -> torch.Tensor:
        made = torch.randn(self.shape, generator=torch.Generator().manual_seed(len(self.name) + sum(self.shape)))
        return made.abs() + 0.1 if self.positive else made


def c(*shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=GENERATOR)


IMAGE, SIGNAL, ROW, WHOLE = X((1, 4, 6, 5)), X((1, 4, 8)), X((1, 6)), X((1, 2, 3, 4))
POSITIVE = X((1, 6), positive=True)
CONV2 = {"input": IMAGE, "weight": c(4, 2, 3, 2), "bias": c(4), "stride": [1, 1], "padding": [1, 1], "dilation": [1, 1]}
CONV1 = {"input": SIGNAL, "weight": c(4, 2, 3), "bias": c(4), "stride": [1], "padding": [1], "dilation": [1]}
# Grouped and ungrouped convolutions have weights of different shapes.
CONV2_OTHER = {
    "weight": c(4, 2, 3, 2), "bias": None, "stride": [2, 1], "padding": [0, 1], "dilation": [2, 1],
    "groups": 1,
}  # fmt: skip
CONV1_OTHER = {"weight": c(4, 2, 3), "bias": None, "stride": [2], "padding": [0], "dilation": [2], "groups": 1}
NORM = {"weight": c(4), "bias": c(4), "running_mean": c(4), "running_var": c(4).abs() + 0.5}
NORM_OTHER = {**{k: c(4).abs() + 1 for k in NORM}, "eps": 0.5}
POOL2 = {"self": IMAGE, "kernel_size": [3, 2], "stride": [1, 1], "padding": [1, 1], "ceil_mode": False}
POOL1 = {"self": SIGNAL, "kernel_size": [3], "stride": [1], "padding": [1], "ceil_mode": False}
POOL2_OTHER: dict[str, Any] = {"kernel_size": [2, 2], "stride": [2, 1], "padding": [0, 1]}
POOL1_OTHER: dict[str, Any] = {"kernel_size": [2], "stride": [2], "padding": [0]}
MAX2_OTHER = {**POOL2_OTHER, "dilation": [2, 1], "ceil_mode": True}
MAX1_OTHER = {**POOL1_OTHER, "dilation": [2], "ceil_mode": True}
# Windows that leave a rest, so that ceil_mode makes a difference.
CEIL2, CEIL1 = {"stride": [4, 3], "padding": [0, 0]}, {"stride": [3], "padding": [0]}
PLACE = {
    "layout": torch.strided, "device": torch.device("cpu"), "pin_memory": False, "non_blocking": True,
    "copy": True, "memory_format": torch.contiguous_format,
}  # fmt: skip

_UNARY = (
    "relu", "relu6", "sigmoid", "tanh", "hardsigmoid", "hardswish", "silu", "selu", "exp", "abs", "neg", "erf",
    "square", "detach", "alias", "lift_fresh_copy", "t",
)  # fmt: skip

CALLS: dict[str, dict[str, Any]] = {
    **{f"{name}.default": {"self": ROW} for name in _UNARY},
    "sqrt.default": {"self": POSITIVE},
    "conv2d.default": {**CONV2, "groups": 2},
    "conv2d.padding": {**CONV2, "padding": "same", "groups": 2},
    "conv1d.default": {**CONV1, "groups": 2},
    "conv1d.padding": {**CONV1, "padding": "same", "groups": 2},
    "convolution.default": {**CONV2, "transposed": False, "output_padding": [0, 0], "groups": 2},
    "linear.default": {"input": ROW, "weight": c(3, 6), "bias": c(3)},
    "addmm.default": {"self": c(3), "mat1": ROW, "mat2": c(6, 3), "beta": 1, "alpha": 1},
    "addmm.dtype": {"self": c(3), "mat1": ROW, "mat2": c(6, 3), "out_dtype": torch.float32, "beta": 1, "alpha": 1},
    "mm.default": {"self": ROW, "mat2": c(6, 3)},
    "mm.dtype": {"self": ROW, "mat2": c(6, 3), "out_dtype": torch.float32},
    "bmm.default": {"self": X((1, 2, 6)), "mat2": c(1, 6, 3)},
    "bmm.dtype": {"self": X((1, 2, 6)), "mat2": c(1, 6, 3), "out_dtype": torch.float32},
    "matmul.default": {"self": ROW, "other": c(6, 3)},
    "batch_norm.default": {
        "input": IMAGE, **NORM, "training": False, "momentum": 0.1, "eps": 1e-5, "cudnn_enabled": True,
    },
    "_native_batch_norm_legit_no_training.default": {"input": IMAGE, **NORM, "momentum": 0.1, "eps": 1e-5},
    **{f"max_pool2d{s}.default": {**POOL2, "dilation": [1, 1]} for s in ("", "_with_indices")},
    **{f"max_pool1d{s}.default": {**POOL1, "dilation": [1]} for s in ("", "_with_indices")},
    "avg_pool2d.default": {**POOL2, "count_include_pad": True, "divisor_override": None},
    "avg_pool1d.default": {**POOL1, "count_include_pad": True},
    **{f"{name}.default": {"self": IMAGE, "output_size": [2, 5]}
       for name in ("adaptive_avg_pool2d", "_adaptive_avg_pool2d", "adaptive_max_pool2d")},
    **{f"adaptive_{kind}_pool1d.default": {"self": SIGNAL, "output_size": [2]} for kind in ("avg", "max")},
    "mean.default": {"self": ROW, "dtype": None},
    "mean.dim": {"self": WHOLE, "dim": [2], "keepdim": False, "dtype": None},
    "sum.default": {"self": ROW, "dtype": None},
    "sum.dim_IntList": {"self": WHOLE, "dim": [2], "keepdim": False, "dtype": None},
    "amax.default": {"self": WHOLE, "dim": [2], "keepdim": False},
    "argmax.default": {"self": WHOLE, "dim": 2, "keepdim": False},
    "hardtanh.default": {"self": ROW, "min_val": -1, "max_val": 1},
    "clamp.default": {"self": ROW, "min": -0.5, "max": 0.5},
    "clamp.Tensor": {"self": ROW, "min": c(6) - 1, "max": c(6) + 1},
    "clamp_min.default": {"self": ROW, "min": -0.5},
    "clamp_min.Tensor": {"self": ROW, "min": c(6) - 1},
    "clamp_max.default": {"self": ROW, "max": 0.5},
    "clamp_max.Tensor": {"self": ROW, "max": c(6) + 1},
    "maximum.default": {"self": ROW, "other": torch.tensor(0.1)},
    "minimum.default": {"self": ROW, "other": torch.tensor(0.1)},
    "leaky_relu.default": {"self": ROW, "negative_slope": 0.01},
    "prelu.default": {"self": ROW, "weight": torch.tensor([0.25])},
    "_prelu_kernel.default": {"self": ROW, "weight": torch.tensor([0.25])},
    "gelu.default": {"self": ROW, "approximate": "none"},
    "elu.default": {"self": ROW, "alpha": 1, "scale": 1, "input_scale": 1},
    "softplus.default": {"self": ROW, "beta": 1, "threshold": 20},
    "softmax.int": {"self": WHOLE, "dim": 2, "dtype": None},
    "_softmax.default": {"self": WHOLE, "dim": 2, "half_to_float": False},
    **{f"{op}.Tensor": {"self": ROW, "other": X((1, 6), "other"), "alpha": 1} for op in ("add", "sub", "rsub")},
    **{f"{op}.Scalar": {"self": ROW, "other": 0.5, "alpha": 1} for op in ("add", "sub", "rsub")},
    "mul.Tensor": {"self": ROW, "other": X((1, 6), "other")},
    "mul.Scalar": {"self": ROW, "other": 0.5},
    "div.Tensor": {"self": ROW, "other": c(6).abs() + 0.5},
    "div.Scalar": {"self": ROW, "other": 0.5},
    "div.Tensor_mode": {"self": ROW, "other": c(6).abs() + 0.5, "rounding_mode": None},
    "div.Scalar_mode": {"self": ROW, "other": 0.5, "rounding_mode": None},
    "pow.Tensor_Scalar": {"self": ROW, "exponent": 2},
    "pow.Tensor_Tensor": {"self": POSITIVE, "exponent": c(6)},
    "pow.Scalar": {"self": 2.0, "exponent": ROW},
    "view.default": {"self": WHOLE, "size": [1, 6, 4]},
    "view.dtype": {"self": ROW, "dtype": torch.float32},
    "_unsafe_view.default": {"self": WHOLE, "size": [1, 6, 4]},
    "reshape.default": {"self": WHOLE, "shape": [1, 6, 4]},
    "flatten.using_ints": {"self": WHOLE, "start_dim": 1, "end_dim": 2},
    "unflatten.int": {"self": WHOLE, "dim": 3, "sizes": [1, -1]},
    "squeeze.default": {"self": X((1, 1, 4, 1))},
    "squeeze.dim": {"self": X((1, 1, 4, 1)), "dim": 1},
    "squeeze.dims": {"self": X((1, 1, 4, 1)), "dim": [1, 3]},
    "unsqueeze.default": {"self": WHOLE, "dim": 1},
    "permute.default": {"self": WHOLE, "dims": [0, 2, 3, 1]},
    "transpose.int": {"self": WHOLE, "dim0": 1, "dim1": 2},
    "channel_shuffle.default": {"self": IMAGE, "groups": 2},
    "native_channel_shuffle.default": {"self": IMAGE, "groups": 2},
    "clone.default": {"self": ROW, "memory_format": None},
    "contiguous.default": {"self": ROW, "memory_format": torch.contiguous_format},
    **{f"{name}.default": {"input": ROW, "p": 0.5, "train": False}
       for name in ("dropout", "feature_dropout", "alpha_dropout")},
    "_to_copy.default": {"self": ROW, "dtype": None, **dict.fromkeys(("layout", "device", "pin_memory")),
                         "non_blocking": False, "memory_format": None},
    "to.device": {"self": ROW, "device": torch.device("cpu"), "dtype": torch.float32, "non_blocking": False,
                  "copy": False, "memory_format": None},
    "to.dtype": {"self": ROW, "dtype": torch.float32, "non_blocking": False, "copy": False, "memory_format": None},
    "to.dtype_layout": {"self": ROW, "dtype": None, "layout": None, "device": None, "pin_memory": None,
                        "non_blocking": False, "copy": False, "memory_format": None},
    "to.other": {"self": ROW, "other": torch.zeros(1), "non_blocking": False, "copy": False, "memory_format": None},
    "to.prim_Device": {"self": ROW, "device": torch.device("cpu"), "dtype": None, "non_blocking": False, "copy": False},
    "to.prim_dtype": {"self": ROW, "dtype": None, "non_blocking": False, "copy": False},
    "to.prim_other": {"self": ROW, "non_blocking": False, "copy": False},
    "expand.default": {"self": X((1, 2, 3)), "size": [1, 2, 3], "implicit": False},
    "slice.Tensor": {"self": WHOLE, "dim": 2, "start": None, "end": None, "step": 1},
    "select.int": {"self": X((1, 1, 4)), "dim": 1, "index": 0},
    "cat.default": {"tensors": [WHOLE, X((1, 2, 3, 4), "other")], "dim": 1},
    "stack.default": {"tensors": [WHOLE, X((1, 2, 3, 4), "other")], "dim": 1},
    "constant_pad_nd.default": {"self": WHOLE, "pad": [1, 0, 0, 2], "value": 0},
    "pad.default": {"self": WHOLE, "pad": [1, 0, 0, 2], "mode": "constant", "value": None},
}  # fmt: skip

OTHERS: dict[str, dict[str, Any]] = {
    "conv2d.default": CONV2_OTHER,
    "conv2d.padding": {**CONV2_OTHER, "padding": "valid"},
    "conv1d.default": CONV1_OTHER,
    "conv1d.padding": {**CONV1_OTHER, "padding": "valid"},
    "convolution.default": {**CONV2_OTHER, "transposed": True, "output_padding": [0, 0]},
    "linear.default": {"weight": c(3, 6), "bias": None},
    "addmm.default": {"self": c(3), "mat2": c(6, 3), "beta": 2, "alpha": 0.5},
    "addmm.dtype": {"self": c(3), "mat2": c(6, 3), "out_dtype": torch.float64, "beta": 2, "alpha": 0.5},
    "mm.default": {"mat2": c(6, 3)},
    "mm.dtype": {"mat2": c(6, 3), "out_dtype": torch.float64},
    "bmm.default": {"mat2": c(1, 6, 3)},
    "bmm.dtype": {"mat2": c(1, 6, 3), "out_dtype": torch.float64},
    "matmul.default": {"other": c(6, 3)},
    "batch_norm.default": {**NORM_OTHER, "training": True},
    "_native_batch_norm_legit_no_training.default": NORM_OTHER,
    "max_pool2d.default": MAX2_OTHER,
    "max_pool2d_with_indices.default": MAX2_OTHER,
    "max_pool1d.default": MAX1_OTHER,
    "max_pool1d_with_indices.default": MAX1_OTHER,
    "avg_pool2d.default": {**POOL2_OTHER, "ceil_mode": True, "count_include_pad": False, "divisor_override": 5},
    "avg_pool1d.default": {**POOL1_OTHER, "ceil_mode": True, "count_include_pad": False},
    "adaptive_avg_pool2d.default": {"output_size": [3, 1]},
    "_adaptive_avg_pool2d.default": {"output_size": [3, 1]},
    "adaptive_max_pool2d.default": {"output_size": [3, 1]},
    "adaptive_avg_pool1d.default": {"output_size": [4]},
    "adaptive_max_pool1d.default": {"output_size": [4]},
    "mean.default": {"dtype": torch.float64},
    "mean.dim": {"dim": [3], "keepdim": True, "dtype": torch.float16},
    "sum.default": {"dtype": torch.int32},
    "sum.dim_IntList": {"dim": [3], "keepdim": True, "dtype": torch.int32},
    "amax.default": {"dim": [3], "keepdim": True},
    "argmax.default": {"dim": 3, "keepdim": True},
    "hardtanh.default": {"min_val": -0.2, "max_val": 0.3},
    "clamp.default": {"min": -0.1, "max": 0.2},
    "clamp.Tensor": {"min": c(6), "max": c(6)},
    "clamp_min.default": {"min": 0.2},
    "clamp_min.Tensor": {"min": c(6)},
    "clamp_max.default": {"max": -0.2},
    "clamp_max.Tensor": {"max": c(6)},
    "maximum.default": {"other": torch.tensor(0.7)},
    "minimum.default": {"other": torch.tensor(-0.7)},
    "leaky_relu.default": {"negative_slope": 0.3},
    "prelu.default": {"weight": torch.tensor([0.75])},
    "_prelu_kernel.default": {"weight": torch.tensor([0.75])},
    "gelu.default": {"approximate": "tanh"},
    "elu.default": {"alpha": 0.4, "scale": 1.5, "input_scale": 2},
    "softplus.default": {"beta": 2, "threshold": 0.1},
    "softmax.int": {"dim": 3, "dtype": torch.float16},
    "_softmax.default": {"dim": 3},
    **{f"{op}.Tensor": {"other": c(6), "alpha": 2} for op in ("add", "sub", "rsub")},
    **{f"{op}.Scalar": {"other": -1.5, "alpha": 2} for op in ("add", "sub", "rsub")},
    "mul.Tensor": {"other": c(6)},
    "mul.Scalar": {"other": 3},
    "div.Tensor": {"other": c(6).abs() + 1},
    "div.Scalar": {"other": -4},
    "div.Tensor_mode": {"other": c(6).abs() + 1, "rounding_mode": "floor"},
    "div.Scalar_mode": {"other": -4, "rounding_mode": "trunc"},
    "pow.Tensor_Scalar": {"exponent": 3},
    "pow.Tensor_Tensor": {"exponent": c(6)},
    "pow.Scalar": {"self": 3.0, "exponent": X((1, 6), "other")},
    "view.default": {"size": [1, 3, 8]},
    "view.dtype": {"dtype": torch.int32},
    "_unsafe_view.default": {"size": [1, 3, 8]},
    "reshape.default": {"shape": [1, 3, 8]},
    "flatten.using_ints": {"start_dim": 2, "end_dim": 3},
    "unflatten.int": {"dim": 1, "sizes": [2, 2]},
    "squeeze.dim": {"dim": 3},
    "squeeze.dims": {"dim": [3]},
    "unsqueeze.default": {"dim": 2},
    "permute.default": {"dims": [0, 3, 1, 2]},
    "transpose.int": {"dim0": 3, "dim1": 3},
    "channel_shuffle.default": {"groups": 4},
    "native_channel_shuffle.default": {"groups": 4},
    **{f"{name}.default": {"train": True} for name in ("dropout", "feature_dropout", "alpha_dropout")},
    "_to_copy.default": {"dtype": torch.int32},
    "to.device": {"dtype": torch.int32},
    "to.dtype": {"dtype": torch.int32},
    "to.dtype_layout": {"dtype": torch.int32},
    "to.other": {"other": torch.zeros(1, dtype=torch.int32)},
    "to.prim_Device": {"dtype": torch.int32},
    "to.prim_dtype": {"dtype": torch.int32},
    "expand.default": {"size": [3, 2, 3]},
    "slice.Tensor": {"dim": 3, "start": 1, "end": 2, "step": 2},
    "select.int": {"dim": 2, "index": 2},
    "cat.default": {"dim": 2},
    "stack.default": {"dim": 2},
    "constant_pad_nd.default": {"pad": [0, 1, 1, 0], "value": 1.5},
    "pad.default": {"pad": [0, 1, 1, 0], "mode": "reflect", "value": 1.5},
}

# An alternative that makes sense, or a difference, only together with another argument of the call.
WITH: dict[tuple[str, str], dict[str, Any]] = {
    **{(f"conv1d.{o}", "groups"): {"weight": c(4, 4, 3)} for o in ("default", "padding")},
    **{(f"conv2d.{o}", "groups"): {"weight": c(4, 4, 3, 2)} for o in ("default", "padding")},
    **{(f"conv{n}d.padding", "stride"): {"padding": "valid"} for n in (1, 2)},
    ("convolution.default", "groups"): {"weight": c(4, 4, 3, 2)},
    **{(f"max_pool2d{s}.default", "ceil_mode"): CEIL2 for s in ("", "_with_indices")},
    **{(f"max_pool1d{s}.default", "ceil_mode"): CEIL1 for s in ("", "_with_indices")},
    ("avg_pool2d.default", "ceil_mode"): CEIL2,
    ("avg_pool1d.default", "ceil_mode"): CEIL1,
    ("pad.default", "mode"): {"self": IMAGE, "pad": [1, 0, 0, 2]},
    ("slice.Tensor", "dim"): {"start": 1},
}  # fmt: skip

_TRAINING = "statistics of training"
_PLACE = "where and how torch keeps the same numbers"
HARMLESS: dict[str, str] = {
    "momentum": _TRAINING,
    "cudnn_enabled": "which of torch's own kernels runs",
    "p": "dropout does nothing at inference",
    "implicit": "how the call was written",
    "half_to_float": "float16 on a GPU only; float32 inputs are refused by torch itself",
    "output_padding": "of transposed convolutions, which are refused",
    **dict.fromkeys(PLACE, _PLACE),
}
