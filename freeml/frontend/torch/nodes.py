"""The state of lowering one torch program: which name is which View or constant, and one call's arguments, checked."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from freeml.errors import BadModel, UnsupportedOp
from freeml.frontend.builder import GraphBuilder
from freeml.frontend.torch.program import AtenCall, Program, Ref
from freeml.frontend.views import Floats, View, Weight
from freeml.ir.types import Array

# As in tflite/nodes.py: networks for microcontrollers are far below this.
MAX_ACTIVATION_ELEMS = 1 << 24

Value = View | Array

# Arguments that change nothing of what an inference computes; any other one must be read by the operator's rule.
_PLACE = "where and how torch keeps the same numbers"
IGNORED: dict[str, str] = {
    "momentum": "statistics of training",
    "cudnn_enabled": "which of torch's own kernels runs",
    "p": "dropout does nothing at inference",
    "implicit": "how the call was written",
    "half_to_float": "float16 on a GPU only; torch refuses it for float32",
    "output_padding": "of transposed convolutions, which are refused",
    **dict.fromkeys(("layout", "device", "pin_memory", "non_blocking", "copy", "memory_format"), _PLACE),
}
# Element types that keep a float32 what it is, to the precision of the type itself.
_FLOATS = ("torch.float32", "torch.float64")


class Lowering:
    """The values of one program while its calls are lowered onto a builder, in order."""

    def __init__(self, program: Program, *, channels_first: bool) -> None:
        self.program = program
        self.builder = GraphBuilder(program.name)
        self.values: dict[str, Value] = dict(program.constants)
        self.indices: set[str] = set()  # results of argmax, which may only leave the graph
        self._n_elems = 0
        for name, shape in program.inputs:
            where = f"input {name!r}"
            if not shape:
                raise UnsupportedOp("an input is a single number without dimensions", where=where)
            if len(shape) > 1 and shape[0] != 1:
                raise UnsupportedOp(
                    f"the input has the shape {shape}: its first axis is the batch and must be 1",
                    where=where,
                    hint="trace the model with one sample, x[:1], or give a sample without batch x[None]",
                )
            self.charge(shape, where)
            self.define(name, self.builder.input(name, shape, channels_first=channels_first), where)

    def define(self, name: str, value: Value, loc: str) -> None:
        """Make `value` what a name stands for."""
        if isinstance(value, View):
            if not value.shape:
                raise UnsupportedOp("the result is a single number without dimensions", where=loc)
            self.charge(value.shape, loc)
        if name in self.values:
            raise BadModel(f"the tensor {name!r} is defined twice", where=loc)
        self.values[name] = value

    def charge(self, shape: Sequence[int], loc: str) -> None:
        """Count the elements of all tensors. Raises UnsupportedOp beyond the bound."""
        self._n_elems += math.prod(shape)
        if self._n_elems > MAX_ACTIVATION_ELEMS:
            raise UnsupportedOp(
                f"the tensors up to here have more than {MAX_ACTIVATION_ELEMS} elements in all",
                where=loc,
                hint="freeml compiles networks for microcontrollers; check the model's input shape",
            )

    def output(self, name: str) -> None:
        """Make a tensor an output of the graph."""
        value = self.values.get(name)
        if not isinstance(value, View):
            raise UnsupportedOp("an output of the model does not depend on its inputs", where=f"output {name!r}")
        self.builder.output(value, name, dtype="int64" if name in self.indices else "float32")


@dataclass(frozen=True, slots=True, eq=False)
class Node:
    """One call: its arguments by name, checked for type on the way out."""

    lowering: Lowering
    call: AtenCall
    loc: str
    _read: set[str] = field(default_factory=set)

    @property
    def builder(self) -> GraphBuilder:
        """Where ops go."""
        return self.lowering.builder

    def refuse(self, why: str, hint: str = "") -> UnsupportedOp:
        """The error for a use of the operator that freeml cannot compile."""
        return UnsupportedOp(f"{self.call.op}: {why}", where=self.loc, hint=hint)

    def arg(self, name: str, default: object = None) -> object:
        """An argument as exported, the default where it is left out."""
        self._read.add(name)
        return self.call.args.get(name, default)

    def check_all_read(self) -> None:
        """Raise UnsupportedOp for an argument that the rule has not looked at: it may change the result."""
        for name, value in self.call.args.items():
            if name not in self._read and name not in IGNORED and value is not None:
                raise self.refuse(f"the argument {name} = {value} is not supported")

    def check_dtype(self, name: str = "dtype") -> None:
        """Raise UnsupportedOp where the result is asked for in another type than float32 or finer."""
        dtype = self.arg(name)
        if dtype is not None and dtype not in _FLOATS:
            raise self.refuse(f"the argument {name} = {dtype} is not supported", "keep activations in float32")

    def integer(self, name: str, default: int | None = None) -> int:
        """An integer argument."""
        value = self.arg(name, default)
        if isinstance(value, bool) or not isinstance(value, int):
            raise self.refuse(f"the argument {name} is not a constant integer")
        return value

    def number(self, name: str, default: float | None = None) -> float:
        """A real argument, finite."""
        value = self.arg(name, default)
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise self.refuse(f"the argument {name} is not a finite constant number")
        return float(value)

    def flag(self, name: str, *, default: bool = False) -> bool:
        """A boolean argument."""
        return bool(self.arg(name, default))

    def integers(self, name: str, default: Sequence[int] | None = None) -> list[int]:
        """A list of integers; one integer counts as a list."""
        value = self.arg(name, default)
        value = [value] if isinstance(value, int) else value
        if not isinstance(value, list | tuple) or not all(isinstance(n, int) for n in value) or len(value) > 16:
            raise self.refuse(f"the argument {name} is not a list of constant integers")
        return list(value)

    def spatial(self, name: str, default: Sequence[int], n: int) -> list[int]:
        """A list of `n` integers, one for each spatial axis; one stands for all."""
        values = self.integers(name, default) or list(default)
        values = values * n if len(values) == 1 else values
        if len(values) != n or max(values) > 1 << 16:
            raise self.refuse(f"{name} = {values} for {n} spatial axes")
        return values

    def value(self, name: str = "self") -> Value:
        """A tensor argument."""
        ref = self.arg(name)
        if not isinstance(ref, Ref):
            raise self.refuse(f"the argument {name} is not a tensor")
        return self.read(ref)

    def read(self, ref: Ref) -> Value:
        """What a name stands for. Raises UnsupportedOp for results that freeml does not compute."""
        if ref.name in self.lowering.indices:
            raise self.refuse("it reads the result of argmax, which may only be an output")
        if ref.name not in self.lowering.values:
            raise self.refuse("it reads a result that is not supported, such as the indices of a pooling")
        return self.lowering.values[ref.name]

    def view(self, name: str = "self") -> View:
        """A tensor argument that depends on the model's inputs."""
        value = self.value(name)
        if not isinstance(value, View):
            raise self.refuse(f"the argument {name} is a constant")
        return value

    def weight(self, name: str) -> Floats:
        """A constant tensor argument, in float64."""
        value = self.value(name)
        if isinstance(value, View):
            raise self.refuse(f"the argument {name} is computed by the model", "only constant weights are supported")
        return self.real(value)

    def optional_weight(self, name: str) -> Floats | None:
        """A constant tensor argument that may be absent."""
        return None if self.arg(name) is None else self.weight(name)

    def real(self, array: Array) -> Floats:
        """A constant as float64. Raises BadModel unless it is finite."""
        if array.dtype.kind not in "fiub" or not np.isfinite(array).all():
            raise BadModel("a constant contains NaN or infinity, or no numbers", where=self.loc)
        return array.astype(np.float64)

    def operand(self, name: str) -> View | Weight:
        """A tensor or number that a torch call reads element by element."""
        value = self.arg(name)
        if not isinstance(value, Ref):
            return Weight(np.array(self.number(name)))
        found = self.read(value)
        return found if isinstance(found, View) else Weight(self.real(found))

    def axis(self, name: str, rank: int, default: int | None = None) -> int:
        """An axis, counted from 0."""
        axis = self.integer(name, default)
        if not -rank <= axis < rank:
            raise BadModel(f"{self.call.op}: axis {axis} of {rank}", where=self.loc)
        return axis % rank

    def axes(self, name: str, rank: int) -> list[int]:
        """Distinct axes counted from 0; all of them where the list is empty or absent."""
        axes = self.integers(name, []) if self.arg(name) is not None else []
        if not all(-rank <= axis < rank for axis in axes) or len({axis % rank for axis in axes}) != len(axes):
            raise BadModel(f"{self.call.op}: axes {axes} of {rank}", where=self.loc)
        return sorted(axis % rank for axis in axes) or list(range(rank))
