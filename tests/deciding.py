"""A network with two exits and a policy of a few lines, for tests of decisions."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from freeml.ir.graph import Graph
from freeml.ir.types import Decision
from freeml.ir.verify import verify_graph
from freeml.plan.steps import Policy, TilePlan
from tests.plan.plan_graphs import Builder

HEADER = """
#ifndef FML_SURE_H
#define FML_SURE_H
#include "fml_decide.h"
typedef struct {
    uint16_t sure; /* confidence from which it stops */
    uint32_t least_uj; /* below which it stops in any case */
} fml_sure_exit_t;
typedef struct {
    fml_policy_t policy;
    const fml_sure_exit_t *exits;
} fml_sure_t;
uint8_t fml_sure_stops(const fml_policy_t *policy, const fml_layer_t *row, const int8_t *arena, fml_record_t *record);
#endif
"""
SOURCE = """
#include "fml_sure.h"
#include "fml_hal.h"
uint8_t fml_sure_stops(const fml_policy_t *policy, const fml_layer_t *row, const int8_t *arena, fml_record_t *record) {
    const fml_sure_exit_t *at = &((const fml_sure_t *)(const void *)policy)->exits[row->products - 1u];
    const uint32_t lead = fml_lead(row, arena, &record->class_index) >> (row->unit_stride_bytes == 4 ? 20 : 0);
    record->confidence = (uint8_t)(lead > 255u ? 255u : lead);
    record->state[0]++;
    return record->confidence >= at->sure || fml_hal_energy_uj() < at->least_uj;
}
"""
NEVER = 256


def deciding_graph() -> Graph:
    """Two exits, whose scores nothing else reads, and an end."""
    b = Builder()
    x = b.input(16)
    first = b.dense(x, 8)
    early = b.dense(first, 3)
    second = b.dense(first, 8)
    later = b.dense(second, 3)
    end = b.dense(b.dense(second, 8), 3)
    exits = (Decision("scores", early, 0), Decision("scores", later, 0))
    return verify_graph(replace(b.graph(end), exits=exits, decision=Decision("scores", end, 0)))


def with_policy(tiles: TilePlan, *rows: tuple[int, int], state_bytes: int = 1) -> TilePlan:
    """A plan with what is sure enough, and how little energy too little, at each exit."""
    levels = sorted({least_uj for _, least_uj in rows} - {0})
    return replace(tiles, policy=Policy("sure", rows, tuple(levels), state_bytes=state_bytes))


def write_policy(runtime: Path) -> None:
    """Its C beside the runtime's."""
    (runtime / "fml_sure.h").write_text(HEADER)
    (runtime / "fml_sure.c").write_text(SOURCE)
