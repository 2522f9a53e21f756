/* What CPUX adds: extension words with repeat, 20-bit address instructions, CALLA, PUSHM/POPM, multiple rotates. */
#include "msp430x_state.h"

enum { KIND_REGISTER = 0, KIND_INDIRECT, KIND_IMMEDIATE, KIND_MEMORY };

typedef struct {
    uint32_t kind, address, value;
    int is_constant;
} operand_t;

/* SLAU367P table 4-16: .B and .W / .A, by kind of source. */
static const uint8_t TO_REGISTER[2][4] = {{2, 3, 3, 4}, {2, 4, 3, 5}};
static const uint8_t TO_PC[2][4] = {{4, 5, 4, 6}, {4, 6, 4, 7}};
static const uint8_t TO_MEMORY[2][4] = {{5, 6, 6, 7}, {7, 9, 8, 10}};

static void illegal(fml_msp430_t *m, uint32_t op) {
    fml_fault(m, "illegal opcode", op);
}

static uint32_t indexed20(fml_msp430_t *m, uint32_t base, uint32_t high) {
    return (base + (fetch(m) | high << 16)) & ADDRESS_MASK;
}

static operand_t operand(fml_msp430_t *m, uint32_t index, uint32_t as, uint32_t bits, uint32_t high) {
    operand_t o = {KIND_REGISTER, 0, 0, 0};
    if (as == 0) {
        o.value = m->r[index] & mask_of(bits);
        return o;
    }
    if (index == CG || (index == SR && as >= 2)) {
        o.is_constant = 1;
        o.value = (index == SR ? (as == 2 ? 4u : 8u) : as == 3 ? ADDRESS_MASK : as) & mask_of(bits);
        return o;
    }
    if (index == PC && as == 3) {
        o.kind = KIND_IMMEDIATE;
        o.value = (fetch(m) | high << 16) & mask_of(bits);
        return o;
    }
    if (as == 1) {
        o.kind = KIND_MEMORY;
        o.address = indexed20(m, index == SR ? 0 : m->r[index], high);
    } else {
        o.kind = KIND_INDIRECT;
        o.address = m->r[index];
        if (as == 3) {
            m->r[index] = (o.address + (bits == 20 ? 4 : bits == 16 || index == SP ? 2 : 1)) & ADDRESS_MASK;
        }
    }
    o.value = load_bits(m, o.address, bits);
    return o;
}

static uint32_t repetitions(const fml_msp430_t *m, uint32_t extension) {
    return (extension & 0x80 ? m->r[extension & 15] & 15 : extension & 15) + 1;
}

static void extended_format_i(fml_msp430_t *m, uint32_t op, uint32_t extension, uint32_t bits) {
    const uint32_t code = op >> 12, source_index = op >> 8 & 15, as = op >> 4 & 3, target = op & 15;
    const uint32_t a = bits == 20;
    const int no_result = code == 9 || code == 11;
    const int few_accesses = no_result || code == 4;
    uint32_t count = 1, i;
    operand_t source;
    if (op & 0x80) {
        uint32_t address, old;
        source = operand(m, source_index, as, bits, extension >> 7 & 15);
        address = indexed20(m, target == SR ? 0 : m->r[target], extension & 15);
        old = code == 4 ? 0 : load_bits(m, address, bits);
        old = format_i_result(m, code, source.value, old, bits, m->r[SR] & SR_C);
        if (!no_result) {
            store_bits(m, address, old, bits);
        }
        m->n.cycles += TO_MEMORY[a][source.kind] - (few_accesses ? 1 + a : 0);
        return;
    }
    if (as == 0) {
        count = repetitions(m, extension);
    }
    for (i = 0; i < count; i++) {
        const uint32_t carry = as == 0 && extension & 0x100 ? 0 : m->r[SR] & SR_C;
        uint32_t result;
        source = operand(m, source_index, as, bits, extension >> 7 & 15);
        result = format_i_result(m, code, source.value, m->r[target] & mask_of(bits), bits, carry);
        if (!no_result) {
            set_register(m, target, result);
        }
    }
    if (target == PC && !no_result) {
        const uint32_t one_less = source.kind >= KIND_IMMEDIATE && (code == 4 || code == 5 || code == 8);
        m->n.cycles += TO_PC[a][source.kind] - one_less;
    } else {
        m->n.cycles += TO_REGISTER[a][source.kind];
    }
    m->n.cycles += count - 1;
}

