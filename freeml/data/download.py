"""`get`: the files of a named data set, downloaded, checked, then put in place.

A file is written into a temporary folder beside its place, hashed, and moved only if it is the published one; whatever
goes wrong, an interrupt too, leaves nothing behind. Files that are already there are checked, never replaced: they may
be the user's own.
"""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import os
import tempfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, cast

from freeml.data.catalogue import DataFile, Entry, entry
from freeml.data.folders import data_root
from freeml.errors import BadData

Progress = Callable[[str, int, int], None]  # file, bytes done, bytes in all (0 while unknown)

TIMEOUT_S = 30
CHUNK = 1 << 16
SLACK_BYTES = 1 << 16  # gzip of data that cannot be compressed is a little longer than the data


def get(name: str, *, progress: Progress | None = None) -> tuple[Path, ...]:
    """The local files of data set `name`, downloaded where they are absent; () for one inside a wheel.

    Raises BadData for an unknown name, a set that must be placed by hand (saying how), a damaged file or a failed
    download.
    """
    wanted = entry(name)
    return tuple(_present(file, name) or _fetched(file, wanted, progress) for file in wanted.files)


def _present(file: DataFile, name: str) -> Path | None:
    """The file if it is there and, being downloadable, is the published one."""
    local = file.local
    if local is not None and file.urls and (wrong := _difference(local, file)):
        hint = f"remove it and run `freeml data get {name}` again"
        raise BadData(f"this is not the published file: {wrong}", where=str(local), hint=hint)
    return local


def _fetched(file: DataFile, wanted: Entry, progress: Progress | None) -> Path:
    target = data_root() / file.path
    if not file.urls:
        raise BadData(
            f"'{wanted.name}' cannot be downloaded by freeml; it is published at {wanted.source}",
            where=str(target),
            hint=wanted.placing,
        )
    failures = []
    with _folder(target.parent) as folder:
        for url in file.urls:
            temporary = folder / target.name
            failed = _download(url, temporary, file, progress) or _difference(temporary, file)
            if not failed:
                os.replace(temporary, target)
                return target
            failures.append(f"{url}: {failed}")
    raise BadData(
        f"cannot download {file.path}: {'; '.join(failures)}",
        where=str(target),
        hint=f"it is published at {wanted.source}; a copy placed here by hand is taken too",
    )


@contextlib.contextmanager
def _folder(parent: Path) -> Iterator[Path]:
    """A temporary folder in `parent`; both vanish unless something was put into `parent`."""
    try:
        created = [p for p in (parent, *parent.parents) if not p.exists()]
        parent.mkdir(parents=True, exist_ok=True)
        temporary = tempfile.TemporaryDirectory(dir=parent, prefix=".freeml-")
    except OSError as error:
        raise BadData(f"cannot write there: {error.strerror}", where=str(parent), hint="set FREEML_DATA") from error
    try:
        with temporary as path:
            yield Path(path)
    finally:
        for empty in created:
            with contextlib.suppress(OSError):
                empty.rmdir()


def _download(url: str, to: Path, file: DataFile, progress: Progress | None) -> str:
    """Write `url` to the file `to`; empty, or why it failed."""
    import pooch

    meter = _Meter(Path(file.path).name, file.n_bytes + SLACK_BYTES, progress)
    try:
        pooch.HTTPDownloader(progressbar=meter, chunk_size=CHUNK, timeout=TIMEOUT_S)(url, str(to), None)
    except (OSError, ValueError) as error:  # requests' errors are OSErrors
        return f"{type(error).__name__}: {error}"
    return ""


class _Meter:
    """Pooch's idea of a progress bar: counts what arrives, reports it, and stops a download without end."""

    def __init__(self, name: str, most: int, progress: Progress | None) -> None:
        self.total = 0
        self._name, self._most, self._progress = name, most, progress
        self._done = 0

    def update(self, n_bytes: int) -> None:
        self._done += n_bytes
        if self._done > self._most + CHUNK:  # pooch counts whole chunks
            raise ValueError(f"more than the {self._most} bytes that it can have")
        if self._progress is not None:
            self._progress(self._name, min(self._done, self.total or self._done), self.total)

    def reset(self) -> None:
        self._done = 0

    def close(self) -> None:
        pass


def _difference(path: Path, file: DataFile) -> str:
    """How the content of `path` differs from the published one; empty if it does not. Reads no more than that."""
    digest, n_bytes = hashlib.sha256(), 0
    try:
        with _opened(path) as stream:
            while chunk := stream.read(CHUNK):
                digest.update(chunk)
                n_bytes += len(chunk)
                if n_bytes > file.n_bytes:
                    return f"it has more than {file.n_bytes} bytes"
    except (OSError, EOFError, zlib.error) as error:
        return f"damaged: {error}"
    if n_bytes != file.n_bytes:
        return f"it has {n_bytes} bytes, not {file.n_bytes}"
    if digest.hexdigest() != file.sha256:
        return f"its sha256 is {digest.hexdigest()}, not {file.sha256}"
    return ""


def _opened(path: Path) -> BinaryIO:
    return cast(BinaryIO, gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb"))
