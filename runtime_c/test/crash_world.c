/* The simulated machine.
 *
 * Every write goes through fml_hal_nvm_write() below, in units; `shadow` is what the image must be if nothing else writes,
 * compared at every barrier and at the end of every step. The image's hash is the XOR over all bytes of a random number per
 * (address, value): with 64 bits, two of a million images collide with a probability of 3e-8.
 *
 * Dead bytes. While the commit record says "waiting for an input", no step reads the bytes of the inputs before the
 * capture has written all of them and committed: two images that differ in these bytes alone have the same future. They
 * are left out of the hash in that state and filled with new garbage at every boot in it, so that a step which did read
 * them would show. Nothing else is dead: the image of another model is booted as that model left it.
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
 * fml_hal_nvm_read() ends the program. Both images have a window; behind them, the explorer uses the images. */
#define _DEFAULT_SOURCE /* clock_gettime, MAP_ANONYMOUS */
#include "crash.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

crash_world_t world;

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

static void garbage(void *to, size_t n) {
    uint8_t *bytes = to;
    const uint32_t word = world_random();
    for (size_t i = 0; i < n; i++) {
        bytes[i] = (uint8_t)(word >> (8 * (i & 3)));
    }
    if (n > 0) {
        bytes[world_random() % n] ^= (uint8_t)world_random();
    }
}

/* --- the image ------------------------------------------------------------------------------------------------------ */

static uint64_t *part_of(uint32_t addr) {
    return world.is_input[addr] ? &world.input_hash : &world.hash;
}

void world_rehash(void) {
    world.hash = world.input_hash = 0;
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

uint64_t world_key(const crash_position_t *at) {
    return world.hash ^ (at->valid && at->step == 0 ? 0 : world.input_hash);
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
    const fml_layer_t *row = world.original->layers + world.original->n_layers - 1;
    while (row->first_step > step) {
        row--;
    }
    return row;
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
        const uint32_t word = slots[whole1 && (!whole0 || later1)].word;
        at.step = word >> 3;
        at.newest = word & 1;
    }
    fml_record_t record;
    memcpy(&record, world.nvm + FML_NVM_RESULTS + at.newest * sizeof record, sizeof record);
    if (at.step >= model->n_steps || record.crc != fml_crc16(&record, offsetof(fml_record_t, crc))) {
        memset(&at, 0, sizeof at);
        return at;
    }
    at.valid = 1;
    at.sequence = record.sequence;
    /* A result that waits for its report belongs to the inference that it came from. */
    const uint8_t waits = world_row(at.step)->kind == FML_REPORT;
    at.progress = (uint64_t)(record.sequence - waits) * model->n_steps + at.step;
    return at;
}

static void check_shadow(void) {
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

/* --- the board interface -------------------------------------------------------------------------------------------- */

static void check_result(void) {
    fml_result_t result;
    const fml_status_t status = fml_result(&world.model, world.window, &result);
    const crash_position_t at = world_position();
    if (status == FML_OK ? !at.valid || result.sequence != at.sequence : at.valid && at.sequence != 0) {
        world_diverge("fml_result() does not give the newest published result");
    }
}

void world_judge(void) {
    const crash_position_t at = world.now = world_position();
    const uint64_t end = world.start.valid ? world.start.progress + 1 : 0;
    if (world.start.valid && !at.valid) {
        world_diverge("a whole image is lost");
    }
    if (at.valid && !(world.start.valid && at.progress == world.start.progress)) {
        if (at.progress != end) {
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
            check_result();
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
    check_shadow();
    world.n_pending = world.waiting_bytes = 0;
}

int fml_hal_sample(uint16_t input, uint32_t first, uint32_t n, int8_t *dst) {
    const int8_t *from = world.samples[world.choice & 1];
    for (uint16_t i = 0; i < input; i++) {
        from += world.original->inputs[i].n_bytes;
    }
    memcpy(dst, from + first, n);
    world.asked |= 1;
    return 0;
}

/* Only a result that is committed, with its outputs still there, and only in its step. */
int fml_hal_report(const fml_model_t *model, const fml_result_t *result) {
    const fml_port_t port = model->outputs[model->result_output];
    const crash_position_t at = world_position();
    fml_record_t record;
    int8_t output[64];
    const uint32_t n = port.n_bytes < sizeof output ? port.n_bytes : (uint32_t)sizeof output;
    memcpy(&record, world.nvm + FML_NVM_RESULTS + at.newest * sizeof record, sizeof record);
    if (!at.valid || world_row(at.step)->kind != FML_REPORT || result->sequence != record.sequence ||
        result->class_index != record.class_index || result->confidence != record.confidence ||
        result->depth != record.depth) {
        world_diverge("a report of something else than the newest result");
    }
    if (fml_read_output(&world.ram, model->result_output, 0, n, output) != FML_OK ||
        memcmp(output, world.nvm + FML_NVM_ARENA + port.offset_bytes, n) != 0) {
        world_diverge("the outputs of a result that is reported cannot be read");
    }
    world.reported = 1;
    return FML_OK;
}

uint32_t fml_hal_energy_uj(void) {
    world.asked |= 2;
    return world.choice & 2 ? 1000000 : 10;
}

static void world_compute(uint16_t layer, const int8_t *arena, int8_t *y, int8_t *scratch, uint32_t first, uint32_t n) {
    const fml_model_t *model = world.original;
    const size_t n_bytes = (size_t)n * model->layers[layer].unit_bytes;
    if (world.memo_valid && world.options->memoise) {
        memcpy(y, world.memo, n_bytes);
        return;
    }
    const uint8_t asked = world.asked;
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
            garbage(world.other, model->tile_bytes);
        }
        model->compute(layer, (const int8_t *)world.alternative_window + FML_NVM_ARENA, world.other, scratch, first, n);
        if (memcmp(world.other, y, n_bytes) != 0) {
            world_diverge("a tile reads what it writes, or what is not in NVM");
        }
    }
    memcpy(world.memo, y, n_bytes);
    world.memo_valid = asked == world.asked;
}

/* --- power cycles --------------------------------------------------------------------------------------------------- */

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
    case FML_PUBLISH:
        allow(FML_NVM_RESULTS + (world.start.newest ^ 1u) * (uint32_t)sizeof(fml_record_t), sizeof(fml_record_t));
        break;
    default: /* reporting changes the commit record alone */
        break;
    }
}

