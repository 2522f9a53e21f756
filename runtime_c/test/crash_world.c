/* The simulated machine.
 *
 * Every write goes through fml_hal_nvm_write() below, in units; `shadow` is what the image must be if nothing else writes,
 * compared at the end of every step and, until its tile was computed, at every barrier. The image's hash is the XOR over all bytes of a random number per
 * (address, value): with 64 bits, two of a million images collide with a probability of 3e-8.
 *
 * Dead bytes. While the commit record says "waiting for an input", no step reads the bytes of the inputs before the
 * capture has written all of them and committed: two images that differ in these bytes alone have the same future. Nor does
 * any step read the result that is not the newest one, unless a step that publishes or decides left a commit slot half right:
 * then a loss may make it whole, and the result the newest. Such bytes are left out of the hash and filled with new garbage at every boot, so that a step
 * which did read them would show. Nothing else is dead: the image of another model is booted as that model left it.
 *
 * RAM. world_step() compares the RAM that a step leaves with the RAM of a boot from the same image. As they are equal at
 * every commit, a run that goes on is the same as a run that boots there, and exploring from commit to commit covers both.
 *
 * One computation per tile. Within a step only bytes of its write set differ from the committed image (each write is
 * checked). world_compute() runs a tile once more with its write set full of garbage: equal results mean that it does not
 * read what it writes. Then its result is that of the committed image alone, and `memoise` takes it from the first
 * run of the step.
 *
 * NVM that no pointer can read. A staged model gets the address of a window in which nothing is mapped: a read past
 * fml_hal_nvm_read() ends the program. Both images have a window; behind them, the explorer uses the images. */#define _DEFAULT_SOURCE /* MAP_ANONYMOUS */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "crash.h"

crash_world_t world;

static void allow(uint32_t addr, uint32_t n) {
    for (uint32_t i = 0; i < n; i++) {
        world.allowed[addr + i] = world.epoch;
    }
}

static void allow_tile(const fml_layer_t *layer, uint32_t tile) {
    const uint32_t to = FML_NVM_ARENA + layer->out_offset_bytes;
    if (layer->parts > 1) {
        if (tile % layer->parts == layer->parts - 1u) {
            allow(to + tile / layer->parts, 1);
        } else {
            allow(FML_NVM_SUMS + world.start.step % 2 * 4, 4);
        }
        return;
    }
    for (uint32_t u = tile * layer->tile_units; u < layer->n_units && u < (tile + 1) * layer->tile_units; u++) {
        allow(to + u * layer->unit_stride_bytes, layer->unit_bytes);
    }
}

void world_enter(void) {
    const fml_model_t *model = world.original;
    world.start = world.now = world_position();
    world.committed = 0;
    world.memo_valid = 0;
    world.epoch++;
    world.enter_writes = world.report->writes;
    if (!world.start.valid) {
        allow(0, FML_NVM_SUMS);
        return;
    }
    const fml_layer_t *row = world_row(world.start.step);
    allow(FML_NVM_COMMIT, model->commit_slots == 1 ? 2 : 16);
    switch (row->kind) {
    case FML_CAPTURE:
        for (uint16_t i = 0; i < model->n_inputs; i++) {
            allow(FML_NVM_ARENA + model->inputs[i].offset_bytes, model->inputs[i].n_bytes);
        }
        break;
    case FML_TILES:
        allow_tile(row, world.start.step - row->first_step);
        break;
    case FML_DECIDE:
    case FML_PUBLISH:
        allow(FML_NVM_RESULTS + (world.start.newest ^ 1u) * (uint32_t)sizeof(fml_record_t), world_record_bytes());
        break;
    default: /* reporting changes the commit record alone */
        break;
    }
}

static void after_commit(void) {
    world_check_shadow();
    if (!world.committed) {
        world_diverge("a step that commits nothing");
    }
    if (world.n_pending > 0 && world.options->behaviour >= CRASH_UNORDERED) {
        world_diverge("a step ends while its commit waits for a barrier");
    }
    world_garbage(&world.fresh, sizeof world.fresh);
    const uint64_t writes = world.report->writes;
    if (writes - world.enter_writes > world.longest) {
        world.longest = writes - world.enter_writes;
    }
    if (fml_boot(&world.fresh, &world.model, world.window, world.sram) != FML_OK || world.report->writes != writes) {
        world_diverge("a boot right after a commit starts cold");
    }
    const fml_ram_t *a = &world.ram, *b = &world.fresh;
    if (a->step != b->step || a->newest != b->newest || a->count != b->count || a->sequence != b->sequence ||
        a->layer != b->layer || a->unit != b->unit || a->part != b->part) {
        world_diverge("RAM after a commit is not what a boot from it makes");
    }
}

