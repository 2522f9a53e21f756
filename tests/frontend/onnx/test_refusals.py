"""What is not a model, or cannot be compiled: one error that says what, where and what to do."""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from freeml.errors import BadModel, UnsupportedOp
from freeml.frontend.onnx import file
from freeml.frontend.onnx.read import from_model_proto, read_onnx
from freeml.ir.text import digest
from tests.frontend.onnx.nets import Shape, model, one, random, read, residual_cnn, shape_arithmetic

# ---- files ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content", [b"", b"hello", b"\0" * 1000, b"TFL3" * 40, residual_cnn().SerializeToString()[:-99]]
)
def test_what_is_no_onnx_file_is_one_clear_error(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "m.onnx"
    path.write_bytes(content)
    with pytest.raises(BadModel) as caught:
        read_onnx(path)
    assert "m.onnx" in caught.value.where
    assert caught.value.hint


def test_a_missing_file_and_a_folder_are_named(tmp_path: Path) -> None:
    for path in (tmp_path / "absent.onnx", tmp_path):
        with pytest.raises(BadModel) as caught:
            read_onnx(path)
        assert caught.value.where == str(path)


def test_a_file_above_the_limit_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "m.onnx"
    path.write_bytes(residual_cnn().SerializeToString())
    monkeypatch.setattr(file, "MAX_FILE_BYTES", 1000)
    with pytest.raises(BadModel, match="bytes"):
        read_onnx(path)


def test_a_model_is_read_from_its_file_and_named_after_it(tmp_path: Path) -> None:
    onnx.save(residual_cnn(), tmp_path / "tiny.onnx")
    graph = read_onnx(str(tmp_path / "tiny.onnx"))
    assert graph.name == "tiny"
    assert {op.loc for op in graph.ops} >= {"tiny.onnx:conv1", "tiny.onnx:fc"}
    assert digest(graph) == digest(read_onnx(tmp_path / "tiny.onnx"))


# ---- contradictions -------------------------------------------------------------------------------------------------


def changed(change: Callable[[onnx.ModelProto], object]) -> onnx.ModelProto:
    proto = residual_cnn()
    change(proto)
    return proto


def initialiser(proto: onnx.ModelProto, name: str) -> TensorProto:
    return next(tensor for tensor in proto.graph.initializer if tensor.name == name)


def fill(proto: onnx.ModelProto, value: float) -> None:
    tensor = initialiser(proto, "w2")
    tensor.raw_data = np.full(tuple(tensor.dims), value, np.float32).tobytes()


CONTRADICTIONS: dict[str, Callable[[onnx.ModelProto], object]] = {
    "a tensor shorter than its shape": lambda m: initialiser(m, "w1").ClearField("raw_data"),
    "a tensor longer than its shape": lambda m: initialiser(m, "w1").dims.__setitem__(0, 4),
    "a negative dimension": lambda m: initialiser(m, "w1").dims.__setitem__(0, -8),
    "a shape beyond all memory": lambda m: initialiser(m, "w1").dims.extend([1 << 40, 1 << 40]),
    "a missing initialiser": lambda m: m.graph.initializer.remove(initialiser(m, "w2")),
    "an initialiser given twice": lambda m: m.graph.initializer.append(initialiser(m, "w2")),
    "a result written twice": lambda m: m.graph.node[2].output.__setitem__(0, "c1"),
    "a cycle": lambda m: m.graph.node[0].input.__setitem__(0, "r2"),
    "an output nobody computes": lambda m: m.graph.output[0].__setattr__("name", "z"),
    "no outputs": lambda m: m.graph.ClearField("output"),
    "NaN in a weight": lambda m: fill(m, float("nan")),
    "an infinite weight": lambda m: fill(m, float("inf")),
    "an attribute of another type": lambda m: m.graph.node[0].attribute.append(helper.make_attribute("group", 1.5)),
    "an attribute ONNX does not have": lambda m: m.graph.node[0].attribute.append(helper.make_attribute("color", 1)),
    "too few inputs of a node": lambda m: m.graph.node[0].input.__delitem__(slice(1, None)),
    "an element type that does not exist": lambda m: initialiser(m, "w1").__setattr__("data_type", 99),
    "no operator set": lambda m: m.ClearField("opset_import"),
    "a bias of the wrong length": lambda m: m.graph.node[0].input.__setitem__(2, "b3"),
    "a declared output of another shape": lambda m: m.graph.output[0].CopyFrom(
        helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 11])
    ),
    "a declared output of another type": lambda m: m.graph.output[0].CopyFrom(
        helper.make_tensor_value_info("y", TensorProto.INT64, [1, 10])
    ),
}


