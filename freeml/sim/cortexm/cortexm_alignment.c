/* Unaligned accesses that silicon refuses and Unicorn alone lets pass. ARMv6-M: all of them. ARMv7-M and ARMv8-M, whatever
 * CCR says: those of LDM, STM, LDRD, STRD, exclusives, acquire and release, loads and stores of the FPU (DDI 0403, A3.2.1). */
#include "cortexm_watch.h"

#define SP 13
#define PC 15

static int to_memory_of_fpu(uint32_t first, uint32_t second) {
    const uint32_t is_transfer_between_registers = (first & 0xffe0u) == 0xec40u;
    return (first & 0xee00u) == 0xec00u && !is_transfer_between_registers && (second & 0x0e00u) == 0x0a00u;
}

/* 0xe8.., 0xe9..: of many registers, of two, exclusive, table branches, acquire and release. */
static int is_checked(uint32_t first, uint32_t second) {
    if ((first & 0xfe40u) == 0xe800u) {
        return 1; /* LDM, STM */
    }
    if ((first & 0xfe40u) != 0xe840u) {
        return to_memory_of_fpu(first, second);
    }
    if ((first & 0xfff0u) == 0xe8c0u || (first & 0xfff0u) == 0xe8d0u) {
        const uint32_t op = second >> 4 & 15u; /* 0, 1: table branches; .4, .8, .c: bytes */
        return op >= 5u && (op & 3u) != 0;
    }
    const uint32_t is_test_target = (first & 0xfff0u) == 0xe840u && (second & 0xf000u) == 0xf000u;
    return !is_test_target; /* LDRD, STRD, LDREX, STREX */
}

/* The register that must hold a multiple of 4 before the instruction (of 2, where it moves a halfword); -1: none. SP and PC
 * always do. */
int fml_aligned_base(uint32_t first, uint32_t second);
int fml_aligned_base(uint32_t first, uint32_t second) {
    int base = -1;
    if ((first & 0xf000u) == 0xc000u) {
        base = (int)(first >> 8 & 7u);
    } else if (is_checked(first, second)) {
        base = (int)(first & 15u);
    }
    return base == SP || base == PC ? -1 : base;
}

/* ARMv6-M: bytes that a load or store moves which may find an unaligned address, 0 for all others. Those relative to SP and
 * PC never do, as their offsets are of whole words; those of many registers are above. */
static uint32_t moved_by_v6m(uint32_t first) {
    const uint32_t with_register[8] = {4, 2, 0, 0, 4, 2, 0, 2}; /* STR STRH STRB LDRSB LDR LDRH LDRB LDRSH */
    switch (first >> 12) {
    case 5:
        return with_register[first >> 9 & 7u];
    case 6:
        return 4;
    case 8:
        return 2;
    default:
        return 0;
    }
}

/* Whether fml_check_alignment must be called before an instruction. is_v6m: of a core that faults on all unaligned accesses. */
int fml_needs_alignment(uint32_t first, uint32_t second, uint32_t is_v6m);
int fml_needs_alignment(uint32_t first, uint32_t second, uint32_t is_v6m) {
    return fml_aligned_base(first, second) >= 0 || (is_v6m && moved_by_v6m(first) != 0);
}

static uint32_t moves_halfword(uint32_t first, uint32_t second) {
    return ((first & 0xfff0u) == 0xe8c0u || (first & 0xfff0u) == 0xe8d0u) && (second >> 4 & 3u) == 1u;
}

static void refuse(fml_watch_t *watch, void *emulator, uint64_t address) {
    watch->unaligned++;
    watch->unaligned_address = address;
    watch->stop(emulator);
}

static uint32_t halfword(const fml_watch_t *watch, uint64_t address) {
    const uint64_t at = address - watch->flash_base;
    return at + 1u < watch->flash_bytes ? (uint32_t)(watch->flash[at] | watch->flash[at + 1u] << 8) : 0;
}

static uint32_t register_of(const fml_watch_t *watch, void *emulator, uint32_t number) {
    uint32_t value = 0;
    watch->register_read(emulator, number == 14u ? watch->lr : watch->r0 + (int32_t)number, &value);
    return value;
}

/* Offsets that an instruction holds itself are multiples of what it moves: they need no look. */
static void check_v6m(fml_watch_t *watch, void *emulator, uint32_t first) {
    uint32_t address = register_of(watch, emulator, first >> 3 & 7u);
    if (first >> 12 == 5u) {
        address += register_of(watch, emulator, first >> 6 & 7u);
    }
    if ((address & (moved_by_v6m(first) - 1u)) != 0) {
        refuse(watch, emulator, address);
    }
}

void fml_check_alignment(fml_watch_t *watch, void *emulator, uint64_t address) {
    const uint32_t first = halfword(watch, address), second = halfword(watch, address + 2u);
    const int base = fml_aligned_base(first, second);
    if (base >= 0) {
        const uint32_t value = register_of(watch, emulator, (uint32_t)base);
        if ((value & (moves_halfword(first, second) ? 1u : 3u)) != 0) {
            refuse(watch, emulator, value);
        }
    } else if (moved_by_v6m(first) != 0) {
        check_v6m(watch, emulator, first);
    }
}

void fml_watch_needs_check(fml_watch_t *watch, uint64_t address) {
    const uint64_t at = (address - watch->flash_base) / 2u;
    if (watch->checked[at]) {
        return;
    }
    if (fml_needs_alignment(halfword(watch, address), halfword(watch, address + 2u), watch->is_v6m)) {
        watch->unchecked = address;
    }
}
