"""An exported torch program as plain data: what read.py makes of live modules and archive.py of .pt2 files.

Names stand for tensors; arguments have the names of the operator's schema. Nothing here needs torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from freeml.ir.types import Array


@dataclass(frozen=True, slots=True)
class Ref:
    """An argument that is a tensor of the program."""

    name: str


@dataclass(frozen=True, slots=True, eq=False)
class AtenCall:
    """One operator. `args` holds numbers, strings, None, Refs and lists of them; arguments left at default may lack."""

    target: str  # "aten.conv2d.default"
    args: Mapping[str, object]
    outputs: tuple[str, ...]
    module: str  # path of the module that called it, "layer1.0.conv1"; empty for the model itself

    @property
    def op(self) -> str:
        """The operator without its overload: "aten.conv2d"."""
        return ".".join(self.target.split(".")[:2])

    def refs(self) -> tuple[str, ...]:
        """Names of all tensors it reads."""
        flat = [x for value in self.args.values() for x in (value if isinstance(value, list | tuple) else [value])]
        return tuple(x.name for x in flat if isinstance(x, Ref))


@dataclass(frozen=True, slots=True, eq=False)
class Program:
    """Calls in order. `inputs`: name and shape of each, all float32; `constants` hold parameters and buffers."""

    name: str
    inputs: tuple[tuple[str, tuple[int, ...]], ...]
    constants: Mapping[str, Array]
    calls: tuple[AtenCall, ...]
    outputs: tuple[str, ...]

    def loc(self, call: AtenCall) -> str:
        """How errors name a call: the path of its module, or the tensor it makes, and the operator."""
        return f"{self.name}:{call.module or (call.outputs[0] if call.outputs else 'forward')} ({call.op})"


# Their result may share memory with their argument, so a later in-place operator on it would change both.
ALIASES = frozenset(
    f"aten.{name}"
    for name in (
        "view", "reshape", "_unsafe_view", "flatten", "unflatten", "squeeze", "unsqueeze", "permute", "transpose", "t",
        "contiguous", "alias", "detach", "dropout", "feature_dropout", "to", "expand", "slice", "select",
    )
)  # fmt: skip


def unsafe_in_place(program: Program) -> AtenCall | None:
    """The first in-place operator whose argument someone else may read; None where all act as if they copied."""
    readers: dict[str, int] = {}
    made_by: dict[str, AtenCall] = {}
    for call in program.calls:
        for name in call.refs():
            readers[name] = readers.get(name, 0) + 1
        made_by.update(dict.fromkeys(call.outputs, call))
    for name in program.outputs:
        readers[name] = readers.get(name, 0) + 1
    for call in program.calls:
        if not is_in_place(call):
            continue
        changed = call.args.get("self")
        name = changed.name if isinstance(changed, Ref) else ""
        if name not in made_by or made_by[name].op in ALIASES or readers[name] > 1:
            return call
    return None


def is_in_place(call: AtenCall) -> bool:
    """Whether the operator overwrites its first argument ("aten.relu_")."""
    return call.op.endswith("_") and not call.op.endswith("__")
