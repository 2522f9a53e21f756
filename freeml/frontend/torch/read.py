"""torch modules, exported programs and .pt2 files -> Graph@FLOAT.

`torch.export` traces a module, in eval mode, into ATen operators with static shapes; each remembers the module that
called it. From there on it is plain data (program.py), lowered by ops.py. Pickled files (.pt, .pth) are never
opened, since unpickling runs code: give a .pt2 file (`read_pt2`) or name a function that builds the module
(`from_constructor`). torch is imported here and only when needed; reading a .pt2 file does without it.
"""

from __future__ import annotations

import importlib
import operator
import os
import re
import sys
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from freeml.errors import BadModel, ToolMissing, UnsupportedOp
from freeml.frontend.torch.archive import HINT, read_archive
from freeml.frontend.torch.ops import check_supported, is_supported, lower
from freeml.frontend.torch.program import AtenCall, Program, Ref, unsafe_in_place
from freeml.ir.graph import Graph

if TYPE_CHECKING:
    import torch
    from torch.export import ExportedProgram

_RANDOM = ("rand", "bernoulli", "normal", "dropout", "native_dropout", "multinomial")
_MAX_FOLDED_ELEMS = 1 << 24


def from_torch(model: torch.nn.Module | ExportedProgram, example_inputs: object = None, *, name: str) -> Graph:
    """The graph of a module, traced with example inputs, or of a program that torch.export made.

    example_inputs  one tensor or a tuple of them, float32, each one sample with a batch axis of 1 in front
    Raises UnsupportedOp for what cannot be traced or compiled, ToolMissing where torch is not installed.
    """
    torch = _torch()
    if isinstance(model, torch.export.ExportedProgram):
        exported = model
    elif isinstance(model, torch.nn.Module):
        exported = _exported(model, _tuple(example_inputs), name)
    else:
        raise BadModel(f"a {type(model).__name__} is not a torch module", where=name, hint=HINT)
    program = _Converter(exported, name).program()
    if unsafe_in_place(program) is not None:
        program = _Converter(_decomposed(exported, {}, name), name).program()
    if all(is_supported(call) for call in program.calls):
        return lower(program)
    try:
        return lower(_Converter(_decomposed(exported, None, name), name).program())
    except UnsupportedOp as in_core:
        check_supported(program)  # the operator the user wrote says more than what it decomposes into
        raise in_core from None


def read_pt2(path: str | os.PathLike[str]) -> Graph:
    """The graph of a .pt2 file that torch.export.save wrote; needs no torch and runs no code of the file.

    Raises BadModel for other files, pickled ones among them, and UnsupportedOp.
    """
    program = read_archive(Path(path))
    try:
        return lower(program)
    except (KeyError, TypeError, ValueError, IndexError, AttributeError, ArithmeticError) as error:
        raise BadModel(f"the program contradicts itself: {error}", where=str(path)) from error


def from_constructor(spec: str) -> Graph:
    """The graph of the (module, example_inputs) that `package.module:function` returns; the working directory counts.

    Raises BadModel where there is no such function or it returns something else.
    """
    module_name, _, function_name = spec.partition(":")
    if not re.fullmatch(r"\w+(\.\w+)*", module_name) or not function_name.isidentifier():
        raise BadModel(f"{spec!r} is not of the form package.module:function", where=spec, hint=HINT)
    result = _constructor(spec, module_name, function_name)()
    if not (isinstance(result, tuple) and len(result) == 2):
        raise BadModel("the function does not return (module, example_inputs)", where=spec)
    return from_torch(result[0], result[1], name=function_name)


def _constructor(spec: str, module_name: str, function_name: str) -> Callable[[], object]:
    sys.path.insert(0, os.getcwd())
    try:
        found = getattr(importlib.import_module(module_name), function_name, None)
    except ImportError as error:
        raise BadModel(f"the module cannot be imported: {error}", where=spec, hint="is it on PYTHONPATH?") from error
    finally:
        sys.path.pop(0)
    if not callable(found):
        raise BadModel(f"{module_name} has no function {function_name}", where=spec)
    return found  # type: ignore[no-any-return]


