/* Single schedules of losses, from the first boot until all results are out. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crash.h"

enum { LONGEST = 1u << 30, MOST_BOOTS = 2000000 };

static struct {
    uint32_t mode;
    crash_loss_t now;
    crash_loss_t last[24]; /* of the latest cycles, to print */
    uint64_t n_cycles;
} walk;

static void before(uint32_t addr, const uint8_t *bytes, uint32_t n) {
    (void)bytes;
    (void)n;
    if (world.cycle_writes == walk.now.writes && walk.now.fault == 2) {
        world_set(addr, &walk.now.detail, 1);
        world_judge();
        longjmp(world.exit, WORLD_LOST);
    }
}

static void after(uint32_t addr, uint32_t n, uint8_t changed) {
    (void)addr;
    (void)n;
    (void)changed;
    if (world.cycle_writes < walk.now.writes || walk.now.fault == 2) {
        return;
    }
    if (walk.now.fault == 1 && walk.now.detail >= 1 && walk.now.detail <= world.n_pending) {
        const crash_unit_t *unit = &world.pending[world.n_pending - walk.now.detail];
        world_set(unit->addr, unit->old, unit->n);
        world_judge();
    }
    longjmp(world.exit, WORLD_LOST);
}

static void describe(void) {
    const uint64_t shown = walk.n_cycles < 24 ? walk.n_cycles : 24;
    world.report->schedule[0] = 0;
    if (shown < walk.n_cycles) {
        snprintf(world.report->schedule, sizeof world.report->schedule, "...");
    }
    for (uint64_t i = walk.n_cycles - shown; i < walk.n_cycles; i++) {
        crash_print_loss(&walk.last[i % 24], world.report->schedule, sizeof world.report->schedule);
    }
}

static void next_loss(const crash_loss_t *losses, uint32_t n_losses) {
    const uint64_t i = walk.n_cycles;
    crash_loss_t loss = {UINT32_MAX, i & 1 ? UINT32_MAX : 0, 0, 0};
    switch (walk.mode) {
    case CRASH_LINEAR:
        loss.writes = (uint32_t)i + 1;
        break;
    case CRASH_LOG:
        loss.writes = i < 30 ? 1u << i : LONGEST;
        break;
    case CRASH_RANDOM:
        loss.writes = 1 + world_random() % (uint32_t)(2 * world.longest + 2);
        break;
    case CRASH_SCHEDULE:
        loss.choices = 0;
        if (i < n_losses) {
            loss = losses[i];
        }
        break;
    default:
        break;
    }
    if (walk.mode != CRASH_SCHEDULE && loss.writes != UINT32_MAX) {
        const uint32_t dice = world_random();
        if (world.options->behaviour == CRASH_TORN && dice % 2) {
            loss.fault = 2;
            loss.detail = (uint8_t)(dice >> 8);
        } else if (world.options->behaviour == CRASH_UNORDERED && dice % 2) {
            loss.fault = 1;
            loss.detail = (uint8_t)(1 + (dice >> 8) % 16);
        }
    }
    walk.now = loss;
    walk.last[i % 24] = loss;
    walk.n_cycles++;
}

/* One power cycle; 1 when all results are out. */
static int cycle(void) {
    uint32_t i = 0;
    world_enter();
    world_boot();
    if (!world.start.valid && walk.mode == CRASH_COMMIT) {
        return 0;
    }
    while (1) {
        if (world.committed) {
            world_enter();
        }
        if (world.start.valid && world.start.sequence == world.options->n_inferences && world.start.step == 0) {
            return 1;
        }
        world.asked = 0;
        world.choice = crash_branches() && walk.now.choices >> i & 1 ? 3 : 0;
        world_step();
        if (world.asked && i < 31) {
            i++;
        }
        if (walk.mode == CRASH_COMMIT) {
            return 0;
        }
    }
}

void crash_walk(const fml_model_t *model, const crash_options_t *options, const int8_t *const samples[2], uint32_t mode,
                const crash_loss_t *losses, uint32_t n_losses, crash_report_t *report) {
    const double start = world_seconds();
    memset(&walk, 0, sizeof walk);
    walk.mode = mode;
    if (!world_open(model, options, samples, report)) {
        return;
    }
    if (crash_legal_open()) {
        world.before = before;
        world.after = after;
        world.diverged = describe;
        report->writes = report->boots = 0;
        world_start_image(options->start);
        while (report->divergences == 0) {
            if (report->boots > MOST_BOOTS || world_seconds() - start > options->limit_s) {
                snprintf(report->reason, sizeof report->reason, "no end: time or boots are up");
                break;
            }
            next_loss(losses, n_losses);
            const int left = setjmp(world.exit);
            if (left == 0 && cycle()) {
                report->closed = 1; /* all results are out, and were right */
                break;
            }
        }
    }
    crash_legal_close();
    world_close();
    report->seconds = world_seconds() - start;
}
