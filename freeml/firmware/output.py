"""The compiled folder: what is kept beside the C so that it can be checked on its own, and how it is read back."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from freeml.board.board import Board
from freeml.errors import BadOutput
from freeml.firmware.host import build_host_library
from freeml.firmware.run import HostModel
from freeml.ir.graph import Graph
from freeml.ir.store import from_bytes, to_bytes
from freeml.ir.verify import InvalidGraphError, verify

_INT8, _FLOAT = "model/int8.graph", "model/float.graph"


@dataclass(frozen=True)
class Output:
    """A compiled folder: its manifest and both graphs."""

    folder: Path
    manifest: Mapping[str, Any]
    graph: Graph
    float_graph: Graph

    @property
    def board(self) -> Board:
        """The board that the folder was compiled for, as its file was then. Raises BadOutput where it is damaged."""
        try:
            return Board.model_validate(self.manifest["board"])
        except (KeyError, ValueError) as error:
            raise BadOutput(
                f"the manifest's board is damaged: {error}", where=str(self.folder), hint="compile the model again"
            ) from error

    @property
    def sources(self) -> list[Path]:
        """The C of the model, the runtime and this machine's board interface; without main.c."""
        parts = (self.folder.glob("runtime/*.c"), self.folder.glob("hal/*.c"))
        return [self.folder / f"{self.graph.name}.c", *(path for part in parts for path in sorted(part))]

    @property
    def include_dirs(self) -> list[Path]:
        """Where the headers are."""
        return [self.folder, self.folder / "runtime", self.folder / "hal"]

    def build(self) -> HostModel:
        """Compile the folder's C for this machine and load it. Raises ToolMissing or ToolFailed."""
        memory = self.manifest["memory"]
        with tempfile.TemporaryDirectory(prefix="freeml-load-") as work:
            # A new path each time: under a path it knows, the loader returns the library it has, not a changed one.
            library = build_host_library(self.sources, self.include_dirs, Path(work) / f"{self.graph.name}.so")
            return HostModel(
                library,
                self.graph,
                nvm_bytes=memory["nvm_bytes"],
                sram_bytes=memory["tile_bytes"] + memory["scratch_bytes"],
                arena_offset_bytes=memory["nvm_bytes"] - memory["arena_bytes"],
                is_staged=self.manifest["nvm"].get("is_staged", False),
            )


def folder_files(graph: Graph, float_graph: Graph) -> dict[str, str | bytes]:
    """The graphs as files of the folder."""
    return {_INT8: to_bytes(graph), _FLOAT: to_bytes(float_graph)}


def manifest_json(manifest: Mapping[str, Any]) -> str:
    """The manifest as text: the same manifest, the same bytes."""
    return json.dumps(manifest, indent=2, allow_nan=False) + "\n"


def read_output(folder: str | Path) -> Output:
    """A folder that `freeml compile` wrote. Raises BadOutput where it is not one, or is damaged."""
    path = Path(folder)
    try:
        manifest = json.loads((path / "freeml.json").read_text(encoding="utf-8"))
        graph = verify(from_bytes((path / _INT8).read_bytes(), where=_INT8))
        float_graph = verify(from_bytes((path / _FLOAT).read_bytes(), where=_FLOAT))
    except FileNotFoundError as error:
        missing = Path(error.filename).name if error.filename else "a file"
        raise BadOutput(
            f"not a folder that `freeml compile` wrote: {missing} is missing",
            where=str(folder),
            hint="give the folder that was named with -o",
        ) from error
    except (OSError, ValueError, InvalidGraphError) as error:
        raise BadOutput(f"the folder is damaged: {error}", where=str(folder), hint="compile the model again") from error
    if not isinstance(manifest, dict) or manifest.get("name") != graph.name:
        raise BadOutput("manifest and graph are of two models", where=str(folder), hint="compile the model again")
    return Output(path, manifest, graph, float_graph)
