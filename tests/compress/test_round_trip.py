"""A compressed network as a file: written, read and compiled again, it is the same integers and the same C."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import onnx
import pytest

from freeml.board.board import load_board
from freeml.c_files import c_files
from freeml.compress.codebook import Codebook, Ternary
from freeml.compress.separate import separate
from freeml.compress.stored import layers_of
from freeml.errors import UnsupportedOp
from freeml.frontend.builder import GraphBuilder
from freeml.frontend.onnx.read import from_model_proto
from freeml.frontend.onnx.write import to_onnx
from freeml.frontend.views import View, Weight
from freeml.ir.graph import Graph
from freeml.ir.int_ops import ConvI8, DenseI8
from freeml.ir.interpret import predict
from freeml.ir.ops import Conv, Dense, Window
from freeml.ir.types import Array
from freeml.passes.pipeline import run_passes
from freeml.pipeline import planned_graph
from freeml.quantize.observe import observe
from freeml.quantize.ranges import min_max
from freeml.quantize.scales import assign_scales
from freeml.quantize.search import quantize
from freeml.train.int8 import Int8Network
from tests.oracles import ort

_SAME = Window(kernel=(3, 3), pad=(1, 1, 1, 1))


class _Maker:
    """Layers with random weights, each by its own name."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.builder = GraphBuilder("net")

    def input(self, name: str, *shape: int) -> View:
        return self.builder.input(name, (1, *shape), channels_first=True, dtype="float32")

    def _weight(self, *shape: int) -> tuple[Weight, Array]:
        return Weight(self.rng.normal(size=shape) / np.sqrt(np.prod(shape[1:]))), self.rng.normal(size=shape[0])

    def conv(self, x: View, n_out: int, name: str, window: Window = _SAME, groups: int = 1) -> View:
        kernel = window.kernel if len(x.shape) == 4 else window.kernel[1:]
        weight, bias = self._weight(n_out, x.shape[1] // groups, *kernel)
        y = self.builder.conv(x, weight, bias, window=window, groups=groups, loc=f"net.onnx:{name}")
        return self.builder.unary(y, "clamp", (0.0, float("inf")), loc=f"net.onnx:{name}_relu")

    def dense(self, x: View, n_out: int, name: str) -> View:
        flat = self.builder.reshape(x, (1, x.index.size))
        return self.builder.dense(flat, *self._weight(n_out, x.index.size), loc=f"net.onnx:{name}")

    def finish(self, y: View) -> Graph:
        self.builder.output(y, "scores", dtype="float32")
        return run_passes(self.builder.finish())


def plain() -> Graph:
    made = _Maker(1)
    x = made.conv(made.input("x", 1, 8, 8), 4, "conv")
    x = made.builder.pool(x, "max", window=Window(kernel=(2, 2), stride=(2, 2)), loc="net.onnx:pool")
    return made.finish(made.dense(x, 3, "fc"))


def residual() -> Graph:
    made = _Maker(2)
    x = made.conv(made.input("x", 2, 6, 6), 4, "first")
    y = made.conv(x, 4, "second")
    x = made.builder.binary("add", x, y, loc="net.onnx:join")
    x = made.builder.pool(x, "avg", window=Window(kernel=(6, 6)), loc="net.onnx:mean")
    return made.finish(made.dense(x, 3, "fc"))


def depthwise() -> Graph:
    made = _Maker(3)
    x = made.conv(made.input("x", 3, 6, 6), 6, "point", Window(kernel=(1, 1)))
    x = made.conv(x, 6, "depth", groups=6)
    return made.finish(made.dense(x, 4, "fc"))


def signal() -> Graph:
    made = _Maker(4)
    x = made.conv(made.input("x", 3, 20), 5, "conv", Window(kernel=(1, 5), pad=(0, 2, 0, 2)))
    x = made.builder.pool(x, "max", window=Window(kernel=(1, 2), stride=(1, 2)), loc="net.onnx:pool")
    return made.finish(made.dense(x, 3, "fc"))


def two_inputs() -> Graph:
    made = _Maker(5)
    x, other = made.conv(made.input("x", 1, 6, 6), 3, "image"), made.dense(made.input("beside", 5), 4, "beside_fc")
    flat = made.builder.reshape(x, (1, x.index.size))
    return made.finish(made.dense(made.builder.concat([flat, other], 1, loc="net.onnx:both"), 3, "fc"))


def low_rank() -> Graph:
    made = _Maker(6)
    x = made.dense(made.conv(made.input("x", 1, 8, 8), 4, "conv"), 20, "wide")
    graph, told = separate(made.finish(made.dense(x, 3, "fc")), least_bytes=4000)
    assert any(one.after < one.before for one in told)
    return graph


NETS = {made.__name__: made for made in (plain, residual, depthwise, signal, two_inputs, low_rank)}


def samples_of(graph: Graph, n: int = 40) -> list[Array]:
    rng = np.random.default_rng(9)
    return [rng.normal(size=(n, *port.shape)).astype(np.float32) for port in graph.inputs]


def small(graph: Graph, *, few: bool = True) -> Int8Network:
    """As compression leaves it: codes of several kinds, zeros among them, and a filter without any weight."""
    consts = {}
    for layer in layers_of(graph):
        weight = graph.consts[layer.weight].array.copy()
        weight[np.abs(weight) < np.quantile(np.abs(weight), 0.4)] = 0
        weight[0] = 0
        consts[layer.weight] = replace(graph.consts[layer.weight], array=weight)
    graph = graph.with_ops(graph.ops, consts=consts)
    kinds = [Codebook(4), Ternary(), Codebook(16), Ternary(per_channel=False)]
    names = [layer.weight for layer in layers_of(graph)]
    coding = {name: kinds[k % len(kinds)] for k, name in enumerate(names)} if few else {}
    return Int8Network(graph, assign_scales(graph, observe(graph, samples_of(graph)), min_max), coding=coding)


def read(model: bytes) -> Graph:
    return run_passes(from_model_proto(onnx.load_model_from_string(model), name="net", where="net.onnx"))


def again(model: bytes) -> Graph:
    return quantize(read(model), None).graph


def c_of(graph: Graph) -> dict[str, str | bytes]:
    board = load_board("host")
    planned = planned_graph(graph, board, None)
    return c_files(planned.graph, planned.memory, planned.feasible, board, header=[], windows=planned.windows)[1]


@pytest.mark.parametrize("few", [True, False], ids=["few values", "int8"])
@pytest.mark.parametrize("made", NETS.values(), ids=NETS)
def test_codes_biases_and_multipliers_are_those_that_were_written(made: Callable[[], Graph], few: bool) -> None:
    network = small(made(), few=few)
    mine, theirs = network.lowered().integer, again(to_onnx(network.fixed()))
    layers = [[op for op in graph.ops if isinstance(op, ConvI8 | DenseI8)] for graph in (mine, theirs)]
    assert len(layers[0]) == len(layers[1]) > 0
    for one, other in zip(*layers, strict=True):
        for name, found in zip(one.inputs[1:], other.inputs[1:], strict=True):
            assert np.array_equal(mine.consts[name].array, theirs.consts[found].array), name
        assert replace(one, inputs=(), output="", loc="") == replace(other, inputs=(), output="", loc="")
    assert len(mine.ops) == len(theirs.ops)


@pytest.mark.parametrize("made", [plain, residual, depthwise, two_inputs])
def test_the_c_is_the_same_to_the_byte(made: Callable[[], Graph]) -> None:
    network = small(made())
    assert c_of(again(to_onnx(network.fixed()))) == c_of(network.lowered().integer)


@pytest.mark.parametrize("made", [signal, low_rank])
def test_where_reading_gives_other_names_they_are_given_once(made: Callable[[], Graph]) -> None:
    """Reshapes of signals and pieces of one layer; numbers stay what they are."""
    model = to_onnx(small(made()).fixed())
    assert c_of(again(to_onnx(read(model)))) == c_of(again(model))


@pytest.mark.parametrize("made", NETS.values(), ids=NETS)
def test_onnxruntime_runs_the_file_to_the_same_classes(made: Callable[[], Graph]) -> None:
    network = small(made(), few=False)
    model, samples = to_onnx(network.fixed()), samples_of(network.source, 60)
    session = ort.session(model)
    names = [port.name for port in session.get_inputs()]
    ones = [{name: array[k : k + 1] for name, array in zip(names, samples, strict=True)} for k in range(60)]
    scores = np.concatenate([session.run(None, one)[0] for one in ones])
    (exact,) = predict(again(model), samples)
    lead = np.sort(exact, axis=1)[:, -1] - np.sort(exact, axis=1)[:, -2]
    step = network.scales[next(iter(network.source.output_values))].scale
    assert (scores.argmax(axis=1) == exact.argmax(axis=1))[lead > 2.01 * step].all()
    assert (lead > 2.01 * step).mean() > 0.5


def test_a_bias_beyond_24_bits_keeps_its_last_bit() -> None:
    """Of a filter without weights, whose step is as small as 30 bits allow."""
    network = small(plain())
    weight, bias = (next(iter(network.lowered().integer.ops_of(ConvI8))).inputs[k] for k in (1, 2))
    integer = network.lowered().integer
    assert not integer.consts[weight].array[0].any()
    assert abs(int(integer.consts[bias].array[0])) > 2**24
    theirs = again(to_onnx(network.fixed()))
    assert np.array_equal(theirs.consts[bias].array, integer.consts[bias].array)


def test_biases_are_int32_initialisers_and_one_scale_for_all_is_one_number() -> None:
    network = small(plain())
    model = onnx.load_model_from_string(to_onnx(network.fixed()))
    stored = {tensor.name: tensor for tensor in model.graph.initializer}
    assert stored["conv.bias"].data_type == onnx.TensorProto.INT32
    assert stored["conv.weight"].data_type == stored["fc.weight"].data_type == onnx.TensorProto.INT8
    names = {node.name: node.op_type for node in model.graph.node}
    assert [names[name] for name in ("conv", "fc", "pool")] == ["Conv", "Gemm", "MaxPool"]


def test_how_layers_are_stored_is_in_the_file_and_read_back() -> None:
    graph = plain()
    fixed = Int8Network(graph, assign_scales(graph, observe(graph, samples_of(graph)), min_max)).fixed()
    conv, dense = (op for op in fixed.ops if isinstance(op, Conv | Dense))
    consts = {
        dense.inputs[1]: replace(fixed.consts[dense.inputs[1]], encoding="gaps"),
        dense.inputs[2]: replace(fixed.consts[dense.inputs[2]], encoding="int16"),
    }
    model = to_onnx(fixed.with_ops(fixed.ops, consts=consts), {"freeml.method": "auto"})
    said = {prop.key: prop.value for prop in onnx.load_model_from_string(model).metadata_props}
    stored = {"fc.weight": "gaps", "fc.bias": "int16", "conv.weight": "dense", "conv.bias": "dense"}
    assert said.pop("freeml.method") == "auto"
    assert said == {f"freeml.encoding:{name}": encoding for name, encoding in stored.items()}
    graph, plain_graph = again(model), again(to_onnx(fixed))
    assert read(model).consts["fc.bias"].encoding == "int16"
    for op in graph.ops_of(DenseI8):
        assert graph.consts[op.inputs[1]].encoding == "gaps"
        assert graph.consts[op.inputs[1]].size_bytes != graph.consts[op.inputs[1]].array.size
    samples = samples_of(fixed)
    assert np.array_equal(predict(graph, samples)[0], predict(plain_graph, samples)[0])
    assert conv.output in graph.types


def test_an_encoding_that_nobody_knows_is_refused_by_name() -> None:
    model = onnx.load_model_from_string(to_onnx(small(plain()).fixed()))
    next(prop for prop in model.metadata_props if prop.key.endswith("conv.weight")).value = "runes"
    with pytest.raises(UnsupportedOp, match=r"'conv.weight' is stored as 'runes'"):
        from_model_proto(model, name="net", where="net.onnx")