@pytest.mark.parametrize("what", CONTRADICTIONS)
def test_a_model_that_contradicts_itself_is_a_bad_model(what: str) -> None:
    with pytest.raises(BadModel) as caught:
        read(changed(CONTRADICTIONS[what]))
    assert caught.value.where.startswith("net.onnx")


def test_a_name_that_is_no_text_is_a_bad_model() -> None:
    data = residual_cnn().SerializeToString().replace(b"conv1", b"co\xffv1")
    with pytest.raises(BadModel):
        from_model_proto(file.parse(data, "m"), name="m", where="m")


# ---- what freeml cannot compile -------------------------------------------------------------------------------------


def branch() -> onnx.ModelProto:
    body = helper.make_graph(
        [helper.make_node("Identity", ["x"], ["b"])], "body", [], [helper.make_tensor_value_info("b", 1, None)]
    )
    nodes = [helper.make_node("If", ["c"], ["y"], name="if", then_branch=body, else_branch=body)]
    return model(nodes, {"x": (1, 4)}, ["y"], {"c": np.array(True)})


def custom() -> onnx.ModelProto:
    return model([helper.make_node("Magic", ["x"], ["y"], name="m", domain="com.acme")], {"x": (1, 4)}, ["y"])


def functions() -> onnx.ModelProto:
    proto = one("Relu", (1, 4))
    identity = helper.make_node("Identity", ["a"], ["b"])
    opsets = [helper.make_opsetid("", 17)]
    proto.functions.append(helper.make_function("acme", "F", ["a"], ["b"], [identity], opsets))
    return proto


def two_inputs(op: str, shape: Shape) -> onnx.ModelProto:
    return model([helper.make_node(op, ["x", "z"], ["y"], name="node")], {"x": shape, "z": shape}, ["y"])


def sequence() -> onnx.ModelProto:
    proto = one("Relu", (1, 4))
    kind = helper.make_sequence_type_proto(helper.make_tensor_type_proto(1, [4]))
    proto.graph.input[0].CopyFrom(helper.make_value_info("x", kind))
    return proto


def typed(elem_type: int) -> onnx.ModelProto:
    return model([helper.make_node("Identity", ["x"], ["y"])], {"x": (1, 4)}, ["y"], dtype=elem_type)


def giant(op: str) -> onnx.ModelProto:
    sizes = np.array([1 << 20, 1 << 20])
    arguments = {
        "ConstantOfShape": [sizes],
        "Expand": [np.ones((1, 1), np.float32), sizes],
        "Tile": [np.ones((1, 1), np.float32), sizes],
        "Range": [np.array(0), np.array(1 << 40), np.array(1)],
    }[op]
    names = [f"c{i}" for i in range(len(arguments))]
    nodes = [helper.make_node(op, names, ["huge"], name="giant"), helper.make_node("Add", ["x", "x"], ["s"])]
    nodes.append(helper.make_node("Concat", ["s", "huge"], ["y"], axis=0))
    return model(nodes, {"x": (1, 4)}, ["y"], dict(zip(names, arguments, strict=True)))


