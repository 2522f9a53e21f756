"""The runtime as C: warnings, other processors, no state, what fml_output and fml_result promise without losses."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile

from freeml.errors import BadOutput
from freeml.firmware.toolchain import find_host_compiler, find_zig
from freeml.sim.power_loss.schedule import parse_schedule

from .probe import include_dirs, runtime

TARGETS = {
    "msp430": ("-target", "msp430-freestanding-eabi", "-mcpu=msp430+hwmultf5"),
    "cortex_m0": ("-target", "thumb-freestanding-eabi", "-mcpu=cortex_m0"),
}
MOST_BYTES = {"msp430": 4352, "cortex_m0": 2304}  # of code; the promise to users is 6 kB with kernels
MOST_MORE_BYTES = {  # on top, where a pointer cannot read NVM; where a model decides
    "fml_stage": {"msp430": 1024, "cortex_m0": 384},
    "fml_decide": {"msp430": 800, "cortex_m0": 432},  # what nobody calls of it, no linker takes
    "fml_policy": {"msp430": 1536, "cortex_m0": 768},
    "fml_exits": {"msp430": 384, "cortex_m0": 256},
}


@pytest.mark.parametrize("target", sorted(TARGETS))
def test_the_runtime_compiles_without_warnings_holds_no_state_and_stays_small(target: str, tmp_path: Path) -> None:
    zig, code, more = find_zig(), 0, dict.fromkeys(MOST_MORE_BYTES, 0)
    assert zig is not None
    for source in runtime():
        out = tmp_path / f"{source.stem}.o"
        zig.compile([source], include_dirs(), out, ["-c", "-ffreestanding", "-Os", *TARGETS[target]], shared=False)
        for section in ELFFile(io.BytesIO(out.read_bytes())).iter_sections():
            n_bytes = section["sh_size"] if section.name.startswith(".text") else 0
            if source.stem in more:
                more[source.stem] += n_bytes
            else:
                code += n_bytes
            assert section["sh_size"] == 0 or not section.name.startswith((".data", ".bss")), source.name
    assert code <= MOST_BYTES[target]
    for name, most in MOST_MORE_BYTES.items():
        assert 0 < more[name] <= most[target], name


@pytest.mark.parametrize("flags", [[], ["-DFML_NO_COMMIT"]])
def test_the_runtime_compiles_for_this_machine_with_and_without_commits(flags: list[str], tmp_path: Path) -> None:
    compiler = find_host_compiler()
    compiler.compile(runtime(), include_dirs(), tmp_path / "runtime.so", [*flags, "-O2", *compiler.host_flags])


def test_a_schedule_is_read_as_it_is_printed() -> None:
    (plain, chosen, missing, torn, both, end) = parse_schedule("12,8:02z,3-2,4~5a,5~5a-3=0f-7,end:1")
    assert (plain.writes, plain.n_faults, plain.n_choices, end.writes) == (12, 0, 0, 2**32 - 1)
    answers = [loss.choices[: loss.n_choices] for loss in (chosen, end)]
    assert answers == [[0, 2, 35], [1]]
    faults = [[(f.ago, f.is_garbage, f.value) for f in loss.faults[: loss.n_faults]] for loss in (missing, torn, both)]
    assert faults == [[(2, 0, 0)], [(0, 1, 0x5A)], [(0, 1, 0x5A), (3, 1, 0x0F), (7, 0, 0)]]


@pytest.mark.parametrize("text", ["", "x", "12,,8", "12~5", "-3", "12-0", "12-99", "12=5a"])
def test_a_schedule_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(BadOutput):
        parse_schedule(text)
