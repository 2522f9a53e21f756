"""This project's own method: fewer channels first, by what binds on the board, then few codes, trained as they run.

Layers of low rank are separated where that lowers what binds. Channels go in rounds, each to a geometric mean of what
is and what is asked, with training towards the dense network's answers in between; then weights get as many values as
the bytes allow, from many to few, trained in the integers of the device. Where a size alone is asked for, weights get
fewer bits of an entropy coder before channels go. Where only a drop of accuracy is given, the network is halved until
it costs more than that.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

from freeml.compress.balance import balanced
from freeml.compress.coding import Levels, falling, gradual, levels_for, small_layers
from freeml.compress.cost import NOTHING, cost_of, excess
from freeml.compress.job import Job
from freeml.compress.judge import in_int8
from freeml.compress.linked import asked, between, surplus
from freeml.compress.merge import merge_dense
from freeml.compress.narrow import narrowed
from freeml.compress.pieces import separated_where_it_helps
from freeml.compress.refuse import refuse_early
from freeml.compress.sensitivity import of_codes
from freeml.compress.storing import TIMED_WORTH, USUAL_WORTH, Forms, stored
from freeml.compress.training import Trainer, schedule_for
from freeml.compress.types import Bounds, Compressed, Cost
from freeml.ir.graph import Graph
from freeml.train.coded import CodedNetwork
from freeml.train.int8 import Int8Network
from freeml.train.network import Network

_MOST_ROUNDS = 6
_MOST_NARROWED = 5
_MOST_REPAIRS = 3
_LARGEST_STEP = 2.0  # by which a figure falls in one round, where there are not more rounds than that
_MARGIN = 0.98  # of bytes, time and energy asked for that the plan fills: codes change while they are trained
_CHANGING = ("ms", "energy_uj")
_LARGER = 1.1  # than what was asked for
_SAMPLES = 512  # that channels are judged by
# Where nothing is asked to fall further, fewer channels do it and weights stay int8: a decoder is kilobytes of
# code, and slower than what it decodes for.
_CHANNELS_ALONE = 2.0
_LEARNING_RATE = 1e-3
_CODED_LEARNING_RATE = 5e-4
_MOST_ERROR = 0.01  # of the scores' variance, by the few values of a small layer
_MOST_BITS, _BITS_STEP = 3.0, 0.05


def by_bounds(job: Job) -> Compressed:
    """Make a job's network keep to its bounds. Raises DoesNotFit at once where nothing can, or at the end."""
    search = _Search(job)
    whole = merge_dense(balanced(job.graph), job.bounds.keep)
    only_drop = job.bounds.limits().keys() <= {"max_drop_points", "time_s"}
    network = search.smallest_within_drop(whole) if only_drop else search.within_bounds(whole)
    encodings = search.encodings(network.lowered().integer)
    return job.result("auto", network, encodings)


