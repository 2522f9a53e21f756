"""Every argument of every rule of the torch front end is read, refused, or changes nothing: against torch itself.

The list of rules is the front end's own and the arguments are those of torch's schemas, so that a new rule without its
entries in arguments.py fails, and so does an argument that torch adds to an operator.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
import torch

from freeml.errors import FreemlError, UnsupportedOp
from freeml.frontend.torch import ops
from freeml.frontend.torch.nodes import IGNORED
from freeml.frontend.torch.program import AtenCall, Program, Ref
from freeml.ir.graph import Graph
from freeml.ir.interpret import predict
from tests.frontend.torch.arguments import CALLS, HARMLESS, OTHERS, WITH, X

Args = Mapping[str, Any]
_COMPUTED = {"self", "input", "mat1", "tensors"}


def overloads() -> dict[str, Any]:
    """Every overload of an operator with a rule that takes a tensor and gives one: those a program may hold."""
    found = {}
    for rule in ops._RULES:
        name = rule.removeprefix("aten.")
        packet = getattr(torch.ops.aten, name)
        for overload in packet.overloads():
            operator = getattr(packet, overload)
            if of_tensors(operator):
                found[f"{name}.{overload}"] = operator
    return found


def of_tensors(operator: Any) -> bool:
    """Whether an overload takes tensors and gives one; torch has others for numbers and lists, and for `out`."""
    takes = any("Tensor" in str(argument.type) for argument in operator._schema.arguments)
    writes = any(argument.is_out for argument in operator._schema.arguments)
    return takes and not writes and any("Tensor" in str(r.type) for r in operator._schema.returns)


OVERLOADS = overloads()
# torch itself has them on a GPU only: refused, as any element type that is asked for.
SCALAR = "the result is a single number"
ON_GPU = {"addmm.dtype", "mm.dtype", "bmm.dtype"}
ARGUMENTS = [
    (key, argument.name)
    for key, operator in OVERLOADS.items()
    for argument in operator._schema.arguments
    if argument.name not in _COMPUTED or argument.name in OTHERS.get(key, {})
]


def samples(value: object) -> object:
    if isinstance(value, X):
        return value.sample
    return [samples(v) for v in value] if isinstance(value, list) else value


def by_torch(key: str, args: Args) -> np.ndarray:
    operator, given = OVERLOADS[key], dict(args)
    names = [argument.name for argument in operator._schema.arguments if not argument.kwarg_only]
    positional = [samples(given.pop(name)) for name in names if name in given]
    with torch.no_grad():
        result = operator(*positional, **{k: samples(v) for k, v in given.items()})
    result = result[0] if isinstance(result, tuple | list) else result
    return result.detach().numpy()


def lowered(key: str, args: Args) -> tuple[Graph, list[X]]:
    """The call as a program of its own, as the reader of .pt2 files and the tracer make one."""
    inputs: list[X] = []
    constants: dict[str, np.ndarray] = {}

    def plain(value: object) -> object:
        if isinstance(value, X):
            inputs.append(value)
            return Ref(value.name)
        if isinstance(value, torch.Tensor):
            constants[f"c{len(constants)}"] = value.numpy()
            return Ref(f"c{len(constants) - 1}")
        if isinstance(value, torch.dtype):
            return str(value)
        if isinstance(value, torch.layout | torch.device | torch.memory_format):
            return None
        return [plain(v) for v in value] if isinstance(value, list) else value

    call = AtenCall(f"aten.{key}", {name: plain(value) for name, value in args.items()}, ("y",), "")
    shapes = tuple((x.name, x.shape) for x in inputs)
    return ops.lower(Program("one", shapes, constants, (call,), ("y",))), inputs


def by_freeml(key: str, args: Args) -> np.ndarray:
    graph, inputs = lowered(key, args)
    (result,) = predict(
        graph,
        [x.sample.numpy().reshape(1, *graph_port.shape) for x, graph_port in zip(inputs, graph.inputs, strict=True)],
    )
    return result


def agree(ours: np.ndarray, theirs: np.ndarray) -> bool:
    if ours.size != theirs.size:
        return False
    return bool(np.allclose(ours.reshape(theirs.shape), theirs.astype(np.float64), rtol=2e-5, atol=2e-5))


def test_the_table_has_every_overload_of_every_rule() -> None:
    assert CALLS.keys() == OVERLOADS.keys()


def test_the_table_has_every_argument_of_every_overload() -> None:
    for key, operator in OVERLOADS.items():
        names = {argument.name for argument in operator._schema.arguments}
        assert CALLS[key].keys() == names, key
        missing = names - _COMPUTED - OTHERS.get(key, {}).keys() - HARMLESS.keys()
        assert not missing, f"{key}: no other value for {missing}"
        assert OTHERS.get(key, {}).keys() <= names, key


def test_what_is_taken_as_harmless_is_what_the_front_end_leaves_unread() -> None:
    assert HARMLESS.keys() == IGNORED.keys()


def test_operators_in_place_have_no_arguments_of_their_own() -> None:
    for rule in ops._RULES:
        name = rule.removeprefix("aten.")
        packet = getattr(torch.ops.aten, f"{name}_", None)
        known = {a.name for key, op in OVERLOADS.items() if key.startswith(f"{name}.") for a in op._schema.arguments}
        for overload in packet.overloads() if packet else ():
            if not of_tensors(getattr(packet, overload)):
                continue
            own = {a.name for a in getattr(packet, overload)._schema.arguments if not a.is_out}
            assert own <= known | {"generator", "self"}, f"{name}_.{overload}"


def refusal(key: str, args: Args) -> str:
    """Why freeml refuses a call; empty where it lowers it."""
    try:
        lowered(key, args)
    except FreemlError as error:
        return error.what
    return ""


@pytest.mark.parametrize("key", CALLS)
def test_the_call_itself_computes_what_torch_computes_or_is_refused(key: str) -> None:
    why = refusal(key, CALLS[key])
    if why or key in ON_GPU:
        assert key.split(".", maxsplit=1)[0] in why or SCALAR in why
    else:
        assert agree(by_freeml(key, CALLS[key]), by_torch(key, CALLS[key]))


@pytest.mark.parametrize(("key", "name"), ARGUMENTS, ids=lambda value: value)
def test_an_argument_is_read_or_refused_or_harmless(key: str, name: str) -> None:
    if name not in OTHERS.get(key, {}):
        assert HARMLESS[name]
        return
    before = {**CALLS[key], **({} if name == "groups" else WITH.get((key, name), {}))}
    after = {**CALLS[key], **WITH.get((key, name), {}), name: OTHERS[key][name]}
    if why := refusal(key, after):
        assert key.split(".", maxsplit=1)[0].strip("_") in why or name in why or SCALAR in why
        return
    ours, theirs, was = by_freeml(key, after), by_torch(key, after), by_torch(key, before)
    assert agree(ours, theirs), f"{name} is not read"
    if name not in HARMLESS and theirs.dtype == was.dtype and theirs.shape == was.shape:
        assert not np.allclose(theirs, was, atol=2e-4), "the other value shows nothing"


def test_an_argument_that_no_rule_reads_is_refused_by_name() -> None:
    """Whatever torch adds to an operator."""
    with pytest.raises(UnsupportedOp, match="the argument sharpness"):
        lowered("relu.default", {"self": X((1, 6)), "sharpness": 2})
    lowered("relu.default", {"self": X((1, 6)), "sharpness": None})
