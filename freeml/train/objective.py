"""What a network is trained towards: labels, targets, the scores of another network, or several of these.

With labels: cross-entropy, and the Kullback-Leibler divergence from the teacher's softened classes (Hinton et al.,
"Distilling the Knowledge in a Neural Network", 2015: temperature T, times T squared). With real targets: squared error
over their variance. With neither, the squared difference to the teacher's scores over their variance: it needs to know
nothing of what the scores mean.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from freeml.data.dataset import Dataset
from freeml.errors import BadData, BadModel
from freeml.ir.decision import decide, n_classes
from freeml.ir.graph import Graph
from freeml.ir.ops import ArgMax, Reshape, Softmax, Unary
from freeml.ir.types import Decision

Values = Mapping[str, Tensor]
# Scores of the first output (B, K), and labels (B,) or targets (B, K) or None -> a number that is to be small.
OwnLoss = Callable[[Tensor, "Tensor | None"], Tensor]


@dataclass(frozen=True, slots=True)
class Scores:
    """Where a float graph says what it found, before Softmax and ArgMax.

    names     the scores of each output
    decision  None where the outputs are no scores of classes
    deciding  the name among them that has one logit for each class, or a single one
    """

    names: tuple[str, ...]
    decision: Decision | None
    deciding: str | None

    @classmethod
    def of(cls, graph: Graph) -> Scores:
        """Of a float graph."""
        names = [_before_decision(graph, port.value) for port in graph.outputs]
        decision = decide(graph)
        if decision is None:
            return cls(tuple(names), None, None)
        k = decision.output
        # A function behind the logits, as a sigmoid for each class, is read through as the device does.
        if decision.kind != "index" and isinstance(graph.producers.get(names[k]), Unary):
            names[k] = decision.value
        if decision.kind == "threshold":
            names[k] = decision.value
        return cls(tuple(names), decision, names[k])

    def logits(self, values: Values) -> Tensor:
        """(B, K) of the deciding output; a single score becomes two classes, even at its threshold."""
        assert self.decision is not None
        assert self.deciding is not None
        flat = values[self.deciding].flatten(1)
        if self.decision.kind != "threshold":
            return flat
        above = flat[:, :1] - self.decision.threshold
        return torch.cat([torch.zeros_like(above), above], dim=1)


def _before_decision(graph: Graph, value: str) -> str:
    while (op := graph.producers.get(value)) is not None and isinstance(op, Softmax | ArgMax | Reshape):
        value = op.inputs[0]
    return value


@dataclass(frozen=True, slots=True)
class Loss:
    """The loss of a batch, and how many of its samples are right.

    distill      share of the teacher in the loss, 0 to 1, where there are labels or targets, too
    temperature  of the teacher's and the student's classes
    target_std   of each target, with which its error is compared; empty without targets
    own          what the user wants in place of the losses of labels and targets
    """

    student: Scores
    teacher: Scores | None
    has_labels: bool
    target_std: tuple[float, ...]
    distill: float
    temperature: float
    own: OwnLoss | None = None

    @property
    def wanted(self) -> tuple[str, ...]:
        """Values of the student that are needed."""
        return tuple(dict.fromkeys((*self.student.names, *([self.student.deciding] if self.student.deciding else []))))

    def __call__(self, student: Values, teacher: Values | None, expected: Tensor | None) -> Tensor:
        """A number. Values are real, (B, *shape) by name; expected: labels (B,) or targets (B, K)."""
        if self.own is not None:
            hard: Tensor | None = self.own(student[self.student.names[0]].flatten(1), expected)
        else:
            hard = None if expected is None else self._hard(student, expected)
        if teacher is None:
            assert hard is not None
            return hard
        soft = self._soft(student, teacher)
        return soft if hard is None else (1 - self.distill) * hard + self.distill * soft

    def right(self, student: Values, teacher: Values | None, expected: Tensor | None) -> Tensor | None:
        """Which samples (B,) get their label's class, or without labels the teacher's; None for a regression."""
        if self.target_std or self.student.decision is None:
            return None
        found = self.student.logits(student).argmax(dim=1)
        if self.has_labels:
            assert expected is not None
            return found.eq(expected)
        assert self.teacher is not None
        assert teacher is not None
        return None if self.teacher.decision is None else found == self.teacher.logits(teacher).argmax(dim=1)

    def _hard(self, student: Values, expected: Tensor) -> Tensor:
        if self.has_labels:
            return F.cross_entropy(self.student.logits(student), expected)
        std = torch.tensor(self.target_std, dtype=expected.dtype)
        fitting = next(n for n in self.student.names if student[n].flatten(1).shape[1] == len(self.target_std))
        return (((student[fitting].flatten(1) - expected) / std) ** 2).mean()

    def _soft(self, student: Values, teacher: Values) -> Tensor:
        assert self.teacher is not None
        parts = []
        for mine, theirs in zip(self.student.names, self.teacher.names, strict=True):
            if self.has_labels and mine == self.student.deciding:
                t = self.temperature
                wanted = F.log_softmax(self.teacher.logits(teacher) / t, dim=1)
                found = F.log_softmax(self.student.logits(student) / t, dim=1)
                parts.append(t * t * F.kl_div(found, wanted, reduction="batchmean", log_target=True))
            else:
                goal = teacher[theirs].flatten(1)
                power = goal.var(correction=0) + 1e-12 * goal.square().mean() + 1e-30
                parts.append((student[mine].flatten(1) - goal).square().mean() / power)
        return torch.stack(parts).mean()


def loss_of(
    student: Graph,
    teacher: Graph | None,
    data: Dataset,
    *,
    distill: float,
    temperature: float,
    own: OwnLoss | None = None,
) -> tuple[Loss, Tensor | None]:
    """The loss for a data set, and what is expected of each sample: labels (N,), targets (N, K) or None.

    Raises BadData or BadModel where there is nothing to train towards, or labels that the network has no classes for.
    """
    mine, theirs = Scores.of(student), None if teacher is None else Scores.of(teacher)
    if theirs is not None and _sizes(student, mine) != _sizes(teacher, theirs):  # type: ignore[arg-type]
        raise BadModel(
            f"the network's outputs have {_sizes(student, mine)} values, those of the one it learns from "
            f"{_sizes(teacher, theirs)}",  # type: ignore[arg-type]
            hint="both must give the same outputs in the same order",
        )
    targets = data.targets
    if targets is not None:
        if (n := targets.shape[1]) not in _sizes(student, mine):
            raise BadData(
                f"targets have {n} value{'s' * (n > 1)} a sample, the network's outputs {_sizes(student, mine)}",
                where=data.name,
            )
        std = tuple(float(s) or 1.0 for s in targets.std(axis=0))
        return Loss(mine, theirs, False, std, distill, temperature, own), torch.from_numpy(targets.astype(np.float32))
    if data.labels is not None and mine.decision is not None:
        data.check_classes(n_classes(student, mine.decision))
        data.check_differ()
        return Loss(mine, theirs, True, (), distill, temperature, own), torch.from_numpy(data.labels)
    if theirs is None and own is None:
        raise BadData(
            "there is nothing to train towards: no labels of the network's classes, and no network to learn from",
            where=data.name,
            hint="give labels, or the dense network whose scores are to be kept",
        )
    return Loss(mine, theirs, False, (), distill, temperature, own), None


def _sizes(graph: Graph, scores: Scores) -> list[int]:
    return [graph.types[name].n_elems for name in scores.names]