class _Search:
    """One search; what is decided depends on what is given alone, so that a killed run decides the same again."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.bounds = job.bounds
        self.forms = Forms(job.board)
        self.calibration = job.samples.calibration.take(_SAMPLES).real_inputs()
        # Bytes are what some bound is about: weights are stored in few of them, even where that costs some time.
        self.bytes_bind = bool(self.bounds.limits().keys() & {"target_bytes", "flash_bytes"}) or not (
            self.bounds.limits().keys() - {"max_drop_points", "time_s"}
        )
        # Planning takes seconds: where only stored bytes are asked for, it waits until the board is known to bind.
        self.asks_board = bool(self.bounds.limits().keys() - {"target_bytes", "max_drop_points", "time_s"})
        self.surplus = NOTHING
        # An entropy coder takes long for each weight: it is for bytes alone.
        is_timed = bool(self.bounds.limits().keys() & set(_CHANGING))
        self.levels = levels_for(job.bounds.target_bytes, job.bounds.keep, is_timed=is_timed)

    def excess(self, graph: Graph, levels: Levels | None = None, *, smallest: bool = False) -> dict[str, float]:
        """How many times each bound is exceeded by a float graph with so many values for its weights.

        smallest: in the forms with the fewest bytes, however slow
        """
        integers = (levels or self.levels).integers(graph)
        forms = self._forms(integers, smallest=smallest)
        found = excess(self._least(integers, forms)[1], self.bounds) if self.asks_board else {}
        found |= {name: found[name] / _MARGIN for name in _CHANGING if name in found}
        if self.bounds.target_bytes is not None:
            found["target_bytes"] = self.forms.stored_bytes(integers, forms) / (_MARGIN * self.bounds.target_bytes)
        return found

    def bytes_of(self, integers: Graph) -> int:
        """Stored bytes of an integer graph."""
        return self.forms.stored_bytes(integers, self._forms(integers))

    def cost(self, integers: Graph) -> Cost:
        """What an integer graph takes on the board, stored as the search would store it."""
        return self._least(integers, self._forms(integers))[1]

    def encodings(self, integers: Graph) -> Mapping[str, str]:
        """How weights of a finished network are stored: the bytes asked for are filled with quicker forms, as nothing
        will change any more, but not beyond what the board has."""
        if not self.bytes_bind:
            return {}
        found = self.forms.within(integers, self.job.bounds.target_bytes)
        if "flash_bytes" in self.bounds.limits():
            return self._least(integers, found)[0]
        if self._least(integers, found)[1].refusal is not None:
            found = self.forms.best(integers, USUAL_WORTH)
        return found if self._least(integers, found)[1].refusal is None else self.forms.best(integers, 0.0)

    def _forms(self, integers: Graph, *, smallest: bool = False) -> Mapping[str, str]:
        """In the search, where bytes bind: the smallest where all of flash does, or nothing larger could keep to the
        bounds; where time binds beside bytes, the quickest that these leave room for."""
        limits, target = self.bounds.limits(), self.bounds.target_bytes
        if not self.bytes_bind:
            return {}
        if smallest or (target is None and "flash_bytes" in limits):
            return self.forms.best(integers, 0.0)
        if not limits.keys() & set(_CHANGING):
            return self.forms.best(integers, USUAL_WORTH)
        found = {} if target is None else self.forms.within(integers, _MARGIN * target)
        kept = target is None or self.forms.stored_bytes(integers, found) <= _MARGIN * target
        return found if kept else self.forms.best(integers, TIMED_WORTH)

    def _least(
        self, integers: Graph, forms: Mapping[str, str], off: Mapping[str, int] | None = None
    ) -> tuple[Mapping[str, str], Cost]:
        """These forms and what they cost on the board; as weights are where a bound is about flash and decoders take
        more than they save. A network is planned once in each form. off: what bounds are too much, where that is not
        the surplus that is known."""
        off = self.surplus if off is None else off
        coded = cost_of(stored(integers, forms), self.job.board, off=off)
        if not forms or "flash_bytes" not in self.bounds.limits():
            return forms, coded
        plain = cost_of(integers, self.job.board, off=off)
        return (forms, coded) if coded.flash_bytes < plain.flash_bytes else ({}, plain)

    def within_bounds(self, graph: Graph) -> Int8Network:
        """Rounds of fewer channels, and few codes behind them."""
        job = self.job
        if self.levels.bits is not None:
            self.levels = replace(self.levels, whole=self._whole(graph))
        self._ask_board_where_it_binds(graph)
        fewest = Levels(3, self.levels.keep)
        begin = self.excess(graph, fewest, smallest=True)
        least, _ = narrowed(graph, self.calibration, begin, lambda _: False, job.bounds.keep)
        is_linked = asked(self.bounds)
        if is_linked:
            self.surplus = self._surplus(least, fewest, smallest=True)
        refuse_early(job, self.excess(least, fewest, smallest=True))
        if is_linked:
            self.surplus = between(self.surplus, self._surplus(graph, self.levels))
        plain, coded = (Levels(values, self.levels.keep) for values in (256, 16))
        if self._channels_do(graph, plain):
            self.levels = plain
        elif _kept(self.excess(graph, coded)):  # the most values that do not ask for fewer channels
            self.levels = coded
        begin = self.excess(graph)
        if not _kept(begin):
            graph = separated_where_it_helps(graph, self.calibration, self.excess, job.bounds.keep)
            begin = self.excess(graph)
        rounds = self._rounds(begin)
        schedule = schedule_for(job, rounds, self.levels)
        trainer = Trainer(job, schedule, schedule.total(rounds, self.levels))
        for number in range(1, rounds + 1):
            left = 1 - number / rounds
            allowed = {name: max(1.0, times**left) for name, times in begin.items()}
            graph = merge_dense(self._narrow(graph, allowed), job.bounds.keep)
            epochs = schedule.round_epochs + (schedule.tune_epochs if number == rounds else 0)
            graph = self._trained(trainer, graph, f"round {number}", epochs)
        if self.levels.bits is not None:
            if self.surplus:  # channels stay from here on, so that what is measured holds
                self.surplus = self._surplus(graph, self.levels)
            self.levels = self._most_bits(graph)
            graph = self._few_bits(trainer, graph)
        return self._repaired(trainer, self._coded(trainer, graph, gradual(self.levels)))

    def _whole(self, graph: Graph) -> frozenset[str]:
        """Nodes of small layers that few values cost more than they save, as first ones often are."""
        small, coding = small_layers(graph), self.levels.of(graph)
        errors = of_codes(graph, self.calibration, {name: coding[name] for name in small if name in coding})
        return frozenset(small[name] for name, found in errors.items() if found.error > _MOST_ERROR)

    def _most_bits(self, graph: Graph) -> Levels:
        """The values of weights as they are, with as many bits for them as the bounds leave room for."""
        found = self.levels
        while found.bits is not None and found.bits < _MOST_BITS:
            more = replace(found, bits=round(found.bits + _BITS_STEP, 2))
            if not _kept(self.excess(graph, more)):
                break
            found = more
        return found

    def _repaired(self, trainer: Trainer, network: Int8Network) -> Int8Network:
        """A network whose codes have come to take more than the bytes asked for while they were trained (streams of
        gaps do where weights come back) loses channels until they are kept, and is trained a little more."""
        target = self.job.bounds.target_bytes
        if target is None:
            return network
        for number in range(1, _MOST_REPAIRS + 1):
            integers = network.lowered().integer
            size = self.forms.stored_bytes(integers, self.forms.best(integers, 0.0))
            if size <= target:
                break
            now = self.bounds.target_bytes or target
            self.bounds = replace(self.bounds, target_bytes=now * target // size)
            graph = merge_dense(self._narrow(network.to_graph(), {"target_bytes": 1.0}), self.job.bounds.keep)
            epochs = max(1, trainer.schedule.code_epochs // 2)
            network = self._coded(trainer, graph, [self.levels], f", repair {number}", epochs)
        return network

    def _surplus(self, graph: Graph, levels: Levels, *, smallest: bool = False) -> Mapping[str, int]:
        """How much bounds of memory are above what is linked, of a float graph with so many values for its weights."""
        integers = levels.integers(graph)
        forms, cost = self._least(integers, self._forms(integers, smallest=smallest), off=NOTHING)
        return surplus(stored(integers, forms), self.job.board, cost, self.job.toolchain)

    def _channels_do(self, graph: Graph, plain: Levels) -> bool:
        """Whether the bounds are near enough for fewer channels alone, and those that may go are enough for them: a
        network of one layer, or of layers that are kept, has none."""
        begin = self.excess(graph, plain)
        if _kept(begin) or max(begin.values()) > _CHANNELS_ALONE:
            return _kept(begin)
        least, _ = narrowed(graph, self.calibration, begin, lambda _: False, self.bounds.keep)
        return _kept(self.excess(least, plain))

    def smallest_within_drop(self, graph: Graph) -> Int8Network:
        """Halve the weights until accuracy falls by more than is allowed; the last network before it, in few codes."""
        job, drop = self.job, self.bounds.max_drop_points
        assert drop is not None
        self.levels = Levels(16, frozenset(self.bounds.keep))
        schedule = schedule_for(job, _MOST_ROUNDS, self.levels)
        trainer = Trainer(job, schedule, schedule.total(_MOST_ROUNDS, self.levels))
        now = graph
        for number in range(1, _MOST_ROUNDS + 1):
            target = round(self.bytes_of(self.levels.integers(now)) / _LARGEST_STEP)
            self.bounds = Bounds(target_bytes=max(1, target), keep=job.bounds.keep)
            smaller = self._narrow(now, {"target_bytes": 1.0})
            smaller = self._trained(trainer, smaller, f"round {number}", schedule.round_epochs)
            if smaller.consts.keys() == now.consts.keys() and smaller.types == now.types:
                break
            if 100 * (job.dense_float - job.judge(Network(smaller))) > drop:
                break
            now = smaller
        return self._coded(trainer, now, gradual(self.levels))

    def _ask_board_where_it_binds(self, graph: Graph) -> None:
        """A network that keeps its bytes may still be too much for the board: then the board is asked, too. Asked is
        with one a little larger, as which channels go will change while the network is trained; and how much its bounds
        are too much, with one that they let through."""
        if self.asks_board:
            return
        enough = lambda g: all(each <= _LARGER for each in self.excess(g).values())  # noqa: E731
        small, _ = narrowed(graph, self.calibration, self.excess(graph), enough, self.bounds.keep)
        self.asks_board = self.cost(self.levels.integers(small)).refusal is not None
        if self.asks_board:
            enough = lambda g: _kept(self.excess(g))  # noqa: E731
            small, fits = narrowed(graph, self.calibration, self.excess(graph), enough, self.bounds.keep)
            self.surplus = between(self._surplus(small, self.levels)) if fits else NOTHING

    def _rounds(self, begin: Mapping[str, float]) -> int:
        worst = max(begin.values(), default=0.0)
        return 0 if worst <= 1 else min(_MOST_ROUNDS, math.ceil(math.log(worst, _LARGEST_STEP)))

    def _narrow(self, graph: Graph, allowed: Mapping[str, float]) -> Graph:
        """One bound after the other, the most exceeded first: channels that one asks for cost the others nothing."""
        for _ in range(_MOST_NARROWED):
            found = self.excess(graph)
            times = {name: each / allowed.get(name, 1.0) for name, each in found.items()}
            name = max(times, key=lambda key: times[key], default="")
            if not name or times[name] <= 1:
                break
            limit = allowed.get(name, 1.0)
            kept = lambda g, name=name, limit=limit: self.excess(g).get(name, 0.0) <= limit  # noqa: E731
            graph, _ = narrowed(graph, self.calibration, {name: found[name]}, kept, self.bounds.keep)
        return graph

    def _trained(self, trainer: Trainer, graph: Graph, stage: str, epochs: int) -> Graph:
        network = Network(graph)
        trainer.train(network, stage, epochs, _LEARNING_RATE, self.bytes_of(self.levels.integers(graph)))
        return network.to_graph()

    def _few_bits(self, trainer: Trainer, graph: Graph) -> Graph:
        """Trained with weights of fewer and fewer bits, in floating point: most of what few values cost is learned
        there, in a fraction of the time."""
        for levels in falling(self.levels):
            network = CodedNetwork(graph, levels.of(graph))
            size = self.bytes_of(levels.integers(graph))
            stage = f"{levels.bits:.2f} bits a weight"
            trainer.train(network, stage, trainer.schedule.bits_epochs, _CODED_LEARNING_RATE, size)
            graph = network.to_graph()
            if levels.bits != self.levels.bits:
                self.job.note(self.cost(levels.integers(graph)), self.job.judge(self._scaled(graph, levels)[0]))
        return graph

    def _coded(
        self, trainer: Trainer, graph: Graph, codings: list[Levels], suffix: str = "", epochs: int | None = None
    ) -> Int8Network:
        """Trained in integers, from many values to few; each network on the way is judged. suffix: of the stages' names
        where they are not the first ones, whose epochs are usual."""
        job = self.job
        job.tell("choose scales of activations", trainer.done / trainer.planned)
        network, reference = self._scaled(graph, codings[0])
        for levels in codings:
            network = Int8Network(reference, network.scales, coding=levels.of(reference))
            size = self.bytes_of(network.lowered().integer)
            stage = f"{levels.values} values a weight{suffix}"
            trainer.train(network, stage, epochs or trainer.schedule.code_epochs, _CODED_LEARNING_RATE, size)
            reference = network.to_graph()
            if levels is not codings[-1]:
                job.note(self.cost(network.lowered().integer), job.judge(network))
        return network

    def _scaled(self, graph: Graph, levels: Levels) -> tuple[Int8Network, Graph]:
        """The network in int8, and the float graph that its values stand for: scales are those of the few values that
        weights have where they are trained for these already."""
        job = self.job
        if levels.bits is None:
            network, found = in_int8(graph, job.samples)
            job.note(cost_of(found.graph, job.board), job.judge(network))
            return network, found.reference
        network, found = in_int8(levels.real(graph), job.samples, equalise=False)
        return network, graph


def _kept(times: Mapping[str, float]) -> bool:
    return all(each <= 1 for each in times.values())
