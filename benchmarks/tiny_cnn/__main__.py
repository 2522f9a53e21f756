"""Instructions, error and memory of the tiny CNN's host C: python -m benchmarks.tiny_cnn [--json]

Instructions are callgrind's, from (11 inferences - 1 inference) / 10, so that start-up does not count. Needs valgrind.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

import onnx

from benchmarks.callgrind import count
from benchmarks.command import command
from benchmarks.tiny_cnn.model import network
from freeml import compile_model
from freeml.data import load
from freeml.firmware.host import build_host_program
from freeml.ir.interpret import encode_inputs
from freeml.output.folder import Output, read_output
from freeml.sim.check import verify_output

DATA = "benchmarks.tiny_cnn.model:samples"


def measure() -> dict[str, float]:
    """Compile, verify and count."""
    with tempfile.TemporaryDirectory() as work:
        model, out = Path(work, "tiny_cnn.onnx"), Path(work, "out")
        onnx.save(network(), model)
        manifest = compile_model(model, out, data=DATA).manifest
        output = read_output(out)
        report = verify_output(output, load(DATA, "test"))
        return {
            "instructions": instructions(output, Path(work)),
            "macs": manifest.macs,
            "max_error": report.max_error,
            "mismatches": report.mismatches,
            "arena_bytes": manifest.memory.arena_bytes,
            "scratch_bytes": manifest.memory.scratch_bytes,
            "stack_bytes": manifest.memory.stack_bytes,
            "flash_bytes": manifest.memory.flash_bytes,
            "weights_bytes": manifest.memory.weights_bytes,
        }


def instructions(output: Output, work: Path) -> float:
    """Instructions of one inference of the folder's own main.c."""
    name = output.graph.name
    program = build_host_program([output.folder / "main.c", *output.sources], output.include_dirs, work / name)
    sample = load(DATA, "test", limit=11).real_inputs()
    codes = encode_inputs(output.graph, sample)[output.graph.inputs[0].value].tobytes()
    one = len(codes) // 11
    return (count(program, data=codes) - count(program, data=codes[:one])) / 10


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    as_json = parser.parse_args().json
    figures = measure()
    if as_json:
        print(json.dumps(figures))
    else:
        print(command(__file__), end="\n\n")
        for key, value in figures.items():
            print(f"{key:16} {value:,.4f}" if key == "max_error" else f"{key:16} {value:,.0f}")


if __name__ == "__main__":
    main()
