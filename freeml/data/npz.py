"""`.npz` archives from strangers, read without trusting one number in them.

An archive is a zip of `.npy` members. Before anything is allocated, the zip directory must stay below 4 GiB
uncompressed and the header of a member must promise exactly the bytes that the member has. No pickles, no structured
types. Members are read when asked for, so one part of a split archive costs only that part.
"""

from __future__ import annotations

import math
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from freeml.data.arrays import from_arrays
from freeml.data.dataset import Array, Dataset
from freeml.errors import BadData

MAX_BYTES = 4 << 30


def load_npz(path: Path, split: str, limit: int | None, name: str) -> Dataset:
    """The samples of `split` in an archive with the keys of `arrays.py`. Raises BadData."""
    return from_arrays(NpzArchive(path), split, limit, name)


class NpzArchive(Mapping[str, Array]):
    """The arrays of an `.npz` file by key, each read when it is indexed.

    Raises BadData for anything that is not a sound archive of plain numbers or text of at most 4 GiB.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            with zipfile.ZipFile(path) as archive:
                members = archive.infolist()
        except (zipfile.BadZipFile, EOFError, ValueError, OSError, NotImplementedError) as error:
            raise BadData(f"not a readable .npz file: {error}", where=str(path)) from error
        total = sum(m.file_size for m in members)
        if total > MAX_BYTES:
            raise BadData(f"{total} bytes uncompressed; at most {MAX_BYTES} are read", where=str(path))
        names = [m.filename for m in members if m.filename.endswith(".npy")]
        if len(set(names)) < len(names):
            raise BadData("the same key is there twice", where=str(path))
        self._members = {n.removesuffix(".npy"): n for n in names}

    def __iter__(self) -> Iterator[str]:
        return iter(self._members)

    def __len__(self) -> int:
        return len(self._members)

    def __contains__(self, key: object) -> bool:
        return key in self._members

    def __getitem__(self, key: str) -> Array:
        member, where = self._members[key], f"{self.path}, {key}"
        try:
            with zipfile.ZipFile(self.path) as archive:
                return _read_member(archive, member, where)
        except BadData:
            raise
        except Exception as error:  # numpy's header parser lets many kinds out: token, recursion, index errors
            raise BadData(f"damaged array: {error}", where=where) from error

    def require(self, key: str) -> Array:
        """The array under `key`. Raises BadData, naming what there is, where it is missing."""
        if key not in self._members:
            found = ", ".join(sorted(self._members)[:8]) or "none"
            raise BadData(f"no array '{key}'; found: {found}", where=str(self.path))
        return self[key]


def _read_member(archive: zipfile.ZipFile, member: str, where: str) -> Array:
    """One array; the promise of its header is compared with the size of the member before memory is taken."""
    size = archive.getinfo(member).file_size
    with archive.open(member) as stream:
        version = np.lib.format.read_magic(stream)
        if version == (1, 0):
            shape, fortran, dtype = np.lib.format.read_array_header_1_0(stream)
        elif version == (2, 0):
            shape, fortran, dtype = np.lib.format.read_array_header_2_0(stream)
        else:
            raise BadData(f".npy format {version} is not read", where=where)
        if dtype.kind not in "biufSU":
            raise BadData(f"{dtype} is not read; arrays hold numbers or text", where=where, hint="no object arrays")
        if not dtype.itemsize or 0 in shape:
            raise BadData(f"shape {shape} of {dtype} holds no values", where=where)
        promised = math.prod(shape) * dtype.itemsize
        there = size - stream.tell()
        if any(n < 0 for n in shape) or promised != there:
            raise BadData(f"shape {shape} of {dtype} needs {promised} bytes, there are {there}", where=where)
        payload = stream.read()
    if len(payload) != promised:
        raise BadData(f"{promised} bytes promised, {len(payload)} found", where=where)
    array: Array = np.frombuffer(payload, dtype=dtype)
    return array.reshape(shape, order="F" if fortran else "C").astype(dtype.newbyteorder("="), copy=False)
