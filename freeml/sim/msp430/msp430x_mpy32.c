/* MPY32: 8, 16, 24 and 32-bit operands, MPY, MPYS, MAC and MACS, with the cycles after which each word may be read.
 *
 * SLAU367P table 5-1: latencies count from the write of OP2, or OP2L and OP2H. A word read too early is its former value;
 * an operand written too early leaves the words that are not ready at their former values, unless MPYDLYWRTEN holds the
 * write. Between OP2L and OP2H every word is still the former one (the device has RES0 3 cycles after OP2L).
 * Not modelled, and a fault: saturation and fractional mode. Assumed: a 16x16 operation leaves its sign or carry in RES2,
 * RES3, and accumulates 32 bits. */
#include "msp430x_state.h"

#include <string.h>

enum { MODE_SIGNED = 1, MODE_ACCUMULATE = 2 };
enum { CTL0_CARRY = 1, CTL0_FRACTIONAL = 4, CTL0_SATURATE = 8, CTL0_OP1_32 = 0x40, CTL0_OP2_32 = 0x80,
       CTL0_DELAY = 0x300 };

static uint16_t visible(const fml_mpy32_t *p, unsigned word, uint64_t cycle) {
    return cycle >= p->ready[word] ? p->now[word] : p->before[word];
}

/* Words not ready at this cycle keep their former value for good. */
static void spoil(fml_mpy32_t *p, uint64_t cycle) {
    unsigned i;
    for (i = 0; i < N_MPY_WORDS; i++) {
        if (p->ready[i] > cycle) {
            p->now[i] = p->before[i];
        }
        p->ready[i] = 0;
    }
}

static uint64_t extend(uint32_t value, unsigned bits, int is_signed) {
    const uint64_t wide = value;
    return is_signed && bits && wide >> (bits - 1) & 1 ? wide | UINT64_MAX << bits : wide;
}

static void multiply(fml_msp430_t *m, uint64_t cycle) {
    static const uint8_t short_latency[N_MPY_WORDS] = {3, 3, 4, 4, 3, 3};
    static const uint8_t mixed_latency[N_MPY_WORDS] = {3, 5, 6, 7, 7, 7};
    static const uint8_t mixed_after_high[N_MPY_WORDS] = {0, 3, 4, 4, 4, 4};
    static const uint8_t long_latency[N_MPY_WORDS] = {3, 8, 10, 11, 11, 11};
    static const uint8_t long_after_high[N_MPY_WORDS] = {0, 3, 5, 6, 6, 6};
    fml_mpy32_t *p = &m->mpy;
    const int is_signed = (p->mode & MODE_SIGNED) != 0, accumulate = (p->mode & MODE_ACCUMULATE) != 0;
    const int wide1 = p->op1_bits > 16, wide2 = p->op2_bits > 16;
    const uint8_t *latency = wide1 && wide2 ? long_latency : wide1 || wide2 ? mixed_latency : short_latency;
    const uint8_t *after_high = wide1 ? long_after_high : mixed_after_high;
    const uint64_t product = extend(p->op1, p->op1_bits, is_signed) * extend(p->op2, p->op2_bits, is_signed);
    uint64_t old = 0, sum, result;
    uint16_t extra, carry;
    unsigned i;
    for (i = 0; i < 4; i++) {
        old |= (uint64_t)p->now[i] << 16 * i;
    }
    memcpy(p->before, p->now, sizeof p->before);
    if (!wide1 && !wide2) {
        old = accumulate ? old & 0xFFFFFFFF : 0;
        sum = old + (product & 0xFFFFFFFF);
        carry = (uint16_t)(is_signed && !accumulate ? sum >> 31 & 1 : sum >> 32 & 1);
        extra = (uint16_t)(is_signed ? (sum >> 31 & 1 ? 0xFFFF : 0) : carry);
        result = (sum & 0xFFFFFFFF) | (uint64_t)extra << 32 | (uint64_t)(is_signed ? extra : 0) << 48;
    } else {
        old = accumulate ? old : 0;
        result = old + product;
        carry = (uint16_t)(is_signed && !accumulate ? result >> 63 : result < old);
        extra = (uint16_t)(is_signed ? (result >> 63 ? 0xFFFF : 0) : carry);
    }
    for (i = 0; i < 4; i++) {
        p->now[i] = (uint16_t)(result >> 16 * i);
    }
    p->now[MPY_SUMEXT] = extra;
    p->now[MPY_CARRY] = carry;
    for (i = 0; i < N_MPY_WORDS; i++) {
        const uint64_t from = wide2 ? p->op2_low_cycle : cycle;
        const uint64_t high = wide2 ? cycle + after_high[i] : 0;
        p->ready[i] = from + latency[i] > high ? from + latency[i] : high;
    }
    m->n.multiplications += (wide1 ? 2u : 1u) * (wide2 ? 2u : 1u);
    if (FML_UNLIKELY(m->dma.listening >> DMA_BY_MPY32 & 1)) {
        fml_dma_trigger(m, DMA_BY_MPY32);
    }
}

