"""Boards: what the compiler knows about a target, from one strict TOML file each. Every number comes with its source.

A source begins with how far it can be trusted: "datasheet", "measured", "counted" (from compiled code), "derived" or
"assumed". Energy is charge: a board runs behind a linear regulator, so what an event takes from the capacitor does
not depend on the voltage (measured on MSP430: 31.0, 31.1 and 30.7 pC for the same event at 3.3, 3.0 and 2.5 V).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, PrivateAttr, ValidationError, model_validator

from freeml.board.core import family_of
from freeml.board.cost_table import CostTable
from freeml.board.cycle_table import KernelCycles, any_compiler, kernel_cycles, wait_states
from freeml.board.figures import (
    CapacitorFigures,
    ChargeFigures,
    Code,
    Cycles,
    Duty,
    Energy,
    Figure,
    Memory,
    Nvm,
    Strict,
)
from freeml.board.memory import Cpu, MemoryMap, PlatformIo
from freeml.board.toml import tomllib
from freeml.errors import BadBoard, BadData, DoesNotFit
from freeml.resources import resource

_HOST_NVM = Nvm(kind="host", atomic_bytes=2, tears=False, ordered=True, source="assumed: as in boards/host.toml")


class Board(Strict):
    """A target of the compiler. One without [energy] has no capacitor to run dry."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    title: str = Field(min_length=1)
    family: Literal["host", "msp430", "cortexm"]
    clock_hz: Figure | None = None
    memory: Memory = Memory()
    code: Code | None = None
    nvm: Nvm = _HOST_NVM
    energy: Energy | None = None
    capacitor: CapacitorFigures | None = None
    cycles: Cycles | None = None
    cpu: Cpu | None = None
    charge: ChargeFigures | None = None
    duty: Duty | None = None
    timekeeper: str | None = None  # what counts milliseconds through losses of power, in words
    platformio: PlatformIo | None = None
    wiring: tuple[str, ...] = Field(default=(), strict=False)
    _costs: CostTable | None = PrivateAttr(default=None)
    _kernel_cycles: KernelCycles | None = PrivateAttr(default=None)

    @property
    def costs(self) -> CostTable | None:
        """Measured costs, which the planner takes before those of [cycles] and [energy]."""
        return self._costs

    def with_costs(self, table: CostTable) -> Board:
        """The same board with measured costs. Raises BadData where they are of another one."""
        if table.board != self.name or (self.clock_hz is not None and table.clock_hz != self.clock_hz.value):
            raise BadData(
                f"these costs were measured on {table.board} at {table.clock_hz:,} Hz, not on {self.name}",
                hint="freeml profile OUT, for a folder that was compiled for this board",
            )
        measured = self.model_copy()
        measured._costs = table
        return measured

    @property
    def kernel_cycles(self) -> KernelCycles:
        """What calls of kernels take: of the compiler that `with_compiler` named, else of the worst of all."""
        return self._kernel_cycles or self._overridden(any_compiler(self.kernels, self._wait_states))

    def with_compiler(self, version: str | None) -> Board:
        """The same board, its kernels priced as a compiler of this version makes them; None: there is none."""
        priced = self.model_copy()
        priced._kernel_cycles = self._overridden(kernel_cycles(self.kernels, self._wait_states, version))
        return priced

    @property
    def _wait_states(self) -> int:
        return wait_states(self.cpu.core, self.clock_hz.value) if self.cpu and self.clock_hz else 0

    def _overridden(self, found: KernelCycles) -> KernelCycles:
        own = self.cycles.kernels if self.cycles else {}
        prices = {f"{kernel}.{name}": one.value for kernel, by_name in own.items() for name, one in by_name.items()}
        return found.with_prices(prices, f"{len(prices)} entries of the board's file") if prices else found

    @property
    def memory_map(self) -> MemoryMap | None:
        """Where a firmware goes; None for a board that freeml makes none for."""
        cpu, memory = self.cpu, self.memory
        if not (cpu and self.code and self.clock_hz and memory.flash_bytes and memory.sram_bytes and memory.nvm_bytes):
            return None
        return MemoryMap(
            core=cpu.core,
            support=cpu.support,
            clock_hz=self.clock_hz.value,
            nvm_kind=self.nvm.kind,
            flash_base=cpu.flash_base.value,
            flash_bytes=(cpu.flash_bytes or memory.flash_bytes).value,
            ram_base=cpu.ram_base.value,
            ram_bytes=memory.sram_bytes.value,
            nvm_base=cpu.nvm_base.value if cpu.nvm_base else 0,
            nvm_bytes=memory.nvm_bytes.value if cpu.nvm_base else 0,
            far_base=cpu.far_base.value if cpu.far_base else 0,
            vectors_base=cpu.vectors_base.value if cpu.vectors_base else 0,
            far_bytes=cpu.far_bytes.value if cpu.far_bytes else 0,
            stack_bytes=self.code.stack_bytes.value,
            chip=cpu.chip,
            nvm_power_up_us=self.nvm.power_up_us.value if self.nvm.power_up_us else 0,
        )

    @property
    def kernels(self) -> str:
        """The folder of runtime_c/kernels whose files come before the portable ones of the same name."""
        return self.memory_map.kernels if self.memory_map else "portable"

    def with_nvm(self, behaviour: str) -> Board:
        """The same board with an NVM that is "atomic" (2 bytes), tears writes at any byte, is unordered, or both.

        Raises BadBoard for another word.
        """
        changes: dict[str, dict[str, Any]] = {
            "atomic": {"atomic_bytes": 2, "tears": False, "ordered": True},
            "torn": {"atomic_bytes": 1, "tears": True, "ordered": True},
            "unordered": {"atomic_bytes": 2, "tears": False, "ordered": False},
            "torn-unordered": {"atomic_bytes": 1, "tears": True, "ordered": False},
        }
        if behaviour not in changes:
            raise BadBoard(f"no NVM is {behaviour!r}", where="--nvm", hint=f"one of {', '.join(changes)}")
        source = f"assumed: --nvm {behaviour}"
        return self.model_copy(update={"nvm": self.nvm.model_copy(update={**changes[behaviour], "source": source})})

    @model_validator(mode="after")
    def _complete(self) -> Board:
        parts = {name: getattr(self, name) for name in ("clock_hz", "code", "energy", "capacitor", "cycles")}
        absent = [name for name, part in parts.items() if part is None]
        if absent and (self.family != "host" or len(absent) < len(parts)):
            raise ValueError(f"a board with an energy model needs all of {', '.join(parts)}; {absent[0]} is missing")
        if self.clock_hz is not None and self.clock_hz.value == 0:
            raise ValueError("clock_hz must be above 0")
        if self.family != "host" and "nvm" not in self.model_fields_set:
            raise ValueError(f"a board of family {self.family!r} must say in [nvm] what its memory guarantees")
        return self

    @model_validator(mode="after")
    def _maps(self) -> Board:
        if self.cpu is None:
            return self
        if self.family != family_of(self.cpu.core).name:
            raise ValueError(f"[cpu] has core {self.cpu.core}, the board is of family {self.family!r}")
        if (self.cpu.nvm_base is None) != self.nvm.is_flash:
            raise ValueError("[cpu] needs nvm_base where NVM is not the flash itself (is_flash), and only there")
        if self.memory_map is None:
            raise ValueError("a board with [cpu] needs flash_bytes, nvm_bytes and sram_bytes in [memory]")
        if problem := self.memory_map.problem():
            raise ValueError(problem)
        return self

    def check_fit(self, *, flash_bytes: int, nvm_bytes: int, sram_bytes: int) -> None:
        """Raise DoesNotFit for the first region that is too small."""
        needs = {"flash": flash_bytes, "nvm": nvm_bytes, "sram": sram_bytes}
        if self.nvm.is_flash:
            needs = {"flash": flash_bytes + nvm_bytes, "sram": sram_bytes}
        for region, needed in needs.items():
            figure: Figure | None = getattr(self.memory, f"{region}_bytes")
            if figure is not None and needed > figure.value:
                shared = " (code, constants and activations)" if self.nvm.is_flash and region == "flash" else ""
                raise DoesNotFit(
                    f"the model needs {needed:,} bytes of {region}{shared}, {self.name} has {figure.value:,}",
                    region=region,
                    needed=needed,
                    available=figure.value,
                    hint="choose a larger board or a smaller model",
                )


