/* The run loop and the instructions of the original MSP430: Format I, Format II and jumps. */
#include "msp430x_state.h"

/* Cycles of Format I by kind of source (register or constant, @Rn, #N, x(Rn)) and destination (SLAU367P table 4-10). */
enum { FROM_REGISTER = 0, FROM_INDIRECT, FROM_IMMEDIATE, FROM_MEMORY };

static const uint8_t TO_REGISTER[4] = {1, 2, 2, 3};
static const uint8_t TO_PC[4] = {3, 4, 3, 5};
static const uint8_t TO_MEMORY[4] = {4, 5, 5, 6};

/* Bit n: opcode n does not write its destination (CMP, BIT); needs one memory access less (MOV, CMP, BIT). */
enum { NO_RESULT = 1 << 9 | 1 << 11, ONE_LESS = NO_RESULT | 1 << 4 };

FML_INLINE uint32_t constant_of(uint32_t index, uint32_t as) {
    return index == SR ? (as == 2 ? 4u : 8u) : as == 3 ? ADDRESS_MASK : as;
}

/* Source operand of a Format I instruction; *kind tells its row of the cycle table. */
FML_INLINE uint32_t source_operand(fml_msp430_t *m, uint32_t index, uint32_t as, uint32_t is_byte, uint32_t *kind) {
    const uint32_t mask = is_byte ? 0xFF : 0xFFFF;
    uint32_t address;
    if (as == 0) {
        *kind = FROM_REGISTER;
        return m->r[index] & mask;
    }
    if (FML_UNLIKELY(index == CG || (index == SR && as >= 2))) {
        *kind = FROM_REGISTER;
        return constant_of(index, as) & mask;
    }
    if (as == 1) {
        const uint32_t base = index == SR ? 0 : m->r[index];
        *kind = FROM_MEMORY;
        return load(m, indexed16(base, fetch(m)), is_byte);
    }
    if (index == PC) {
        if (as == 2) {
            fml_fault(m, "@PC as source (erratum CPU22) in opcode", raw16(m, m->instruction_pc));
        }
        *kind = FROM_IMMEDIATE;
        return fetch(m) & mask;
    }
    *kind = FROM_INDIRECT;
    address = m->r[index];
    if (as == 3) {
        m->r[index] = (address + (is_byte && index != SP ? 1 : 2)) & ADDRESS_MASK;
    }
    return load(m, address, is_byte);
}

/* Written so that the compiler makes one copy per opcode: `code` is a constant at each call. */
FML_INLINE void format_i(fml_msp430_t *m, uint32_t op, uint32_t code) {
    const uint32_t is_byte = op >> 6 & 1;
    const uint32_t bits = is_byte ? 8 : 16;
    const uint32_t target = op & 15;
    uint32_t kind;
    const uint32_t source = source_operand(m, op >> 8 & 15, op >> 4 & 3, is_byte, &kind);
    if (op & 0x80) {
        const uint32_t base = target == SR ? 0 : m->r[target];
        const uint32_t address = indexed16(base, fetch(m));
        const uint32_t old = code == 4 ? 0 : load(m, address, is_byte);
        const uint32_t result = format_i_result(m, code, source, old, bits, m->r[SR] & SR_C);
        if (!(NO_RESULT >> code & 1)) {
            store(m, address, result, is_byte);
        }
        m->n.cycles += TO_MEMORY[kind] - (ONE_LESS >> code & 1);
    } else {
        const uint32_t result =
            format_i_result(m, code, source, m->r[target] & (is_byte ? 0xFF : 0xFFFF), bits, m->r[SR] & SR_C);
        if (!(NO_RESULT >> code & 1)) {
            set_register(m, target, result);
            m->n.cycles += target == PC ? TO_PC[kind] : TO_REGISTER[kind];
        } else {
            m->n.cycles += TO_REGISTER[kind];
        }
    }
}

static void illegal(fml_msp430_t *m, uint32_t op) {
    fml_fault(m, "illegal opcode", op);
}

static void reti(fml_msp430_t *m) {
    const uint32_t status = pop16(m);
    const uint32_t low = pop16(m);
    m->r[PC] = (low & 0xFFFE) | (status & 0xF000) << 4;
    m->r[SR] = status & SR_MASK;
    m->gie_before = status & SR_GIE;
    m->attention = 1;
    m->n.cycles += 5;
    m->n.reti++;
}

