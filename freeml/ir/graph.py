"""The graph: an immutable list of ops in execution order, with the type of every value and every constant."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from functools import cached_property
from types import MappingProxyType
from typing import TypeVar

from freeml.ir.ops import Op
from freeml.ir.types import Const, Decision, Port, TensorType

OpT = TypeVar("OpT", bound=Op)


class Stage(Enum):
    """How far a graph has come; verify.py says what is legal in each."""

    FLOAT = "float"
    QUANTIZED = "quantized"


@dataclass(frozen=True)
class Graph:
    """SSA graph. `ops` is in execution order; `types` has every value; `consts` every constant.

    decision  of an integer graph, what its device publishes; None: what decision.py makes of the graph as it stands
    exits     of an integer graph, what its device may publish on the way to that, from shallow to deep: right behind
              the last op that each value needs, it decides whether to stop there
    slices    of an integer graph, by what a convolution computes: output channels that each call of its kernel computes
              of all pixels, so that what is decoded serves more of them. Others are one call
    """

    name: str
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    ops: tuple[Op, ...]
    types: Mapping[str, TensorType]
    consts: Mapping[str, Const]
    stage: Stage = Stage.FLOAT
    decision: Decision | None = None
    exits: tuple[Decision, ...] = ()
    slices: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "types", MappingProxyType(dict(self.types)))
        object.__setattr__(self, "consts", MappingProxyType(dict(self.consts)))
        object.__setattr__(self, "slices", MappingProxyType(dict(self.slices)))

    @cached_property
    def producers(self) -> Mapping[str, Op]:
        """The op that defines each value; inputs of the graph have none."""
        return {op.output: op for op in self.ops}

    @cached_property
    def uses(self) -> Counter[str]:
        """How often each value or constant is read by ops; being an output of the graph, or an exit, is a read too."""
        counts = Counter(name for op in self.ops for name in op.inputs)
        counts.update(port.value for port in self.outputs)
        counts.update(made.value for made in self.exits)
        return counts

    @cached_property
    def output_values(self) -> frozenset[str]:
        """Values that leave the graph."""
        return frozenset(port.value for port in self.outputs)

    def readers(self, value: str) -> tuple[Op, ...]:
        """Ops that read a value, in order."""
        return tuple(op for op in self.ops if value in op.inputs)

    def ops_of(self, kind: type[OpT]) -> Iterator[OpT]:
        """Ops of one class, in order."""
        return (op for op in self.ops if isinstance(op, kind))

    def op_types(self, op: Op) -> tuple[TensorType, ...]:
        """Types of an op's inputs; a constant counts as a value of its own type."""
        return tuple(self.type_of(name) for name in op.inputs)

    def type_of(self, name: str) -> TensorType:
        """Type of a value or a constant."""
        if name in self.types:
            return self.types[name]
        const = self.consts[name]
        return TensorType(const.shape, const.dtype)

    def fresh(self, stem: str) -> str:
        """A name that is not in use yet."""
        taken = self.types.keys() | self.consts.keys()
        name, n = stem, 1
        while name in taken:
            name, n = f"{stem}.{n}", n + 1
        return name

    def with_ops(
        self,
        ops: Iterable[Op],
        *,
        types: Mapping[str, TensorType] | None = None,
        consts: Mapping[str, Const] | None = None,
        inputs: tuple[Port, ...] | None = None,
        outputs: tuple[Port, ...] | None = None,
    ) -> Graph:
        """A graph with other ops; new types and constants are added, and what nobody reads any more is dropped."""
        kept_ops = tuple(ops)
        ins, outs = inputs or self.inputs, outputs or self.outputs
        live = {port.value for port in (*ins, *outs)} | {op.output for op in kept_ops}
        read = {name for op in kept_ops for name in op.inputs}
        return replace(
            self,
            inputs=ins,
            outputs=outs,
            ops=kept_ops,
            types={k: v for k, v in {**self.types, **(types or {})}.items() if k in live},
            consts={k: v for k, v in {**self.consts, **(consts or {})}.items() if k in read},
            slices={k: v for k, v in self.slices.items() if k in live},
        )