static uint32_t rotate_right(fml_msp430_t *m, uint32_t value, uint32_t bits, uint32_t carry, int arithmetic) {
    const uint32_t sign = UINT32_C(1) << (bits - 1);
    const uint32_t result = value >> 1 | (arithmetic ? value & sign : carry ? sign : 0);
    set_nz(m, result, bits, value & 1);
    return result;
}

static void pushx(fml_msp430_t *m, const operand_t *source, uint32_t as, uint32_t index, uint32_t bits) {
    const uint32_t extra = source->kind == KIND_MEMORY && index == SP;
    if (bits == 20) {
        static const uint8_t cycles[4] = {5, 6, 5, 7};
        push20(m, source->value);
        m->n.cycles += cycles[source->kind] + extra;
    } else {
        m->r[SP] = (m->r[SP] - 2) & ADDRESS_MASK;
        store(m, m->r[SP], source->value, bits == 8);
        m->n.cycles += (as == 1 && !source->is_constant ? 5 : 4) + extra;
    }
}

static void extended_format_ii(fml_msp430_t *m, uint32_t op, uint32_t extension, uint32_t bits) {
    const uint32_t code = op >> 7 & 7, index = op & 15, as = op >> 4 & 3;
    uint32_t count = 1, i, result = 0;
    operand_t source;
    if (code > 4 || (bits == 8 && (code & 1))) {
        illegal(m, op);
        return;
    }
    if (as == 0) {
        count = repetitions(m, extension);
    }
    for (i = 0; i < count; i++) {
        source = operand(m, index, as, bits, extension >> 7 & 15);
        if (code == 4) {
            pushx(m, &source, as, index, bits);
            continue;
        }
        if (source.is_constant || source.kind == KIND_IMMEDIATE) {
            illegal(m, op);
            return;
        }
        switch (code) {
        case 0:
            result = rotate_right(m, source.value, bits, extension & 0x100 && as == 0 ? 0 : m->r[SR] & SR_C, 0);
            break;
        case 1: result = (source.value >> 8 & 0xFF) | (source.value & 0xFF) << 8 | (source.value & 0xF0000); break;
        case 2: result = rotate_right(m, source.value, bits, 0, 1); break;
        default:
            result = sign_extend(source.value, 8) & ADDRESS_MASK;
            set_nz(m, result, 20, result ? SR_C : 0u);
            break;
        }
        if (as == 0) {
            set_register(m, index, result);
        } else {
            store_bits(m, source.address, result, bits);
        }
    }
    if (code != 4) {
        const uint32_t memory = source.kind == KIND_MEMORY;
        m->n.cycles += as == 0 ? 1 + count : bits == 20 ? 6 + memory : 4 + memory;
    }
}

void fml_step_extended(fml_msp430_t *m, uint32_t extension) {
    const uint32_t op = fetch(m);
    const uint32_t code = op >> 7 & 7;
    const uint32_t wide = !(extension & 0x40), is_byte = op >> 6 & 1;
    uint32_t bits = wide ? 20 : is_byte ? 8 : 16;
    m->n.extended++;
    if (op >= 0x4000) {
        if (wide && !is_byte) {
            fml_fault(m, "reserved operand size in extension word", extension);
            return;
        }
        if ((op >> 8 & 15) == PC && (op >> 4 & 3) == 2) {
            illegal(m, op);
            return;
        }
        extended_format_i(m, op, extension, bits);
    } else if (op >= 0x1000 && op < 0x1280) {
        /* SWPBX.A and SXTX.A have both size bits clear, the others A/L clear and B/W set. */
        if (wide && is_byte == (code == 1 || code == 3)) {
            fml_fault(m, "reserved operand size in extension word", extension);
            return;
        }
        if ((op & 15) == PC && (op >> 4 & 3) == 2) {
            illegal(m, op);
            return;
        }
        extended_format_ii(m, op, extension, bits);
    } else {
        fml_fault(m, "extension word before opcode", op);
    }
}

/* RRCM, RRAM, RLAM, RRUM. */
static void rotate_multiple(fml_msp430_t *m, uint32_t op) {
    const uint32_t bits = op & 0x10 ? 16 : 20, kind = op >> 8 & 3, count = (op >> 10 & 3) + 1, index = op & 15;
    const uint32_t sign = UINT32_C(1) << (bits - 1);
    uint32_t value = m->r[index] & mask_of(bits), i;
    for (i = 0; i < count; i++) {
        if (kind == 2) {
            const uint32_t out = value & sign ? SR_C : 0u;
            value = value << 1 & mask_of(bits);
            set_nz(m, value, bits, out | ((value & sign ? 1u : 0u) != out ? SR_V : 0u));
        } else {
            value = rotate_right(m, value, bits, kind == 0 ? m->r[SR] & SR_C : 0, kind == 1);
        }
    }
    set_register(m, index, value);
    m->n.cycles += count;
    m->n.rotate_multiple++;
}