def board_names() -> list[str]:
    """Names of the boards that ship with freeml."""
    return sorted(path.stem for path in resource("boards").glob("*.toml"))


def load_board(name: str) -> Board:
    """A board by name, or by the path of a TOML file. Raises BadBoard with file, line, entry and reason."""
    path = Path(name) if name.endswith(".toml") else resource("boards") / f"{name}.toml"
    if not path.is_file():
        raise BadBoard(
            f"there is no board {name!r}",
            hint=f"boards are {', '.join(board_names())}; or give the path of a .toml file",
        )
    text = ""
    try:
        text = path.read_text(encoding="utf-8")
        entries: dict[str, Any] = tomllib.loads(text)
        return Board.model_validate(entries)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadBoard(f"not a TOML file: {error}", where=path.name) from error
    except ValidationError as error:
        first = error.errors()[0]
        line = _line_of(text, first["loc"])
        raise BadBoard(
            _explain(first),
            where=f"{path.name}, line {line}" if line else path.name,
            hint="see boards/msp430fr5994.toml for the entries of a board",
        ) from error


def _explain(error: Any) -> str:
    """Entry, what is wrong with it, and what was found there."""
    entry = ".".join(str(part) for part in error["loc"]) or "the board"
    reason = {"missing": "this entry is missing", "extra_forbidden": "there is no such entry"}.get(error["type"])
    if error["type"] == "string_pattern_mismatch" and entry.endswith("source"):
        reason = "a source begins with datasheet, measured, counted, derived or assumed, and says more"
    reason = reason or str(error["msg"]).removeprefix("Value error, ")
    found = error["input"]
    shown = f", found {found!r}" if isinstance(found, int | float | str) and error["type"] != "missing" else ""
    return f"{entry}: {reason}{shown}"


def _line_of(text: str, loc: Sequence[int | str]) -> int | None:
    """The line of an entry, or of the nearest enclosing one that is in the file."""
    section, best, depth = "", None, 0
    for number, line in enumerate(text.splitlines(), start=1):
        if header := re.match(r"\s*\[([\w.]+)\]", line):
            section = header[1]
            path = section.split(".")
        elif key := re.match(r"\s*([\w.]+)\s*=", line):
            path = [*(section.split(".") if section else []), *key[1].split(".")]
        else:
            continue
        if len(path) > depth and list(loc[: len(path)]) == path:
            best, depth = number, len(path)
    return best
