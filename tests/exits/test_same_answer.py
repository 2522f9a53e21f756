"""Exits leave the network's own answer what it is without them: integers, ranges and how these were chosen."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from freeml.exits.deploy import ExitOptions
from freeml.ir.interpret import encode_inputs, interpret
from freeml.output.folder import read_output
from freeml.pipeline import CompileOptions, compile_model
from tests.train.tasks import stripes


def test_at_its_end_a_network_with_exits_says_what_it_says_without(model: Path, tmp_path: Path) -> None:
    data = replace(stripes(300, 1), name="stripes")
    found = []
    for name, exits in (("without", None), ("with", ExitOptions("auto", "shared", "fixed:2", epochs=1))):
        compile_model(model, tmp_path / name, data=data, options=CompileOptions(exits=exits))
        found.append(read_output(tmp_path / name))
    bare, whole = found
    assert whole.graph.exits
    assert whole.manifest.quantization == bare.manifest.quantization
    new = stripes(100, 3).real_inputs()
    said = [
        interpret(one.graph, encode_inputs(one.graph, new), {one.graph.outputs[0].value})[one.graph.outputs[0].value]
        for one in found
    ]
    assert np.array_equal(*said)
