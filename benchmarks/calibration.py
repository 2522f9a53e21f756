"""What wrong calibration samples cost: int8 accuracy of four networks, calibrated on 200 samples, a few of them wrong.

    python -m benchmarks.calibration [NETWORK ...]

Needs FREEML_DATA. `results/calibration.txt` is what it printed. Errors are put into the samples, not into the test set.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmarks.command import command
from freeml.data import fit_inputs, load
from freeml.data.accuracy import answers
from freeml.frontend.load import load_model
from freeml.passes.pipeline import run_passes
from freeml.quantize.search import quantize

Array = npt.NDArray[np.float32]
N_CALIBRATION, N_TEST = 200, 1000

ROOT = Path(__file__).resolve().parents[1]
NETWORKS = {
    "digits": (ROOT / "examples/digits/digits.onnx", "digits"),
    "mnist-8": (Path("models/mnist8/model.onnx"), "mnist"),
    "har": (ROOT / "examples/har/har.onnx", "har"),
    "kws": (Path("models/kws_ref_model_float32.tflite"), "kws"),
}


def one(row: int, value: float) -> Callable[[Array], None]:
    """One value in the middle of one sample."""

    def put(x: Array) -> None:
        flat = x[row].reshape(-1)
        flat[flat.size // 2] = value

    return put


def several(x: Array) -> None:
    for row, value in ((3, 1e5), (50, -3e3), (77, 2e3), (120, 1e7)):
        one(row, value)(x)


def whole(x: Array) -> None:
    x[42] *= 1000


WRONG: dict[str, Callable[[Array], None]] = {
    "none": lambda _: None,
    "1e5 in row 0": one(0, 1e5),
    "1e5 in row 1": one(1, 1e5),
    "-2000 in row 1": one(1, -2000.0),
    "largest float32 in row 7": one(7, float(np.finfo(np.float32).max)),
    "four rows": several,
    "row 42 times 1000": whole,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("networks", nargs="*", default=list(NETWORKS), metavar="NETWORK", help=", ".join(NETWORKS))
    wanted = parser.parse_args().networks
    print(command(__file__), end="\n\n")
    print(f"{'network':10s} {'wrong':26s} {'float':>7s} {'int8':>7s}  rows named, method")
    for name in wanted:
        path, data = NETWORKS[name]
        found = path if path.is_absolute() else Path(os.environ["FREEML_DATA"]) / path
        graph = run_passes(load_model(str(found)).graph)
        shapes = [port.shape for port in graph.inputs]
        (clean,) = fit_inputs(load(data, "calibration", limit=N_CALIBRATION), shapes).real_inputs()
        test = fit_inputs(load(data, "test", limit=N_TEST), shapes)
        exact = answers(graph, test.real_inputs()).classes
        for wrong, spoil in WRONG.items():
            x = clean.copy()
            spoil(x)
            made = quantize(graph, [x], place="{}".format)
            coded = answers(made.graph, test.real_inputs()).classes
            right = [100 * float(np.mean(classes == test.labels)) for classes in (exact, coded)]
            rows = ", ".join(text.split(":")[0] for text in made.warnings) or "-"
            print(f"{name:10s} {wrong:26s} {right[0]:6.1f}% {right[1]:6.1f}%  {rows}; {made.method}", flush=True)


if __name__ == "__main__":
    main()
