"""Graph@QUANTIZED + Board -> the same graph with constants stored as is best on the board: what planning begins with.

Each layer is planned alone in every form that its weights may have (ways.py): what it takes in memory, and what its
tiles take on this board and capacitor. Taken is the form with the fewest bytes of those that cost no more charge and
cycles than the dense one; a form whose decoder is more code than it saves is not used. Where flash does not hold that,
layers are stored smaller one by one, however slow: the one first that saves most for what it costs.

Convolutions whose rows are decoded are computed in slices where their way says so (`Graph.slices`); where flash has no
room for that many calls, in one.

A form that a model came with is kept. None is where the capacitor pays for no step of it but for the dense layer's: the
smallest capacitor is never that of a stored form.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from freeml.board.board import Board
from freeml.ir.encoding import ENCODINGS
from freeml.ir.graph import Graph
from freeml.ir.ops import Op
from freeml.ir.types import Array, Const
from freeml.ir.verify_stored import storable
from freeml.kernels.table import KERNELS, kernel_of
from freeml.kernels.variants import VARIANTS
from freeml.plan.ways import Way, ways_of, widest

_LAYER_BYTES = 200  # of a layer's descriptor, its entries in tables, and its call
_PLENTY = 64  # different values, beyond which no form is smaller unless many of them are zero
_Chosen = dict[str, Way]  # by the value that an op computes


def encoded(graph: Graph, board: Board, capacitor_uf: float | None = None) -> Graph:
    """The graph as it is stored on a board; the function that it computes is the same."""
    layers = {op: ways for op in graph.ops if (ways := _possible(graph, op, board, capacitor_uf))}
    if not layers:
        return graph
    chosen = {op.output: best(ways) for op, ways in layers.items()}
    chosen = _worth_their_code(chosen, layers)
    room = _room_bytes(graph, board)
    while room is not None and _total(chosen) > room:
        smaller = _cheapest_saving(chosen, layers)
        if smaller is None:
            break
        chosen |= smaller
    return _stored(graph, chosen)


def refitted(graph: Graph, board: Board, capacitor_uf: float | None) -> Graph:
    """The graph for another capacitor: layers of which it pays for no step are dense again, where that helps; others
    have the slices that are best with it."""
    dense: _Chosen = {}
    slices: dict[str, int | None] = {}
    for op in _weighted(graph):
        if graph.consts[op.inputs[1]].encoding is not None:
            own, plain = ways_of(graph, op, [graph.consts[op.inputs[1]].encoding, None], board, capacitor_uf)
            slices[op.output] = own.slice
            if not own.fits and plain.fits:
                dense[op.output] = plain
    graph = _sliced(graph, slices)
    return _stored(graph, dense) if dense else graph


def leanest(graph: Graph, board: Board) -> Graph:
    """The graph with each layer in the form that it has, in one call, or as it is, whichever can do with the smaller
    step."""
    graph = in_one_call(graph)
    dense: _Chosen = {}
    for op in _weighted(graph):
        form = graph.consts[op.inputs[1]].encoding
        if form is not None:
            own, plain = ways_of(graph, op, [form, None], board)
            if plain.least_pc < (own.in_one or own).least_pc:
                dense[op.output] = plain
    return _stored(graph, dense) if dense else graph


def as_it_is(graph: Graph) -> Graph:
    """The graph with no constant in any form."""
    graph = in_one_call(graph)
    consts = {name: replace(const, encoding=None) for name, const in graph.consts.items() if const.encoding}
    return graph.with_ops(graph.ops, consts=consts) if consts else graph


def in_fewer_calls(graph: Graph, rows: int, board: Board, capacitor_uf: float | None) -> Graph:
    """The graph with slices of so many channels, or of fewer where a capacitor pays for no more."""
    made = {value: widest(graph, graph.producers[value], rows, board, capacitor_uf) for value in graph.slices}
    return _sliced(graph, made)


def in_one_call(graph: Graph) -> Graph:
    """The graph with no convolution in slices."""
    return replace(graph, slices={}) if graph.slices else graph


def smallest_form(kind: type[Op], codes: Const) -> Const:
    """Weights of an integer op in the form with the fewest bytes, whatever the time: as they are, where that is it."""
    dense = replace(codes, encoding=None)
    forms = (replace(codes, encoding=name) for name in forms_of(kind, codes.array))
    return min([dense, *forms], key=lambda const: const.size_bytes)


def _weighted(graph: Graph) -> list[Op]:
    return [op for op in graph.ops if 1 in storable(type(op))]


def _possible(graph: Graph, op: Op, board: Board, capacitor_uf: float | None) -> Sequence[Way]:
    """The dense way of a layer, and those of its forms that a capacitor pays for; one for weights that came in a form.

    Empty for what has no other form, or none that could be smaller.
    """
    if not storable(type(op)).get(1):
        return ()
    weight = graph.consts[op.inputs[1]]
    if weight.encoding is not None:
        own, dense = ways_of(graph, op, [weight.encoding, None], board, capacitor_uf)
        return (dense,) if dense.fits and not own.fits else (replace(own, is_kept=True),)
    return () if board.capacitor is None or _is_plain(weight) else smaller_ways(graph, op, board, capacitor_uf)


def smaller_ways(graph: Graph, op: Op, board: Board, capacitor_uf: float | None = None) -> Sequence[Way]:
    """The dense way of a layer first, then those of its forms that take fewer bytes; none that a capacitor does not
    pay for where it pays for the dense one."""
    forms = forms_of(type(op), graph.consts[op.inputs[1]].array)
    dense, *others = ways_of(graph, op, [None, *forms], board, capacitor_uf)
    return (dense, *(way for way in others if way.n_bytes < dense.n_bytes and (way.fits or not dense.fits)))


def forms_of(kind: type[Op], codes: Array) -> list[str]:
    """Forms that such weights of an integer op can be stored in, by name."""
    return [name for name in sorted(storable(kind).get(1, ())) if ENCODINGS[name].refusal(codes) is None]


def _is_plain(weight: Const) -> bool:
    """Whether weights are so many different values, so few of them zero, that no form is smaller: a look is enough."""
    codes = weight.array.ravel()
    return bool(2 * (codes != 0).sum() > codes.size and len(set(codes[: 16 * _PLENTY].tolist())) > _PLENTY)


def best(ways: Sequence[Way]) -> Way:
    """Of a layer's ways, the dense one first: the fewest bytes of those that are no dearer."""
    return _least(way for way in ways if way.no_dearer(ways[0]))


