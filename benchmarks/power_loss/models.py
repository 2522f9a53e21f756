"""The networks of the power-loss tables, compiled once each."""

from __future__ import annotations

from pathlib import Path
from unittest.mock import patch

import numpy as np
import onnx
from onnx import numpy_helper

from benchmarks.exits.networks import MODELS
from benchmarks.tiny_cnn.model import network
from freeml import CompileOptions, compile_model
from freeml.data.folders import data_root
from freeml.exits.deploy import ExitOptions
from freeml.output.folder import Output, read_output
from freeml.plan import sram

ROOT = Path(__file__).resolve().parents[2]
TINY_CNN = "benchmarks.tiny_cnn.model:samples"
SMALL = ("digits", "tiny_cnn", "mnist8", "har")
LARGE = ("kws", "resnet8")
# Networks with exits, their data, and a board that holds them and has a meter: the C that is planned for that board is
# closed on a host, which keeps time as none of the boards does.
WITH_EXITS = {
    "digits": ("digits", "msp430fr5994"),
    "har_cnn": ("har", "nucleo_l476rg"),
    "mnist": ("mnist", "msp430fr5994"),
}
ENERGY, DEADLINE = "confident-or-energy", "confident-or-deadline:50"
POLICIES = (ENERGY, DEADLINE)


def compiled(name: str, work: Path, nvm: str = "atomic", tile_bytes: int = sram.HOST_TILE_BYTES) -> Output:
    """Compile one network for a host whose NVM behaves as `nvm` says. Needs FREEML_DATA but for the first two."""
    model, data = source(name, work)
    return _compiled(model, data, work / f"{name}-{nvm}", CompileOptions(name=name, nvm=nvm, samples=1), tile_bytes)


def with_exits(name: str, policy: str, work: Path, nvm: str = "atomic") -> Output:
    """The same of a network of benchmarks/exits/models, under a policy."""
    exits = ExitOptions("outputs", policy=policy)
    data, board = WITH_EXITS[name]
    options = CompileOptions(name=name, board="host" if policy == DEADLINE else board, nvm=nvm, samples=1, exits=exits)
    out = work / f"{name}-{policy.partition(':')[0]}-{nvm}"
    return _compiled(MODELS / f"{name}.onnx", data, out, options, sram.HOST_TILE_BYTES)


def _compiled(model: Path, data: str | None, out: Path, options: CompileOptions, tile_bytes: int) -> Output:
    # Accuracy is not what these tables are about: one sample of it is enough.
    with patch.object(sram, "HOST_TILE_BYTES", tile_bytes):
        compile_model(model, out, data=data, options=options)
    return read_output(out)


def twin(name: str, work: Path) -> tuple[Path, str | None]:
    """A network with the same layers as one that is an ONNX file, and other weights: each size is the same, the digest
    is not."""
    model, data = source(name, work)
    made = onnx.load(model)
    for weights in made.graph.initializer:
        values = numpy_helper.to_array(weights)
        if values.dtype == np.float32 and values.ndim > 1:
            weights.CopyFrom(numpy_helper.from_array(-values, weights.name))
    path = work / f"{name}_twin.onnx"
    onnx.save(made, path)
    return path, data


def source(name: str, work: Path) -> tuple[Path, str | None]:
    """Model file and data of a network."""
    if name == "tiny_cnn":
        onnx.save(network(), work / "tiny_cnn.onnx")
        return work / "tiny_cnn.onnx", TINY_CNN
    if name in ("digits", "har"):
        return ROOT / "examples" / name / f"{name}.onnx", name
    models = data_root() / "models"
    files: dict[str, tuple[str, str | None]] = {
        "mnist8": ("mnist8/model.onnx", "mnist"),
        "kws": ("kws_ref_model.tflite", None),
        "resnet8": ("pretrainedResnet_quant.tflite", None),
    }
    file, data = files[name]
    return models / file, data
