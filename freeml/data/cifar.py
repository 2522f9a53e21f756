"""CIFAR-10 in two forms: all 60,000 images as JPEG, and 4,000 of the training images without loss.

The JPEG copy is for networks trained on it: JPEG costs a network trained on the originals about ten points, so accuracy
on it is never "CIFAR-10" without the word JPEG. The lossless images are training images of the original: calibrate
with them, never test.

The archives are tar.xz and read as one stream into memory (45 MB encoded); nothing is unpacked to disk, and only the
images asked for are decoded. Order is by name, class by class, so evenly spread samples are balanced.
"""

from __future__ import annotations

import io
import lzma
import re
import tarfile
from pathlib import Path

import numpy as np
import numpy.typing as npt

from freeml.data import splits
from freeml.data.dataset import Dataset
from freeml.data.labels import class_numbers
from freeml.data.npz import NpzArchive
from freeml.errors import BadData

CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
MEMBER = re.compile(r"(?:\./)?(train|test)/([a-z]+)/([0-9]{1,6})\.(?:jpg|jpeg|png)")
MAX_ARCHIVE_BYTES = 1 << 28  # uncompressed; the 50,000 images of train are 77 MB
SIDE = 32

Key = tuple[int, int]  # class number, number of the image within its class


def load_cifar10_jpeg(train: Path, test: Path, split: str, limit: int | None) -> Dataset:
    """Samples (N, 3, 32, 32) float32, values 0..255, RGB; calibration is the last tenth of every class of train.

    Takes the two archives; only those that `split` needs are opened.
    """
    name = "cifar10-jpeg"
    split = splits.canonical(split, name)
    paths = {splits.TEST: [test], splits.ALL: [train, test]}.get(split, [train])
    listed = [(path, key, encoded) for path in paths for key, encoded in _of_split(_images(path), split)]
    chosen = [listed[i] for i in splits.evenly_spread(len(listed), limit)]
    images = np.empty((len(chosen), 3, SIDE, SIDE), dtype=np.float32)
    for i, (path, (label, number), encoded) in enumerate(chosen):
        images[i] = _decoded(encoded, f"{path}, {CLASSES[label]}/{number:04d}")
    labels = np.array([label for _, (label, _), _ in chosen], dtype=np.int64)
    rule = "the last tenth of each class of train calibrates"
    return Dataset((images,), labels, CLASSES, name, split, rule=rule)


def load_cifar10_lossless(path: Path, split: str, limit: int | None) -> Dataset:
    """Samples (N, 3, 32, 32) float32, values 0..255, RGB; training images only, so there is no test split."""
    name = "cifar10-lossless"
    archive = NpzArchive(path)
    images = archive.require("X")
    if images.shape[1:] != (SIDE, SIDE, 3):
        raise BadData(f"X has shape {images.shape}, not (N, 32, 32, 3)", where=str(path))
    labels = class_numbers(archive.require("y"), len(images), CLASSES, str(path))
    deal = splits.held_back(np.arange(len(images), dtype=np.intp), labels)
    split = splits.canonical(split, name)
    rows = splits.limited(splits.rows_of(deal.parts, split, name), limit)
    planes = np.ascontiguousarray(images[rows].transpose(0, 3, 1, 2), dtype=np.float32)
    return Dataset((planes,), labels[rows], CLASSES, name, split, rows=rows, rule=deal.rule)


def _of_split(images: dict[Key, bytes], split: str) -> list[tuple[Key, bytes]]:
    """The images of one archive that belong to `split`, ordered by class and number."""
    ordered = sorted(images.items())
    if split in (splits.TEST, splits.ALL):
        return ordered
    by_class = [[item for item in ordered if item[0][0] == label] for label in range(len(CLASSES))]
    cut = [len(items) - len(items) // 10 for items in by_class]
    halves = [(items[:n], items[n:]) for items, n in zip(by_class, cut, strict=True)]
    return [item for first, last in halves for item in (first if split == splits.TRAIN else last)]


def _images(path: Path) -> dict[Key, bytes]:
    """Every image of an archive, still encoded, in one pass over the stream; other files are passed over."""
    images: dict[Key, bytes] = {}
    try:
        with lzma.open(path) as plain, tarfile.open(fileobj=_Bounded(plain), mode="r|") as archive:
            for member in archive:
                match = MEMBER.fullmatch(member.name)
                if not (match and member.isreg() and match[2] in CLASSES):
                    continue
                key = CLASSES.index(match[2]), int(match[3])
                stream = archive.extractfile(member)
                if stream is None or key in images:
                    raise BadData("the same image is there twice", where=f"{path}, {member.name}")
                images[key] = stream.read()
    except (tarfile.TarError, lzma.LZMAError, EOFError, OSError, ValueError) as error:
        raise BadData(f"damaged archive: {error}", where=str(path)) from error
    if not images:
        raise BadData("no images such as train/airplane/0000.jpg in this archive", where=str(path))
    return images


class _Bounded(io.RawIOBase):
    """A stream that ends with an error after MAX_ARCHIVE_BYTES, whatever sizes the archive declares."""

    def __init__(self, stream: lzma.LZMAFile) -> None:
        super().__init__()
        self._stream = stream
        self._left = MAX_ARCHIVE_BYTES

    def read(self, size: int = -1) -> bytes:
        data = self._stream.read(size)
        self._left -= len(data)
        if self._left < 0:
            raise ValueError(f"more than {MAX_ARCHIVE_BYTES} bytes uncompressed")
        return data


def _decoded(encoded: bytes, where: str) -> npt.NDArray[np.uint8]:
    """One image as (3, 32, 32) uint8; its size is checked before it is decoded."""
    from PIL import Image

    try:
        with Image.open(io.BytesIO(encoded), formats=("JPEG", "PNG")) as image:
            if image.size != (SIDE, SIDE):
                raise BadData(f"image of {image.size[0]}x{image.size[1]}, not 32x32", where=where)
            pixels = np.asarray(image.convert("RGB"), dtype=np.uint8)
    except BadData:
        raise
    except Exception as error:  # a decoder fed with a stranger's bytes lets many kinds out
        raise BadData(f"damaged image: {error}", where=where) from error
    planes: npt.NDArray[np.uint8] = pixels.transpose(2, 0, 1)
    return planes
