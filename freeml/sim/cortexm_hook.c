/* What the emulator reports while it runs, without Python in between: called by Unicorn, compiled at first use.
 * No Unicorn header is needed: its handle is opaque here. */
#include <stddef.h>
#include <stdint.h>

/* freeml/sim/cortexm.py has the same fields. */
typedef struct {
    uint64_t instructions;
    uint64_t budget; /* the run stops at the first block after so many instructions */
    uint64_t nvm_stores, nvm_bytes;
    uint64_t unaligned; /* accesses that an ARMv6-M core would fault on */
    uint64_t unaligned_address;
    uint64_t flash_base, flash_bytes;
    const uint8_t *flash;
    uint64_t *known; /* [flash_bytes / 2], zeroed: size << 32 | instructions of the block that begins there */
    int (*stop)(void *emulator);
} fml_watch_t;

/* Thumb: a halfword that begins with 0b11101, 0b11110 or 0b11111 is the first of two. */
static uint32_t count(const uint8_t *code, uint32_t size) {
    uint32_t n = 0;
    for (uint32_t at = 0; at < size; n++) {
        at += code[at + 1] >= 0xe8u ? 4u : 2u;
    }
    return n;
}

/* Before a block runs. */
void fml_watch_block(void *emulator, uint64_t address, uint32_t size, void *user);
void fml_watch_block(void *emulator, uint64_t address, uint32_t size, void *user) {
    fml_watch_t *watch = user;
    const uint64_t at = address - watch->flash_base;
    if (watch->instructions >= watch->budget) {
        watch->stop(emulator);
        return;
    }
    if (at >= watch->flash_bytes || size > watch->flash_bytes - at) {
        watch->instructions += size / 2u; /* code in RAM: freeml makes none */
        return;
    }
    uint64_t *known = &watch->known[at / 2u];
    if (*known >> 32 != size) {
        *known = (uint64_t)size << 32 | count(watch->flash + at, size);
    }
    watch->instructions += (uint32_t)*known;
}

/* Before a store to NVM. */
void fml_watch_nvm(void *emulator, int type, uint64_t address, int size, int64_t value, void *user);
void fml_watch_nvm(void *emulator, int type, uint64_t address, int size, int64_t value, void *user) {
    fml_watch_t *watch = user;
    (void)emulator;
    (void)type;
    (void)address;
    (void)value;
    watch->nvm_stores++;
    watch->nvm_bytes += (uint64_t)size;
}

/* Before any load or store of a core that faults on unaligned ones. */
void fml_watch_alignment(void *emulator, int type, uint64_t address, int size, int64_t value, void *user);
void fml_watch_alignment(void *emulator, int type, uint64_t address, int size, int64_t value, void *user) {
    fml_watch_t *watch = user;
    (void)type;
    (void)value;
    if ((address & (uint64_t)(size - 1)) != 0) {
        watch->unaligned++;
        watch->unaligned_address = address;
        watch->stop(emulator);
    }
}
