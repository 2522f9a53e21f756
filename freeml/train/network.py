"""A float graph as a torch module that computes the same, and its trained weights as constants of a graph again."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from freeml.errors import BadModel
from freeml.ir.graph import Graph, Stage
from freeml.ir.interpret import encode_inputs
from freeml.ir.ops import Conv, Dense
from freeml.ir.text import digest
from freeml.ir.types import Array, Const
from freeml.train.float_ops import run_op


def weights_of(graph: Graph) -> tuple[str, ...]:
    """Constants that training may change, in order of their ops: weights and biases of convolutions and dense layers.

    Operands of Binary are not among them: they scale inputs and hold what the model's author computed.
    """
    return tuple(dict.fromkeys(name for op in graph.ops if isinstance(op, Conv | Dense) for name in op.inputs[1:]))


class Network(nn.Module):
    """A float graph that can be trained. Values are batches in memory order, as in ir/interpret.py.

    trained: constants that become parameters; all of `weights_of` where None. The others stay as they are.
    Raises BadModel where a trained weight came with codes of its own: its scale would no longer be the model's.
    """

    def __init__(
        self, graph: Graph, trained: Collection[str] | None = None, *, dtype: torch.dtype = torch.float32
    ) -> None:
        super().__init__()
        assert graph.stage is Stage.FLOAT, "integer graphs have no gradients"
        self.source = graph
        self.names = tuple(name for name in weights_of(graph) if trained is None or name in trained)
        self.dtype = dtype
        for op in graph.ops:
            if any(name in self.names and graph.consts[name].code_scales is not None for name in op.inputs):
                raise BadModel(
                    "this network came quantized: its int8 weights cannot be trained",
                    where=op.loc,
                    hint="give the float network that it was made from",
                )
        arrays = {name: torch.tensor(const.array).to(dtype) for name, const in graph.consts.items()}
        self.weights = nn.ParameterList([nn.Parameter(arrays[name]) for name in self.names])
        self._fixed = {name: array for name, array in arrays.items() if name not in self.names}

    def params(self) -> dict[str, nn.Parameter]:
        """The parameters by the names that the graph has for them."""
        return dict(zip(self.names, self.weights, strict=True))

    def in_use(self) -> Mapping[str, Tensor]:
        """What the parameters are computed with, by name: they themselves."""
        return self.params()

    def arrays(self) -> dict[str, Array]:
        """The parameters as numpy arrays over the same memory: who writes one writes the parameter."""
        return {name: weight.detach().numpy() for name, weight in self.params().items()}

    def digest(self) -> str:
        """What it computes before any training, as a short text: the graph and which of its weights are trained."""
        return hashlib.sha256(f"{digest(self.source)} {self.names} {self.dtype}".encode()).hexdigest()[:12]

    def encode(self, samples: Sequence[Array]) -> dict[str, Tensor]:
        """Samples as the model's author gives them -> input values in memory order."""
        encoded = encode_inputs(self.source, samples)
        return {name: torch.from_numpy(np.ascontiguousarray(array)).to(self.dtype) for name, array in encoded.items()}

    def forward(self, inputs: Mapping[str, Tensor], wanted: Collection[str]) -> dict[str, Tensor]:
        """Real values (B, *shape) by name."""
        known: dict[str, Tensor] = {**self._fixed, **self.in_use(), **inputs}
        left = set(wanted) - known.keys()
        for op in self.source.ops:
            if not left:
                break
            known[op.output] = run_op(op, [known[name] for name in op.inputs], self.source.types[op.output])
            left.discard(op.output)
        return {name: known[name] for name in wanted}

    def to_graph(self) -> Graph:
        """The graph with the weights as they are now, in the element type that they had."""
        trained = {
            name: Const(array.astype(self.source.consts[name].array.dtype)) for name, array in self.arrays().items()
        }
        return self.source.with_ops(self.source.ops, consts=trained)
