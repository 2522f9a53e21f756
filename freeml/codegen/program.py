"""What the templates see: strings and integers in emission order, nothing to compute and nothing to look up."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby


@dataclass(frozen=True, slots=True)
class Slice:
    """Part `index` of a far table, in a section of its own. `rows` are lines of comma-separated numbers."""

    index: int
    n_elems: int
    rows: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class EmittedTable:
    """A constant array. `rows` are lines of comma-separated numbers; an aligned one begins at a multiple of 4.

    address  of weights of an MSP430, as planned for a firmware without other models: the linker decides (fml_tables.h).
             Such a table has slices in place of rows, in sections of `region`, "far" or "near". 0 elsewhere
    """

    c_type: str
    name: str
    n_elems: int
    n_bytes: int
    comment: str
    rows: tuple[str, ...]
    aligned: bool = False
    address: int = 0
    region: str = ""
    slices: tuple[Slice, ...] = ()


@dataclass(frozen=True, slots=True)
class Descriptor:
    """A constant struct of fml_kernels.h; `fields` are (designator, C expression).

    weights  fields and tables that an MSP430's linker fills in (fml_tables.h), which come first; empty where C does
    """

    c_type: str
    name: str
    fields: tuple[tuple[str, str], ...]
    weights: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class LayerEntry:
    """One layer: its row of the table of steps, and the expression that computes units of it, or the two of one that is
    cut into parts.
    """

    row: int
    call: str
    partial: str
    finish: str


@dataclass(frozen=True, slots=True)
class RowEntry:
    """A row of the table of steps; `fields` are those of fml_layer_t."""

    comment: str
    fields: tuple[tuple[str, str], ...]


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
class Result:
    """What is published: a kind of fml_runtime.h, of which output, and the bytes of the arena that it is read from."""

    kind: str
    output: int
    offset_bytes: int
    n_bytes: int
    threshold: int


@dataclass(frozen=True, slots=True)
class PolicyEntry:
    """What decides: fml_NAME.h and its table, a line of numbers for each decision; what it compares the meter with.

    head   the numbers before these lines, in a table of fml_policy.h; empty in others
    stops  the function that decides; judge: of such a table, its own one
    """

    name: str
    rows: tuple[str, ...]
    levels_uj: tuple[int, ...]
    state_bytes: int
    head: str
    stops: str
    judge: str

    @property
    def sources(self) -> frozenset[str]:
        """Files of runtime_c/src that it needs."""
        return frozenset({f"fml_{self.name}", *(("fml_policy",) if self.head else ())})


@dataclass(frozen=True, slots=True)
class Program:
    """One model, ready to print. `kernels` names the files of runtime_c/kernels it calls, without ending, `headers`
    what declares them beside fml_kernels.h.

    tile_bytes  SRAM of the largest tile: outputs and staged inputs, of which stage_bytes at most
    rows        of the table of steps, from the capture to the report
    reads       where inputs are staged, fml_read_t of both operands of each row from `reads_row` on, the first that has
                any, to the last one
    """

    name: str
    macro: str
    header: tuple[str, ...]
    tables: tuple[EmittedTable, ...]
    descriptors: tuple[Descriptor, ...]
    rows: tuple[RowEntry, ...]
    layers: tuple[LayerEntry, ...]
    inputs: tuple[PortTable, ...]
    outputs: tuple[PortTable, ...]
    n_steps: int
    arena_bytes: int
    nvm_bytes: int
    tile_bytes: int
    scratch_bytes: int
    sram_bytes: int
    weights_bytes: int
    commit_slots: int
    result: Result
    digest: tuple[str, str]
    kernels: tuple[str, ...]
    headers: tuple[str, ...]
    reads: tuple[tuple[tuple[str, ...], ...], ...]
    reads_row: int
    stage_bytes: int
    policy: PolicyEntry | None

    @property
    def near_tables(self) -> tuple[EmittedTable, ...]:
        """Tables that the linker places."""
        return tuple(table for table in self.tables if not table.address)

    @property
    def far_tables(self) -> tuple[EmittedTable, ...]:
        """Tables with an address of their own, by rising address."""
        return tuple(sorted((table for table in self.tables if table.address), key=lambda table: table.address))

    @property
    def far_tables_bytes(self) -> int:
        """What far tables hold."""
        return sum(table.n_bytes for table in self.far_tables)

    @property
    def cases(self) -> tuple[tuple[tuple[int, ...], str], ...]:
        """Rows of the table of steps and the call that they share, of layers whose kernels compute whole outputs."""
        found = groupby(self.whole, lambda layer: layer.call)
        return tuple((tuple(layer.row for layer in layers), call) for call, layers in found)

    @property
    def whole(self) -> tuple[LayerEntry, ...]:
        """Layers whose kernels compute whole outputs."""
        return tuple(layer for layer in self.layers if layer.call)

    @property
    def parted(self) -> tuple[LayerEntry, ...]:
        """Layers whose outputs are computed in parts."""
        return tuple(layer for layer in self.layers if layer.partial)
