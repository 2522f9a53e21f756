"""What is counted of ops: by hand, and once where two read the same."""

from __future__ import annotations

from plan_graphs import Builder, tiny_cnn

from freeml.plan.calls import kernel_calls
from freeml.plan.counts import count_ops
from freeml.plan.memory import plan_memory


def test_the_tiny_cnn_has_what_can_be_counted_by_hand() -> None:
    counts = count_ops(tiny_cnn())
    assert counts.macs == 94_720
    assert counts.params == 3_818
    n_out = 8 + 16 + 10
    assert counts.weight_bytes == (3_818 - n_out) + n_out * (
        4 + 2 + 1
    )  # int8, int32 bias, uint16 multiplier, uint8 shift
    assert counts.scratch_bytes == 3 * 3 * 8


def test_pointwise_and_depthwise_convolutions_need_no_scratch() -> None:
    b = Builder()
    x = b.conv(b.input(4, 4, 4), 4, 1)
    x = b.conv(x, 8, 3, groups=4)
    x = b.conv(x, 8, 3, groups=2)
    counts = count_ops(b.graph(x))
    assert [c.scratch_bytes for c in counts.by_op.values()] == [0, 0, 9 * 4]
    assert [c.macs for c in counts.by_op.values()] == [16 * 4 * 4, 16 * 8 * 9, 16 * 8 * 36]


def test_a_reshape_moves_nothing() -> None:
    b = Builder()
    graph = b.graph(b.flatten(b.lut(b.input(4, 4, 2))))
    assert [call.op for call in kernel_calls(graph, plan_memory(graph))] == [graph.ops[0]]


def test_a_constant_read_twice_is_stored_once() -> None:
    b = Builder()
    x, k = b.input(2, 2, 2), b.random(2, 2, 2)
    counts = count_ops(b.graph(b.add(b.add(x, k), k)))
    assert counts.weight_bytes == counts.params == 8
