"""Layer separation: one large layer becomes two or three small ones that compute nearly the same.

A convolution becomes a 1x1, a smaller core and a 1x1 (Tucker-2: Kim et al., "Compression of Deep Convolutional Neural
Networks for Fast and Low Power Mobile Applications", ICLR 2016), with the ranks that EVBMF gives; a dense layer two, by
truncated SVD. FreeML (arXiv 2405.10426) does so greedily by cost, as done here.

Of its published code, these defects are not repeated: convolutions are separated, whatever the rank of their windows
(there an exception of the library was swallowed and none was); an error is an error; the last piece needs no bias of
the model; 1-D convolutions are separated; a layer stays whole where its pieces would hold more weights than it does.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from freeml.compress.evbmf import rank
from freeml.errors import BadModel, ToolMissing
from freeml.ir.graph import Graph
from freeml.ir.ops import Conv, Dense, Op, Window
from freeml.ir.types import Const, TensorType

Floats = npt.NDArray[np.float64]

# Layers below that stay whole: 20,000 weights in float32, as published.
LEAST_BYTES = 80_000
RANK_OF_OUTPUTS = 0.1

_POINT = Window(kernel=(1, 1))


@dataclass(frozen=True, slots=True)
class Separated:
    """What became of one layer. ranks: of input and output of a convolution's core, or of a dense layer twice the same.

    error: of the weights, relative to them (root of the mean squares). why_not: it stayed whole, for that reason.
    """

    loc: str
    cost_bytes: int
    before: int
    after: int
    ranks: tuple[int, int] = (0, 0)
    error: float = 0.0
    why_not: str = ""


def layer_cost(graph: Graph, op: Conv | Dense, *, activations: bool = False) -> int:
    """Bytes in float32 of a layer's weights and biases, and with `activations` of its input and output, too."""
    values = sum(graph.consts[name].array.size for name in op.inputs[1:])
    if activations:
        values += graph.types[op.inputs[0]].n_elems + graph.types[op.output].n_elems
    return 4 * int(values)


def separate(
    graph: Graph,
    *,
    kinds: Collection[type[Op]] = (Conv, Dense),
    least_bytes: int = LEAST_BYTES,
    activations: bool = False,
) -> tuple[Graph, list[Separated]]:
    """Separate the layers of these kinds that cost at least so much, the costliest first; pieces are not again.

    The costs of layers do not depend on what happened to others, so greedy by cost is in order of cost.
    Raises BadModel for a network that came quantized: its codes are no numbers to factorise.
    """
    layers = [op for op in graph.ops if isinstance(op, Conv | Dense)]
    check_float(graph)
    costs = {op.output: layer_cost(graph, op, activations=activations) for op in layers}
    report = []
    for op in sorted(layers, key=lambda op: -costs[op.output]):
        if costs[op.output] >= least_bytes and isinstance(op, tuple(kinds)):
            graph, told = separate_layer(graph, op, costs[op.output])
            report.append(told)
    return graph, report


def check_float(graph: Graph) -> None:
    """Raise BadModel for a network that came quantized, with what to bring instead."""
    for op in graph.ops:
        coded = any(graph.consts[name].code_scales is not None for name in op.inputs if name in graph.consts)
        if coded or graph.types[op.output].quant is not None:
            raise BadModel(
                "this network came quantized: rounded weights cannot be made small and trained again",
                where=op.loc,
                hint="bring the float network that it was made from",
            )


def separate_layer(graph: Graph, op: Conv | Dense, cost_bytes: int) -> tuple[Graph, Separated]:
    """One layer in pieces, or the graph as it is, and why. cost_bytes: as it is to be told."""
    weight, bias = (graph.consts[name].array.astype(np.float64) for name in op.inputs[1:])
    before = weight.size
    told = Separated(op.loc, cost_bytes, before, before)
    if isinstance(op, Conv) and op.groups != 1:
        return graph, replace(told, why_not="its channels are in groups")
    pieces = _tucker(weight) if isinstance(op, Conv) else _truncated(weight)
    if pieces is None:
        return graph, replace(told, why_not="no rank stands out of the noise")
    after = sum(piece.size for piece in pieces)
    ranks = pieces[0].shape[0], pieces[-1].shape[-1]
    told = replace(told, ranks=ranks, error=_error(weight, pieces))
    if after >= before:
        return graph, replace(told, why_not=f"its pieces would hold {after:,} weights, it holds {before:,}")
    return _replaced(graph, op, pieces, bias), replace(told, after=after)