static void mova(fml_msp430_t *m, uint32_t target, uint32_t value, uint32_t cycles_register, uint32_t cycles_pc) {
    set_register(m, target, value & ADDRESS_MASK);
    m->n.cycles += target == PC ? cycles_pc : cycles_register;
}

void fml_step_address(fml_msp430_t *m, uint32_t op) {
    const uint32_t source = op >> 8 & 15, target = op & 15;
    uint32_t address, value;
    if ((op >> 4 & 14) == 4) {
        rotate_multiple(m, op);
        return;
    }
    m->n.address++;
    switch (op >> 4 & 15) {
    case 0:
    case 1:
        address = m->r[source];
        if (op & 0x10) {
            set_register(m, source, (address + 4) & ADDRESS_MASK);
        }
        mova(m, target, load_bits(m, address, 20), 3, 5);
        return;
    case 2:
        address = fetch(m) | source << 16;
        mova(m, target, load_bits(m, address, 20), 4, 6);
        return;
    case 3:
        address = m->r[source];
        address = (address + sign_extend(fetch(m), 16)) & ADDRESS_MASK;
        mova(m, target, load_bits(m, address, 20), 4, 6);
        return;
    case 6:
    case 7:
        address = op & 0x10 ? m->r[target] : target << 16;
        value = fetch(m);
        address = (address + (op & 0x10 ? sign_extend(value, 16) : value)) & ADDRESS_MASK;
        store_bits(m, address, m->r[source], 20);
        m->n.cycles += 4;
        return;
    case 8: mova(m, target, fetch(m) | source << 16, 2, 3); return;
    case 12: mova(m, target, m->r[source], 1, 3); return;
    default: break;
    }
    value = op & 0x40 ? m->r[source] : fetch(m) | source << 16; /* 9, 10, 11: immediate; 13, 14, 15: register */
    if ((op >> 4 & 3) == 2) {
        value = add_flags(m, m->r[target], value, 0, 20);
    } else {
        value = add_flags(m, m->r[target], ~value & ADDRESS_MASK, 1, 20);
    }
    if ((op >> 4 & 3) != 1) {
        set_register(m, target, value);
    }
    m->n.cycles += op & 0x40 ? (target == PC && (op >> 4 & 3) != 1 ? 3 : 1) : 3;
}

void fml_step_calla(fml_msp430_t *m, uint32_t op) {
    const uint32_t index = op & 15;
    uint32_t target, address, cycles;
    m->n.calla++;
    switch (op >> 4 & 15) {
    case 4:
        target = m->r[index];
        cycles = 5;
        break;
    case 5:
        address = m->r[index];
        target = load_bits(m, (address + sign_extend(fetch(m), 16)) & ADDRESS_MASK, 20);
        cycles = 5 + (index == SP);
        break;
    case 6:
    case 7:
        address = m->r[index];
        if (op & 0x10) {
            set_register(m, index, (address + 4) & ADDRESS_MASK);
        }
        target = load_bits(m, address, 20);
        cycles = 6;
        break;
    case 8:
        target = load_bits(m, fetch(m) | index << 16, 20);
        cycles = 7;
        break;
    case 9:
        address = m->r[PC];
        target = load_bits(m, (address + (fetch(m) | index << 16)) & ADDRESS_MASK, 20);
        cycles = 7;
        break;
    case 11:
        target = fetch(m) | index << 16;
        cycles = 5;
        break;
    default: illegal(m, op); return;
    }
    push20(m, m->r[PC]);
    m->r[PC] = target & (ADDRESS_MASK - 1);
    m->n.cycles += cycles;
}

/* PUSHM and POPM; the opcode names the highest register to push, the lowest to pop. */
void fml_step_multiple(fml_msp430_t *m, uint32_t op) {
    const uint32_t count = (op >> 4 & 15) + 1, first = op & 15, is_word = op >> 8 & 1;
    uint32_t i;
    for (i = 0; i < count; i++) {
        if (!(op & 0x200)) {
            const uint32_t value = m->r[(first - i) & 15];
            if (is_word) {
                push16(m, value & 0xFFFF);
            } else {
                push20(m, value);
            }
        } else {
            uint32_t value = pop16(m);
            if (!is_word) {
                value |= (pop16(m) & 15) << 16;
            }
            set_register(m, (first + i) & 15, value);
        }
    }
    m->n.cycles += 2 + (is_word ? count : 2 * count);
    m->n.push_pop_multiple++;
}
