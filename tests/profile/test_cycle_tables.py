"""Cycle tables of the kernels: they are of these sources, of a compiler, and never used for another."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable
from itertools import product
from pathlib import Path

import pytest

from freeml.board import cycle_table
from freeml.board.board import load_board
from freeml.board.cycle_table import (
    GROUPS,
    MISMATCH_FACTOR,
    CompilerCycles,
    Group,
    cycle_tables,
    kernel_cycles,
    sources_digest,
    worst,
)
from freeml.cli import main
from freeml.plan.calls import kernel_calls
from freeml.plan.energy_work import work
from freeml.plan.memory import plan_memory
from freeml.resources import resource
from tests.cli.models import write_model
from tests.plan.plan_graphs import tiny_cnn

VARIANTS = ["msp430", "armv6m", "armv7em", "portable"]


every_file = pytest.mark.parametrize(("variant", "group"), [*product(VARIANTS, GROUPS)])


def all_of(tables: Iterable[CompilerCycles]) -> dict[str, float]:
    """Prices of the kernels of all groups."""
    return {name: price for table in tables for name, price in table.prices.items()}


@every_file
def test_a_table_is_of_the_kernels_as_they_are(variant: str, group: Group) -> None:
    stale = f"the {variant} kernels have changed: run python -m benchmarks.cycles {variant} --group {group.file}"
    assert cycle_tables(variant, group).sources == sources_digest(variant, group), stale


@every_file
def test_every_kernel_has_a_price_and_a_size_by_every_compiler(variant: str, group: Group) -> None:
    tables = cycle_tables(variant, group).tables
    assert {table.compiler for table in tables} == {"zig", "gcc"}
    for table in tables:
        assert set(table.kernels) == set(tables[0].kernels)
        assert all(price > 0 for price in table.prices.values())
        assert all(n_bytes > 0 for n_bytes in table.code_bytes.values())


@pytest.mark.parametrize("variant", VARIANTS)
def test_what_a_network_does_has_a_price(variant: str) -> None:
    graph = tiny_cnn()
    for call in kernel_calls(graph, plan_memory(graph, in_place=False)):
        counts = work(graph, call, [call.n_units], variant).counts
        for table in cycle_tables(variant).tables:
            assert sum(table.prices.get(name, 0.0) * count[0] for name, count in counts.items()) > 0


def test_a_known_compiler_gets_its_own_table() -> None:
    for tables in zip(*(cycle_tables("msp430", group).tables for group in GROUPS), strict=True):
        found = kernel_cycles("msp430", tables[0].wait_states, tables[0].version)
        assert found.warning is None
        assert found.prices == all_of(tables)


@pytest.mark.parametrize("version", ["msp430-elf-gcc (GCC) 99.0", None])
def test_another_compiler_costs_more_than_the_worst_and_is_told(version: str | None) -> None:
    found = kernel_cycles("msp430", 1, version)
    assert found.warning is not None
    assert "freeml profile" in found.warning
    dearest: dict[str, float] = {}
    for group in GROUPS:
        prices, _ = worst([table for table in cycle_tables("msp430", group).tables if table.wait_states == 1])
        dearest |= prices
    assert found.prices == {name: price * MISMATCH_FACTOR for name, price in dearest.items()}


def test_a_table_of_other_kernels_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cycle_table, "sources_digest", lambda *_: "another")
    table = cycle_tables("armv6m").tables[0]
    found = kernel_cycles("armv6m", 0, table.version)
    assert found.warning is not None
    assert "not those that their cycle table is of" in found.warning
    assert all(found.prices[name] >= price * MISMATCH_FACTOR for name, price in table.prices.items())


def test_a_board_file_overrides_a_price(tmp_path: Path) -> None:
    board = load_board("qemu_m4")
    text = (Path(__file__).resolve().parents[2] / "boards" / "qemu_m4.toml").read_text()
    own = '\n[cycles.kernels.conv]\ncall = { value = 12_345, source = "assumed: a test" }\n'
    path = tmp_path / "qemu_m4.toml"
    path.write_text(text + own)
    mine = load_board(str(path))
    assert mine.kernel_cycles.prices == {**board.kernel_cycles.prices, "conv.call": 12_345}


def test_commands_say_what_steps_are_priced_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    model = tmp_path / "tiny.onnx"
    write_model(model)
    args = ["analyze", str(model), "--board", "qemu_m4"]
    assert main([*args, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["kernel_cycles"]
    assert found["basis"].startswith("armv7em kernels")
    assert found["warning"] is None
    monkeypatch.setattr(cycle_table, "sources_digest", lambda *_: "another")
    assert main(args) == 0
    assert "1.3 times the worst known" in " ".join(capsys.readouterr().out.split())


def test_comments_of_a_kernel_do_not_make_its_table_stale(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(resource("runtime_c"), tmp_path / "runtime_c")
    monkeypatch.setattr(cycle_table, "resource", tmp_path.joinpath)
    digest = sources_digest.__wrapped__
    kernel = tmp_path / "runtime_c" / "kernels" / "armv6m" / "fml_dense_i8.c"
    before, text = digest("armv6m"), kernel.read_text()
    kernel.write_text("/* another word */\n" + text)
    assert digest("armv6m") == before
    kernel.write_text(text.replace("uint8_t rows = 1;", "uint8_t rows = 2;"))
    assert digest("armv6m") != before
