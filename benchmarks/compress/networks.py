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

    target_kb, ms: of the small one, ms on an msp430fr5994; effort: times the usual epochs
    """

    model: str
    data: str
    target_kb: float
    times: float
    points: float
    augment: str = ""
    ms: float | None = None
    effort: float = 1.0
    folds: int = 0

    @property
    def path(self) -> Path:
        """Of the dense network."""
        if self.model.startswith("examples/"):
            return Path(resource(*self.model.split("/")))
        return Path(os.environ["FREEML_DATA"]) / "models" / self.model


NETWORKS: Mapping[str, Network] = {
    "digits": Network("examples/digits/digits.onnx", "digits", 1.4, 5, 1.0),
    "lenet5": Network("dense/lenet5.onnx", "mnist", 8.4, 200, 0.5, "shifted", ms=200),
    "har_cnn": Network("dense/har_cnn.onnx", "har", 9.3, 95, 1.0, "turned", ms=600),
    "cifar10_s": Network("dense/cifar10_s.onnx", "cifar10-jpeg", 29.7, 31, 1.0, "flipped and shifted", effort=0.6),
    "cifar10_m": Network("dense/cifar10_m.onnx", "cifar10-jpeg", 60.0, 40, 2.0, "flipped and shifted", effort=0.4),
    "kws": Network("kws_ref_model_float32.tflite", "kws", 11.0, 8, 2.0, folds=5),
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
