"""The key of a measured price: calls that could cost differently never have the same one."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

from freeml.ir.graph import Graph
from freeml.ir.ops import Op, Window
from freeml.ir.types import Const
from freeml.kernels.kernel import KernelCall
from freeml.kernels.table import KERNELS
from freeml.kernels.variants import VARIANTS
from freeml.plan.calls import kernel_calls
from freeml.plan.energy_work import work
from freeml.plan.measured import signature
from freeml.plan.memory import plan_memory
from tests.plan.plan_graphs import Builder, int8_graphs


def calls_of(graph: Graph) -> list[KernelCall]:
    return list(kernel_calls(graph, plan_memory(graph, in_place=False)))


def every_kind() -> Graph:
    b = Builder()
    x = b.input(6, 6, 4)
    y = b.pad(b.maxpool(b.conv(x, 4), Window(kernel=(2, 2), stride=(2, 2))), (1, 0, 0), (0, 1, 0))
    y = b.concat(2, b.transpose(y, 1, 0, 2), b.add(y, y), b.mul(y, y), b.lut(y))
    y = b.conv_pool(y, 4, Window(kernel=(2, 2), stride=(2, 2)))
    features = b.flatten(b.global_average(y))
    scores = b.softmax(b.dense(features, 5))
    sums = b.exit_head(features, 5)
    return b.graph(scores, b.argmax(scores), b.exit_mix(b.exit_head(features, 5, sums), sums))


EVERY_KIND = {type(call.op): call for call in calls_of(every_kind())}


def test_all_kinds_of_calls_are_looked_at() -> None:
    assert EVERY_KIND.keys() == KERNELS.keys()


def other(value: Any) -> Any:
    """Another value of the same kind."""
    match value:
        case bool():
            return not value
        case int():
            return value + 1
        case tuple():
            return (*value[:-1], other(value[-1]))
        case Window():
            return replace(value, dilation=other(value.dilation))
    raise AssertionError(f"{value!r}")


@pytest.mark.parametrize("kind", EVERY_KIND, ids=lambda kind: kind.__name__)
def test_every_field_of_an_op_is_in_its_signature(kind: type[Op]) -> None:
    graph, call = every_kind(), EVERY_KIND[kind]
    own = {field.name for field in fields(kind)} - {field.name for field in fields(Op)}
    for name in own:
        changed = replace(call.op, **{name: other(getattr(call.op, name))})
        assert signature(graph, replace(call, op=changed)) != signature(graph, call), name
    assert signature(graph, replace(call, op=replace(call.op, loc="elsewhere"))) == signature(graph, call)


def test_a_constant_is_not_a_value_of_its_shape() -> None:
    b = Builder()
    x = b.input(4, 4, 2)
    graph = b.graph(b.add(x, b.random(4, 4, 2)), b.add(x, b.input(4, 4, 2)))
    first, second = calls_of(graph)
    assert signature(graph, first) != signature(graph, second)


def test_shifts_are_in_the_signature_and_weights_are_not() -> None:
    b = Builder()
    graph = b.graph(b.dense(b.flatten(b.input(2, 2, 2)), 3))
    (call,) = calls_of(graph)
    _, weight, _, _, shift = call.op.inputs

    def with_array(name: str, array: np.ndarray) -> Graph:
        return replace(graph, consts={**graph.consts, name: Const(array)})

    slower = with_array(shift, np.array([22, 22, 40], np.uint8))
    retrained = with_array(weight, graph.consts[weight].array[::-1].copy())
    assert signature(slower, call) != signature(graph, call) == signature(retrained, call)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(int8_graphs(max_ops=10))
def test_calls_with_one_signature_do_the_same_work(graph: Graph) -> None:
    by_signature: dict[str, list[KernelCall]] = {}
    for call in calls_of(graph):
        by_signature.setdefault(signature(graph, call), []).append(call)
    for first, *others in by_signature.values():
        n = np.arange(1, first.n_units + 1)
        for call in others:
            assert call.n_units == first.n_units
            for variant in VARIANTS:
                mine, theirs = (work(graph, one, n, variant).counts for one in (first, call))
                assert {k: v.tolist() for k, v in mine.items()} == {k: v.tolist() for k, v in theirs.items()}