def _tucker(weight: Floats) -> list[Floats] | None:
    """(O, kh, kw, I) -> (R_in, 1, 1, I), (R_out, kh, kw, R_in), (O, 1, 1, R_out); two of them where kh = kw = 1."""
    try:
        from tensorly.decomposition import partial_tucker
    except ImportError as error:
        raise ToolMissing("separating convolutions needs tensorly", hint="pip install 'freeml[compress]'") from error

    n_out, n_in = weight.shape[0], weight.shape[3]
    r_out = rank(weight.reshape(n_out, -1))
    r_in = rank(np.moveaxis(weight, 3, 0).reshape(n_in, -1))
    if not r_out or not r_in:
        return None
    (core, (u_out, u_in)), _ = partial_tucker(weight, rank=[r_out, r_in], modes=[0, 3], init="svd", random_state=0)
    first, last = u_in.T[:, None, None, :], u_out[:, None, None, :]
    if weight.shape[1:3] == (1, 1):
        joined = (core[:, 0, 0, :] @ u_in.T)[:, None, None, :]
        return [np.ascontiguousarray(joined), np.ascontiguousarray(last)]
    return [np.ascontiguousarray(piece) for piece in (first, core, last)]


def _truncated(weight: Floats) -> list[Floats] | None:
    """(N, K) -> (R, K), (N, R) with R a tenth of the outputs."""
    r = int(RANK_OF_OUTPUTS * weight.shape[0])
    if not r:
        return None
    u, s, v = np.linalg.svd(weight, full_matrices=False)
    return [s[:r, None] * v[:r], np.ascontiguousarray(u[:, :r])]


def _error(weight: Floats, pieces: list[Floats]) -> float:
    """Of what the pieces multiply to: outputs last of the first piece, first of the last one."""
    product = pieces[0].reshape(len(pieces[0]), -1)
    for piece in pieces[1:]:
        product = piece.reshape(-1, piece.shape[-1]) @ product.reshape(piece.shape[-1], -1)
        product = product.reshape(piece.shape[0], -1)
    rebuilt = product.reshape(weight.shape)
    return float(np.sqrt(((rebuilt - weight) ** 2).sum() / (weight**2).sum()))


def _replaced(graph: Graph, op: Conv | Dense, pieces: list[Floats], bias: Floats) -> Graph:
    """The pieces in the layer's place; bias and clamp go with the last one, stride and padding with the core."""
    core = len(pieces) // 2 if len(pieces) == 3 else 0
    x, (h, w) = op.inputs[0], (*graph.types[op.inputs[0]].shape, 1, 1)[:2]
    made: list[Op] = []
    types, consts = {}, {}
    for k, piece in enumerate(pieces):
        last = k == len(pieces) - 1
        names = [graph.fresh(f"{op.output}.{part}{k}") for part in ("weight", "bias")]
        consts[names[0]] = Const(piece)
        consts[names[1]] = Const(bias if last else np.zeros(len(piece)))
        output = op.output if last else graph.fresh(f"{op.output}.piece{k}")
        base = {"output": output, "inputs": (x, *names), "loc": op.loc, "clamp": op.clamp if last else None}
        if isinstance(op, Dense):
            made.append(Dense(**base))  # type: ignore[arg-type]
            types[output] = TensorType((len(piece),))
        else:
            window = op.window if k == core else _POINT
            h, w = window.out_size(h, w)
            made.append(Conv(**base, window=window))  # type: ignore[arg-type]
            types[output] = TensorType((h, w, len(piece)))
        x = output
    types[op.output] = graph.types[op.output]
    ops = [new for old in graph.ops for new in (made if old is op else [old])]
    return graph.with_ops(ops, types=types, consts=consts)
