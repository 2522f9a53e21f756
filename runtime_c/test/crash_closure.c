/* Every reachable reboot image.
 *
 * After a loss the machine is its NVM image. From a committed image C one step leads to the next commit; on the way, each
 * unit written makes an image that a loss would leave. All of these are booted in turn, and make further images, until
 * none is new (a segment closes); every run must end in a commit image of a run without losses, whose segment is next.
 * When no segment is left, every sequence of losses of any length, at any write, has been covered: by induction over the
 * losses, each leaves an image that was booted here.
 *
 * Why segments may be explored one by one, and layers in any order: a run enters a segment only through a commit, and all
 * commits are checked to be legal. If each segment that starts from a legal commit image closes with legal commits, then
 * no sequence of losses leaves the legal ones, whatever segments it crosses.
 *
 * Images of two segments differ in the commit record, so each segment has sets of its own.
 * Memory: images of a segment are chains of changes from C (crash_chain.c); only a few committed images are kept whole. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crash.h"

enum { NO_ITEM = 0xffffffff };

typedef struct {
    uint32_t node;
    uint32_t from;   /* the item whose run left this image; NO_ITEM: the committed image itself */
    uint32_t writes; /* of that run, before the loss */
    uint32_t fault;  /* the first of its faults */
    uint8_t n_faults;
    uint8_t torn; /* garbage bytes since the commit */
    uint8_t n_given, given[CRASH_MOST_READINGS]; /* answers to readings */
} item_t;

typedef struct entry {
    struct entry *next;
    crash_hash_t hash;
    uint64_t writes; /* writes and answers on the way here, without losses */
    uint32_t n_choices;
    uint8_t image[]; /* and the answers behind it */
} entry_t;

static struct {
    item_t *items;
    uint32_t *stack;
    crash_fault_t *faults;
    uint32_t n_items, items_room, n_stack, stack_room, n_faults, faults_room;
    uint32_t node, item, step_bytes, next;
    crash_set_t commits;          /* segments, done or to do */
    crash_set_t visited, windows; /* images of this segment, and with the writes that wait: sets that a cache holds */
    uint64_t pending; /* hash of the pending writes */
    entry_t *entry, *todo;
    const crash_fault_t *judged; /* of the loss that is considered */
    uint32_t n_judged;
} closure;

static void push(const item_t *item) {
    closure.items = crash_grown(closure.items, closure.n_items, &closure.items_room, sizeof *closure.items);
    closure.stack = crash_grown(closure.stack, closure.n_stack, &closure.stack_room, sizeof *closure.stack);
    closure.items[closure.n_items] = *item;
    closure.stack[closure.n_stack++] = closure.n_items++;
    crash_chain_keep(item->node);
}

/* How many bytes may become garbage before the next commit. Of a cold start two at most are followed, one where units may be
 * missing as well: all of the control block may be torn there, and it holds no commit record to mistake for another. */
static uint8_t most_torn(void) {
    const uint8_t most = world.options->max_torn, cold = world.options->behaviour == CRASH_TORN_UNORDERED ? 1 : 2;
    return world.start.valid || (most > 0 && most < cold) ? most : cold;
}

/* Whether a loss may leave this image, and none did before: then it is to be booted. */
static int is_new(uint64_t key, uint8_t torn) {
    const crash_position_t at = world.now;
    const uint8_t ended = at.valid && !world_is_start(&at);
    for (uint8_t less = 0; less < torn && most_torn() > 0; less++) {
        if (crash_set_has(&closure.visited, key ^ less * 0x9e3779b97f4a7c15u)) {
            return 0; /* it was there with more garbage to come */
        }
    }
    return !ended && crash_set_add(&closure.visited, key ^ (most_torn() > 0 ? torn * 0x9e3779b97f4a7c15u : 0));
}

