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
    uint8_t highest[32]; /* answers */
} walk;

static uint8_t hits_next(void) {
    return walk.now.n_faults > 0 && walk.now.faults[0].ago == 0;
}

static void lose(uint32_t next) {
    crash_unit_t pieces[CRASH_MOST_FAULTS];
    const uint32_t n = world_fault(walk.now.faults, walk.now.n_faults, next, pieces);
    for (uint32_t i = 0; i < n; i++) {
        world_set(pieces[i].addr, pieces[i].old, pieces[i].n);
    }
    if (n > 0) {
        world_judge();
    }
    longjmp(world.exit, WORLD_LOST);
}

static void before(uint32_t addr, const uint8_t *bytes, uint32_t n) {
    (void)bytes;
    (void)n;
    if (world.cycle_writes == walk.now.writes && hits_next()) {
        lose(addr);
    }
}

static void after(uint32_t addr, uint32_t n, uint8_t changed) {
    (void)addr;
    (void)n;
    (void)changed;
    if (world.cycle_writes >= walk.now.writes && !hits_next()) {
        lose(0);
    }
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

/* Faults that the NVM may show, every other time. */
static void by_lot(crash_loss_t *loss) {
    const uint8_t behaviour = world.options->behaviour;
    const uint32_t dice = world_random();
    if ((behaviour == CRASH_TORN && dice & 1) || (behaviour == CRASH_TORN_UNORDERED && dice & 2)) {
        const crash_fault_t next = {0, 1, (uint8_t)(dice >> 8)};
        loss->faults[loss->n_faults++] = next;
    }
    if (behaviour >= CRASH_UNORDERED && dice & 1) {
        for (uint8_t ago = 1; ago <= 16; ago++) {
            if (world_random() % 8 == 0) {
                const crash_fault_t lost = {ago, 0, 0};
                loss->faults[loss->n_faults++] = lost;
            }
        }
    }
}

static void next_loss(const crash_loss_t *losses, uint32_t n_losses) {
    const uint64_t i = walk.n_cycles;
    crash_loss_t loss = {.writes = UINT32_MAX, .n_choices = i & 1 ? sizeof walk.highest : 0, .choices = walk.highest};
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
        loss.n_choices = 0;
        if (i < n_losses) {
            loss = losses[i];
        }
        break;
    default:
        break;
    }
    if (walk.mode != CRASH_SCHEDULE && loss.writes != UINT32_MAX) {
        by_lot(&loss);
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
        const uint8_t branches = crash_branches();
        world.n_given = branches && i < walk.now.n_choices ? walk.now.n_choices - i : 0;
        world.given = world.n_given > 0 ? walk.now.choices + i : NULL;
        world_step();
        i += branches ? world.n_readings : 0;
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
    memset(walk.highest, CRASH_MOST_ANSWERS - 1, sizeof walk.highest);
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