/* Dead bytes become garbage. */
static void kill(uint32_t addr, uint32_t n) {
    world_garbage(world.alternative, n);
    world_set(addr, world.alternative, n);
    if (world.filled != NULL) {
        world.filled(addr, n);
    }
}

void world_boot(void) {
    world.report->boots++;
    world.reported = 0;
    world.committed = 0;
    world.cycle_writes = 0;
    world.n_pending = world.waiting_bytes = 0; /* what a loss left is persistent */
    world.n_readings = world.sampled = 0;
    if (world.start.valid && world.start.step == 0) {
        for (uint16_t i = 0; i < world.original->n_inputs; i++) {
            const fml_port_t port = world.original->inputs[i];
            kill(FML_NVM_ARENA + port.offset_bytes, port.n_bytes);
        }
    }
    const crash_position_t at = world_position(); /* of the image: its commit slots may have changed since the step began */
    if (world_is_dead_result(&at)) {
        kill(FML_NVM_RESULTS + (at.newest ^ 1u) * (uint32_t)sizeof(fml_record_t), world_record_bytes());
    }
    world_garbage(&world.ram, sizeof world.ram);
    world_garbage(world.sram, world.original->sram_bytes);
    world_check_result();
    const fml_status_t status = fml_boot(&world.ram, &world.model, world.window, world.sram);
    if (status != (world.start.valid ? FML_OK : FML_COLD_START)) {
        world_diverge(world.start.valid ? "a cold start over a whole image" : "no cold start from a foreign image");
    }
    if (status == FML_COLD_START) {
        after_commit();
    }
}

void world_step(void) {
    world.reported = 0;
    world.n_readings = world.sampled = 0;
    fml_step(&world.ram);
    after_commit();
}

/* --- set-up --------------------------------------------------------------------------------------------------------- */

/* Addresses for n bytes that nobody can read. */
static uint8_t *reserved(size_t n) {
    void *at = mmap(NULL, n, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return at == MAP_FAILED ? NULL : at;
}
int world_open(const fml_model_t *model, const crash_options_t *options, const int8_t *const samples[2],
               crash_report_t *report) {
    memset(&world, 0, sizeof world);
    world.original = model;
    world.model = *model;
    if (model->compute != NULL) {
        world.model.compute = world_compute;
    }
    world.options = options;
    world.report = report;
    world.began = world_seconds();
    world.samples = samples;
    world.n_bytes = model->nvm_bytes;
    world.nvm = malloc(world.n_bytes);
    world.shadow = malloc(world.n_bytes);
    world.alternative = malloc(world.n_bytes);
    world.is_input = calloc(world.n_bytes, 1);
    world.allowed = calloc(world.n_bytes, sizeof world.allowed[0]);
    world.sram = malloc(model->sram_bytes + 4u);
    world.memo = malloc(model->tile_bytes + 4u);
    world.other = malloc(model->tile_bytes + 4u);
    memset(report, 0, sizeof *report);
    if (!world_is_table(model)) {
        snprintf(report->reason, sizeof report->reason, "the table of steps has rows that do not follow one another");
        world_close();
        return 0;
    }
    world.rows = malloc(model->n_steps * sizeof world.rows[0]);
    if (!world.rows || !world.nvm || !world.shadow || !world.alternative || !world.is_input || !world.allowed || !world.sram ||
        !world.memo || !world.other) {
        snprintf(report->reason, sizeof report->reason, "out of memory");
        world_close();
        return 0;
    }
    for (uint32_t step = 0, row = 0; step < model->n_steps; step++) {
        row += row + 1u < model->n_layers && model->layers[row + 1].first_step == step;
        world.rows[step] = (uint16_t)row;
    }
    world.window = world.nvm;
    world.alternative_window = world.alternative;
    if (model->is_staged) {
        world.window = reserved(world.n_bytes);
        world.alternative_window = reserved(world.n_bytes);
        if (world.window == NULL || world.alternative_window == NULL) {
            snprintf(report->reason, sizeof report->reason, "out of addresses");
            world_close();
            return 0;
        }
    }
    for (uint16_t i = 0; i < model->n_inputs; i++) {
        memset(world.is_input + FML_NVM_ARENA + model->inputs[i].offset_bytes, 1, model->inputs[i].n_bytes);
    }
    return 1;
}

void world_close(void) {
    if (world.original->is_staged && world.window != NULL) {
        munmap(world.window, world.n_bytes);
    }
    if (world.original->is_staged && world.alternative_window != NULL) {
        munmap(world.alternative_window, world.n_bytes);
    }
    free(world.nvm);
    free(world.shadow);
    free(world.alternative);
    free(world.is_input);
    free(world.allowed);
    free(world.rows);
    free(world.sram);
    free(world.memo);
    free(world.other);
}