static void format_ii(fml_msp430_t *m, uint32_t op) {
    const uint32_t code = op >> 7 & 7;
    const uint32_t is_byte = op >> 6 & 1;
    const uint32_t bits = is_byte ? 8 : 16;
    const uint32_t index = op & 15;
    const uint32_t as = op >> 4 & 3;
    const int constant = index == CG ? as > 0 : index == SR && as >= 2;
    const int immediate = index == PC && as == 3;
    uint32_t address = 0, value, result;
    m->n.format_ii++;
    if (code > 5 || (is_byte && (code == 1 || code == 3 || code == 5)) || ((constant || immediate) && code < 4) ||
        (index == PC && as == 2)) {
        illegal(m, op);
        return;
    }
    if (as == 0) {
        value = m->r[index] & mask_of(bits);
    } else if (constant) {
        value = constant_of(index, as) & mask_of(bits);
    } else if (immediate) {
        value = fetch(m) & mask_of(bits);
    } else {
        if (as == 1) {
            const uint32_t base = index == SR ? 0 : m->r[index];
            address = indexed16(base, fetch(m));
        } else {
            address = m->r[index];
            if (as == 3) {
                m->r[index] = (address + (is_byte && index != SP ? 1 : 2)) & ADDRESS_MASK;
            }
        }
        value = load(m, address, is_byte);
    }
    switch (code) {
    case 0:
        result = value >> 1 | (m->r[SR] & SR_C) << (bits - 1);
        set_nz(m, result, bits, value & 1);
        break;
    case 1: result = value >> 8 | (value & 0xFF) << 8; break;
    case 2:
        result = value >> 1 | (value & UINT32_C(1) << (bits - 1));
        set_nz(m, result, bits, value & 1);
        break;
    case 3:
        result = sign_extend(value, 8) & (as ? 0xFFFF : ADDRESS_MASK);
        set_nz(m, result, 16, result ? SR_C : 0u);
        break;
    case 4:
        m->r[SP] = (m->r[SP] - 2) & ADDRESS_MASK;
        store(m, m->r[SP], value, is_byte);
        m->n.cycles += as == 1 && !constant ? 4 : 3;
        return;
    default:
        push16(m, m->r[PC] & 0xFFFF);
        m->r[PC] = value & 0xFFFE;
        m->n.cycles += as != 1 || constant ? 4 : index == SR ? 6 : 5;
        return;
    }
    if (as == 0) {
        set_register(m, index, result);
        m->n.cycles += 1;
    } else {
        store(m, address, result, is_byte);
        m->n.cycles += as == 1 ? 4 : 3;
    }
}

FML_INLINE void jump(fml_msp430_t *m, uint32_t op) {
    const uint32_t flags = m->r[SR];
    const uint32_t less = (flags >> 2 ^ flags >> 8) & 1;
    uint32_t taken;
    switch (op >> 10 & 7) {
    case 0: taken = ~flags & SR_Z; break;
    case 1: taken = flags & SR_Z; break;
    case 2: taken = ~flags & SR_C; break;
    case 3: taken = flags & SR_C; break;
    case 4: taken = flags & SR_N; break;
    case 5: taken = !less; break;
    case 6: taken = less; break;
    default: taken = 1; break;
    }
    if (taken) {
        m->r[PC] = (m->r[PC] + 2 * sign_extend(op, 10)) & ADDRESS_MASK;
    }
    m->n.jumps++;
    m->n.cycles += 2;
}

static void step_rest(fml_msp430_t *m, uint32_t op) {
    if (op < 0x1000) {
        fml_step_address(m, op);
    } else if (op >= 0x1800 && op < 0x2000) {
        fml_step_extended(m, op);
    } else if (op >= 0x1400) {
        fml_step_multiple(m, op);
    } else if (op == 0x1300) {
        reti(m);
    } else if (op >= 0x1340) {
        fml_step_calla(m, op);
    } else if (op < 0x1300) {
        format_ii(m, op);
    } else {
        illegal(m, op);
    }
}

FML_INLINE void step(fml_msp430_t *m) {
    uint32_t op;
    m->instruction_pc = m->r[PC];
    m->access_start = m->n.accesses;
    op = fetch(m);
    m->n.instructions++;
    switch (op >> 12) {
    case 2:
    case 3: jump(m, op); break;
    case 4: format_i(m, op, 4); break;
    case 5: format_i(m, op, 5); break;
    case 6: format_i(m, op, 6); break;
    case 7: format_i(m, op, 7); break;
    case 8: format_i(m, op, 8); break;
    case 9: format_i(m, op, 9); break;
    case 10: format_i(m, op, 10); break;
    case 11: format_i(m, op, 11); break;
    case 12: format_i(m, op, 12); break;
    case 13: format_i(m, op, 13); break;
    case 14: format_i(m, op, 14); break;
    case 15: format_i(m, op, 15); break;
    default: step_rest(m, op); break;
    }
}

/* An instruction word from SRAM; anything but SRAM and FRAM holds no code. */
uint32_t fml_fetch_elsewhere(fml_msp430_t *m, uint32_t address) {
    if (m->region[address >> 8] != REGION_SRAM) {
        fml_fault(m, "instruction fetch from address", address);
        return 0x4303;
    }
    m->n.sram_code_reads++;
    return raw16(m, address);
}