static void push_image(uint32_t node, const crash_fault_t *faults, uint32_t n, uint8_t torn) {
    const item_t item = {.node = node, .from = closure.item, .writes = (uint32_t)world.cycle_writes,
                         .fault = closure.n_faults, .n_faults = (uint8_t)n, .torn = torn};
    for (uint32_t i = 0; i < n; i++) {
        closure.faults = crash_grown(closure.faults, closure.n_faults, &closure.faults_room, sizeof *closure.faults);
        closure.faults[closure.n_faults++] = faults[i];
    }
    world.report->images++;
    push(&item);
}

static void push_pieces(const crash_unit_t *pieces, uint32_t n_pieces, const crash_fault_t *faults, uint32_t n, uint8_t torn) {
    uint32_t node = closure.node;
    for (uint32_t i = 0; i < n_pieces; i++) {
        node = crash_chain_add(node, pieces[i].addr, pieces[i].old, pieces[i].n);
    }
    push_image(node, faults, n, torn);
}

static uint8_t torn_with(const crash_fault_t *faults, uint32_t n) {
    uint8_t torn = closure.items[closure.item].torn;
    for (uint32_t i = 0; i < n; i++) {
        torn = (uint8_t)(torn + faults[i].is_garbage);
    }
    return torn;
}

/* The image that a loss with these faults leaves now. */
static void consider(const crash_fault_t *faults, uint32_t n) {
    crash_unit_t pieces[CRASH_MOST_FAULTS], present[CRASH_MOST_FAULTS];
    const crash_position_t at = world.now;
    const uint8_t committed = world.committed, torn = torn_with(faults, n);
    const uint32_t n_pieces = world_fault(faults, n, closure.next, pieces);
    if (n_pieces == 1 && pieces[0].addr >= FML_NVM_SUMS && !committed) { /* the position stays: this is all there is to it */
        if (is_new(world_key_with(pieces[0].addr, pieces[0].old, pieces[0].n), torn)) {
            push_pieces(pieces, 1, faults, n, torn);
        }
        return;
    }
    closure.judged = faults;
    closure.n_judged = n;
    for (uint32_t i = 0; i < n_pieces; i++) {
        present[i] = pieces[i];
        memcpy(present[i].old, world.nvm + pieces[i].addr, pieces[i].n);
        world_set(pieces[i].addr, pieces[i].old, pieces[i].n);
    }
    world_judge();
    if (is_new(world_key(&world.now), torn)) {
        push_pieces(pieces, n_pieces, faults, n, torn);
    }
    for (uint32_t i = n_pieces; i-- > 0;) {
        world_set(present[i].addr, present[i].old, present[i].n);
    }
    world.now = at;
    world.committed = committed;
    closure.judged = NULL;
    closure.n_judged = 0;
}

static crash_step_t step_now(void) {
    const item_t *item = &closure.items[closure.item];
    const uint8_t most = most_torn();
    crash_step_t step = {closure.step_bytes, 0, closure.item == 0, world_key(&world.now) ^ closure.pending};
    step.most_torn = most == 0 ? 255 : most > item->torn ? (uint8_t)(most - item->torn) : 0;
    return step;
}

static void before(uint32_t addr, const uint8_t *bytes, uint32_t n) {
    (void)n;
    if (world.options->behaviour == CRASH_ATOMIC || world.options->behaviour == CRASH_UNORDERED) {
        return;
    }
    const crash_step_t step = step_now();
    closure.next = addr;
    crash_losses_before(addr, bytes[0], &step, consider);
}

/* The same image with the same writes pending leaves what it left the first time. */
static int pending_is_new(void) {
    const crash_unit_t *last = &world.pending[world.n_pending - 1];
    uint64_t unit = last->addr;
    for (uint8_t i = 0; i < last->n; i++) {
        unit = unit << 8 | last->old[i];
    }
    unit = (unit + 1) * 0x9e3779b97f4a7c15u;
    closure.pending = world.n_pending == 1 ? unit : (closure.pending ^ closure.pending >> 29) * 0xbf58476d1ce4e5b9u + unit;
    return world.committed || crash_set_add(&closure.windows, world_key(&world.now) ^ closure.pending);
}

