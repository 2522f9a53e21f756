"""The networks that are made small: where the dense one is, what it is trained and measured on, and what is asked."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from freeml.resources import resource
from freeml.train.loop import Augment

MODELS = Path(__file__).parent / "models"


@dataclass(frozen=True, slots=True)
class Network:
    """model: below FREEML_DATA/models, or beside the project; times, points: the bar.

    target_kb, ms, sram_kb: of the small one on its board; effort: times the usual epochs, so that a run of this method
    and of the published one takes an hour at most; most_samples: of the training split, for the same reason;
    precision: while it trains in floating point, "bfloat16" on processors that know it; published_board: of the
    published method, where what it makes has too large values for the other one
    """

    model: str
    data: str
    target_kb: float | None
    times: float
    points: float
    augment: str = ""
    ms: float | None = None
    sram_kb: float | None = None
    board: str = "msp430fr5994"
    effort: float = 1.0
    published_effort: float = 1.0
    most_samples: int | None = None
    folds: int = 0
    precision: str = "float32"
    published_board: str | None = None

    @property
    def path(self) -> Path:
        """Of the dense network."""
        if self.model.startswith("examples/"):
            return Path(resource(*self.model.split("/")))
        return Path(os.environ["FREEML_DATA"]) / "models" / self.model

    @property
    def asked(self) -> str:
        """Of it, in words."""
        if self.target_kb is None:
            return f"{self.sram_kb:g} kB of SRAM on {self.board}, whose flash holds the dense one"
        return f"{self.times:g}x of float32 at {self.points:g} points at most"


NETWORKS: Mapping[str, Network] = {
    "digits": Network("examples/digits/digits.onnx", "digits", 1.4, 5, 1.0),
    "lenet5": Network("dense/lenet5.onnx", "mnist", 8.4, 200, 0.5, "shifted", ms=200, published_effort=0.2),
    # Here SRAM binds: flash would do for the dense one.
    "lenet5_sram": Network(
        "dense/lenet5.onnx",
        "mnist",
        None,
        0,
        0.5,
        "shifted",
        sram_kb=4.0,
        board="qemu_m4",
        effort=0.1,
        most_samples=10000,
    ),
    "har_cnn": Network("dense/har_cnn.onnx", "har", 9.3, 95, 1.0, "turned", ms=620, published_effort=0.2),
    "cifar10_s": Network(
        "dense/cifar10_s.onnx",
        "cifar10-jpeg",
        29.97,
        31,
        1.0,
        "flipped and shifted",
        effort=1.5,
        published_effort=0.2,
        precision="bfloat16",
        published_board="qemu_m4",
    ),
    "cifar10_m": Network(
        "dense/cifar10_m.onnx", "cifar10-jpeg", 101.0, 23, 2.0, "flipped and shifted", effort=0.3, most_samples=20000
    ),
    "kws": Network("kws_ref_model_float32.tflite", "kws", 11.0, 8, 2.0, folds=5, effort=0.35, published_effort=0.3),
}


def changes(kind: str) -> Augment | None:
    """What a batch goes through before it is trained on."""
    from freeml.train.augment import Each, Flipped, Shifted, Turned

    kinds: Mapping[str, Augment] = {
        "shifted": Shifted(1),
        "turned": Turned(12, 0.04),
        "flipped and shifted": Each((Flipped(), Shifted(2))),
    }
    return kinds[kind] if kind else None
