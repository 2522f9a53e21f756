/* What a loss may leave, at every write: which of the units that wait for a barrier are missing, which became garbage.
 *
 * Atomic and torn NVM keep the order: every unit before the loss is there, and of torn NVM the byte after may be garbage.
 * Elsewhere each unit that waits is there or missing, on its own, and where bytes tear, too, it may be garbage instead. Of
 * n units these are 2^n and 3^n images; followed are
 *
 *   1. one unit missing, for each unit;
 *   2. every set of units of the commit record (up to MOST_SET of them; of more, which only a broken protocol has, every
 *      pair), each missing or garbage, with all other units there and with none. Garbage is the worst: in a slot of word and
 *      complement, that of one byte matches that of the other;
 *   3. every set of groups missing: identity, each commit slot, each result, all the rest (of a cold start in its first run);
 *   4. in the first run of a step, in its first chunk: the newest unit alone is there; a set drawn by lot is missing;
 *   5. where bytes tear: the next byte garbage, together with the sets of 2, and each unit of the control block garbage
 *      while later ones are there; bytes of the arena are torn in tiny steps only, and by CRASH_TORN.
 *
 * Why that is enough. Units are those of the commit record (C), or others (D); D lie in the write set of the step (each
 * write is checked), which the step does not read (each tile runs once more with its write set full of garbage; a result's
 * slot is not the newest one). The position depends on C alone. Where no subset of C changes the position, every subset of
 * D leaves the image from which the step began, but for bytes that are dead: its run writes all of D again, and goes the
 * way that it went; a decision may go another way, so it voids the commit slot before it writes D. Where a subset of C
 * changes the position while one unit of D waits, the image with that one missing is no legal commit, and 1 or 2 has
 * it. So sets of D need no product. During a cold start the identity is somebody else's, and nothing behind it is
 * looked at (tests/crash/test_foreign.py); a part of it is not the model's: there, 3 takes the place of 2.
 *
 * Units that wait when a step ends would need products with the units of the next step. There are none: a step that ends
 * before its commit is persistent is a divergence (crash_world.c). So is a write that lets more bytes wait than the
 * runtime promises. */
#include <string.h>

#include "crash.h"

enum { SMALL_STEP_BYTES = 64, TINY_STEP_BYTES = 32, MOST_SET = 6 };

static uint8_t is_control(const crash_unit_t *unit) {
    return unit->addr < FML_NVM_SUMS;
}

static uint8_t is_commit(const crash_unit_t *unit) {
    return unit->addr >= FML_NVM_COMMIT && unit->addr < FML_NVM_RESULTS;
}

static const crash_unit_t *waiting(uint32_t ago) {
    return &world.pending[world.n_pending - ago];
}

static uint8_t tears(void) {
    return world.options->behaviour == CRASH_TORN || world.options->behaviour == CRASH_TORN_UNORDERED;
}

static uint8_t garbage_for(uint32_t addr, uint8_t byte) {
    const uint8_t any = (uint8_t)((byte ^ addr * 0x9e3779b1u) * 0x85ebca6bu >> 24);
    return world.options->adversary ? (uint8_t)~byte : any;
}

static crash_fault_t missing(uint32_t ago) {
    const crash_fault_t fault = {(uint8_t)ago, 0, 0};
    return fault;
}

static crash_fault_t torn(uint32_t ago) {
    const crash_unit_t *unit = waiting(ago);
    const crash_fault_t fault = {(uint8_t)ago, 1, garbage_for(unit->addr, world.nvm[unit->addr])};
    return fault;
}

static uint32_t address_of(const crash_fault_t *fault, uint32_t next) {
    return fault->ago == 0 ? next : waiting(fault->ago)->addr;
}

/* Garbage that is the complement of the garbage in the other half of its slot, where there is some. */
static crash_fault_t torn_to_match(uint32_t ago, const crash_fault_t *others, uint32_t n, uint32_t next) {
    crash_fault_t fault = torn(ago);
    const uint32_t half = (waiting(ago)->addr - FML_NVM_COMMIT) ^ 4u;
    for (uint32_t i = 0; world.original->commit_slots == 2 && i < n; i++) {
        if (others[i].is_garbage && address_of(&others[i], next) == FML_NVM_COMMIT + half) {
            fault.value = (uint8_t)~others[i].value;
        }
    }
    return fault;
}

/* Units of the commit record that wait, from the `from`-th last on. Returns how many. */
static uint32_t commit_units(uint32_t from, uint8_t *ago) {
    uint32_t n = 0;
    for (uint32_t k = from; k <= world.n_pending; k++) {
        if (is_commit(waiting(k))) {
            ago[n++] = (uint8_t)k;
        }
    }
    return n;
}

/* The set, and the set without anything outside of the commit record. */
static void consider_with_and_without_data(crash_fault_t *faults, uint32_t n, crash_consider_t consider) {
    consider(faults, n);
    const uint32_t before = n;
    for (uint32_t k = 1; k <= world.n_pending; k++) {
        if (!is_commit(waiting(k))) {
            faults[n++] = missing(k);
        }
    }
    if (n > before) {
        consider(faults, n);
    }
}

/* Every set of at most MOST_SET units: each is there, missing, or garbage where bytes tear. next: NULL, or garbage in the
 * next byte, at the address `at`, in all of them. */
