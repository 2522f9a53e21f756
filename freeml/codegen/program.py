"""What the templates see: strings and integers in emission order, nothing to compute and nothing to look up."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Table:
    """A constant array. `rows` are lines of comma-separated numbers."""

    c_type: str
    name: str
    n_elems: int
    n_bytes: int
    comment: str
    rows: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Descriptor:
    """A constant struct of fml_kernels.h; `fields` are (designator, C expression)."""

    c_type: str
    name: str
    fields: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Step:
    """One layer: the C calls that compute it, and the node it came from."""

    index: int
    comment: str
    calls: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PortTable:
    """An input or output as the firmware sees it: where it lies in the arena and what its codes mean."""

    macro: str
    comment: str
    offset_bytes: int
    n_bytes: int
    n_elems: int
    element: str
    scale: str
    zero_point: int


@dataclass(frozen=True, slots=True)
class Program:
    """One model, ready to print. `kernels` names the files of runtime_c/kernels it calls, without ending."""

    name: str
    macro: str
    header: tuple[str, ...]
    tables: tuple[Table, ...]
    descriptors: tuple[Descriptor, ...]
    steps: tuple[Step, ...]
    inputs: tuple[PortTable, ...]
    outputs: tuple[PortTable, ...]
    arena_bytes: int
    scratch_bytes: int
    weights_bytes: int
    kernels: tuple[str, ...]
