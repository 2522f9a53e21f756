"""fml_result() from an interrupt, after any instruction: it sees the old or the new result, and harms nothing."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.interrupts import Checked, add_handler, board_of, check
from freeml import CompileOptions, compile_model
from freeml.board.memory import MemoryMap
from freeml.errors import ToolFailed
from freeml.firmware.build import build_firmware
from freeml.output.folder import Output, read_output
from tests.msp430_firmware.conftest import HAS_GCC
from tests.msp430_firmware.networks import calibration, dense_network

WIDTHS = (30, 3)  # inputs of more bytes than a driver moves at once
UART_BYTE_US = 87  # at 115200 baud: a handler that receives loses nothing to a driver that masks interrupts for less
FIRMWARES = [
    pytest.param("msp430fr5994", "zig", id="msp430fr5994-zig"),
    pytest.param("msp430fr5994", "gcc", id="msp430fr5994-gcc", marks=pytest.mark.skipif(not HAS_GCC, reason="no GCC")),
    pytest.param("nucleo_l476rg", "zig", id="nucleo_l476rg-zig"),
    pytest.param("nucleo_l073rz", "zig", id="nucleo_l073rz-zig"),
]
Small = Callable[..., Output]


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, str | None], Path]:
    """Two neurons for a board, compiled once each."""
    work, done = tmp_path_factory.mktemp("interrupts"), dict[tuple[str, str | None], Path]()
    model = dense_network(work / "small.onnx", *WIDTHS)
    data = str(calibration(work / "small.npz", WIDTHS[0]))

    def folder(board: str, nvm: str | None = None) -> Path:
        if (board, nvm) not in done:
            done[board, nvm] = work / f"{board}-{nvm}"
            options = CompileOptions(name="small", board=board, nvm=nvm, samples=1)
            compile_model(model, done[board, nvm], data=data, options=options)
        return done[board, nvm]

    return folder


@pytest.fixture
def small(folders: Callable[[str, str | None], Path], tmp_path: Path) -> Small:
    """A copy of such a folder, with a handler."""

    def copy(board: str, handler: str = "", nvm: str | None = None) -> Output:
        output = read_output(shutil.copytree(folders(board, nvm), tmp_path / "copy"))
        add_handler(output, handler)
        return output

    return copy


def checked(output: Output, toolchain: str) -> tuple[Checked, MemoryMap]:
    """What came of it, and the board's memory."""
    built = build_firmware(output, output.folder / "small.elf", toolchain)  # type: ignore[arg-type]
    return check(board_of(output, built), built.memory, single=8), built.memory


@pytest.mark.parametrize(("board", "toolchain"), FIRMWARES)
def test_a_handler_may_ask_for_the_result_after_any_instruction(board: str, toolchain: str, small: Small) -> None:
    """A run that is interrupted after every one, which also compares all that the program can see, and single shots."""
    done, memory = checked(small(board), toolchain)
    found = done.found
    assert (found.wrong, found.nvm_changed, found.reason) == (0, 0, "")
    assert found.served > 3_000
    assert found.points < 4 * found.served
    assert done.stack_bytes <= memory.stack_bytes
    assert found.longest_wait_cycles * 1e6 / memory.clock_hz < UART_BYTE_US
    assert (found.resumed > 0) == (memory.nvm_kind == "spi_fram")  # elsewhere the program cannot know of the interrupt


def test_it_may_where_two_slots_are_committed_in_turn(small: Small) -> None:
    done, _ = checked(small("msp430fr5994", nvm="torn"), "zig")
    assert (done.found.wrong, done.found.nvm_changed, done.found.reason) == (0, 0, "")


@pytest.mark.skipif(not HAS_GCC, reason="no msp430-elf-gcc")
def test_the_attribute_of_gccs_large_model_will_do(small: Small) -> None:
    done, _ = checked(small("msp430fr5994", "msp430 attribute"), "gcc")
    assert (done.found.wrong, done.found.reason) == (0, "")


def test_the_attribute_of_clangs_small_model_clears_the_addresses_of_weights(small: Small) -> None:
    """So that nobody takes FML_INTERRUPT for a luxury, and this check for one that cannot fail."""
    done, _ = checked(small("msp430fr5994", "msp430 attribute"), "zig")
    assert done.found.wrong > 0


def test_a_handler_that_multiplies_is_caught(small: Small) -> None:
    output = small("msp430fr5994")
    main = output.folder / "firmware" / "main.c"
    text = main.read_text()
    text = text.replace("= result.confidence;", "= (uint8_t)(result.confidence * (uint8_t)result.class_index);")
    main.write_text(text)
    with pytest.raises(ToolFailed, match="used the multiplier"):
        checked(output, "zig")


def test_transfers_with_interrupts_on_are_caught(small: Small) -> None:
    output = small("nucleo_l476rg")
    driver = output.folder / "firmware" / "fml_hal_fram.c"
    text, n = re.subn(r'"mrs %0, primask\\n\\tcpsid i"', '"mrs %0, primask"', driver.read_text())
    assert n == 1
    driver.write_text(text)
    done, _ = checked(output, "zig")
    assert done.found.wrong > 0