static void after_commit(void) {
    check_shadow();
    if (!world.committed) {
        world_diverge("a step that commits nothing");
    }
    if (world.n_pending > 0 && world.options->behaviour >= CRASH_UNORDERED) {
        world_diverge("a step ends while its commit waits for a barrier");
    }
    garbage(&world.fresh, sizeof world.fresh);
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
    garbage(world.alternative, n);
    world_set(addr, world.alternative, n);
}

void world_boot(void) {
    world.report->boots++;
    world.reported = 0;
    world.committed = 0;
    world.cycle_writes = 0;
    world.n_pending = world.waiting_bytes = 0; /* what a loss left is persistent */
    world.asked = 0;
    if (world.start.valid && world.start.step == 0) {
        for (uint16_t i = 0; i < world.original->n_inputs; i++) {
            const fml_port_t port = world.original->inputs[i];
            kill(FML_NVM_ARENA + port.offset_bytes, port.n_bytes);
        }
    }
    garbage(&world.ram, sizeof world.ram);
    garbage(world.sram, world.original->sram_bytes);
    check_result();
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
    fml_step(&world.ram);
    after_commit();
}

/* --- set-up --------------------------------------------------------------------------------------------------------- */

/* Addresses for n bytes that nobody can read. */
static uint8_t *reserved(size_t n) {
    void *at = mmap(NULL, n, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return at == MAP_FAILED ? NULL : at;
}

/* Whether the table of steps is what fml_runtime.h asks for: rows that follow one another, from a capture to a report. */
static int is_table(const fml_model_t *model) {
    uint32_t step = 0;
    for (uint16_t i = 0; i < model->n_layers; i++) {
        const fml_layer_t *row = &model->layers[i];
        const uint8_t is_single = row->n_units == 1 && row->tile_units == 1 && row->parts == 1;
        if (row->first_step != step || row->tile_units < 1 || row->parts < 1 || (row->kind != FML_TILES && !is_single) ||
            (row->kind == FML_CAPTURE) != (i == 0)) {
            return 0;
        }
        step += (row->n_units + row->tile_units - 1) / row->tile_units * row->parts;
    }
    return step == model->n_steps && model->layers[model->n_layers - 1].kind == FML_REPORT;
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
    if (!is_table(model)) {
        snprintf(report->reason, sizeof report->reason, "the table of steps has rows that do not follow one another");
        world_close();
        return 0;
    }
    if (!world.nvm || !world.shadow || !world.alternative || !world.is_input || !world.allowed || !world.sram ||
        !world.memo || !world.other) {
        snprintf(report->reason, sizeof report->reason, "out of memory");
        world_close();
        return 0;
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
    free(world.sram);
    free(world.memo);
    free(world.other);
}
