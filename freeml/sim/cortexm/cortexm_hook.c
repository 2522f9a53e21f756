/* What the emulator counts while it runs, without Python in between: called by Unicorn, compiled at first use. */
#include "cortexm_watch.h"

#define SEMIHOSTING 7u /* what Unicorn calls it */
#define RETURN_FROM_HANDLER 8u

void fml_watch_note(fml_watch_t *watch, uint64_t offset_bytes, uint32_t n_bytes, uint64_t value) {
    watch->total.nvm_stores++;
    watch->total.nvm_bytes_written += n_bytes;
    if (watch->log == NULL) {
        return;
    }
    if (watch->logged < watch->log_capacity) {
        fml_logged_t *entry = &watch->log[watch->logged];
        entry->offset_bytes = (uint32_t)offset_bytes;
        entry->n_bytes = n_bytes;
        entry->value = value;
    }
    watch->logged++; /* beyond the capacity: Python sees that it was too small */
}

/* Thumb: a halfword that begins with 0b11101, 0b11110 or 0b11111 is the first of two. */
static fml_block_t price(fml_watch_t *watch, uint64_t address, uint64_t n_bytes) {
    const uint64_t first = address - watch->flash_base;
    fml_block_t found = {(uint32_t)n_bytes, 0, 0};
    for (uint64_t at = first; at < first + n_bytes; found.instructions++) {
        uint8_t *cost = &watch->costs[at / 2u];
        if (*cost == 0) {
            *cost = (uint8_t)watch->ask(watch->flash_base + at);
        }
        fml_watch_needs_check(watch, watch->flash_base + at);
        found.cycles += *cost;
        at += watch->flash[at + 1] >= 0xe8u ? 4u : 2u;
    }
    return found;
}

/* Whether the core is about to enter or leave fml_board_report: the run ends behind its call, or at its entry where the
 * status is no result. What the report itself takes is not counted. */
static int reports(fml_watch_t *watch, void *emulator, uint64_t address) {
    if (watch->return_to != 0 && address == watch->return_to) {
        watch->return_to = 0;
        watch->reported = 1;
        watch->stop(emulator);
        return 1;
    }
    if (address == watch->report && watch->return_to == 0) {
        uint32_t status = 0, back = 0;
        watch->register_read(emulator, watch->r0, &status);
        watch->register_read(emulator, watch->lr, &back);
        if ((int32_t)status > 0) {
            watch->look();
        }
        if (status == FML_WATCH_PIECE) {
            return 0;
        }
        watch->status = status;
        watch->return_to = back & ~1u;
        watch->at_report = watch->total;
        if ((int32_t)status < 0) {
            watch->reported = 1;
            watch->stop(emulator);
            return 1;
        }
    }
    return 0;
}

/* At the first instruction of a function: its argument. */
static uint32_t argument(const fml_watch_t *watch, void *emulator) {
    uint32_t value = 0;
    watch->register_read(emulator, watch->r0, &value);
    return value;
}

/* Before a block runs. */
void fml_watch_block(void *emulator, uint64_t address, uint32_t size, void *user);
void fml_watch_block(void *emulator, uint64_t address, uint32_t size, void *user) {
    fml_watch_t *watch = user;
    const uint64_t at = address - watch->flash_base;
    if (reports(watch, emulator, address)) {
        return;
    }
    if (address == watch->ready) {
        watch->asked(argument(watch, emulator));
    }
    if (watch->total.instructions >= watch->budget) {
        watch->stop(emulator);
        return;
    }
    if (address != watch->next) {
        watch->total.cycles += watch->refill_cycles;
    }
    watch->block = address;
    watch->block_bytes = size;
    watch->next = address + size;
    if (at >= watch->flash_bytes || size > watch->flash_bytes - at) {
        watch->total.instructions += size / 2u; /* code in RAM: freeml makes none */
        return;
    }
    fml_block_t *known = &watch->known[at / 2u];
    if (known->n_bytes != size) {
        *known = price(watch, address, size);
        if (watch->unchecked) {
            watch->stop(emulator);
            return;
        }
    }
    watch->total.instructions += known->instructions;
    watch->total.cycles += known->cycles;
}

