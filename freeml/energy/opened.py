"""A file that nobody vouches for, as bytes or lines: plain, gzip, bzip2, xz or zip, in bounded memory.

Whatever is wrong with it is a BadData that says where. A line, and what a file unpacks to, have a longest length: a few
bytes of gzip can unpack to more than any disk holds.
"""

from __future__ import annotations

import bz2
import contextlib
import gzip
import io
import lzma
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, cast

from freeml.errors import BadData

LONGEST_LINE_BYTES = 1 << 16
MOST_BYTES = 1 << 33  # unpacked
HEAD_BYTES = 1 << 14

DAMAGES = (OSError, EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile, NotImplementedError, RuntimeError)


def open_bytes(path: Path) -> IO[bytes]:
    """The bytes of a file, unpacked where its content says that it is packed. Raises BadData."""
    try:
        file = path.open("rb")
    except OSError as error:
        raise BadData(f"cannot be read: {error.strerror or error}", where=str(path)) from None
    magic = file.read(6)
    file.seek(0)
    try:
        if magic[:2] == b"\x1f\x8b":
            return cast(IO[bytes], gzip.GzipFile(fileobj=file))
        if magic[:3] == b"BZh":
            return bz2.BZ2File(file)
        if magic == b"\xfd7zXZ\x00":
            return lzma.LZMAFile(file)
        if magic[:4] == b"PK\x03\x04":
            return _only_member(file, path)
    except DAMAGES as error:
        file.close()
        raise damaged(path, error) from None
    return file


def _only_member(file: IO[bytes], path: Path) -> IO[bytes]:
    packed = zipfile.ZipFile(file)
    names = [one.filename for one in packed.infolist() if not one.is_dir() and not one.filename.startswith("__MACOSX/")]
    if len(names) != 1:
        raise BadData(
            f"the zip file holds {len(names)} files, not one", where=str(path), hint="unpack it and name the one file"
        )
    return packed.open(names[0])


def damaged(path: Path, error: BaseException, line: int = 0) -> BadData:
    """What is said of a file that unpacking or reading stopped at."""
    where = f"{path}:{line}" if line else str(path)
    reason = str(error) or type(error).__name__
    return BadData(f"the file is damaged: {reason}", where=where, hint="fetch or record it again")


def head(path: Path) -> bytes:
    """The first bytes of a file, unpacked; what recognises a format. Raises BadData."""
    with open_bytes(path) as file:
        try:
            return file.read(HEAD_BYTES)
        except DAMAGES as error:
            raise damaged(path, error) from None


def read_bytes(path: Path, most_bytes: int) -> bytes:
    """A whole file that is at most so long. Raises BadData."""
    with open_bytes(path) as file:
        try:
            content = file.read(most_bytes + 1)
        except DAMAGES as error:
            raise damaged(path, error) from None
    if len(content) > most_bytes:
        raise BadData(f"more than {most_bytes:,} bytes", where=str(path), hint="take a part of the recording")
    return content


def lines(path: Path) -> Iterator[tuple[int, str]]:
    """Lines of a text with their numbers from 1, without line ends. Raises BadData."""
    number, total = 0, 0
    with open_bytes(path) as file, contextlib.ExitStack() as stack:
        stream: IO[bytes] = file if isinstance(file, io.BufferedReader) else io.BufferedReader(file)  # type: ignore[type-var]
        stack.callback(stream.close)
        while True:
            try:
                raw = stream.readline(LONGEST_LINE_BYTES)
            except DAMAGES as error:
                raise damaged(path, error, number + 1) from None
            if not raw:
                return
            number += 1
            total += len(raw)
            if len(raw) == LONGEST_LINE_BYTES or total > MOST_BYTES:
                what = f"a line of more than {LONGEST_LINE_BYTES:,} bytes" if total <= MOST_BYTES else "no end"
                raise BadData(f"the file has {what}: no trace", where=f"{path}:{number}")
            yield number, _text(raw, number == 1)


def _text(raw: bytes, is_first: bool) -> str:
    """A line without its end; what is no UTF-8 is of older loggers, whose µ and ² are one byte."""
    try:
        return raw.decode("utf-8-sig" if is_first else "utf-8").rstrip("\r\n")
    except UnicodeDecodeError:
        return raw.decode("latin-1").rstrip("\r\n")
