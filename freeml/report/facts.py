"""What a report shows: plain data of a compiled folder, of labelled samples, and of a life on a trace."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from freeml.data import Dataset, fit_inputs
from freeml.ir.decision import published, published_values
from freeml.ir.interpret import chunks, encode_inputs, interpret
from freeml.output.folder import Output
from freeml.quantize.errors import layer_errors
from freeml.sim.life.load import Load

_MOST_SAMPLES = 500  # for errors of layers
_BINS = 8  # of confidence


@dataclass(frozen=True, slots=True)
class Region:
    """A memory with its parts in bytes; limit_bytes: what the board has, None where it does not matter."""

    name: str
    limit_bytes: int | None
    parts: tuple[tuple[str, int], ...]

    @property
    def used_bytes(self) -> int:
        """All parts."""
        return sum(n_bytes for _, n_bytes in self.parts)


@dataclass(frozen=True, slots=True)
class Layer:
    """An op as it is executed; cycles and uj of all its tiles, None without a profile; error: what int8 adds here."""

    loc: str
    op: str
    shape: tuple[int, ...]
    macs: int
    weights_bytes: int
    output_bytes: int
    tiles: int
    cycles: float | None
    uj: float | None
    error: float | None


@dataclass(frozen=True, slots=True)
class Exit:
    """An exit on labelled samples: how often it is right, and by how sure it says it is.

    bins  (lowest confidence, samples, share that is right) of samples by rising confidence, equally many in each
    """

    depth: int
    samples: int
    accuracy: float
    bins: tuple[tuple[int, int, float], ...]


def regions(output: Output) -> tuple[Region, ...]:
    """Memory as the compiler counted it."""
    sizes, limits = output.manifest.memory, output.board.memory
    code = [("code", sizes.code_bytes)] if sizes.code_bytes > 0 else []
    flash = [("weights", sizes.weights_bytes if code else sizes.flash_bytes), *code]
    nvm = [("activations", sizes.arena_bytes), ("records", max(0, sizes.nvm_bytes - sizes.arena_bytes))]
    known = sizes.tile_bytes + sizes.scratch_bytes + sizes.stack_bytes
    sram = [("tile", sizes.tile_bytes), ("scratch", sizes.scratch_bytes), ("stack", sizes.stack_bytes)]
    sram.append(("windows and variables", max(0, sizes.sram_bytes - known)))
    found = []
    for name, parts, limit in (
        ("flash", flash, limits.flash_bytes),
        ("nvm", nvm, limits.nvm_bytes),
        ("sram", sram, limits.sram_bytes),
    ):
        there = tuple((what, n_bytes) for what, n_bytes in parts if n_bytes)
        found.append(Region(name, limit.value if limit else None, there))
    return tuple(found)


def layers(output: Output, load: Load | None, dataset: Dataset | None) -> tuple[Layer, ...]:
    """Every op; energy at the mean of the capacitor's two voltages."""
    manifest = output.manifest
    budget, clock = manifest.tiles.budget, output.board.clock_hz
    errors = {} if dataset is None else _errors(output, dataset)
    # Rows of tiles in a load are numbered by the rows of the plan's table, in the order of its layers.
    taken: dict[str, tuple[float, float]] = {}
    if load is not None and budget is not None and clock is not None:
        tile_rows = [row for row in load.rows if row.stack == "compute"]
        at = 0
        for layer in manifest.tiles.layers:
            left, seconds, charge_c = layer.n_tiles, 0.0, 0.0
            while left > 0:
                row = tile_rows[at]
                seconds, charge_c, left, at = (
                    seconds + row.n * row.time_s,
                    charge_c + row.n * row.charge_c,
                    left - row.n,
                    at + 1,
                )
            before = taken.get(layer.value, (0.0, 0.0))
            cycles, uj = seconds * clock.value, budget.energy_uj(charge_c * 1e12)
            taken[layer.value] = (before[0] + cycles, before[1] + uj)
    nothing: tuple[float | None, float | None] = (0.0, 0.0) if taken else (None, None)  # ops that only rename
    tiles: dict[str, int] = {}
    for layer in manifest.tiles.layers:
        tiles[layer.value] = tiles.get(layer.value, 0) + layer.n_tiles
    return tuple(
        Layer(
            entry.loc.split(":", 1)[-1],
            entry.op,
            entry.shape,
            entry.macs,
            entry.weights_bytes,
            entry.output_bytes,
            tiles.get(entry.value, 0),
            cycles=taken.get(entry.value, nothing)[0],
            uj=taken.get(entry.value, nothing)[1],
            error=errors.get(entry.value),
        )
        for entry in manifest.layers
    )


def _errors(output: Output, dataset: Dataset) -> dict[str, float]:
    """Relative error that each op adds of its own, by value."""
    few = fit_inputs(dataset.take(_MOST_SAMPLES), [port.shape for port in output.graph.inputs])
    return {one.value: one.local for one in layer_errors(output.float_graph, output.graph, few.real_inputs())}


def exits(output: Output, dataset: Dataset | None) -> tuple[Exit, ...]:
    """What each exit, and the network's own answer, is worth on labelled samples; empty without them."""
    if dataset is None or dataset.labels is None:
        return ()
    graph = output.graph
    fitted = fit_inputs(dataset, [port.shape for port in graph.inputs])
    encoded = encode_inputs(graph, fitted.real_inputs())
    depths: list[int | None] = [*range(1, len(graph.exits) + 1), None]
    found = np.zeros((len(depths), 2, len(dataset)), np.int64)
    for start, stop in chunks(graph, len(dataset)):
        part = {name: array[start:stop] for name, array in encoded.items()}
        values = interpret(graph, part, published_values(graph))
        for k, depth in enumerate(depths):
            found[k, :, start:stop] = published(graph, values, depth)
    right = found[:, 0] == dataset.labels
    return tuple(
        Exit(k + 1, len(dataset), float(right[k].mean()), _reliability(found[k, 1], right[k]))
        for k in range(len(depths))
    )


def _reliability(confidence: npt.NDArray[np.int64], right: npt.NDArray[np.bool_]) -> tuple[tuple[int, int, float], ...]:
    order = np.argsort(confidence, kind="stable")
    parts: Sequence[npt.NDArray[np.intp]] = np.array_split(order, min(_BINS, len(order)))
    return tuple((int(confidence[part[0]]), len(part), float(right[part].mean())) for part in parts)
