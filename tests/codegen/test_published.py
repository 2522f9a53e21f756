"""What the runtime publishes beside the bytes: the first of the largest scores, its lead, a number that only grows."""

from __future__ import annotations

import ctypes
from pathlib import Path

import fixed_graphs
import numpy as np
import pytest
from host import load
from plan_graphs import Builder

from freeml.ir.int_ops import LutI8
from freeml.sim.host import PUBLISHED


@pytest.mark.parametrize("is_staged", [False, True])
def test_the_record_is_the_first_maximum_and_its_lead_also_where_scores_tie(is_staged: bool, tmp_path: Path) -> None:
    b = Builder()
    x = b.input(1, 1, 7)
    few = b.const(np.array([-128, 4, 127], np.int8)[np.arange(256) % 3])
    graph = fixed_graphs.named(b.graph(b.add_op(LutI8, (x, few), b.shape(x))), "ties")
    model = load(graph, tmp_path, is_staged=is_staged)
    model.device.power_on()
    assert model.device.newest() is None
    rng, n_ties, leads = np.random.default_rng(2), 0, set()
    for number in range(1, 101):  # as many inferences in a row, of which the last one is seen
        codes = rng.integers(-128, 128, (number, 1, 1, 7), dtype=np.int8)
        scores = next(iter(model.run({x: codes}).values()))[-1].ravel().astype(int)
        best, second = np.sort(scores)[::-1][:2]
        found = model.published[-1]
        told = (found.sequence, found.class_index, found.confidence, found.depth)
        assert told == (number * (number + 1) // 2, int(scores.argmax()), best - second, 1)
        n_ties, leads = n_ties + (best == second), leads | {int(best - second)}
    assert 20 < n_ties < 100
    assert leads == {0, 123} | leads & {132, 255}


def test_the_record_of_an_index_is_the_index(tmp_path: Path) -> None:
    b = Builder()
    x = b.input(1, 1, 300)
    model = load(fixed_graphs.named(b.graph(b.argmax(x)), "index"), tmp_path)
    for number, place in enumerate((0, 7, 299, 255, 256), start=1):
        codes = np.full((number, 1, 1, 300), -5, np.int8)
        codes[..., place] = 9
        model.run({x: codes})
        found = model.published[-1]
        assert (found.sequence, found.class_index, found.confidence) == (number * (number + 1) // 2, place, 255)


def test_a_report_that_the_board_cannot_make_is_made_later_and_outputs_stay(tmp_path: Path) -> None:
    b = Builder()
    x = b.input(1, 1, 7)
    model = load(fixed_graphs.named(b.graph(b.lut(x)), "late"), tmp_path)
    device = model.device
    device.power_on()
    device.sense(bytes(7))
    library, ram = device.library, device.ram
    assert library.fml_infer(ram) == PUBLISHED  # its report is next
    calls: list[int] = []

    @ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)
    def listener(_: int, result: int) -> int:
        calls.append(ctypes.cast(result, ctypes.POINTER(ctypes.c_uint32))[0])
        return -9 if len(calls) < 3 else 0

    library.fml_host_set_report(listener)
    library.fml_output.restype = ctypes.c_void_p
    for _ in range(2):
        assert library.fml_step(ram) == -9
        assert library.fml_output(ram, ctypes.c_uint16(0)) is not None
    assert library.fml_step(ram) == 0
    assert library.fml_output(ram, ctypes.c_uint16(0)) is None
    assert calls == [1, 1, 1]
    library.fml_host_set_report(None)