# ---- torch.export ---------------------------------------------------------------------------------------------------


def _torch() -> Any:
    try:
        import torch
        import torch.export
    except ImportError as error:
        raise ToolMissing("reading torch modules needs torch", hint="pip install 'freeml[torch]'") from error
    return torch


def _tuple(example_inputs: object) -> tuple[object, ...]:
    return tuple(example_inputs) if isinstance(example_inputs, Sequence) else (example_inputs,)


def _exported(model: torch.nn.Module, inputs: tuple[object, ...], name: str) -> ExportedProgram:
    torch: Any = _torch()
    for k, x in enumerate(inputs):
        if not isinstance(x, torch.Tensor):
            raise BadModel(f"example input {k} is a {type(x).__name__}, not a tensor", where=name)
    modes = [(module, module.training) for module in model.modules()]
    try:
        model.eval()
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # of torch about itself
            exported: ExportedProgram = torch.export.export(model, inputs)
            return exported
    except Exception as error:  # torch raises what it likes here, from many private classes
        raise _export_error(error, name) from error
    finally:
        for module, training in modes:
            module.training = training


def _export_error(error: Exception, name: str) -> UnsupportedOp:
    message = str(error) or type(error).__name__
    reason = next((line.strip() for line in message.splitlines() if line.strip()), "")[:200]
    if re.search(r"data.dependent|control flow|guard on|torch\.cond|\.item\(\)|symbolic_trace", message, re.IGNORECASE):
        return UnsupportedOp(
            f"the model decides by the values of a tensor: {reason}",
            where=name,
            hint="replace if and while on tensors by arithmetic (torch.clamp, a product with a mask)",
        )
    return UnsupportedOp(
        f"torch.export cannot trace the model: {reason}",
        where=name,
        hint="model(*example_inputs) must run in eval mode, with tensors in and tensors out",
    )


