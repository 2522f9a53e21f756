"""The compiled folder on disk: the one place that writes it, at once or not at all, and that reads it back."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from freeml.board.board import Board
from freeml.errors import BadOutput
from freeml.ir.graph import Graph
from freeml.ir.store import from_bytes, to_bytes
from freeml.ir.verify import InvalidGraphError, verify_graph
from freeml.output.manifest import FORMAT_VERSION, Manifest
from freeml.plan.verify_memory import InvalidMemoryError, verify_memory
from freeml.plan.verify_tiles import InvalidTilesError, verify_tiles

MANIFEST = "freeml.json"
_INT8, _FLOAT = "model/int8.graph", "model/float.graph"
_AGAIN = "compile the model again"
_ALIGNED_BYTES = 8  # most that lies unused before a value


@dataclass(frozen=True)
class Sources:
    """A folder with the C of a planned graph for a board."""

    folder: Path
    graph: Graph
    board: Board

    @property
    def sources(self) -> list[Path]:
        """The C of the model, the runtime and this machine's board interface; without main.c."""
        parts = (self.folder.glob("runtime/*.c"), self.folder.glob("hal/*.c"))
        return [self.folder / f"{self.graph.name}.c", *(path for part in parts for path in sorted(part))]

    @property
    def include_dirs(self) -> list[Path]:
        """Where the headers are."""
        return [self.folder, self.folder / "runtime", self.folder / "hal"]


@dataclass(frozen=True)
class Output(Sources):
    """A compiled folder: with its manifest, whose board it is for, and the float network."""

    manifest: Manifest
    float_graph: Graph


def output_files(manifest: Manifest, graph: Graph, float_graph: Graph) -> dict[str, str | bytes]:
    """What a compiled folder has beside the C, so that it can be checked on its own: relative path -> content."""
    return {_INT8: to_bytes(graph), _FLOAT: to_bytes(float_graph), MANIFEST: manifest.text()}


def read_output(folder: str | Path) -> Output:
    """A folder that `freeml compile` wrote.

    Raises BadOutput where it is not one, is damaged, is of another format, or has a plan that is not of its graph.
    """
    path = Path(folder)
    try:
        found = json.loads((path / MANIFEST).read_text(encoding="utf-8"))
        _check_format(found, folder)
        manifest = Manifest.read(found)
        graph = verify_graph(from_bytes((path / _INT8).read_bytes(), where=_INT8))
        float_graph = verify_graph(from_bytes((path / _FLOAT).read_bytes(), where=_FLOAT))
    except FileNotFoundError as error:
        missing = Path(error.filename).name if error.filename else "a file"
        raise BadOutput(
            f"not a folder that `freeml compile` wrote: {missing} is missing",
            where=str(folder),
            hint="give the folder that was named with -o",
        ) from error
    except ValidationError as error:
        raise _damaged(f"{MANIFEST}: {_first(error)}", folder) from error
    except (OSError, ValueError, RecursionError, InvalidGraphError) as error:
        raise _damaged(str(error), folder) from error
    if manifest.name != graph.name:
        raise BadOutput("manifest and graph are of two models", where=str(folder), hint=_AGAIN)
    _check_plan(manifest, graph, folder)
    return Output(path, graph, manifest.board, manifest, float_graph)


def _check_format(found: Any, folder: str | Path) -> None:
    """Raise BadOutput for a manifest of another format, before anything else of it is looked at."""
    if not isinstance(found, dict):
        raise _damaged(f"{MANIFEST} holds no object", folder)
    version = found.get("format_version", 1)
    if version != FORMAT_VERSION:
        made_by = found.get("freeml")
        raise BadOutput(
            f"{MANIFEST} has format {version!r}, of freeml {made_by}: this one reads format {FORMAT_VERSION}",
            where=str(folder),
            hint=_AGAIN,
        )


def _check_plan(manifest: Manifest, graph: Graph, folder: str | Path) -> None:
    """Raise BadOutput for a plan that is not of this graph, or is none."""
    most = sum(type_.size_bytes + _ALIGNED_BYTES for type_ in graph.types.values())
    try:
        if manifest.arena.arena_bytes > most:  # before the verifiers take as much memory
            raise ValueError(f"an arena of {manifest.arena.arena_bytes:,} bytes for values of {most:,}")
        for layer in manifest.tiles.layers:
            if layer.n_units > most or layer.parts > max(layer.macs, 1) or layer.macs > most**2:
                raise ValueError(f"{layer.parts:,} parts of {layer.macs:,} products: {layer.loc}")
            if layer.n_tiles != -(-layer.n_units // layer.tile_units) * layer.parts:
                raise ValueError(f"{layer.n_tiles:,} tiles of {layer.n_units:,} units: {layer.loc}")
        verify_tiles(graph, verify_memory(graph, manifest.arena), manifest.tiles)
    except (InvalidMemoryError, InvalidTilesError, LookupError, ValueError, ArithmeticError) as error:
        raise BadOutput(
            f"its plan is damaged, or of another version of freeml: {error}", where=str(folder), hint=_AGAIN
        ) from error


def _damaged(why: str, folder: str | Path) -> BadOutput:
    return BadOutput(f"the folder is damaged: {why}", where=str(folder), hint=_AGAIN)


def _first(error: ValidationError) -> str:
    first = error.errors()[0]
    entry = ".".join(str(part) for part in first["loc"])
    return f"{entry}: {first['msg']}" if entry else str(first["msg"])


def check_target(out_dir: Path) -> None:
    """Raise BadOutput where writing `out_dir` would destroy what freeml did not make."""
    if out_dir.is_symlink() or (out_dir.exists() and not out_dir.is_dir()):
        raise BadOutput(
            "the output folder is the name of a file or a link", where=str(out_dir), hint="choose another -o"
        )
    if out_dir.is_dir() and any(out_dir.iterdir()) and not (out_dir / MANIFEST).is_file():
        raise BadOutput(
            "the output folder holds files that freeml did not write",
            where=str(out_dir),
            hint="choose an empty or a new folder with -o",
        )
    if not os.access(_existing_parent(out_dir), os.W_OK):
        raise BadOutput("no permission to write there", where=str(out_dir), hint="choose another -o")


def write_folder(out_dir: Path, files: Mapping[str, str | bytes]) -> None:
    """Write files into a new folder beside `out_dir`, then exchange the two: a failure leaves the old one as it was.

    A file that was there under the same name keeps its permissions.
    """
    check_target(out_dir)
    try:
        out_dir.parent.mkdir(parents=True, exist_ok=True)
        staging = Path(tempfile.mkdtemp(prefix=f".{out_dir.name}.", dir=out_dir.parent))
    except OSError as error:
        raise BadOutput(
            f"cannot write there: {error.strerror}", where=str(out_dir), hint="choose another -o"
        ) from error
    try:
        new, old = staging / "new", staging / "old"
        for name, content in files.items():
            path = new / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.encode() if isinstance(content, str) else content)
            if (out_dir / name).is_file():
                shutil.copymode(out_dir / name, path)
        if out_dir.exists():
            out_dir.rename(old)
        try:
            new.rename(out_dir)
        except OSError:
            if old.exists():
                old.rename(out_dir)
            raise
    except OSError as error:
        raise BadOutput(
            f"cannot write there: {error.strerror}", where=str(out_dir), hint="choose another -o"
        ) from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _existing_parent(path: Path) -> Path:
    path = path.absolute()
    while not path.exists():
        path = path.parent
    return path
