/* What runs without losses look like: the commit images that any run may have, and what they publish. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crash.h"

static crash_set_t legal;

/* The readings of a run, in turn: what each showed, of how many answers. */
static struct {
    uint8_t *given, *answers;
    uint32_t n, room;
} readings;

static struct {
    uint64_t *hashes; /* of what was published, in the order of the runs */
    uint32_t n, room, next;
    uint8_t is_check;
} answers;

static struct {
    uint8_t *to;
    uint32_t room, n;
} images;

static void insert(uint64_t *keys, uint64_t room, uint64_t key) {
    uint64_t i = key & (room - 1);
    while (keys[i] != 0) {
        i = (i + 1) & (room - 1);
    }
    keys[i] = key;
}

int crash_set_has(const crash_set_t *set, uint64_t key) {
    key += key == 0;
    for (uint64_t i = key & (set->room - 1); set->room > 0 && set->keys[i] != 0; i = (i + 1) & (set->room - 1)) {
        if (set->keys[i] == key) {
            return 1;
        }
    }
    return 0;
}

void crash_set_clear(crash_set_t *set) {
    enum { SMALL_ROOM = 1 << 14 };
    if (set->room > SMALL_ROOM) {
        free(set->keys);
        memset(set, 0, sizeof *set);
    } else if (set->n > 0) {
        memset(set->keys, 0, set->room * sizeof *set->keys);
        set->n = 0;
    }
}

int crash_set_add(crash_set_t *set, uint64_t key) {
    key += key == 0;
    if (crash_set_has(set, key)) {
        return 0;
    }
    if (2 * (set->n + 1) > set->room) {
        const uint64_t room = set->room > 0 ? 2 * set->room : 1024;
        uint64_t *keys = calloc(room, sizeof *keys);
        if (keys == NULL) {
            abort(); /* honest at least: no report */
        }
        for (uint64_t i = 0; i < set->room; i++) {
            if (set->keys[i] != 0) {
                insert(keys, room, set->keys[i]);
            }
        }
        free(set->keys);
        set->keys = keys;
        set->room = room;
    }
    insert(set->keys, set->room, key);
    set->n++;
    return 1;
}

static uint8_t learn(uint64_t key) {
    crash_set_add(&legal, key);
    return 1;
}

static uint8_t known(uint64_t key) {
    return (uint8_t)crash_set_has(&legal, key);
}

static uint8_t accept(uint64_t key) {
    (void)key;
    return 1;
}

static uint8_t keep(uint64_t key) {
    (void)key;
    if (images.n < images.room) {
        memcpy(images.to + (size_t)images.n * world.n_bytes, world.nvm, world.n_bytes);
    }
    images.n++;
    return 1;
}

static uint64_t hash_of(uint64_t hash, const uint8_t *bytes, uint32_t n) {
    for (uint32_t i = 0; i < n; i++) {
        hash = (hash ^ bytes[i]) * 0x100000001b3u;
    }
    return hash;
}

/* The newest result and all outputs: of a run from a blank NVM they are noted, of others compared. */
static void published(void) {
    const fml_model_t *model = world.original;
    const crash_position_t at = world_position();
    uint64_t hash = hash_of(0xcbf29ce484222325u, (const uint8_t *)&at.record.sequence,
                            world_record_bytes() - (uint32_t)offsetof(fml_record_t, sequence));
    const uint8_t has_outputs = world_row(at.step)->kind == FML_REPORT && world_row(at.step)->products > 0;
    for (uint16_t i = 0; i < model->n_outputs && has_outputs; i++) {
        hash = hash_of(hash, world.nvm + FML_NVM_ARENA + model->outputs[i].offset_bytes, model->outputs[i].n_bytes);
    }
    if (answers.is_check) {
        if (answers.next >= answers.n || answers.hashes[answers.next++] != hash) {
            world_diverge("another answer than from a blank NVM");
        }
        return;
    }
    if (answers.n == answers.room) {
        answers.room = answers.room > 0 ? 2 * answers.room : 64;
        answers.hashes = realloc(answers.hashes, answers.room * sizeof *answers.hashes);
        if (answers.hashes == NULL) {
            abort();
        }
    }
    answers.hashes[answers.n++] = hash;
}

static void ignore_before(uint32_t addr, const uint8_t *bytes, uint32_t n) {
    (void)addr;
    (void)bytes;
    (void)n;
}

static void ignore_after(uint32_t addr, uint32_t n, uint8_t changed) {
    (void)addr;
    (void)n;
    (void)changed;
}

static void no_schedule(void) {
    snprintf(world.report->schedule, sizeof world.report->schedule, "none");
}

uint8_t crash_branches(void) {
    return world.start.sequence - world_has_answer(world.start.step) < world.options->branches;
}

