"""int8 TFLite models against LiteRT.

Rounding differs by design: freeml rounds once with a 16-bit multiplier, LiteRT twice with a 31-bit one, so single
outputs may be one step apart; layer by layer from the same inputs that is all there may be.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from freeml import compile_model
from freeml.compression import answers_of_c
from freeml.data import load
from freeml.ir.interpret import interpret
from freeml.output.folder import read_output
from freeml.sim.check import verify_output
from tests.oracles.litert import Oracle, codes, layer_differences

pytestmark = [pytest.mark.needs_data, pytest.mark.filterwarnings("ignore:Warning. Enabling:UserWarning")]

MODELS = ("kws_ref_model", "pretrainedResnet_quant", "vww_96_int8", "ad01_int8")


def samples_for(model: str, n: int) -> np.ndarray:
    """Real samples of a model's task, or for want of them other real images or random vectors."""
    rng = np.random.default_rng(0)
    if model.startswith("kws"):
        return load("kws", "test", limit=n).real_inputs()[0]
    if model.startswith("ad01"):
        return rng.normal(size=(n, 640)) * 6 - 4
    images = load("cifar10-lossless", "train", limit=n).real_inputs()[0].transpose(0, 2, 3, 1)
    return images if model.startswith("pretrained") else images.repeat(3, axis=1).repeat(3, axis=2) / 255


@pytest.mark.parametrize("model", MODELS)
def test_each_layer_is_within_one_step_of_litert_from_the_same_inputs(model: str, data_dir: Path) -> None:
    path = data_dir / "models" / f"{model}.tflite"
    graph = compile_model(path).graph
    oracle = Oracle(path, preserve=True)
    seen = []
    for sample in codes(graph, samples_for(model, 12)):
        oracle.run(sample)
        differences = layer_differences(graph, oracle.tensors())
        assert len(differences) >= 0.8 * len([op for op in graph.ops if type(op).__name__ != "Reshape"])
        seen.append(np.concatenate([d.ravel() for d in differences.values()]))
    steps = np.concatenate(seen)
    assert np.mean(steps <= 1) >= 0.999
    assert steps.max() <= 2


@pytest.mark.parametrize(
    ("model", "n"), [("kws_ref_model", 274), ("pretrainedResnet_quant", 1000), ("vww_96_int8", 60)]
)
def test_end_to_end_the_top_class_is_litert_s(model: str, n: int, data_dir: Path) -> None:
    path = data_dir / "models" / f"{model}.tflite"
    graph = compile_model(path).graph
    inputs = codes(graph, samples_for(model, n))
    theirs = Oracle(path).run_all(list(inputs)).reshape(n, -1)
    ours = interpret(graph, {graph.inputs[0].value: inputs})[graph.outputs[0].value].reshape(n, -1)
    assert np.mean(ours.argmax(axis=1) == theirs.argmax(axis=1)) >= 0.99


@pytest.mark.parametrize("model", MODELS)
def test_the_c_code_is_the_interpreter_bit_for_bit(model: str, data_dir: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    compile_model(data_dir / "models" / f"{model}.tflite", out)
    output = read_output(out)
    quant = output.graph.types[output.graph.inputs[0].value].quant
    assert quant is not None
    from freeml.data import Dataset

    real = samples_for(model, 10).astype(np.float32)
    report = verify_output(output, Dataset((real,), None, (), model, "test", (None,)))
    assert (report.samples, report.mismatches) == (10, 0)


@pytest.mark.parametrize("model", ["kws_ref_model", "kws_ref_model_float32"])
def test_keyword_spotting_in_c_is_within_half_a_point_of_litert_on_all_clips(
    model: str, data_dir: Path, tmp_path: Path
) -> None:
    path = data_dir / "models" / f"{model}.tflite"
    clips = load("kws", "all")
    compile_model(path, tmp_path / "out", data="kws")
    oracle = Oracle(path)
    inputs = clips.inputs[0] if oracle.input["dtype"] is np.int8 else clips.real_inputs()[0]
    theirs = np.mean(oracle.run_all(list(inputs)).argmax(axis=1) == clips.labels)
    said = answers_of_c(read_output(tmp_path / "out"), clips.real_inputs())
    ours = np.mean(said.classes == clips.labels)
    assert abs(ours - theirs) <= 0.005
