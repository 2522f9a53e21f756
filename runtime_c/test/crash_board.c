/* The board that the runtime sees in the explorer, and what every write, read and report of it must keep to. */
#include <stdio.h>
#include <string.h>

#include "crash.h"

void world_check_result(void) {
    fml_result_t result;
    const fml_status_t status = fml_result(&world.model, world.window, &result);
    const crash_position_t at = world_position();
    if (status == FML_OK ? !at.valid || result.sequence != at.sequence : at.valid && at.sequence != 0) {
        world_diverge("fml_result() does not give the newest published result");
    }
}

void world_judge(void) {
    const crash_position_t at = world.now = world_position();
    if (world.start.valid && !at.valid) {
        world_diverge("a whole image is lost");
    }
    if (at.valid && !world_is_start(&at)) {
        if (!world_may_follow(&at)) {
            world_diverge("a commit of another step than the next");
        }
        if (world.start.valid && world_row(world.start.step)->kind == FML_REPORT && !world.reported) {
            world_diverge("a result that nobody was told");
        }
        if (!world.legal(world_key(&at))) {
            world_diverge("a committed image that no run without losses has");
        }
        world.committed = 1;
    }
}

/* Promises that hold for any NVM: they are about the text of the runtime, and NVM may come to depend on them. */
static void count_waiting(uint32_t n) {
    world.waiting_bytes += n;
    if (world.waiting_bytes > FML_NVM_CHUNK_BYTES) {
        world_diverge("more bytes wait for a barrier than FML_NVM_CHUNK_BYTES");
    }
}

static uint8_t overlap(uint32_t addr, uint32_t n, uint32_t other, uint32_t n_other) {
    return addr < other + n_other && other < addr + n;
}

static void wait_for_barrier(uint32_t addr, uint32_t n) {
    for (uint32_t i = 0; i < world.n_pending; i++) {
        crash_unit_t *older = &world.pending[i];
        older->is_covered |= overlap(addr, n, older->addr, older->n);
    }
    crash_unit_t *unit = &world.pending[world.n_pending++]; /* no more than there are bytes */
    unit->addr = addr;
    unit->n = (uint8_t)n;
    unit->is_covered = 0;
    memcpy(unit->old, world.nvm + addr, n);
}

/* Whether something later that is there lies over a unit: then it makes no difference that the unit is missing. */
static uint8_t is_hidden(const crash_fault_t *faults, uint32_t n, uint32_t next, uint32_t ago) {
    const crash_unit_t *unit = &world.pending[world.n_pending - ago];
    if (faults[0].ago == 0 && overlap(unit->addr, unit->n, next, 1)) {
        return 1;
    }
    for (uint32_t later = 1; unit->is_covered && later < ago; later++) {
        const crash_unit_t *over = &world.pending[world.n_pending - later];
        uint8_t hit = 0;
        for (uint32_t i = 0; i < n; i++) {
            hit |= faults[i].ago == later;
        }
        if (!hit && overlap(unit->addr, unit->n, over->addr, over->n)) {
            return 1;
        }
    }
    return 0;
}

uint32_t world_fault(const crash_fault_t *faults, uint32_t n, uint32_t next, crash_unit_t *pieces) {
    uint32_t n_pieces = 0;
    for (uint32_t i = 0; i < n; i++) { /* later units are named first, the next byte before all */
        const crash_fault_t fault = faults[i];
        if (fault.ago > world.n_pending || (fault.ago > 0 && is_hidden(faults, n, next, fault.ago))) {
            continue;
        }
        crash_unit_t piece = {.addr = next, .n = 1};
        if (fault.ago > 0) {
            piece = world.pending[world.n_pending - fault.ago];
        }
        if (fault.is_garbage) {
            piece.old[0] = fault.value;
        }
        pieces[n_pieces++] = piece;
    }
    return n_pieces;
}

static void write_unit(uint32_t addr, const uint8_t *bytes, uint32_t n) {
    for (uint32_t i = 0; i < n; i++) {
        if (world.allowed[addr + i] != world.epoch && !world.options->any_write) {
            char text[80];
            snprintf(text, sizeof text, "byte %lu is outside of the write set", (unsigned long)(addr + i));
            world_diverge(text);
        }
    }
    count_waiting(n);
    world.before(addr, bytes, n);
    world.report->writes++;
    world.cycle_writes++;
    const uint8_t changed = memcmp(world.nvm + addr, bytes, n) != 0;
    if (changed) {
        if (world.options->behaviour >= CRASH_UNORDERED) {
            wait_for_barrier(addr, n);
        }
        world_set(addr, bytes, n);
        if (world.committed) {
            world_diverge("a write after the commit of its step");
        }
        if (addr < FML_NVM_SUMS) {
            world_check_result();
            world_judge();
        }
    }
    world.after(addr, n, changed);
}

void fml_hal_nvm_write(void *dst, const void *src, size_t n) {
    const uint8_t *from = src;
    const uintptr_t offset = (uintptr_t)dst - (uintptr_t)world.window;
    if (offset > world.n_bytes || n > world.n_bytes - offset) {
        world_diverge("a write outside of the image");
    }
    uint32_t addr = (uint32_t)offset;
    const uint32_t unit = world.options->unit_bytes;
    while (n > 0) {
        const uint32_t left = unit - addr % unit, take = n < left ? (uint32_t)n : left;
        write_unit(addr, from, take);
        addr += take;
        from += take;
        n -= take;
    }
}

