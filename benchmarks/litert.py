"""int8 TFLite models against LiteRT: python -m benchmarks.litert [--json]

Share of samples with LiteRT's top class, end to end, and of outputs within one step of LiteRT's, layer by layer from
the same inputs. Needs FREEML_DATA. person detection (vww) is fed other real images, as its own are not at hand.
"""

from __future__ import annotations

import argparse
import json
from typing import Any

import numpy as np

from benchmarks.command import command
from freeml import compile_model
from freeml.data import load
from freeml.data.folders import data_root
from freeml.ir.interpret import predict
from tests.oracles.litert import Oracle, codes, layer_differences
from tests.oracles.test_against_litert import MODELS, samples_for

END_TO_END = {"kws_ref_model": 0, "pretrainedResnet_quant": 4000, "vww_96_int8": 150}
LAYER_SAMPLES = 12


def measure() -> list[dict[str, Any]]:
    """One row for each model; top_class is None for one that does not classify."""
    rows = []
    for model in MODELS:
        path = data_root() / "models" / f"{model}.tflite"
        graph = compile_model(path).graph
        oracle, steps = Oracle(path, preserve=True), []
        for sample in codes(graph, samples_for(model, LAYER_SAMPLES)):
            oracle.run(sample)
            steps += [d.ravel() for d in layer_differences(graph, oracle.tensors()).values()]
        apart = np.concatenate(steps)
        row = {"model": model, "within_one_step": float(np.mean(apart <= 1)), "equal": float(np.mean(apart == 0))}
        rows.append({**row, **_top_class(model)})
    return rows


def _top_class(model: str) -> dict[str, Any]:
    if model not in END_TO_END:
        return {"samples": 0, "top_class": None}
    path = data_root() / "models" / f"{model}.tflite"
    graph = compile_model(path).graph
    n = END_TO_END[model]
    samples = samples_for(model, n) if n else load("kws", "all").real_inputs()[0]
    theirs = Oracle(path).run_all(list(codes(graph, samples))).reshape(len(samples), -1)
    ours = predict(graph, [samples])[0].reshape(len(samples), -1)
    return {"samples": len(samples), "top_class": float(np.mean(ours.argmax(axis=1) == theirs.argmax(axis=1)))}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    as_json = parser.parse_args().json
    rows = measure()
    if as_json:
        print(json.dumps(rows))
        return
    print(command(__file__), end="\n\n")
    print(f"{'model':24} {'within 1 step':>14} {'equal':>9} {'samples':>8} {'same top class':>15}")
    for r in rows:
        top = "-" if r["top_class"] is None else f"{r['top_class']:.3%}"
        print(f"{r['model']:24} {r['within_one_step']:14.3%} {r['equal']:9.3%} {r['samples']:8,} {top:>15}")


if __name__ == "__main__":
    main()