static void enter_interrupt(fml_msp430_t *m, uint32_t vector) {
    m->access_start = m->n.accesses;
    push16(m, m->r[PC] & 0xFFFF);
    push16(m, m->r[SR] | (m->r[PC] >> 4 & 0xF000));
    m->r[SR] &= SR_SCG0;
    m->r[PC] = load(m, vector, 0) & 0xFFFE;
    m->gie_before = 0;
    m->n.cycles += 6;
    m->n.interrupts++;
}

/* With the CPU off: jump to the next event. False when none will come. */
static int sleep_until_event(fml_msp430_t *m) {
    const uint64_t event = fml_io_next(m, 1);
    const uint64_t until = event < m->cycle_limit ? event : m->cycle_limit;
    if (event == NEVER) {
        return 0;
    }
    if (until > m->n.cycles) {
        const uint64_t slept = until - m->n.cycles;
        m->n.cycles = until;
        m->n.sleep_cycles += slept;
        fml_io_slept(m, slept);
    }
    fml_io_update(m);
    return 1;
}

/* Between two instructions: limits, events, interrupts, sleep. True: stop, reason in m->stop. */
static int service(fml_msp430_t *m) {
    m->attention = 0;
    for (;;) {
        const uint32_t gie = m->r[SR] & SR_GIE;
        if (m->stop == FML_STOP_NONE) {
            fml_io_update(m);
            fml_timer_count(m);
        }
        if (m->stop != FML_STOP_NONE) {
            return 1;
        }
        if (m->n.cycles >= m->cycle_limit) {
            m->attention = 1; /* an interrupt may still wait */
            m->stop = FML_STOP_CYCLES;
            return 1;
        }
        if (m->n.instructions >= m->instruction_limit) {
            m->attention = 1;
            m->stop = FML_STOP_INSTRUCTIONS;
            return 1;
        }
        if ((m->dma.waiting || m->dma.active >= 0) && fml_dma_step(m)) {
            continue;
        }
        if (gie && fml_io_pending(m, 0)) {
            if (m->gie_before || m->r[SR] & SR_CPUOFF) {
                enter_interrupt(m, fml_io_pending(m, 1));
                continue;
            }
            m->attention = 1; /* one instruction first */
        }
        m->gie_before = gie;
        if (!(m->r[SR] & SR_CPUOFF)) {
            fml_schedule(m);
            return 0;
        }
        if (!gie || !sleep_until_event(m)) {
            m->attention = 1;
            m->stop = FML_STOP_CPU_OFF;
            return 1;
        }
    }
}

int fml_msp430_masks_interrupts(const fml_msp430_t *m) {
    return !(m->r[SR] & SR_GIE) || !m->gie_before;
}

fml_stop_t fml_msp430_interrupt(fml_msp430_t *m, uint32_t vector, uint64_t instructions) {
    const uint64_t returns = m->n.reti;
    const uint32_t stack = m->r[SP];
    if (m->needs_reset) {
        return m->stop;
    }
    m->stop = FML_STOP_NONE;
    if (fml_msp430_masks_interrupts(m)) {
        return FML_STOP_NONE;
    }
    m->cycle_limit = m->nvm_budget = NEVER;
    m->instruction_limit = m->n.instructions + instructions;
    enter_interrupt(m, vector);
    while (m->n.reti == returns || m->r[SP] != stack) {
        if (service(m)) {
            return m->stop;
        }
        step(m);
    }
    return m->needs_reset ? m->stop : FML_STOP_RETURNED;
}

fml_stop_t fml_msp430_run(fml_msp430_t *m, const fml_limits_t *limits) {
    const uint32_t breakpoint = limits->breakpoint[0], other = limits->breakpoint[1], third = limits->breakpoint[2];
    if (m->needs_reset) {
        return m->stop;
    }
    m->stop = FML_STOP_NONE;
    m->cycle_limit = limits->cycles ? limits->cycles : NEVER;
    m->instruction_limit = limits->instructions ? m->n.instructions + limits->instructions : NEVER;
    m->nvm_budget = limits->nvm_writes ? limits->nvm_writes : NEVER;
    if (service(m)) {
        return m->stop;
    }
    for (;;) {
        step(m);
        if (FML_UNLIKELY(m->attention || m->n.cycles >= m->deadline || m->n.instructions >= m->instruction_limit)) {
            if (service(m)) {
                return m->stop;
            }
        }
        if (FML_UNLIKELY(m->r[PC] == breakpoint) || FML_UNLIKELY(m->r[PC] == other) ||
            FML_UNLIKELY(m->r[PC] == third)) {
            m->stop = FML_STOP_BREAKPOINT;
            return m->stop;
        }
    }
}
