"""`freeml analyze`: whether a model will run on a board and its capacitor, before any training or data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from freeml.cli.options import capacitor_option, json_option, model_argument, toolchain_option
from freeml.cli.terminal import Terminal

if TYPE_CHECKING:
    from freeml.analysis import Analysis
    from freeml.firmware.build import Toolchain
    from freeml.plan.steps import LayerTiles, TilePlan

_MOST_LAYERS = 20
_REGIONS = {"shared": "flash + nvm", "near": "of it near"}


@click.command("analyze", short_help="Say whether a model fits a board and capacitor.")
@model_argument
@click.option("--board", required=True, metavar="NAME", help="A name of `freeml boards`, or a .toml file.")
@capacitor_option
@toolchain_option
@json_option
@click.pass_context
def analyze(ctx: click.Context, model: str, board: str, capacitor: str | None, toolchain: Toolchain) -> None:
    """Say what MODEL needs on a board: memory, energy, time and boots of one inference, the smallest capacitor.

    Needs no data: figures are worst cases that do not depend on weights or samples. Ends with 1 where the model does
    not fit.

    \b
    Example:
      freeml analyze model.onnx --board msp430fr5994
      freeml analyze model.onnx --board msp430fr5994 --capacitor 47uF
    """
    from freeml.analysis import analyze as analyze_model
    from freeml.board.board import load_board
    from freeml.frontend.load import load_model
    from freeml.units import parse_capacitor

    terminal = ctx.ensure_object(Terminal)
    target = load_board(board)
    capacitor_uf = None if capacitor is None else parse_capacitor(capacitor)
    with terminal.steps() as progress:
        progress("read the model")
        loaded = load_model(model)
        progress("plan")
        analysis = analyze_model(loaded, target, capacitor_uf, toolchain)
    found = {"model": {"name": loaded.name, "sha256": loaded.digest}, **_described(analysis)}
    terminal.result(found)
    _show(terminal, found)
    if analysis.refusal is not None:
        if terminal.as_json:
            ctx.exit(1)
        raise analysis.refusal


def _described(analysis: Analysis) -> dict[str, Any]:
    """The analysis as plain data: what `freeml analyze --json` prints. `fits` is always there.

    Where the model does not fit, `error`, `where` and `hint` say why, as for every error in JSON.
    """
    from freeml.output.manifest import KernelPrices

    tiles, made, refusal = analysis.tiles, analysis.inference, analysis.refusal
    prices = KernelPrices.of(analysis.board)
    budget = tiles.budget if tiles else None
    return {
        "fits": analysis.fits,
        **({"error": refusal.what, "where": refusal.where, "hint": refusal.hint} if refusal else {}),
        "board": analysis.board.name,
        "macs": analysis.counts.macs,
        "params": analysis.counts.params,
        "weights_bytes": analysis.counts.weight_bytes,
        "memory": {
            name: {"needed_bytes": region.needed_bytes, "available_bytes": region.available_bytes, "fits": region.fits}
            for name, region in analysis.regions.items()
        },
        "kernel_cycles": prices and prices.model_dump(),
        "capacitor_uf": budget and budget.capacitor_uf,
        "usable_uj": budget and budget.energy_uj(budget.usable_pc),
        "smallest_capacitor_uf": analysis.smallest_capacitor_uf,
        "energy_uj": made and made.energy_uj,
        "seconds": made and made.active_us / 1e6,
        "boot_uj": made and made.boot_uj,
        "boot_seconds": made and made.boot_us / 1e6,
        "boots": made and made.boots,
        "boots_energy_uj": made and made.boots_energy_uj,
        "tiles": tiles
        and {
            "n_tiles": tiles.n_tiles,
            "commit_slots": tiles.commit_slots,
            "written_bytes": tiles.written_bytes,
            "written_ratio": tiles.written_ratio,
        },
        "costliest": _costliest(tiles),
        "layers": [_layer(tiles, layer) for layer in tiles.layers] if tiles else [],
    }


def _layer(tiles: TilePlan, layer: LayerTiles) -> dict[str, Any]:
    row: dict[str, Any] = {
        "value": layer.value,
        "operand": layer.operand,
        "loc": layer.loc,
        "n_units": layer.n_units,
        "tile_units": layer.tile_units,
        "parts": layer.parts,
        "n_tiles": layer.n_tiles,
        **dict.fromkeys(("tile_uj", "layer_uj", "layer_seconds", "fits")),
    }
    if tiles.budget is not None and tiles.restore is not None and layer.cost is not None:
        own = layer.cost - tiles.restore
        row["tile_uj"] = tiles.budget.energy_uj(layer.cost.charge_pc)
        row["layer_uj"] = tiles.budget.energy_uj(layer.n_tiles * own.charge_pc)
        row["layer_seconds"] = layer.n_tiles * own.time_us / 1e6
        row["fits"] = tiles.budget.covers_one(layer.cost)
    return row


def _costliest(tiles: TilePlan | None) -> dict[str, Any] | None:
    """The layer that takes most energy in all."""
    if tiles is None or tiles.budget is None or not tiles.layers:
        return None
    return max(_joined([_layer(tiles, layer) for layer in tiles.layers]), key=lambda row: float(row["layer_uj"]))


def _joined(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Calls of a layer that have as many units, as slices have, in one row: the one with the dearest tile, and all
    tiles."""
    found: dict[tuple[str, int], list[dict[str, Any]]] = {}
    for row in rows:
        found.setdefault((row["value"], row["n_units"]), []).append(row)
    return [calls[0] if len(calls) == 1 else _all_calls(calls) for calls in found.values()]