def _least(ways: Iterable[Way]) -> Way:
    return min(ways, key=lambda way: (way.own_bytes, way.charge_pc))


def _worth_their_code(chosen: _Chosen, layers: dict[Op, Sequence[Way]]) -> _Chosen:
    """Without decoders that are more code than they save; those first of which that is most true."""
    while True:
        own: dict[str, list[Op]] = defaultdict(list)
        for op in layers:
            way = chosen[op.output]
            if way.code_bytes and not way.is_kept:
                own[way.kernel].append(op)
        loss: dict[str, int] = {}
        instead: dict[str, _Chosen] = {}
        for kernel, ops in own.items():
            instead[kernel] = {op.output: _without(kernel, op, chosen, layers) for op in ops}
            more = sum(instead[kernel][op.output].own_bytes - chosen[op.output].own_bytes for op in ops)
            loss[kernel] = chosen[ops[0].output].code_bytes - more
        worst = max(loss, key=lambda kernel: (loss[kernel], kernel), default="")
        if not worst or loss[worst] <= 0:
            return chosen
        chosen = chosen | instead[worst]


def _without(kernel: str, op: Op, chosen: _Chosen, layers: dict[Op, Sequence[Way]]) -> Way:
    """The best way of a layer by another kernel that is there anyway."""
    there = {way.kernel for way in chosen.values()} - {kernel}
    ways = layers[op]
    return _least(w for w in ways if w is ways[0] or (w.kernel in there and w.no_dearer(ways[0])))


def _cheapest_saving(chosen: _Chosen, layers: dict[Op, Sequence[Way]]) -> _Chosen | None:
    """Of all layers, the one smaller form that saves most bytes for the charge that it costs more."""
    there = {way.kernel for way in chosen.values()}
    best: tuple[float, _Chosen] | None = None
    for op, ways in layers.items():
        now = chosen[op.output]
        for way in _in_fewer_bytes(now, ways):
            saved = now.own_bytes - way.own_bytes - (0 if way.kernel in there else way.code_bytes)
            if saved > 0:
                rate = saved / max(way.charge_pc - now.charge_pc, 1.0)
                if best is None or rate > best[0]:
                    best = rate, {op.output: way}
    return None if best is None else best[1]


def _in_fewer_bytes(now: Way, ways: Sequence[Way]) -> Iterator[Way]:
    """What a layer may be instead; the form of weights that came in one is kept."""
    if now.in_one is not None:
        yield replace(now.in_one, is_kept=now.is_kept)
    for way in ways if not now.is_kept else ():
        yield way
        if way.in_one is not None:
            yield way.in_one


def _total(chosen: _Chosen) -> int:
    kernels = {way.kernel: way.code_bytes for way in chosen.values()}
    return sum(way.own_bytes for way in chosen.values()) + sum(kernels.values())


def _room_bytes(graph: Graph, board: Board) -> int | None:
    """Flash that is left for weights and their decoders beside all else; None where the board has no limit."""
    limit, code = board.memory.flash_bytes, board.code
    if limit is None or code is None:
        return None
    weights = {op.inputs[1] for op in _weighted(graph)}
    sizes = board.kernel_cycles.code_bytes
    variant = VARIANTS[board.kernels]
    kernels = {kernel_of(graph, op).layer(graph, op, 0, variant).kernel for op in graph.ops if type(op) in KERNELS}
    others = sum(const.size_bytes for name, const in graph.consts.items() if name not in weights)
    taken = code.code_bytes.value + _LAYER_BYTES * len(graph.ops) + others + sum(sizes.get(name, 0) for name in kernels)
    return limit.value - taken


def _stored(graph: Graph, chosen: _Chosen) -> Graph:
    """The graph with these ways; of layers in another form, biases and scales in few bytes, too."""
    consts: dict[str, Const] = {}
    for op in _weighted(graph):
        way = chosen.get(op.output)
        if way is None:
            continue
        consts[op.inputs[1]] = replace(graph.consts[op.inputs[1]], encoding=way.encoding)
        for position, legal in storable(type(op)).items():
            if position > 1:
                name = op.inputs[position]
                consts[name] = _narrowed(graph.consts[name], legal if way.encoding else frozenset())
    slices = {value: way.slice for value, way in chosen.items()}
    return _sliced(graph.with_ops(graph.ops, consts=consts), slices)


def _sliced(graph: Graph, slices: Mapping[str, int | None]) -> Graph:
    """The graph with these layers in slices, or, where that is None, in one call."""
    made = {value: rows for value, rows in {**graph.slices, **slices}.items() if rows is not None}
    return replace(graph, slices=made) if made != graph.slices else graph


def _narrowed(const: Const, legal: frozenset[str]) -> Const:
    """Biases and scales in few bytes, where they fit."""
    fitting = (name for name in sorted(legal) if ENCODINGS[name].refusal(const.array) is None)
    return replace(const, encoding=next(fitting, None))
