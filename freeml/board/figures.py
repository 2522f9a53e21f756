"""Numbers with their sources, and the sections of a board file that hold them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

SOURCE = r"^(datasheet|measured|counted|derived|assumed)\b.{3,}$"


class Strict(BaseModel):
    """A section of a board file: nothing beyond what is declared, no conversions."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class Figure(Strict):
    """A whole number and where it comes from."""

    value: int = Field(ge=0)
    source: str = Field(pattern=SOURCE)


class Amount(Strict):
    """A quantity and where it comes from; its unit is the end of the entry's name."""

    value: float = Field(ge=0)
    source: str = Field(pattern=SOURCE)


class PositiveAmount(Amount):
    """A quantity that cannot be zero."""

    value: float = Field(gt=0)


class Share(Amount):
    """A share of a whole."""

    value: float = Field(ge=0, lt=1)


class Memory(Strict):
    """Bytes of each region; a region that is left out has no limit."""

    flash_bytes: Figure | None = None
    nvm_bytes: Figure | None = None
    sram_bytes: Figure | None = None


class Code(Strict):
    """What is not known before C is generated and measured.

    code_bytes   of runtime, drivers, start-up and the compiler's library; kernels are counted one by one
    stack_bytes  what the linker keeps free
    ram_bytes    static variables of a firmware beside tiles, scratch and windows: drivers, and code that runs from SRAM
    """

    code_bytes: Figure
    stack_bytes: Figure
    ram_bytes: Figure


Behaviour = Literal["atomic", "torn", "unordered", "torn-unordered"]
"""What a power loss may do to writes: whole units, torn ones, in any order, or both."""


class Nvm(Strict):
    """What the non-volatile memory guarantees, and where constants lie.

    kind          "fram": memory-mapped; "spi_fram": read and written through a bus, into and out of SRAM; "host"
    atomic_bytes  an aligned write of so many bytes happens wholly or not at all
    tears         whether a power loss can leave a longer write half done in the middle of an atomic unit
    ordered       whether writes reach the memory in program order, without a barrier
    is_flash      whether program and constants lie in the same memory
    part          the chip, where it is one of its own
    power_up_us   from its least supply voltage to the first access that it takes: firmware waits so long after a reset
    """

    kind: Literal["fram", "spi_fram", "host"]
    atomic_bytes: Literal[1, 2, 4, 8]
    tears: bool
    ordered: bool
    is_flash: bool = False
    part: str | None = Field(default=None, min_length=1)
    power_up_us: Figure | None = None
    source: str = Field(pattern=SOURCE)

    @model_validator(mode="after")
    def _is_a_chip(self) -> Nvm:
        if (self.kind == "spi_fram") != (self.part is not None and self.power_up_us is not None):
            raise ValueError("part and power_up_us must be there for a chip of its own (spi_fram), and only there")
        return self

    @property
    def is_staged(self) -> bool:
        """Whether no pointer can read it, so that what a kernel reads is copied to SRAM first."""
        return self.kind == "spi_fram"

    @property
    def behaviours(self) -> tuple[Behaviour, ...]:
        """What a power loss may do to writes: what `freeml verify --power-loss` tries."""
        if self.tears:
            return ("torn",) if self.ordered else ("torn", "torn-unordered")
        return ("atomic",) if self.ordered else ("unordered",)


class Energy(Strict):
    """Charge by event. What an access costs is on top of the cycles it takes.

    cycle_pc            any cycle of the processor, code fetches and waits included
    nvm_read_byte_pc    a byte of a value; nvm_write_byte_pc likewise
    const_read_byte_pc  a byte of weights or tables
    nvm_command_pc      opcode and address of one transfer; 0 where NVM is memory-mapped
    boot_nc, boot_us    from the moment the supply is switched on to the first instruction of main
    sleep_ua            waiting for the capacitor, where the board stays on
    calibration         factor of this very board on all charges; 1 for an average one
    adc_ua, reference_ua  while the capacitor is measured: converter, and voltage reference with its buffer
    """

    cycle_pc: PositiveAmount
    nvm_read_byte_pc: Amount
    nvm_write_byte_pc: Amount
    const_read_byte_pc: Amount
    nvm_command_pc: Amount
    boot_nc: PositiveAmount
    boot_us: Amount
    sleep_ua: Amount
    calibration: PositiveAmount
    adc_ua: Amount | None = None
    reference_ua: Amount | None = None


class Duty(Strict):
    """What a device does beside computing, while it lives on a capacitor; `sleep_ua` of [energy] is what waiting takes.

    meter_us       one reading of the capacitor, at adc_ua and reference_ua of [energy] and with the core awake
    timekeeper_ua  keeping time while it sleeps, on top of sleep_ua; absent: nothing on the board does
    highest_mv     supply that its parts stand: a shunt keeps the capacitor below
    """

    meter_us: Amount | None = None
    timekeeper_ua: Amount | None = None
    highest_mv: PositiveAmount | None = None


class CapacitorFigures(Strict):
    """The store of energy. The board runs from v_on_mv to v_off_mv; `margin` of that charge is never planned with."""

    capacitor_uf: PositiveAmount
    v_on_mv: PositiveAmount
    v_off_mv: PositiveAmount
    leakage_na_per_uf: Amount
    margin: Share

    @model_validator(mode="after")
    def _falls(self) -> CapacitorFigures:
        if self.v_on_mv.value <= self.v_off_mv.value:
            raise ValueError(f"v_on_mv = {self.v_on_mv.value:g} must be above v_off_mv = {self.v_off_mv.value:g}")
        return self


class Cycles(Strict):
    """Cycles of what belongs to the board: start-up, runtime, and its way to NVM. Those of kernels lie beside them.

    boot             the runtime's own restore: identity check, commit word
    tile             one step beside what follows: dispatch, call, commit
    nvm_read_byte    staging a byte of a value in SRAM where NVM is not memory-mapped, else 0
    nvm_write_byte   a byte from SRAM to NVM
    nvm_command      one transfer: the call, and opcode and address where NVM is not memory-mapped
    compared         one score that is looked at for the result
    sample_call      a buffer of a sample, taken from its window; where absent, 1.5 times the call of a copying kernel
    sample_byte      a byte of it; where absent, likewise
    kernels          where this board's kernels differ from the table of their variant: by kernel, by count
    """

    boot: Amount
    tile: Amount
    nvm_read_byte: Amount
    nvm_write_byte: Amount
    nvm_command: Amount
    compared: PositiveAmount
    sample_call: Amount | None = None
    sample_byte: PositiveAmount | None = None
    kernels: Mapping[str, Mapping[str, Amount]] = Field(default_factory=dict)


class ChargeFigures(Strict):
    """Charge at the supply pin by event, for the MSP430 emulator: freeml.sim.msp430.types.ChargePerEvent says of which.

    Figures are of one clock and one number of wait states; `calibration` of [energy] applies to them, too.
    """

    idle_cycle_pc: Amount
    fram_code_word_pc: Amount
    fram_data_word_pc: Amount
    line_fill_pc: Amount
    wait_cycle_pc: Amount
    fram_write_pc: Amount
    sram_read_pc: Amount
    sram_write_pc: Amount
    multiplication_pc: Amount
    sleep_cycle_pc: Amount