/* Execution has stopped and will go on at pc: what of the last block is still to come was not executed. */
void fml_watch_settle(fml_watch_t *watch, uint64_t pc);
void fml_watch_settle(fml_watch_t *watch, uint64_t pc) {
    const uint64_t end = watch->block + watch->block_bytes;
    if (pc < watch->block || pc >= end || watch->block - watch->flash_base >= watch->flash_bytes) {
        return;
    }
    const fml_block_t rest = price(watch, pc, end - pc);
    watch->total.instructions -= rest.instructions;
    watch->total.cycles -= rest.cycles;
    watch->next = pc;
    watch->block_bytes = 0;
}

/* Before every instruction. One hook of this kind is called by the code that Unicorn makes; were there two, for addresses of
 * their own, it would look through all of them each time that it meets one. */
void fml_watch_instruction(void *emulator, uint64_t address, uint32_t size, void *user);
void fml_watch_instruction(void *emulator, uint64_t address, uint32_t size, void *user) {
    fml_watch_t *watch = user;
    (void)size;
    if (address == watch->stop_at && watch->stop_at != 0) {
        if (!watch->skip_once) {
            watch->stopped = 1;
            watch->stop(emulator);
            return;
        }
        watch->skip_once = 0;
    }
    if (watch->checked[(address - watch->flash_base) / 2u]) {
        fml_check_alignment(watch, emulator, address);
    }
}

/* Unicorn restores the state of an IT block before it calls a hook for a load or store in it, and keeps it beyond the block,
 * where it then skips instructions (its issue 2309). The rest of the block itself is translated and does not look. */
static void leave_it_block(fml_watch_t *watch, void *emulator) {
    const uint32_t it_bits = 0x0600fc00;
    uint32_t xpsr = 0;
    watch->register_read(emulator, watch->xpsr, &xpsr);
    if ((xpsr & it_bits) != 0) {
        xpsr &= ~it_bits;
        watch->register_write(emulator, watch->xpsr, &xpsr);
    }
}

/* Before a store to NVM on the bus, and before a load from it. */
void fml_watch_nvm(void *emulator, int type, uint64_t address, int size, int64_t value, void *user);
void fml_watch_nvm(void *emulator, int type, uint64_t address, int size, int64_t value, void *user) {
    fml_watch_t *watch = user;
    (void)type;
    leave_it_block(watch, emulator);
    fml_watch_note(watch, address - watch->nvm_base, (uint32_t)size, (uint64_t)value);
}

void fml_watch_nvm_read(void *emulator, int type, uint64_t address, int size, int64_t value, void *user);
void fml_watch_nvm_read(void *emulator, int type, uint64_t address, int size, int64_t value, void *user) {
    fml_watch_t *watch = user;
    (void)type;
    (void)address;
    (void)value;
    leave_it_block(watch, emulator);
    watch->total.nvm_bytes_read += (uint64_t)size;
}

/* An exception that the core would take. `bkpt 0xab` is semihosting: what it means for a debugger is of no interest here. */
void fml_watch_exception(void *emulator, uint32_t number, void *user);
void fml_watch_exception(void *emulator, uint32_t number, void *user) {
    fml_watch_t *watch = user;
    if (number == SEMIHOSTING) {
        uint32_t pc = 0;
        watch->register_read(emulator, watch->pc, &pc);
        pc = (pc + 2u) | 1u; /* Unicorn is on the breakpoint still */
        watch->register_write(emulator, watch->pc, &pc);
        return;
    }
    if (number == RETURN_FROM_HANDLER && watch->in_handler) {
        watch->in_handler = 0;
    } else {
        watch->exception = number + 1u;
    }
    watch->stop(emulator);
}

/* That Python's idea of the structure is the compiler's. */
size_t fml_watch_bytes(void);
size_t fml_watch_bytes(void) {
    return sizeof(fml_watch_t);
}
