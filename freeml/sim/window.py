"""The windows of a firmware that an emulator fills and reads: runtime_c/hal/window, and where they lie in an ELF.

A window holds everything, or pieces in turn. A piece of the sample is wanted when the firmware calls
fml_window_ready(), whose argument says which. A piece of the outputs lies in the window when it calls
fml_board_report().
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from freeml.errors import ToolFailed
from freeml.firmware.elf import Firmware
from freeml.plan.protocol import WINDOW_VALID

_NAMES = ("inputs", "outputs", "valid", "result")


@dataclass(frozen=True, slots=True)
class Window:
    """Addresses, and bytes: of all inputs and outputs, and of the windows.

    result  fml_window_result
    report  fml_board_report
    first  which of all output bytes is the first in the window; 0 in a firmware whose window has them all
    ready  fml_window_ready; None in a firmware that has its samples from elsewhere
    """

    inputs: int
    outputs: int
    valid: int
    result: tuple[int, int]
    report: int
    first: int
    ready: int | None
    inputs_bytes: int
    outputs_bytes: int
    input_bytes: int
    output_bytes: int

    @classmethod
    def of(cls, firmware: Firmware) -> Window:
        """The windows of an ELF. Raises ToolFailed where it has none."""
        symbols = firmware.symbols
        inputs, outputs, valid, result = needed(firmware, *(f"fml_window_{name}" for name in _NAMES))
        ((report, _),) = needed(firmware, "fml_board_report")
        ready, first, size = (symbols.get(f"fml_window_{name}") for name in ("ready", "outputs_first", "size"))
        whole = (inputs[1], outputs[1])
        sizes = struct.unpack("<4I", _constant(firmware.segments, size[0], 16)) if size else whole + whole
        places = (inputs[0], outputs[0], valid[0], result, report)
        return cls(*places, first[0] if first else 0, ready[0] if ready else None, *sizes)

    @property
    def n_pieces(self) -> int:
        """Of a sample."""
        return -(-self.inputs_bytes // self.input_bytes)

    def piece(self, codes: bytes, number: int) -> bytes:
        """Of all codes, those of a piece."""
        return codes[number * self.input_bytes : (number + 1) * self.input_bytes]

    def check_codes(self, codes: bytes) -> None:
        """Raises ValueError where these are not the codes of all inputs."""
        if len(codes) != self.inputs_bytes:
            raise ValueError(f"the firmware's inputs have {self.inputs_bytes} bytes, not {len(codes)}")

    def with_piece(self, outputs: bytes, first: int, window: bytes) -> bytes:
        """All outputs as known so far, after a look into the window. Raises ToolFailed for bytes that there are not."""
        if first >= self.outputs_bytes or first % self.output_bytes:
            raise ToolFailed(f"the firmware shows outputs from byte {first} on, it has {self.outputs_bytes}")
        shown = window[: self.outputs_bytes - first]
        return outputs[:first] + shown + outputs[first + len(shown) :]


class Outside:
    """The sensor, and whoever looks at outputs: what an emulator tells of a firmware's calls.

    The first time after a power-on that a piece is asked for there is none yet; from then on the window is filled
    whenever it holds none.
    read, write  of RAM: (address, bytes), (address, content)
    """

    def __init__(self, window: Window, read: Callable[[int, int], bytes], write: Callable[[int, bytes], None]) -> None:
        self._window, self._read, self._write = window, read, write
        self._codes = bytes(window.inputs_bytes)
        self.shown = bytes(window.outputs_bytes)
        self._asked = 0

    def power_on(self) -> None:
        """Power was off."""
        self._asked = 0

    def sense(self, codes: bytes) -> None:
        """What the sensors show from now on. Raises ValueError where these are not the codes of all inputs."""
        self._window.check_codes(codes)
        self._codes = codes

    def asked(self, which: int) -> None:
        """The firmware called fml_window_ready(which)."""
        window = self._window
        self._asked += 1
        piece = which if window.n_pieces > 1 else 0
        is_filled = self._read(window.valid, 4) in [valid_word(k) for k in range(window.n_pieces)]
        if self._asked > 1 and piece < window.n_pieces and not is_filled:
            self._write(window.inputs, window.piece(self._codes, piece))
            self._write(window.valid, valid_word(piece))

    def look(self) -> None:
        """What is in the window of outputs. Raises ToolFailed for bytes that there are not."""
        window = self._window
        first = int.from_bytes(self._read(window.first, 4), "little") if window.first else 0
        self.shown = window.with_piece(self.shown, first, self._read(window.outputs, window.output_bytes))

    @property
    def state(self) -> tuple[int, bytes]:
        """What a snapshot of the board needs."""
        return self._asked, self.shown

    @state.setter
    def state(self, state: tuple[int, bytes]) -> None:
        self._asked, self.shown = state


def needed(firmware: Firmware, *names: str) -> list[tuple[int, int]]:
    """Address and bytes of symbols. Raises ToolFailed where one is missing: the file is no firmware of freeml."""
    try:
        return [firmware.symbols[name] for name in names]
    except KeyError as error:
        raise ToolFailed(f"not a firmware of freeml: there is no {error}", where=firmware.path.name) from error


def valid_word(piece: int) -> bytes:
    """fml_window_valid while this piece of a sample is in the window."""
    word = (WINDOW_VALID + piece) & 0xFFFF
    return struct.pack("<HH", word, word ^ 0xFFFF)


def _constant(segments: Sequence[tuple[int, bytes]], address: int, n_bytes: int) -> bytes:
    for start, content in segments:
        if start <= address and address + n_bytes <= start + len(content):
            return content[address - start : address - start + n_bytes]
    raise ToolFailed(f"no constant of {n_bytes} bytes at {address:#x} is in the firmware")
