from __future__ import annotations

from plan_graphs import Builder, tiny_cnn

from freeml.plan.cost import costs


def test_the_tiny_cnn_costs_what_can_be_counted_by_hand() -> None:
    cost = costs(tiny_cnn())
    assert cost.macs == 94_720
    assert cost.params == 3_818
    n_out = 8 + 16 + 10
    assert cost.weight_bytes == (3_818 - n_out) + n_out * (
        4 + 2 + 1
    )  # int8, int32 bias, uint16 multiplier, uint8 shift
    assert cost.scratch_bytes == 3 * 3 * 8
    conv1 = cost.by_op["v0"]
    assert (conv1.input_bytes, conv1.output_bytes) == (256, 2048)


def test_pointwise_and_depthwise_convolutions_need_no_scratch() -> None:
    b = Builder()
    x = b.conv(b.input(4, 4, 4), 4, 1)
    x = b.conv(x, 8, 3, groups=4)
    x = b.conv(x, 8, 3, groups=2)
    cost = costs(b.graph(x))
    assert [c.scratch_bytes for c in cost.by_op.values()] == [0, 0, 9 * 4]
    assert [c.macs for c in cost.by_op.values()] == [16 * 4 * 4, 16 * 8 * 9, 16 * 8 * 36]


def test_a_reshape_moves_nothing() -> None:
    b = Builder()
    y = b.flatten(b.input(4, 4, 2))
    cost = costs(b.graph(y)).by_op[y]
    assert cost.input_bytes == cost.output_bytes == 0


def test_a_constant_read_twice_is_stored_once() -> None:
    b = Builder()
    x, k = b.input(2, 2, 2), b.random(2, 2, 2)
    cost = costs(b.graph(b.add(b.add(x, k), k)))
    assert cost.weight_bytes == cost.params == 8
