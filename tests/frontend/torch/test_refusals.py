"""What is refused, and what the user is told; hostile files run no code."""

from __future__ import annotations

import io
import json
import pickle
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from freeml.errors import BadModel, ToolMissing, UnsupportedOp
from freeml.frontend.torch.read import from_constructor, from_torch, read_pt2
from tests.frontend.torch.nets import IMAGE, Forward, build


def refused(module: nn.Module, *shape: int) -> UnsupportedOp:
    with pytest.raises(UnsupportedOp) as caught:
        from_torch(module, torch.randn(shape), name="net")
    assert len(str(caught.value).splitlines()) <= 3
    return caught.value


def sloped() -> nn.Module:
    layer = nn.PReLU(4)
    nn.init.uniform_(layer.weight)
    return layer


class Stateful(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("seen", torch.zeros(1))

    def forward(self, x):
        self.seen += 1
        return x * self.seen


@pytest.mark.parametrize(
    ("module", "shape", "what"),
    [
        (nn.ConvTranspose2d(4, 2, 3), IMAGE, "ransposed"),
        (nn.LSTM(6, 3, batch_first=True), (1, 5, 6), "lstm"),
        (nn.LayerNorm(6), (1, 6), "layer_norm"),
        (nn.BatchNorm2d(4, track_running_stats=False), IMAGE, "statistics of the batch"),
        (nn.AdaptiveAvgPool2d(4), (1, 2, 9, 9), "evenly"),
        (nn.AvgPool2d(2, divisor_override=3), IMAGE, "divisor_override"),
        (sloped(), IMAGE, "slope for each channel"),
        (nn.ReflectionPad2d(1), IMAGE, "pad"),
        (nn.LogSoftmax(1), (1, 6), "log_softmax"),
        (nn.Conv3d(1, 1, 1), (1, 1, 2, 2, 2), "conv"),
        (Stateful(), (1, 6), "changes its own state"),
        (Forward(lambda _, x: x if x.sum() > 0 else -x), (1, 6), "decides by the values"),
        (Forward(lambda _, x: x @ x.transpose(1, 2)), (1, 5, 5), "computed by the model"),
        (Forward(lambda _, x: x[:, :3]), (1, 6), "part of a tensor"),
        (Forward(lambda _, x: x / (x + 3)), (1, 6), "division by a constant"),
        (Forward(lambda _, x: x.argmax(1) + 1), (1, 6), "argmax"),
        (Forward(lambda _, x: x.reshape(2, 3)[:, 9:, None].sum()), (1, 6), "aten"),
        (Forward(lambda _, x: x.mean()), (1, 6), "without dimensions"),
        (Forward(lambda _, x: x @ torch.zeros(3, 3)), (1, 6), "cannot trace"),
        (Forward(lambda _, x: x), (4, 6), "batch"),
        (Forward(lambda *_: torch.ones(3)), (1, 6), "does not depend on its inputs"),
        (Forward(lambda _, x: functional.max_pool2d(x, 2, return_indices=True)[1] * 2), IMAGE, "not supported"),
    ],
)
def test_an_unsupported_layer_is_named_with_its_reason(module, shape, what):
    assert what in str(refused(module, *shape))


def test_the_module_path_is_given():
    module = nn.Sequential(nn.Conv2d(4, 4, 1), nn.Sequential(nn.GroupNorm(2, 4)))
    error = refused(module, *IMAGE)
    assert error.where.startswith("net:1.0 (aten.")
    assert error.hint


def test_dynamic_shapes_are_refused():
    module, inputs = build("mlp")
    program = torch.export.export(
        module.eval(), (inputs[0].repeat(2, 1),), dynamic_shapes=({0: torch.export.Dim("batch")},)
    )
    with pytest.raises(UnsupportedOp, match="dynamic shapes"):
        from_torch(program, name="net")


def test_wrong_arguments_are_errors_for_users():
    with pytest.raises(BadModel, match="not a torch module"):
        from_torch("net.pt", torch.zeros(1), name="net")
    with pytest.raises(BadModel, match="not a tensor"):
        from_torch(nn.Linear(2, 2), None, name="net")
    with pytest.raises(UnsupportedOp, match="float32"):
        from_torch(nn.Embedding(4, 2), torch.zeros(1, 3, dtype=torch.int64), name="net")


@pytest.mark.parametrize("spec", ["nothing", "a b:c", "os:", "no_such_package_xyz:f", "os:no_such", "os:getcwd"])
def test_a_constructor_that_is_none_is_a_bad_model(spec):
    with pytest.raises(BadModel):
        from_constructor(spec)


def test_without_torch_the_user_is_told_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(ToolMissing) as caught:
        from_torch(object(), None, name="net")  # type: ignore[arg-type]
    assert "freeml[torch]" in caught.value.hint


# ---- files ----------------------------------------------------------------------------------------------------------


class Bomb:
    """Unpickling it leaves a file behind."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self):
        return (Path.touch, (self.marker,))


@pytest.fixture
def saved(tmp_path) -> Path:
    module, inputs = build("conv and flatten before linear")
    path = tmp_path / "net.pt2"
    torch.export.save(torch.export.export(module.eval(), inputs), path)
    return path


def rewritten(path: Path, **changes) -> Path:
    """The archive with entries replaced; a dict of changes to a JSON entry is a function of it."""
    entries = {}
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            entries[name] = archive.read(name)
    for name, change in changes.items():
        entry = {"model": "net/models/model.json", "weights": "net/data/weights/model_weights_config.json",
                 "constants": "net/data/constants/model_constants_config.json",
                 "samples": "net/data/sample_inputs/model.pt"}[name]  # fmt: skip
        if callable(change):
            body = json.loads(entries[entry])
            change(body)
            entries[entry] = json.dumps(body).encode()
        else:
            entries[entry] = change
    out = path.with_name("other.pt2")
    with zipfile.ZipFile(out, "w") as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    return out


def test_pickled_files_and_torchscript_are_never_opened(tmp_path):
    marker = tmp_path / "marker"
    torch.save({"a": torch.zeros(3), "b": Bomb(marker)}, tmp_path / "net.pt")
    torch.jit.save(torch.jit.trace(nn.Linear(2, 2), torch.zeros(1, 2)), tmp_path / "script.pt")
    (tmp_path / "net.pkl").write_bytes(pickle.dumps(Bomb(marker)))
    torch.save(Bomb(marker), tmp_path / "old.pth", _use_new_zipfile_serialization=False)
    for name in ("net.pt", "script.pt", "net.pkl", "old.pth"):
        with pytest.raises(BadModel) as caught:
            read_pt2(tmp_path / name)
        assert "package.module:function" in caught.value.hint
    assert not marker.exists()


def test_pickled_parts_of_a_pt2_file_are_refused_or_ignored(saved, tmp_path):
    marker = tmp_path / "marker"
    buffer = io.BytesIO()
    torch.save(Bomb(marker), buffer)
    bomb = buffer.getvalue()
    read_pt2(rewritten(saved, samples=bomb))
    assert not marker.exists()

    def pickled(config):
        next(iter(config["config"].values()))["use_pickle"] = True

    with pytest.raises(BadModel, match="pickled objects"):
        read_pt2(rewritten(saved, weights=pickled))

    def opaque(config):
        next(iter(config["config"].values()))["path_name"] = "opaque_obj_0"

    with pytest.raises(BadModel, match="pickled objects"):
        read_pt2(rewritten(saved, weights=opaque))
    assert not marker.exists()


@pytest.mark.parametrize(
    "target", ["torch.os.system", "_operator.mul", "math.sqrt", "torch.ops.higher_order.cond", "#x:y", "os.system", ""]
)
def test_targets_outside_aten_are_refused(saved, target):
    def change(model):
        model["graph_module"]["graph"]["nodes"][0]["target"] = target

    with pytest.raises(UnsupportedOp, match="aten"):
        read_pt2(rewritten(saved, model=change))


def test_symbolic_sizes_are_refused_without_being_evaluated(saved, tmp_path):
    def change(model):
        sizes = model["graph_module"]["graph"]["tensor_values"]["input"]["sizes"]
        sizes[2] = {"as_expr": {"expr_str": f"__import__('pathlib').Path({str(tmp_path / 'marker')!r}).touch()"}}

    with pytest.raises(UnsupportedOp, match="dynamic"):
        read_pt2(rewritten(saved, model=change))
    assert not (tmp_path / "marker").exists()


def test_other_archives_are_bad_models(tmp_path, saved):
    (tmp_path / "text.pt2").write_text("no zip")
    with zipfile.ZipFile(tmp_path / "empty.pt2", "w"):
        pass
    with zipfile.ZipFile(tmp_path / "deep.pt2", "w") as archive:
        archive.writestr("net/archive_format", "pt2")
        archive.writestr("net/models/model.json", "[" * 100_000)
    for name in ("text.pt2", "empty.pt2", "deep.pt2", "absent.pt2"):
        with pytest.raises(BadModel):
            read_pt2(tmp_path / name)


def test_files_of_an_old_torch_say_so(tmp_path):
    with zipfile.ZipFile(tmp_path / "old.pt2", "w") as archive:
        archive.writestr("version", "8.0")
        archive.writestr("serialized_exported_program.json", "{}")
    with pytest.raises(BadModel, match=r"before 2\.8"):
        read_pt2(tmp_path / "old.pt2")


def test_damaged_archives_are_refused_cleanly(saved):
    rng = np.random.default_rng(5)
    with zipfile.ZipFile(saved) as archive:
        text = archive.read("net/models/model.json")
        config = archive.read("net/data/weights/model_weights_config.json")
    content = saved.read_bytes()
    for number in range(300):
        kind = number % 3
        if kind == 0:
            data = bytearray(content)
            for _ in range(int(rng.integers(1, 6))):
                data[int(rng.integers(0, len(data)))] = int(rng.integers(0, 256))
            mutant = saved.with_name("mutant.pt2")
            mutant.write_bytes(bytes(data))
        elif kind == 1:
            mutant = rewritten(saved, model=changed_json(text, rng))
        else:
            mutant = rewritten(saved, weights=changed_json(config, rng))
        error = failure(mutant)
        assert error is None or isinstance(error, BadModel | UnsupportedOp), f"mutant {number}: {error!r}"


def changed_json(text: bytes, rng: np.random.Generator) -> bytes:
    """A JSON document with one value somewhere replaced or removed."""
    root = json.loads(text)
    spots: list[tuple[dict | list, object]] = []

    def walk(node: object) -> None:
        items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
        for key, value in list(items):
            spots.append((node, key))  # type: ignore[arg-type]
            walk(value)

    walk(root)
    parent, key = spots[int(rng.integers(0, len(spots)))]
    replacements = [None, -1, 0, 3, 10**12, "x", [], {}, 1.5, float("nan"), True, [1, 2]]
    choice = int(rng.integers(0, len(replacements) + 1))
    if choice == len(replacements):
        del parent[key]  # type: ignore[arg-type]
    else:
        parent[key] = replacements[choice]  # type: ignore[index]
    return json.dumps(root).encode()


def failure(path: Path) -> BaseException | None:
    try:
        read_pt2(path)
    except BaseException as error:
        return error
    return None
