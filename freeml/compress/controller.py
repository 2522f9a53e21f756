"""FreeML's controller: which layer loses weights next, and how many. Pure functions; who retrains is told from outside.

The largest layer that is not fragile is made about ten times smaller, then the network is retrained. A layer is fragile
whose last step cost 5 points of accuracy; when all are, the largest is taken whatever it costs. It ends when the
stored size is within the target.

Not repeated of the published code: the first density is an argument and not overwritten; a target that no step can
reach is refused at once instead of being tried forever, and a layer without any weight left is not chosen again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from freeml.compress.stored import Layer, least_bytes, total_bytes
from freeml.errors import DoesNotFit


@dataclass(frozen=True, slots=True)
class Rules:
    """Constants of the controller, as published.

    first       density that a dense layer gets first
    ratio       each step multiplies the density by it, until the layer's bytes are at most
    size_ratio  of what they were, and most_ratios times at most
    drop        accuracy lost in one step, 0 to 1, from which on a layer is fragile
    fast        retrain only where the target is reached
    """

    first: float = 0.1
    ratio: float = 0.9
    size_ratio: float = 0.1
    most_ratios: int = 31
    drop: float = 0.05
    fast: bool = False


@dataclass(frozen=True, slots=True)
class State:
    """Between two steps. density by layer; forced: every layer is fragile, so that none is spared any more."""

    density: Mapping[str, float]
    accuracy: float
    fragile: frozenset[str] = field(default_factory=frozenset)
    forced: bool = False


@dataclass(frozen=True, slots=True)
class Step:
    """One step that was made: layer, its new density, the network's stored bytes, and the state after retraining."""

    layer: str
    density: float
    stored_bytes: float
    retrained: bool
    state: State


def begin(layers: Sequence[Layer], measured: Mapping[str, float], accuracy: float) -> State:
    """Layers count as dense, but for those of which less than half of the weights are left. measured: by layer."""
    return State({n.name: measured[n.name] if measured[n.name] < 0.5 else 1.0 for n in layers}, accuracy)


def choose(layers: Sequence[Layer], state: State) -> tuple[Layer | None, State]:
    """The layer of the most bytes, without pointers, that may be taken; None where no layer has a weight left."""
    left = [layer for layer in layers if layer.n_weights * state.density[layer.name] >= 1]
    if all(layer.name in state.fragile for layer in left):
        state = replace(state, forced=True)
    taken = [layer for layer in left if state.forced or layer.name not in state.fragile]
    if not taken:
        return None, state
    return max(taken, key=lambda layer: layer.stored_bytes(state.density[layer.name], pointers=False)), state


def squeeze(layer: Layer, density: float, rules: Rules) -> float:
    """The density that makes a layer's bytes, without pointers, about `size_ratio` of what they are."""
    goal = rules.size_ratio * layer.stored_bytes(density, pointers=False)
    for _ in range(rules.most_ratios):
        density = rules.first if density == 1.0 else rules.ratio * density
        if layer.stored_bytes(density, pointers=False) <= goal:
            break
    return density


def judge(state: State, layer: Layer, accuracy: float, rules: Rules) -> State:
    """After retraining: the layer is fragile if this step, not all before it, cost too much."""
    # A drop of exactly 5 points counts, whatever the two accuracies are in binary.
    costly = state.accuracy - accuracy >= rules.drop - 1e-9
    return replace(state, accuracy=accuracy, fragile=state.fragile | {layer.name} if costly else state.fragile)


def sparsify(
    layers: Sequence[Layer],
    state: State,
    target_bytes: float,
    retrain: Callable[[Mapping[str, float]], float],
    rules: Rules | None = None,
) -> Iterator[Step]:
    """Steps until the target is reached; none where it is already.

    retrain: trains the network with these densities and gives its accuracy on samples that are not the test's, 0 to 1.
    Raises DoesNotFit where no density reaches the target, before anything is trained.
    """
    rules = rules or Rules()
    if total_bytes(layers, state.density) > target_bytes <= (least := least_bytes(layers)):
        raise DoesNotFit(
            f"{target_bytes / 1000:g} kB cannot be reached: biases and pointers alone take {least / 1000:.3f} kB",
            region="stored bytes",
            needed=int(least) + 1,
            available=int(target_bytes),
            hint=f"give a target above {least / 1000:.3f} kB",
        )
    while (size := total_bytes(layers, state.density)) > target_bytes:
        layer, state = choose(layers, state)
        if layer is None:
            raise DoesNotFit(
                f"{target_bytes / 1000:g} kB cannot be reached: {size / 1000:.3f} kB with the last weight gone",
                region="stored bytes",
                needed=int(size) + 1,
                available=int(target_bytes),
            )
        density = squeeze(layer, state.density[layer.name], rules)
        state = replace(state, density={**state.density, layer.name: density})
        size = total_bytes(layers, state.density)
        retrained = not rules.fast or size <= target_bytes
        if retrained:
            state = judge(state, layer, retrain(state.density), rules)
        yield Step(layer.name, density, size, retrained, state)