uint32_t fml_mpy32_read(fml_msp430_t *m, uint32_t offset, uint64_t cycle) {
    const fml_mpy32_t *p = &m->mpy;
    switch (offset) {
    case 0x00:
    case 0x02:
    case 0x04:
    case 0x06:
    case 0x10:
    case 0x14:
    case 0x18:
    case 0x1C: return p->op1 & 0xFFFF;
    case 0x12:
    case 0x16:
    case 0x1A:
    case 0x1E: return p->op1 >> 16;
    case 0x08:
    case 0x20: return p->op2 & 0xFFFF;
    case 0x22: return p->op2 >> 16;
    case 0x0A:
    case 0x24: return visible(p, 0, cycle);
    case 0x0C:
    case 0x26: return visible(p, 1, cycle);
    case 0x28: return visible(p, 2, cycle);
    case 0x2A: return visible(p, 3, cycle);
    case 0x0E: return visible(p, MPY_SUMEXT, cycle);
    case 0x2C:
        return p->delayed_write | (p->op2_bits > 16 ? CTL0_OP2_32 : 0u) | (p->op1_bits > 16 ? CTL0_OP1_32 : 0u) |
               p->mode << 4 | visible(p, MPY_CARRY, cycle);
    default: fml_fault(m, "read of unmapped multiplier register", 0x4C0 + offset); return 0;
    }
}

/* A byte written to an operand is sign-extended in the signed modes, to 16 bits or, in a high word, to 32. */
static uint32_t operand_word(uint32_t value, uint32_t is_byte, int is_signed) {
    return is_byte && is_signed ? sign_extend(value & 0xFF, 8) & 0xFFFF : is_byte ? value & 0xFF : value & 0xFFFF;
}

static void write_op1(fml_mpy32_t *p, uint32_t offset, uint32_t value, uint32_t is_byte) {
    const uint32_t is_wide = offset >= 0x10;
    const uint32_t is_high = is_wide && offset & 2;
    p->mode = is_wide ? (offset - 0x10) >> 2 : offset >> 1;
    value = operand_word(value, is_byte, p->mode & MODE_SIGNED);
    if (is_high) {
        p->op1 = (p->op1 & 0xFFFF) | value << 16;
        p->op1_bits = 32;
    } else {
        p->op1 = value;
        p->op1_bits = 16;
    }
}

void fml_mpy32_write(fml_msp430_t *m, uint32_t offset, uint32_t value, uint32_t is_byte, uint64_t cycle) {
    fml_mpy32_t *p = &m->mpy;
    const uint32_t slot = offset & ~UINT32_C(1);
    if (offset & 1) {
        fml_fault(m, "byte write to an odd multiplier register", 0x4C0 + offset);
        return;
    }
    if (slot == 0x2C) {
        if (value & (CTL0_FRACTIONAL | CTL0_SATURATE)) {
            fml_fault(m, "MPY32 saturation and fractional mode are not modelled, MPY32CTL0", value);
        }
        spoil(p, cycle);
        p->delayed_write = value & CTL0_DELAY;
        p->op1_bits = value & CTL0_OP1_32 ? 32 : 16;
        p->op2_bits = value & CTL0_OP2_32 ? 32 : 16;
        p->mode = value >> 4 & 3;
        p->now[MPY_CARRY] = value & CTL0_CARRY;
        return;
    }
    if (p->delayed_write) { /* the write waits for the results */
        unsigned i;
        for (i = 0; i < N_MPY_WORDS; i++) {
            cycle = p->ready[i] > cycle ? p->ready[i] : cycle;
        }
    }
    spoil(p, cycle);
    switch (slot) {
    case 0x08:
        p->op2 = operand_word(value, is_byte, p->mode & MODE_SIGNED);
        p->op2_bits = 16;
        multiply(m, cycle);
        break;
    case 0x20:
        p->op2 = operand_word(value, is_byte, p->mode & MODE_SIGNED);
        p->op2_low_cycle = cycle;
        break;
    case 0x22:
        p->op2 = (p->op2 & 0xFFFF) | operand_word(value, is_byte, p->mode & MODE_SIGNED) << 16;
        p->op2_bits = 32;
        multiply(m, cycle);
        break;
    case 0x0A:
    case 0x24: p->now[0] = (uint16_t)value; break;
    case 0x0C:
    case 0x26: p->now[1] = (uint16_t)value; break;
    case 0x28: p->now[2] = (uint16_t)value; break;
    case 0x2A: p->now[3] = (uint16_t)value; break;
    case 0x0E: fml_fault(m, "write to SUMEXT, which is read-only", value); break;
    default:
        if (slot < 0x20) {
            write_op1(p, slot, value, is_byte);
        } else {
            fml_fault(m, "write to unmapped multiplier register", 0x4C0 + offset);
        }
        break;
    }
}