/* The second run of a tile reads the other image. */
void fml_hal_nvm_read(void *dst, const void *src, size_t n) {
    const uintptr_t offset = (uintptr_t)src - (uintptr_t)world.window;
    const uintptr_t other = (uintptr_t)src - (uintptr_t)world.alternative_window;
    if (offset <= world.n_bytes && n <= world.n_bytes - offset) {
        memcpy(dst, world.nvm + offset, n);
    } else if (other <= world.n_bytes && n <= world.n_bytes - other) {
        memcpy(dst, world.alternative + other, n);
    } else {
        world_diverge("a read outside of the image");
    }
}

void fml_hal_nvm_barrier(void) {
    if (!world.memo_valid) {
        world_check_shadow();
    }
    world.n_pending = world.waiting_bytes = 0;
}

/* What the reading that comes now shows: one of so many answers. */
static uint8_t answer(uint32_t answers) {
    const uint8_t i = world.n_readings;
    if (i == CRASH_MOST_READINGS || answers > CRASH_MOST_ANSWERS) {
        world_diverge("more readings in a step, or more answers to one, than the explorer has room for");
    }
    world.readings[world.n_readings++] = (uint8_t)answers;
    const uint8_t given = i < world.n_given ? world.given[i] : 0;
    return given < answers ? given : (uint8_t)(answers - 1);
}

int fml_hal_sample(uint16_t input, uint32_t first, uint32_t n, int8_t *dst) {
    if (world.sampled == 0) {
        world.sampled = (uint8_t)(1 + answer(2));
    }
    const int8_t *from = world.samples[world.sampled - 1];
    for (uint16_t i = 0; i < input; i++) {
        from += world.original->inputs[i].n_bytes;
    }
    memcpy(dst, from + first, n);
    return 0;
}

/* Only a result that is committed, with its outputs still there, and only in its step. */
int fml_hal_report(const fml_model_t *model, const fml_result_t *result) {
    const fml_port_t port = model->outputs[model->result_output];
    const crash_position_t at = world_position();
    const fml_record_t *record = &at.record;
    int8_t output[64];
    const uint32_t n = port.n_bytes < sizeof output ? port.n_bytes : (uint32_t)sizeof output;
    if (!at.valid || world_row(at.step)->kind != FML_REPORT || result->sequence != record->sequence ||
        result->class_index != record->class_index || result->confidence != record->confidence ||
        result->depth != record->depth) {
        world_diverge("a report of something else than the newest result");
    }
    const fml_status_t status = fml_read_output(&world.ram, model->result_output, 0, n, output);
    if (world_row(at.step)->products == 0) {
        if (status != FML_NO_RESULT) {
            world_diverge("outputs are read that a decision left uncomputed");
        }
    } else if (status != FML_OK || memcmp(output, world.nvm + FML_NVM_ARENA + port.offset_bytes, n) != 0) {
        world_diverge("the outputs of a result that is reported cannot be read");
    }
    world.reported = 1;
    return FML_OK;
}

/* A reading for each side of each level of the policy; the first answer is the most energy. */
uint32_t fml_hal_energy_uj(void) {
    const fml_policy_t *policy = world.original->policy;
    if (!world.start.valid || world_row(world.start.step)->kind != FML_DECIDE) {
        world_diverge("the meter is read in a step that decides nothing");
    }
    const uint8_t below = answer(policy->n_levels + 1u);
    if (below == policy->n_levels) {
        return below > 0 && policy->levels_uj[0] > 0 ? policy->levels_uj[0] - 1 : 0;
    }
    return policy->levels_uj[policy->n_levels - 1 - below];
}

/* One side of a deadline, or the other. */
uint32_t fml_hal_elapsed_ms(void) {
    if (!world.start.valid || world_row(world.start.step)->kind != FML_DECIDE) {
        world_diverge("the clock is read in a step that decides nothing");
    }
    return answer(2) == 0 ? 0 : FML_NO_TIME;
}

void world_compute(uint16_t layer, const int8_t *arena, int8_t *y, int8_t *scratch, uint32_t first, uint32_t n) {
    const fml_model_t *model = world.original;
    const size_t n_bytes = (size_t)n * model->layers[layer].unit_bytes;
    if (world.memo_valid && world.options->memoise) {
        memcpy(y, world.memo, n_bytes);
        return;
    }
    const uint8_t n_readings = world.n_readings;
    model->compute(layer, arena, y, scratch, first, n);
    if (world.memo_valid) {
        return;
    }
    memcpy(world.alternative, world.nvm, world.n_bytes);
    for (uint32_t i = FML_NVM_ARENA; i < world.n_bytes; i++) {
        if (world.allowed[i] == world.epoch) {
            world.alternative[i] = (uint8_t)(world_random() >> 8);
        }
    }
    for (uint8_t fill = 0; fill <= model->is_staged; fill++) { /* a read beside what was staged would show */
        if (model->is_staged && fill == 0) {
            memset(world.other, 0, model->tile_bytes);
        } else if (fill == 1) {
            world_garbage(world.other, model->tile_bytes);
        }
        model->compute(layer, (const int8_t *)world.alternative_window + FML_NVM_ARENA, world.other, scratch, first, n);
        if (memcmp(world.other, y, n_bytes) != 0) {
            world_diverge("a tile reads what it writes, or what is not in NVM");
        }
    }
    memcpy(world.memo, y, n_bytes);
    world.memo_valid = n_readings == world.n_readings;
}