static void after(uint32_t addr, uint32_t n, uint8_t changed) {
    if (!changed) {
        return;
    }
    closure.node = crash_chain_add(closure.node, addr, world.nvm + addr, n);
    if (!world.committed && is_new(world_key(&world.now), closure.items[closure.item].torn)) {
        push_image(closure.node, NULL, 0, closure.items[closure.item].torn);
    }
    if (world.options->behaviour >= CRASH_UNORDERED && pending_is_new()) {
        const crash_step_t step = step_now();
        crash_losses_after(&step, consider);
    }
}

static const uint8_t *choices_of(const entry_t *entry) {
    return entry->image + world.n_bytes;
}

static void filled(uint32_t addr, uint32_t n) {
    for (uint32_t i = 0; i < n; i += 4) {
        closure.node = crash_chain_add(closure.node, addr + i, world.nvm + addr + i, n - i < 4 ? n - i : 4);
    }
}

static void describe(void) {
    uint32_t path[64], n = 0;
    char *text = world.report->schedule;
    const size_t room = sizeof world.report->schedule;
    uint8_t *choices = malloc(closure.entry->n_choices + CRASH_MOST_READINGS);
    if (choices == NULL) {
        abort();
    }
    memcpy(choices, choices_of(closure.entry), closure.entry->n_choices);
    for (uint32_t i = closure.item; n < 64 && i != NO_ITEM; i = closure.items[i].from) {
        path[n++] = i;
    }
    text[0] = 0;
    for (uint32_t k = n; k-- > 0;) { /* path[k] ran, and was cut where path[k - 1] began */
        const item_t *run = &closure.items[path[k]], *cut = k > 0 ? &closure.items[path[k - 1]] : NULL;
        const uint8_t first = k == n - 1;
        crash_loss_t loss = {.writes = UINT32_MAX, .n_choices = run->n_given, .choices = run->given};
        if (first) {
            memcpy(choices + closure.entry->n_choices, run->given, run->n_given);
            loss.choices = choices;
            loss.n_choices = closure.entry->n_choices + run->n_given;
        }
        if (cut != NULL) {
            loss.writes = cut->writes + (first ? (uint32_t)closure.entry->writes : 0);
            loss.n_faults = cut->n_faults;
            memcpy(loss.faults, closure.faults + cut->fault, cut->n_faults * sizeof *loss.faults);
        }
        if (cut == NULL && closure.n_judged > 0) {
            loss.writes = (uint32_t)(world.cycle_writes + (first ? closure.entry->writes : 0));
            loss.n_faults = (uint8_t)closure.n_judged;
            memcpy(loss.faults, closure.judged, closure.n_judged * sizeof *loss.faults);
        }
        if (loss.writes != UINT32_MAX || loss.n_choices > 0) {
            crash_print_loss(&loss, text, room);
        }
    }
    free(choices);
    if (text[0] == 0) {
        snprintf(text, room, "none");
    }
}

static void restore(uint32_t node) {
    memcpy(world.nvm, closure.entry->image, world.n_bytes);
    memcpy(world.shadow, closure.entry->image, world.n_bytes);
    world.hash = closure.entry->hash;
    crash_chain_apply(node);
}

/* The present image; on the way to it came the answers of `from`, if there is one, and n more. */
static void add_entry(uint64_t writes, const entry_t *from, const uint8_t *answers, uint32_t n) {
    const uint32_t n_before = from != NULL ? from->n_choices : 0;
    entry_t *entry = malloc(sizeof *entry + world.n_bytes + n_before + n);
    if (entry == NULL) {
        abort();
    }
    entry->hash = world.hash;
    entry->writes = writes;
    entry->n_choices = n_before + n;
    memcpy(entry->image, world.nvm, world.n_bytes);
    if (n_before > 0) {
        memcpy(entry->image + world.n_bytes, choices_of(from), n_before);
    }
    if (n > 0) {
        memcpy(entry->image + world.n_bytes + n_before, answers, n);
    }
    entry->next = closure.todo;
    closure.todo = entry;
}

