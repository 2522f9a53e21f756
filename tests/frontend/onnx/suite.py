"""ONNX's own test cases through the front end: each passes in float, or is refused with a reason; nothing is wrong.

A case is tried as it is, then with every input but the first made constant, as weights are in a real model.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper

from freeml.errors import UnsupportedOp
from freeml.frontend.onnx.read import from_model_proto
from freeml.ir.interpret import predict

NODE_FAMILIES = (
    "Conv",
    "Gemm",
    "MatMul",
    "MaxPool",
    "AveragePool",
    "GlobalAveragePool",
    "GlobalMaxPool",
    "ReduceMean",
    "BatchNormalization",
    "Add",
    "Sub",
    "Mul",
    "Concat",
    "Pad",
    "Flatten",
    "Reshape",
    "Squeeze",
    "Unsqueeze",
    "Transpose",
    "Relu",
    "Clip",
    "LeakyRelu",
    "Sigmoid",
    "Tanh",
    "HardSigmoid",
    "HardSwish",
    "Softmax",
    "Identity",
    "Dropout",
    "ArgMax",
)
MODEL_FAMILIES = ("pytorch-converted", "pytorch-operator")


@dataclass(frozen=True)
class Case:
    name: str
    model: onnx.ModelProto
    data_sets: list[tuple[list[np.ndarray], list[np.ndarray]]]
    rtol: float
    atol: float
    families: tuple[str, ...]


@dataclass
class Tally:
    passed: int = 0
    refused: dict[str, str] = field(default_factory=dict)
    wrong: dict[str, str] = field(default_factory=dict)

    @property
    def total(self) -> int:
        return self.passed + len(self.refused) + len(self.wrong)


def cases() -> Iterator[Case]:
    yield from _node_cases()
    yield from _model_cases()


def _node_cases() -> Iterator[Case]:
    from onnx.backend.test.case.node import collect_testcases

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = collect_testcases(None)
    for case in found:
        if case.model is None:
            continue
        ops = {node.op_type for node in case.model.graph.node}
        families = tuple(family for family in NODE_FAMILIES if family in ops)
        if not families:
            continue
        if "_expanded" in case.name:
            families = ("expanded",)
        yield Case(case.name, case.model, case.data_sets, case.rtol, case.atol, families)


def _model_cases() -> Iterator[Case]:
    from onnx.backend.test.loader import load_model_tests

    for kind in MODEL_FAMILIES:
        for case in load_model_tests(kind=kind):
            folder = Path(case.model_dir)
            model = onnx.load(str(folder / "model.onnx"))
            sets = [(_pb(data, "input"), _pb(data, "output")) for data in sorted(folder.glob("test_data_set_*"))]
            ops = {node.op_type for node in model.graph.node}
            own = tuple(family for family in NODE_FAMILIES if family in ops)
            yield Case(case.name, model, sets, case.rtol, case.atol, (kind, *own))


def _pb(folder: Path, kind: str) -> list[np.ndarray]:
    count = len(list(folder.glob(f"{kind}_*.pb")))
    tensors = [onnx.TensorProto.FromString((folder / f"{kind}_{i}.pb").read_bytes()) for i in range(count)]
    return [numpy_helper.to_array(tensor) for tensor in tensors]


def outcome(case: Case) -> tuple[str, str]:
    """("passed" | "refused" | "wrong", why)."""
    refusals = []
    for constant in (False, True):
        try:
            for inputs, expected in case.data_sets:
                _check(case, inputs, expected, constant=constant)
            return "passed", ""
        except UnsupportedOp as error:
            refusals.append(error)
        except Exception as error:
            return "wrong", f"{type(error).__name__}: {str(error).strip()[:300]}"
    # The second attempt is the one that counts; where it fails only for being constant throughout, the first does.
    return "refused", refusals[0 if "does not depend" in refusals[1].what else 1].what


def _check(case: Case, inputs: list[np.ndarray], expected: list[np.ndarray], *, constant: bool) -> None:
    model = onnx.ModelProto()
    model.CopyFrom(case.model)
    given = list(inputs)
    if constant:
        initialised = {tensor.name for tensor in model.graph.initializer}
        free = [value for value in model.graph.input if value.name not in initialised]
        for value, array in zip(free[1:], inputs[1:], strict=True):
            if isinstance(array, np.ndarray | np.generic):
                model.graph.input.remove(value)
                model.graph.initializer.append(numpy_helper.from_array(np.asarray(array), value.name))
        given = given[:1]
    graph = from_model_proto(model, name=case.name, where=case.name)
    samples = [array.reshape(1, *port.shape) for array, port in zip(given, graph.inputs, strict=True)]
    results = predict(graph, samples)
    for got, want, port in zip(results, expected, graph.outputs, strict=True):
        assert port.dtype == want.dtype.name, f"type {port.dtype}, expected {want.dtype.name}"
        assert (1, *port.shape) == want.shape or got.shape == (1, *want.shape), f"shape {got.shape}, not {want.shape}"
        tolerance = {"rtol": case.rtol, "atol": case.atol}
        np.testing.assert_allclose(got.reshape(want.shape), want, **tolerance)


def run_all() -> dict[str, Tally]:
    tallies = {family: Tally() for family in (*NODE_FAMILIES, "expanded", *MODEL_FAMILIES)}
    for case in cases():
        verdict, why = outcome(case)
        for family in case.families:
            tally = tallies[family]
            if verdict == "passed":
                tally.passed += 1
            else:
                getattr(tally, verdict)[case.name] = why
    return tallies


def report(tallies: dict[str, Tally]) -> str:
    lines = [f"onnx {onnx.__version__}", "", "family passed refused total"]
    lines += [f"{name} {tally.passed} {len(tally.refused)} {tally.total}" for name, tally in tallies.items()]
    refused = {name: why for tally in tallies.values() for name, why in tally.refused.items()}
    lines += ["", "refused"]
    lines += [f"{name}: {why}" for name, why in sorted(refused.items())]
    return "\n".join(lines) + "\n"