REFUSED: dict[str, tuple[Callable[[], onnx.ModelProto], str]] = {
    "If": (branch, "control flow"),
    "a custom domain": (custom, "com.acme"),
    "functions of the model": (functions, "functions"),
    "MatMul of two activations": (lambda: two_inputs("MatMul", (1, 4, 4)), "product of two values"),
    "Div of two activations": (lambda: two_inputs("Div", (1, 4)), "division"),
    "Max of two activations": (lambda: two_inputs("Max", (1, 4)), "two values"),
    "a sequence": (sequence, "sequence"),
    "strings": (lambda: typed(TensorProto.STRING), "string"),
    "bfloat16": (lambda: typed(TensorProto.BFLOAT16), "bfloat16"),
    "booleans": (lambda: typed(TensorProto.BOOL), "bool"),
    "a dynamic width": (lambda: one("Relu", (1, 3, "width")), "'width'"),
    "an unknown operator": (lambda: one("LogSoftmax", (1, 4)), "LogSoftmax"),
    "an operator set of the future": (lambda: one("Relu", (1, 4), opset=999), "999"),
    "an operator set of the past": (lambda: one("Relu", (1, 4), opset=5), "operator set 5"),
    "reflecting padding": (lambda: one("Pad", (1, 1, 4), [np.array([0, 0, 1, 0, 0, 1])], mode="reflect"), "reflect"),
    "a crop": (lambda: one("Pad", (1, 1, 4), [np.array([0, 0, -1, 0, 0, 0])]), "negative"),
    "training": (
        lambda: one("BatchNormalization", (1, 2, 3), [random(2)] * 3 + [random(2) ** 2 + 1], opset=6, is_test=0),
        "training",
    ),
    "an input of 2**24 elements": (lambda: one("Relu", (1, 4096, 4096)), "elements"),
    "a result of 2**40 elements": (lambda: one("Pad", (1, 4), [np.array([0, 0, 0, 1 << 40])]), "elements"),
    "ConstantOfShape beyond memory": (lambda: giant("ConstantOfShape"), "elements"),
    "Expand beyond memory": (lambda: giant("Expand"), "elements"),
    "Tile beyond memory": (lambda: giant("Tile"), "elements"),
    "Range beyond memory": (lambda: giant("Range"), "elements"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_cannot_be_compiled_is_refused_with_a_reason(what: str) -> None:
    build, reason = REFUSED[what]
    with pytest.raises(UnsupportedOp, match=reason) as caught:
        read(build())
    assert caught.value.where.startswith("net.onnx")


def test_a_graph_of_too_many_nodes_is_refused() -> None:
    names = ["x", *(f"v{i}" for i in range(file.MAX_NODES + 1))]
    nodes = [helper.make_node("Relu", [a], [b]) for a, b in itertools.pairwise(names)]
    with pytest.raises(UnsupportedOp, match="nodes"):
        read(model(nodes, {"x": (1, 4)}, names[-1:]))


def test_nodes_that_all_have_one_name_cost_no_more_than_others() -> None:
    names = [f"v{i}" for i in range(8001)]
    nodes = [helper.make_node("Relu", [a], [b], name="relu") for a, b in itertools.pairwise(names)]
    start = time.process_time()
    assert len(read(model(nodes, {"v0": (1, 4)}, names[-1:])).ops) == 8000
    assert time.process_time() - start < 3


def test_a_node_without_a_name_is_found_by_operator_position_and_result() -> None:
    nodes = [helper.make_node("Relu", ["x"], ["a"]), helper.make_node("Det", ["a"], ["y"])]
    with pytest.raises(UnsupportedOp) as caught:
        read(model(nodes, {"x": (1, 4, 4)}, ["y"]))
    assert caught.value.where == "net.onnx:Det#1(y)"


def test_what_nobody_reads_is_not_refused() -> None:
    nodes = [helper.make_node("Relu", ["x"], ["y"]), helper.make_node("Det", ["x"], ["dead"])]
    assert len(read(model(nodes, {"x": (1, 4, 4)}, ["y"])).ops) == 1


# ---- external data --------------------------------------------------------------------------------------------------


def save_external(folder: Path) -> Path:
    path = folder / "m.onnx"
    onnx.save(shape_arithmetic(), path, save_as_external_data=True, location="m.bin", size_threshold=64)
    return path


def relocate(path: Path, **entries: str) -> Path:
    proto = onnx.load(path, load_external_data=False)
    for tensor in proto.graph.initializer:
        for entry in tensor.external_data:
            entry.value = entries.get(entry.key, entry.value)
    path.write_bytes(proto.SerializeToString())
    return path


def test_external_data_next_to_the_model_is_read(tmp_path: Path) -> None:
    assert set(read_onnx(save_external(tmp_path)).consts.values()) == set(read(shape_arithmetic()).consts.values())


@pytest.mark.parametrize("location", ["../m.bin", "sub/../../m.bin", "/etc/hostname", "", ".", "a\0b", "absent.bin"])
def test_external_data_may_not_leave_the_folder(tmp_path: Path, location: str) -> None:
    folder = tmp_path / "inner"
    folder.mkdir()
    path = save_external(folder)
    (tmp_path / "m.bin").write_bytes((folder / "m.bin").read_bytes())
    with pytest.raises(BadModel, match="external data"):
        read_onnx(relocate(path, location=location))


@pytest.mark.parametrize("link", ["file", "folder"])
def test_external_data_behind_a_link_is_not_read(tmp_path: Path, link: str) -> None:
    folder = tmp_path / "inner"
    folder.mkdir()
    path = save_external(folder)
    (folder / "m.bin").rename(tmp_path / "m.bin")
    os.symlink(tmp_path if link == "folder" else tmp_path / "m.bin", folder / "link")
    location = "link/m.bin" if link == "folder" else "link"
    with pytest.raises(BadModel, match="symbolic link"):
        read_onnx(relocate(path, location=location))


@pytest.mark.parametrize(
    "entries", [{"offset": "-4"}, {"offset": "9" * 30}, {"offset": "x"}, {"length": "1"}, {"length": "9" * 30}]
)
def test_external_data_of_another_extent_is_a_bad_model(tmp_path: Path, entries: dict[str, str]) -> None:
    with pytest.raises(BadModel):
        read_onnx(relocate(save_external(tmp_path), **entries))


def test_a_model_in_memory_reads_no_files(tmp_path: Path) -> None:
    proto = onnx.load(save_external(tmp_path), load_external_data=False)
    with pytest.raises(BadModel, match="folder"):
        read(proto)
