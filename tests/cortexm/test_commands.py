"""`freeml build` and `freeml verify --engine board`, as a user types them."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.mutants.mutant import table
from tests.cli.runner import freeml, refused
from tests.cortexm.conftest import Compiled


def test_build_writes_the_firmware_and_tells_its_size(copied: Compiled) -> None:
    output = copied("digits", "qemu_m4")
    out, nvm_bytes = output.folder, output.manifest.memory.nvm_bytes
    ran = freeml("build", out, "--json")
    assert ran.code == 0, ran
    found = ran.json
    assert Path(found["elf"]) == out / "build" / "digits.elf"
    assert Path(found["elf"]).read_bytes()[:4] == b"\x7fELF"
    assert found["flash_bytes"] == found["text_bytes"] + found["data_bytes"]
    assert found["code_bytes"] + found["weights_bytes"] == found["text_bytes"]
    assert found["code_bytes"] < 7_000
    assert (found["core"], found["nvm_bytes"]) == ("cortex-m4", nvm_bytes)
    shown = freeml("build", out)
    assert shown.code == 0
    for word in ("digits.elf", "cortex-m4", "flash", f"{found['flash_bytes']:,}", "nvm", str(nvm_bytes)):
        assert word in shown.out


def test_verify_runs_the_firmware(compiled: Compiled) -> None:
    out = compiled("digits", "qemu_m33").folder
    ran = freeml("verify", out, "--engine", "board", "--data", "digits", "--samples", 20, "--json")
    assert ran.code == 0, ran
    host = freeml("verify", out, "--data", "digits", "--samples", 20, "--json").json
    found = ran.json
    assert {key: found[key] for key in host} == host
    assert found.keys() - host.keys() == {
        "core",
        "compiler",
        "instructions",
        "instructions_max",
        "cycles",
        "cycles_max",
        "nvm_bytes_written",
        "nvm_bytes_read",
        "charge_nc",
        "energy_uj_at_3v",
        "basis",
    }
    assert found["instructions"] < found["cycles"] < 3 * found["instructions"]
    assert "nothing was compared with silicon" in found["basis"]
    assert 50_000 < found["instructions"] <= found["instructions_max"] < 300_000
    shown = freeml("verify", out, "--engine", "board", "--samples", 5)
    assert "one inference on a cortex-m33" in shown.out


@pytest.mark.parametrize("mode", ["none", "linear", "random:5", "every"])
def test_verify_takes_the_power_from_the_board(mode: str, compiled: Compiled) -> None:
    out = compiled("digits", "qemu_m4").folder
    args = ("verify", out, "--engine", "board", "--samples", 2, "--power-loss", mode, "--limit-s", 1)
    ran = freeml(*args, "--json")
    assert ran.code == 0, ran
    closure = ran.json["closure"]
    assert (closure["mode"], closure["divergences"]) == (mode, 0)
    assert (closure["cuts"] > 0) == (mode != "none")
    assert "power losses" in freeml(*args).out


def test_a_firmware_that_loses_its_answer_makes_verify_fail(copied: Compiled) -> None:
    output = copied("digits", "qemu_m4", 6)
    table()["commit-before-data"].apply_to(output.folder / "runtime" / "fml_runtime.c")
    ran = freeml("verify", output.folder, "--engine", "board", "--samples", 2, "--power-loss", "random:1", "--json")
    assert ran.code == 1
    assert ran.json["mismatches"] == 0
    assert ran.json["closure"]["divergences"] == 1
    shown = freeml("verify", output.folder, "--engine", "board", "--samples", 2, "--power-loss", "random:1")
    assert "wrong after losses" in shown.out


@pytest.mark.parametrize(("engine", "mode"), [("host", "every"), ("board", "12,8"), ("host", "x")])
def test_a_mode_that_an_engine_does_not_have_is_wrong_usage(engine: str, mode: str, compiled: Compiled) -> None:
    ran = freeml("verify", compiled("digits", "qemu_m4").folder, "--engine", engine, "--power-loss", mode)
    assert ran.code == 2
    assert f"{mode!r} is none of" in ran.err


def test_a_folder_without_firmware_is_refused(tmp_path: Path) -> None:
    model = Path(__file__).resolve().parents[2] / "examples" / "digits" / "digits.onnx"
    assert freeml("compile", model, "--data", "digits", "-o", tmp_path / "out", "--json").code == 0
    refused("build", tmp_path / "out", says="no firmware for board host")
    refused("verify", tmp_path / "out", "--engine", "board", says="--board qemu_m4")
    refused("build", tmp_path / "nothing", says="not a folder that `freeml compile` wrote")