def _all_calls(calls: Sequence[dict[str, Any]]) -> dict[str, Any]:
    summed = ("n_tiles", "layer_uj", "layer_seconds")
    sums = {name: None if calls[0][name] is None else sum(row[name] for row in calls) for name in summed}
    return {**max(calls, key=lambda row: row["tile_uj"] or row["tile_units"]), **sums}


def _show(terminal: Terminal, found: Mapping[str, Any]) -> None:
    if terminal.as_json:
        return
    from freeml.cli import tables
    from freeml.units import show_capacitor

    verdict = "fits" if found["fits"] else "does not fit"
    note = f"{found['macs']:,} macs, {found['params']:,} parameters"
    terminal.show(tables.heading(f"{found['model']['name']} on {found['board']}: {verdict}", note))
    regions = tables.table("region", "needed", "available", "", right=(1, 2), elastic=(3,))
    for name, region in found["memory"].items():
        limit = region["available_bytes"]
        share = "too much" if not region["fits"] else tables.bar(region["needed_bytes"], limit) if limit else ""
        regions.add_row(
            _REGIONS.get(name, name), f"{region['needed_bytes']:,}", f"{limit:,}" if limit else "no limit", share
        )
    terminal.show(regions)
    if found["capacitor_uf"] is not None:
        smallest = found["smallest_capacitor_uf"]
        made = tables.table("one inference", "", "", right=(1,), elastic=(2,))
        size = show_capacitor(found["capacitor_uf"])
        made.add_row("capacitor", size, f"{found['usable_uj']:,.3g} uJ usable each boot, margin left out")
        if found["boots"] is not None:
            made.add_row("energy", f"{found['energy_uj'] / 1000:,.3g} mJ", f"{found['seconds']:,.3g} s of computing")
            boot = f"{found['boot_uj']:,.3g} uJ and {found['boot_seconds'] * 1000:,.3g} ms each"
            made.add_row("boots", f"{found['boots']:,}", f"if nothing is harvested while it runs; {boot}")
        made.add_row("smallest", show_capacitor(smallest) if smallest else "none", "capacitor that would do")
        terminal.show(tables.heading("Energy", "worst case"), made)
    if found["kernel_cycles"] and found["kernel_cycles"]["warning"]:
        terminal.show(f"note: {found['kernel_cycles']['warning']}")
    if found["layers"]:
        _show_layers(terminal, found)


def _show_layers(terminal: Terminal, found: Mapping[str, Any]) -> None:
    from freeml.cli import tables

    tiles = found["tiles"]
    note = f"{tiles['written_bytes']:,} bytes written to nvm, {tiles['written_ratio']:.3f} for each byte of a value"
    terminal.show(tables.heading(f"{tiles['n_tiles']:,} tiles", note))
    rows = _joined(found["layers"])
    if rows[0]["layer_uj"] is None:
        plain = tables.table("node", "units", "in a tile", "tiles", right=(1, 2, 3))
        for row in rows[:_MOST_LAYERS]:
            plain.add_row(tables.node(row["loc"]), f"{row['n_units']:,}", _tile(row), f"{row['n_tiles']:,}")
        terminal.show(plain)
    else:
        most = max(row["layer_uj"] for row in rows)
        made = tables.table(
            "node", "units", "in a tile", "tiles", "tile uJ", "layer mJ", "", right=(1, 2, 3, 4, 5), elastic=(6, 0)
        )
        for row in rows[:_MOST_LAYERS]:
            made.add_row(
                tables.node(row["loc"]),
                f"{row['n_units']:,}",
                _tile(row),
                f"{row['n_tiles']:,}",
                f"{row['tile_uj']:,.3g}" + ("" if row["fits"] else " !"),
                f"{row['layer_uj'] / 1000:,.3g}",
                tables.bar(row["layer_uj"], most),
            )
        terminal.show(made)
    if len(rows) > _MOST_LAYERS:
        terminal.show(f"and {len(rows) - _MOST_LAYERS} more: --json shows all")


def _tile(row: Mapping[str, Any]) -> str:
    return f"1/{row['parts']:,}" if row["parts"] > 1 else f"{row['tile_units']:,}"
