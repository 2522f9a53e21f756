/* The NVM image of the simulated machine: its hash, and what its control block says. */
#define _DEFAULT_SOURCE /* clock_gettime */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "crash.h"

static uint64_t mix(uint32_t addr, uint8_t value) {
    uint64_t z = ((uint64_t)addr << 8 | value) + 0x9e3779b97f4a7c15u;
    z *= 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

uint32_t world_random(void) {
    world.random ^= world.random << 13;
    world.random ^= world.random >> 17;
    world.random ^= world.random << 5;
    return world.random;
}

double world_seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now); /* on a busy machine, too, a limit is one of work */
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

void world_diverge(const char *reason) {
    if (world.report->divergences++ == 0) {
        snprintf(world.report->reason, sizeof world.report->reason, "%s (result %lu, step %lu)", reason,
                 (unsigned long)world.start.sequence + 1, (unsigned long)world.start.step);
        world.diverged();
    }
    longjmp(world.exit, WORLD_DIVERGED);
}

void world_garbage(void *to, size_t n) {
    uint8_t *bytes = to;
    const uint32_t word = world_random();
    for (size_t i = 0; i < n; i++) {
        bytes[i] = (uint8_t)(word >> (8 * (i & 3)));
    }
    if (n > 0) {
        bytes[world_random() % n] ^= (uint8_t)world_random();
    }
}
static uint64_t *part_of(uint32_t addr) {
    if (addr >= FML_NVM_RESULTS && addr < FML_NVM_SUMS) {
        return &world.hash.result[(addr - FML_NVM_RESULTS) / sizeof(fml_record_t)];
    }
    return world.is_input[addr] ? &world.hash.input : &world.hash.rest;
}

void world_rehash(void) {
    memset(&world.hash, 0, sizeof world.hash);
    for (uint32_t i = 0; i < world.n_bytes; i++) {
        *part_of(i) ^= mix(i, world.nvm[i]);
    }
}

void world_set(uint32_t addr, const uint8_t *bytes, uint32_t n) {
    for (uint32_t i = 0; i < n; i++, addr++) {
        if (world.nvm[addr] != bytes[i]) {
            *part_of(addr) ^= mix(addr, world.nvm[addr]) ^ mix(addr, bytes[i]);
            world.nvm[addr] = bytes[i];
        }
        world.shadow[addr] = bytes[i];
    }
}

static uint8_t is_mine(void) {
    const fml_model_t *model = world.original;
    fml_identity_t identity;
    memcpy(&identity, world.nvm + FML_NVM_IDENTITY, sizeof identity);
    return memcmp(identity.digest, model->digest, sizeof identity.digest) == 0 && identity.magic == FML_MAGIC &&
           identity.layout_version == model->layout_version;
}

/* Whether a byte of the commit slot that is next is right already, and another one is not. */
static int is_half_committed(const crash_position_t *at) {
    fml_commit_t slot;
    uint8_t right = 0;
    memcpy(&slot, world.nvm + FML_NVM_COMMIT + (1u - at->slot) * sizeof slot, sizeof slot);
    for (uint8_t i = 0; i < 32; i += 8) {
        right = (uint8_t)(right + ((slot.word >> i & 0xff) == (~slot.check >> i & 0xff)));
    }
    return right > 0 && right < 4;
}

int world_is_dead_result(const crash_position_t *at) {
    const uint8_t switches = at->valid && (world_row(at->step)->kind == FML_DECIDE || world_row(at->step)->kind == FML_PUBLISH);
    return at->valid && !(switches && world.original->commit_slots == 2 && is_half_committed(at));
}

uint64_t world_key(const crash_position_t *at) {
    uint64_t key = world.hash.rest;
    key ^= at->valid && at->step == 0 ? 0 : world.hash.input;
    key ^= world.hash.result[at->newest];
    return key ^ (world_is_dead_result(at) ? 0 : world.hash.result[1 - at->newest]);
}

uint64_t world_key_with(uint32_t addr, const uint8_t *bytes, uint32_t n) {
    const uint8_t inputs_are_dead = world.now.valid && world.now.step == 0;
    uint64_t key = world_key(&world.now);
    for (uint32_t i = 0; i < n; i++) {
        if (!(inputs_are_dead && world.is_input[addr + i])) {
            key ^= mix(addr + i, world.nvm[addr + i]) ^ mix(addr + i, bytes[i]);
        }
    }
    return key;
}

const fml_layer_t *world_row(uint32_t step) {
    return world.original->layers + world.rows[step];
}

/* Whether the newest result is of the inference that this step is of: it waits for its report, or a decision was made. */
uint8_t world_has_answer(uint32_t step) {
    for (uint32_t before = 0; before < step; before++) {
        if (world_row(before)->kind == FML_DECIDE) {
            return 1;
        }
    }
    return world_row(step)->kind == FML_REPORT;
}