static void every_set(const uint8_t *ago, uint32_t n, const crash_fault_t *next, uint32_t at, uint8_t most_torn,
                      crash_consider_t consider) {
    crash_fault_t faults[CRASH_MOST_FAULTS];
    const uint32_t kinds = tears() ? 3 : 2;
    uint8_t digits[MOST_SET] = {0};
    while (1) {
        uint32_t i = 0;
        while (i < n && ++digits[i] == kinds) {
            digits[i++] = 0;
        }
        if (i == n) {
            return;
        }
        uint32_t n_faults = 0, n_torn = next != NULL;
        if (next != NULL) {
            faults[n_faults++] = *next;
        }
        for (uint32_t k = 0; k < n; k++) {
            if (digits[k] > 0) {
                faults[n_faults] = digits[k] == 1 ? missing(ago[k]) : torn_to_match(ago[k], faults, n_faults, at);
                n_faults++;
                n_torn += digits[k] == 2;
            }
        }
        if (n_torn <= most_torn) {
            consider_with_and_without_data(faults, n_faults, consider);
        }
    }
}

static void every_pair(const uint8_t *ago, uint32_t n, crash_consider_t consider) {
    crash_fault_t faults[CRASH_MOST_FAULTS];
    for (uint32_t i = 0; i < n; i++) {
        for (uint32_t j = 0; j < i; j++) {
            faults[0] = missing(ago[j]);
            faults[1] = missing(ago[i]);
            consider_with_and_without_data(faults, 2, consider);
        }
    }
}

static uint32_t group_of(uint32_t addr) {
    const uint32_t slot = world.original->commit_slots == 2 && addr >= FML_NVM_COMMIT + sizeof(fml_commit_t);
    const uint32_t result = addr >= FML_NVM_RESULTS + sizeof(fml_record_t);
    return addr < FML_NVM_COMMIT ? 0 : addr < FML_NVM_RESULTS ? 1 + slot : addr < FML_NVM_SUMS ? 3 + result : 5;
}

/* Every set of groups missing, where units of two groups wait or more. */
static void every_set_of_groups(crash_consider_t consider) {
    uint32_t there = 0;
    for (uint32_t k = 1; k <= world.n_pending; k++) {
        there |= 1u << group_of(waiting(k)->addr);
    }
    for (uint32_t set = there & (there - 1); set > 0 && (there & (there - 1)) != 0; set = (set - 1) & there) {
        crash_fault_t faults[CRASH_MOST_FAULTS];
        uint32_t n = 0;
        for (uint32_t k = 1; k <= world.n_pending; k++) {
            if (set >> group_of(waiting(k)->addr) & 1) {
                faults[n++] = missing(k);
            }
        }
        consider(faults, n);
    }
}

/* The newest unit alone; and a set drawn by lot. */
static void some_sets(uint64_t lot, crash_consider_t consider) {
    crash_fault_t faults[CRASH_MOST_FAULTS];
    uint32_t n = 0;
    for (uint32_t k = 2; k <= world.n_pending; k++) {
        faults[n++] = missing(k);
    }
    if (n < 2) {
        return; /* the case of one */
    }
    consider(faults, n);
    n = 0;
    for (uint32_t k = 2; k <= world.n_pending; k++) {
        lot = lot * 6364136223846793005u + 1442695040888963407u;
        if (lot >> 63) {
            faults[n++] = missing(k);
        }
    }
    if (n > 0) {
        consider(faults, n);
    }
}

void crash_losses_before(uint32_t addr, uint8_t byte, const crash_step_t *step, crash_consider_t consider) {
    if (!tears() || step->most_torn == 0) {
        return;
    }
    const uint8_t old = world.nvm[addr];
    if (old == byte && addr >= FML_NVM_ARENA && step->n_bytes > SMALL_STEP_BYTES) {
        return; /* a byte that gets the value it has is torn in small steps and in the control block only */
    }
    if (world.options->behaviour == CRASH_TORN_UNORDERED && addr >= FML_NVM_ARENA && step->n_bytes > TINY_STEP_BYTES) {
        return; /* dead bytes, which CRASH_TORN tears */
    }
    const uint8_t value = garbage_for(addr, byte);
    if (value == old || value == byte) {
        return;
    }
    const crash_fault_t next = {0, 1, value};
    consider(&next, 1);
    uint8_t ago[CRASH_MOST_FAULTS];
    const uint32_t n = world.start.valid && addr < FML_NVM_ARENA ? commit_units(1, ago) : 0;
    if (n <= MOST_SET) {
        every_set(ago, n, &next, addr, step->most_torn, consider);
    }
}

void crash_losses_after(const crash_step_t *step, crash_consider_t consider) {
    if (world.options->behaviour < CRASH_UNORDERED) {
        return;
    }
    for (uint32_t k = world.n_pending; k >= 2; k--) {
        const crash_fault_t lost = missing(k);
        consider(&lost, 1);
        if (tears() && step->most_torn > 0 && (is_control(waiting(k)) || step->n_bytes <= TINY_STEP_BYTES)) {
            const crash_fault_t bad = torn(k);
            consider(&bad, 1);
        }
    }
    uint8_t ago[CRASH_MOST_FAULTS];
    const uint32_t n = world.start.valid ? commit_units(2, ago) : 0;
    if (n <= MOST_SET) {
        every_set(ago, n, NULL, 0, step->most_torn, consider);
    } else {
        every_pair(ago, n, consider);
    }
    if (world.start.valid || step->is_first_run) {
        every_set_of_groups(consider);
    }
    const uint8_t now_and_then = world.n_pending < 4 || world.n_pending % 16 == 0;
    if (step->is_first_run && world.cycle_writes <= FML_NVM_CHUNK_BYTES && now_and_then) {
        some_sets(step->lot, consider); /* chunks are alike, and what follows each is many images */
    }
}