/* The run of the item took the first answer to each reading beyond those that it was given: the others are to be tried. */
static void push_other_answers(const item_t *item) {
    for (uint8_t k = item->n_given; k < world.n_readings && crash_branches(); k++) {
        for (uint8_t value = 1; value < world.readings[k]; value++) {
            item_t other = *item;
            memset(other.given + other.n_given, 0, sizeof other.given - other.n_given);
            other.n_given = (uint8_t)(k + 1);
            other.given[k] = value;
            push(&other);
        }
    }
}

/* The image of item `i` until its next commit. */
static void run(uint32_t i) {
    const item_t item = closure.items[i];
    closure.item = i;
    closure.node = item.node;
    restore(item.node);
    world.now = world_position();
    world.given = item.given;
    world.n_given = item.n_given;
    world_boot();
    if (!world.committed) {
        world_step();
    }
    push_other_answers(&item);
    const crash_position_t at = world_position();
    if ((at.sequence < world.options->n_inferences || at.step != 0) && at.progress <= world.options->stop_progress &&
        crash_set_add(&closure.commits, world_key(&at))) {
        uint8_t answers[CRASH_MOST_READINGS] = {0};
        memcpy(answers, item.given, item.n_given);
        world.report->images++;
        add_entry(closure.entry->writes + world.cycle_writes, closure.entry, answers,
                  crash_branches() ? world.n_readings : 0);
    }
    crash_chain_drop();
}

/* Returns 0 when time is up. */
static int close_segment(entry_t *entry, crash_layer_t *layers, double until) {
    closure.entry = entry;
    crash_chain_clear();
    closure.n_items = closure.n_stack = closure.n_faults = 0;
    restore(0);
    world_enter();
    crash_set_clear(&closure.visited);
    crash_set_clear(&closure.windows);
    const crash_position_t at = world_position();
    crash_set_add(&closure.visited, world_key(&at));
    closure.step_bytes = 0;
    for (uint32_t i = 0; i < world.n_bytes; i++) {
        closure.step_bytes += world.allowed[i] == world.epoch;
    }
    crash_layer_t *layer = &layers[world.start.valid ? world_row(world.start.step) - world.original->layers : 0];
    const uint64_t images = world.report->images, writes = world.report->writes;
    const item_t root = {.from = NO_ITEM};
    layer->segments++;
    world.report->segments++;
    push(&root);
    while (closure.n_stack > 0) {
        if (world_seconds() > until) {
            return 0;
        }
        run(closure.stack[--closure.n_stack]);
    }
    layer->images += world.report->images - images;
    layer->writes += world.report->writes - writes;
    layer->closed++;
    return 1;
}

void crash_closure(const fml_model_t *model, const crash_options_t *options, const int8_t *const samples[2],
                   crash_report_t *report, crash_layer_t *layers) {
    const double start = world_seconds();
    memset(layers, 0, model->n_layers * sizeof *layers);
    memset(&closure, 0, sizeof closure);
    if (!world_open(model, options, samples, report)) {
        return;
    }
    if (crash_legal_open()) {
        world.before = before;
        world.after = after;
        world.filled = filled;
        world.diverged = describe;
        world_start_image(options->start);
        const crash_position_t at = world_position();
        crash_set_add(&closure.commits, world_key(&at));
        report->images = 1;
        report->writes = report->boots = 0;
        add_entry(0, NULL, NULL, 0);
        if (setjmp(world.exit) == 0) {
            report->closed = 1;
            while (closure.todo != NULL) {
                entry_t *entry = closure.todo;
                closure.todo = entry->next;
                if (!close_segment(entry, layers, start + options->limit_s)) {
                    report->closed = 0;
                    snprintf(report->reason, sizeof report->reason, "time is up");
                    free(entry);
                    break;
                }
                free(entry);
            }
        } else {
            report->closed = 0;
        }
    }
    while (closure.todo != NULL) {
        entry_t *entry = closure.todo;
        closure.todo = entry->next;
        free(entry);
    }
    free(closure.items);
    free(closure.stack);
    crash_chain_free();
    free(closure.faults);
    free(closure.commits.keys);
    free(closure.visited.keys);
    free(closure.windows.keys);
    crash_legal_close();
    world_close();
    report->seconds = world_seconds() - start;
}