/* The control block as the explorer understands it, on its own. */
crash_position_t world_position(void) {
    const fml_model_t *model = world.original;
    crash_position_t at;
    memset(&at, 0, sizeof at);
    if (!is_mine()) {
        return at;
    }
    if (model->commit_slots == 1) {
        uint16_t word;
        memcpy(&word, world.nvm + FML_NVM_COMMIT, sizeof word);
        if (model->n_steps <= FML_MAX_STEPS_CHECKED_WORD) {
            uint16_t check = 7;
            for (uint16_t bit = 0; bit < 13; bit++) {
                check ^= (uint16_t)((word >> bit & 1u) << bit % 3);
            }
            if (word >> 13 != check) {
                return at;
            }
            word &= 0x1fffu;
        }
        at.step = word >> 1;
        at.newest = word & 1;
    } else {
        fml_commit_t slots[2];
        memcpy(slots, world.nvm + FML_NVM_COMMIT, sizeof slots);
        const int whole0 = slots[0].check == ~slots[0].word, whole1 = slots[1].check == ~slots[1].word;
        const int later1 = ((slots[1].word >> 1) & 3) == (((slots[0].word >> 1) + 1) & 3);
        if (!whole0 && !whole1) {
            return at;
        }
        at.slot = whole1 && (!whole0 || later1);
        const uint32_t word = slots[at.slot].word;
        at.step = word >> 3;
        at.newest = word & 1;
    }
    fml_record_t *record = &at.record;
    memcpy(record, world.nvm + FML_NVM_RESULTS + at.newest * sizeof *record, world_record_bytes());
    const uint16_t crc = fml_crc16(&record->sequence, world_record_bytes() - offsetof(fml_record_t, sequence));
    if (at.step >= model->n_steps || record->crc != crc) {
        memset(&at, 0, sizeof at);
        return at;
    }
    at.valid = 1;
    at.sequence = record->sequence;
    at.progress = (uint64_t)(at.sequence - world_has_answer(at.step)) * model->n_steps + at.step;
    return at;
}

uint32_t world_record_bytes(void) {
    return (uint32_t)offsetof(fml_record_t, state) + world.original->state_bytes;
}

int world_is_start(const crash_position_t *at) {
    return world.start.valid && at->progress == world.start.progress && at->newest == world.start.newest;
}

int world_may_follow(const crash_position_t *at) {
    const crash_position_t *from = &world.start;
    if (!from->valid) {
        return at->step == 0 && at->sequence == 0;
    }
    const fml_layer_t *row = world_row(from->step);
    const uint32_t following = world_has_answer(from->step) ? from->sequence : from->sequence + 1 + (from->sequence == UINT32_MAX);
    const uint8_t is_switched = at->newest != from->newest;
    switch (row->kind) {
    case FML_DECIDE:
        return is_switched && (at->step == row->part_products || at->step == from->step + 1) && at->sequence == following &&
               at->record.depth == row->products;
    case FML_PUBLISH:
        return is_switched && at->step == from->step + 1 && at->sequence == following && at->record.depth == row->products;
    case FML_REPORT:
        return !is_switched && at->step == 0 && at->sequence == from->sequence;
    default:
        return !is_switched && at->step == from->step + 1 && at->sequence == from->sequence;
    }
}

void world_check_shadow(void) {
    if (memcmp(world.nvm, world.shadow, world.n_bytes) != 0) {
        uint32_t i = 0;
        char text[80];
        while (world.nvm[i] == world.shadow[i]) {
            i++;
        }
        snprintf(text, sizeof text, "byte %lu was written past fml_hal_nvm_write", (unsigned long)i);
        world_diverge(text);
    }
}

void world_start_image(uint8_t start) {
    world.random = world.options->seed * 2654435761u + 88172645u;
    world.random += world.random == 0;
    memset(world.nvm, start == CRASH_BLANK_FF ? 0xff : 0, world.n_bytes);
    if (start == CRASH_GARBAGE) {
        for (uint32_t i = 0; i < world.n_bytes; i++) {
            world.nvm[i] = (uint8_t)(world_random() >> 8);
        }
    } else if (start == CRASH_IMAGE) {
        memcpy(world.nvm, world.options->image, world.n_bytes);
    }
    memcpy(world.shadow, world.nvm, world.n_bytes);
    world_rehash();
}

static int is_report(const fml_model_t *model, uint32_t step) {
    for (uint16_t i = 0; i < model->n_layers; i++) {
        if (model->layers[i].first_step == step) {
            return model->layers[i].kind == FML_REPORT;
        }
    }
    return 0;
}

/* Whether the table of steps is what fml_runtime.h asks for: rows that follow one another, from a capture to a report. */
int world_is_table(const fml_model_t *model) {
    uint32_t step = 0;
    if (model->state_bytes > FML_STATE_BYTES) {
        return 0;
    }
    for (uint16_t i = 0; i < model->n_layers; i++) {
        const fml_layer_t *row = &model->layers[i];
        const uint8_t is_single = row->n_units == 1 && row->tile_units == 1 && row->parts == 1;
        if (row->first_step != step || row->tile_units < 1 || row->parts < 1 || (row->kind != FML_TILES && !is_single) ||
            (row->kind == FML_CAPTURE) != (i == 0) || (row->kind == FML_DECIDE && !is_report(model, row->part_products))) {
            return 0;
        }
        step += (row->n_units + row->tile_units - 1) / row->tile_units * row->parts;
    }
    return step == model->n_steps && model->layers[model->n_layers - 1].kind == FML_REPORT;
}
