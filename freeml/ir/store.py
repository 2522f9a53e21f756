"""A graph as bytes and back: a zip with its text and one .npy file per constant. No pickle; same graph, same bytes."""

from __future__ import annotations

import io
import zipfile

import numpy as np

from freeml.errors import BadModel
from freeml.ir.graph import Graph
from freeml.ir.text import parse, to_text
from freeml.ir.types import Const
from freeml.ir.verify import verify_graph

_EPOCH = (1980, 1, 1, 0, 0, 0)
_MAX_BYTES = 1 << 30


def to_bytes(graph: Graph) -> bytes:
    """Serialise a graph; deterministic."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(zipfile.ZipInfo("graph.txt", _EPOCH), to_text(graph), compress_type=zipfile.ZIP_DEFLATED)
        scales = "".join(f"{n} {c.code_scales!r}\n" for n, c in sorted(graph.consts.items()) if c.code_scales)
        archive.writestr(zipfile.ZipInfo("scales.txt", _EPOCH), scales)
        encodings = "".join(f"{n} {c.encoding}\n" for n, c in sorted(graph.consts.items()) if c.encoding)
        if encodings:
            archive.writestr(zipfile.ZipInfo("encodings.txt", _EPOCH), encodings)
        for name, const in sorted(graph.consts.items()):
            array = io.BytesIO()
            np.save(array, const.array, allow_pickle=False)
            info = zipfile.ZipInfo(f"consts/{name}.npy", _EPOCH)
            archive.writestr(info, array.getvalue(), compress_type=zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


def from_bytes(data: bytes, *, where: str) -> Graph:
    """The graph that `to_bytes` wrote, verified. Raises BadModel for anything else; never unpickles."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            if sum(info.file_size for info in archive.infolist()) > _MAX_BYTES:
                raise ValueError("larger than 1 GiB")
            scales = _parse_scales(archive.read("scales.txt").decode())
            encodings: dict[str, str] = {}
            if "encodings.txt" in archive.namelist():
                lines = archive.read("encodings.txt").decode().splitlines()
                encodings = dict(line.split(" ", 1) for line in lines)
            consts = {}
            for info in archive.infolist():
                if info.filename.startswith("consts/"):
                    name = info.filename.removeprefix("consts/").removesuffix(".npy")
                    array = np.lib.format.read_array(io.BytesIO(archive.read(info)), allow_pickle=False)
                    consts[name] = Const(array, scales.get(name), encodings.get(name))
            graph = parse(archive.read("graph.txt").decode(), consts)
        if not (
            graph.inputs
            and graph.outputs
            and graph.consts.keys() == {n for op in graph.ops for n in op.inputs} - graph.types.keys()
        ):
            raise ValueError("inputs, outputs or constants are missing or too many")
        return verify_graph(graph)
    except Exception as error:  # zipfile, zlib, lzma, numpy and the verifier each raise their own for damaged bytes
        raise BadModel(
            f"not a graph that freeml saved: {error}", where=where, hint="compile the model again"
        ) from error


def _parse_scales(text: str) -> dict[str, tuple[float, ...]]:
    import ast

    return {name: ast.literal_eval(value) for name, value in (line.split(" ", 1) for line in text.splitlines())}