def _decomposed(exported: ExportedProgram, table: dict[Any, Any] | None, name: str) -> ExportedProgram:
    """Without in-place operators (table {}), or in core ATen (table None)."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            program: ExportedProgram = exported.run_decompositions(table)
            return program
    except Exception as error:  # as above
        raise _export_error(error, name) from error


class _Converter:
    """ExportedProgram -> Program; whatever depends on constants alone is computed here, by torch."""

    def __init__(self, exported: ExportedProgram, name: str) -> None:
        self._torch = _torch()
        self._exported = exported
        self._name = name
        self._values: dict[str, Any] = {}  # constants, by node name
        self._alias: dict[str, str] = {}
        self._calls: list[AtenCall] = []
        self._inputs: list[tuple[str, tuple[int, ...]]] = []

    def program(self) -> Program:
        kinds = self._torch.export.graph_signature.OutputKind
        output_specs = self._exported.graph_signature.output_specs
        for spec in output_specs:
            if spec.kind not in (kinds.USER_OUTPUT, kinds.USER_INPUT_MUTATION):
                raise UnsupportedOp(
                    f"the model changes its own state ({spec.target}) in every inference",
                    where=self._name,
                    hint="remove the buffers that forward() writes",
                )
        specs = {spec.arg.name: spec for spec in self._exported.graph_signature.input_specs}
        outputs: tuple[str, ...] = ()
        for node in self._exported.graph.nodes:
            if node.op == "placeholder":
                self._placeholder(node, specs[node.name])
            elif node.op == "call_function":
                self._function(node)
            elif node.op == "output":
                given = zip(node.args[0], output_specs, strict=True)
                outputs = tuple(self._output(x) for x, spec in given if spec.kind is kinds.USER_OUTPUT)
            elif node.op != "get_attr":
                raise UnsupportedOp(f"{node.op} {node.target}", where=self._name)
        constants = {k: self._array(v) for k, v in self._values.items()}
        return Program(self._name, tuple(self._inputs), constants, tuple(self._calls), outputs)

    def _placeholder(self, node: Any, spec: Any) -> None:
        if spec.kind is self._torch.export.graph_signature.InputKind.USER_INPUT:
            value = node.meta.get("val")
            where = f"input {node.name!r}"
            if not isinstance(value, self._torch.Tensor) or value.dtype != self._torch.float32:
                raise UnsupportedOp("the input is not a float32 tensor", where=where)
            if not all(isinstance(n, int) for n in value.shape):
                raise UnsupportedOp(
                    f"the program has dynamic shapes: {tuple(map(str, value.shape))}",
                    where=where,
                    hint="export without dynamic_shapes, for one sample",
                )
            self._inputs.append((node.name, tuple(value.shape)))
        elif spec.target in self._exported.state_dict:
            self._values[node.name] = self._exported.state_dict[spec.target].detach()
        elif spec.target in self._exported.constants:
            self._values[node.name] = self._exported.constants[spec.target]
        else:
            raise UnsupportedOp(f"the program takes {spec.target}, which is not a tensor", where=self._name)

    def _output(self, node: Any) -> str:
        if not hasattr(node, "name"):
            raise UnsupportedOp("an output of the model is not a tensor", where=self._name)
        return str(self._alias.get(node.name, node.name))

    def _function(self, node: Any) -> None:
        if node.target is operator.getitem:
            self._alias[node.name] = f"{node.args[0].name}.{node.args[1]}"
            return
        module = self._module(node)
        where = f"{self._name}:{module or node.name} ({node.target})"
        if not isinstance(node.target, self._torch._ops.OpOverload) or node.target.namespace != "aten":
            raise UnsupportedOp(
                f"{node.target}: only operators of torch's own library (aten) are supported",
                where=where,
                hint="control flow, custom and quantized operators cannot be compiled; give the float model",
            )
        if self._folded(node):
            return
        value = node.meta.get("val")
        n = len(value) if isinstance(value, list | tuple) else 0
        outputs = tuple(f"{node.name}.{k}" for k in range(n)) if n else (node.name,)
        names = [a.name for a in node.target._schema.arguments]
        given = {**dict(zip(names, node.args, strict=False)), **node.kwargs}
        args = {key: self._argument(value, where) for key, value in given.items()}
        self._calls.append(AtenCall(str(node.target), args, outputs, module))

    def _folded(self, node: Any) -> bool:
        """Compute a node that reads constants only."""
        nodes = node.all_input_nodes
        known = all(self._alias.get(n.name, n.name) in self._values for n in nodes)
        if not known or node.target._schema.is_mutable or node.target._opname.startswith(_RANDOM):
            return False
        value = node.meta.get("val")
        if not isinstance(value, self._torch.Tensor) or value.numel() > _MAX_FOLDED_ELEMS:
            return False
        map_arg = self._torch.fx.node.map_arg
        args, kwargs = map_arg((node.args, node.kwargs), lambda n: self._values[self._alias.get(n.name, n.name)])
        with self._torch.no_grad():
            self._values[node.name] = node.target(*args, **kwargs)
        return True

    def _argument(self, value: object, where: str) -> object:
        if hasattr(value, "all_input_nodes"):
            name = str(value.name)  # type: ignore[attr-defined]
            return Ref(self._alias.get(name, name))
        if isinstance(value, list | tuple):
            return [self._argument(v, where) for v in value]
        if isinstance(value, self._torch.dtype):
            return str(value)
        if isinstance(value, self._torch.SymInt | self._torch.SymFloat | self._torch.SymBool):
            raise UnsupportedOp("the program has dynamic shapes", where=where, hint="export without dynamic_shapes")
        if value is None or isinstance(value, bool | int | float | str):
            return value
        return None  # layout, device, memory format: of no meaning here

    def _array(self, value: Any) -> Any:
        value = value.detach().cpu()
        if value.dtype == self._torch.bfloat16:
            value = value.float()
        return value.resolve_conj().resolve_neg().contiguous().numpy()

    def _module(self, node: Any) -> str:
        stack = list((node.meta.get("nn_module_stack") or {}).values())
        return str(stack[-1][0]) if stack else ""