/* Notes the readings of a step, which are the i-th of the run and those behind. */
static void note_readings(uint32_t i) {
    for (uint8_t k = 0; k < world.n_readings; k++, i++) {
        if (i == readings.room) {
            readings.room = readings.room > 0 ? 2 * readings.room : 64;
            readings.given = realloc(readings.given, readings.room);
            readings.answers = realloc(readings.answers, readings.room);
            if (readings.given == NULL || readings.answers == NULL) {
                abort();
            }
        }
        if (i == readings.n) {
            readings.given[readings.n++] = 0;
        }
        readings.answers[i] = world.readings[k];
    }
}

/* One run in which sensor and meter show what `readings` has, and the first answer to each reading beyond. */
static void one_run(uint8_t start) {
    uint32_t i = 0;
    world_start_image(start);
    world_enter();
    if (world.start.valid) {
        world_diverge("the image to start from is this model's, and whole");
    }
    world_boot();
    while (1) {
        world_enter();
        if (world.start.sequence == world.options->n_inferences && world.start.step == 0) {
            return;
        }
        const uint8_t branches = crash_branches();
        world.n_given = branches ? readings.n - i : 0;
        world.given = world.n_given > 0 ? readings.given + i : NULL;
        world_step();
        if (branches) {
            note_readings(i);
            i += world.n_readings;
        }
        if (world_position().newest != world.start.newest) { /* a result took the place of the one before */
            published();
        }
    }
}

/* One run for each sequence of answers. Returns 0 when time is up. */
static int all_runs(uint8_t start) {
    readings.n = 0;
    do {
        if (world_seconds() - world.began > world.options->limit_s) {
            return 0;
        }
        one_run(start);
        while (readings.n > 0 && readings.given[readings.n - 1] + 1 == readings.answers[readings.n - 1]) {
            readings.n--;
        }
        if (readings.n > 0) { /* the next answers, as one counts */
            readings.given[readings.n - 1]++;
        }
    } while (readings.n > 0);
    return 1;
}

static void open_runs(uint8_t (*judge)(uint64_t key)) {
    world.legal = judge;
    world.before = ignore_before;
    world.after = ignore_after;
    world.diverged = no_schedule;
    memset(&legal, 0, sizeof legal);
    memset(&answers, 0, sizeof answers);
    memset(&readings, 0, sizeof readings);
}

int crash_legal_open(void) {
    open_runs(accept);
    if (setjmp(world.exit) != 0) {
        return 0;
    }
    int done = 1;
    if (world.options->start != CRASH_BLANK_00) {
        done = all_runs(CRASH_BLANK_00);
        answers.is_check = 1;
    }
    world.legal = learn;
    if (!done || !all_runs(world.options->start)) {
        snprintf(world.report->reason, sizeof world.report->reason, "time is up");
        return 0;
    }
    world.report->commits = legal.n;
    world.legal = known;
    return 1;
}

void crash_images(const fml_model_t *model, const crash_options_t *options, const int8_t *const samples[2], uint8_t *to,
                  uint32_t room, crash_report_t *report) {
    if (!world_open(model, options, samples, report)) {
        return;
    }
    open_runs(keep);
    images.to = to;
    images.room = room;
    images.n = 0;
    if (setjmp(world.exit) == 0) {
        one_run(CRASH_BLANK_00);
        report->commits = images.n;
        report->closed = 1;
    }
    crash_legal_close();
    world_close();
}

void crash_legal_close(void) {
    free(legal.keys);
    free(answers.hashes);
    free(readings.given);
    free(readings.answers);
    memset(&readings, 0, sizeof readings);
    memset(&legal, 0, sizeof legal);
    memset(&answers, 0, sizeof answers);
}

/* "12", "12:02" (answers to readings, 0 to 9 and a to z), "12~5a" (the next byte is garbage), "12-3" (the third last write is missing), "12-3=5a" (it is
 * garbage); the last one without a loss: "end". */
void crash_print_loss(const crash_loss_t *loss, char *text, size_t room) {
    size_t used = strlen(text);
    const char *comma = used > 0 ? "," : "";
    if (loss->writes == UINT32_MAX) {
        used += (size_t)snprintf(text + used, room - used, "%send", comma);
    } else {
        used += (size_t)snprintf(text + used, room - used, "%s%lu", comma, (unsigned long)loss->writes);
    }
    for (uint32_t i = 0; i < loss->n_choices && used < room; i++) {
        const char digit = "0123456789abcdefghijklmnopqrstuvwxyz"[loss->choices[i]];
        used += (size_t)snprintf(text + used, room - used, i == 0 ? ":%c" : "%c", digit);
    }
    for (uint8_t i = 0; i < loss->n_faults && used < room; i++) {
        const crash_fault_t fault = loss->faults[i];
        const char *form = fault.ago == 0 ? "~%02x" : fault.is_garbage ? "-%u=%02x" : "-%u";
        used += fault.ago == 0 ? (size_t)snprintf(text + used, room - used, form, fault.value)
                               : (size_t)snprintf(text + used, room - used, form, fault.ago, fault.value);
    }
}
