/* ADC12_B (SLAU367P chapter 34): single 12-bit conversions into MEM0 from MODOSC, each started by software.
 *
 * A fault: sequences, other memories, triggers, clocks, resolutions and formats, differential inputs, an extended sample
 * (SHP off), interrupts but IE0, OVIE and TOVIE, an input without a voltage. */
#include "msp430x_state.h"

enum {
    REFCTL0 = 0x1B0, ADC12CTL0 = ADC12_LOW, ADC12CTL1 = 0x802, ADC12CTL2 = 0x804, ADC12CTL3 = 0x806,
    ADC12HI = 0x80A, ADC12IFGR0 = 0x80C, ADC12IFGR1 = 0x80E, ADC12IFGR2 = 0x810, ADC12IER0 = 0x812, ADC12IER1 = 0x814,
    ADC12IER2 = 0x816, ADC12IV = 0x818, ADC12MCTL0 = 0x820, ADC12MEM0 = 0x860
};
enum { ADC_BUSY = 1, ADC_OVERFLOW = 0x10, ADC_TIME_OVERFLOW = 0x20, VECTOR_ADC12 = 0xFFEC };
enum { SHP_ONLY = 0x200, FORMAT = 0x38, RIGHT_12_BITS = 0x20, DIFFERENTIAL = 0x2000 };

static void start(fml_msp430_t *m) {
    static const uint16_t sample_clocks[16] = {4, 8, 16, 32, 64, 96, 128, 192, 256, 384, 512, 512, 512, 512, 512, 512};
    const uint32_t control = raw16(m, ADC12CTL0);
    if ((control & 0x13) == 0x13 && m->adc_event != NEVER) {
        m->mem[ADC12IFGR2] |= ADC_TIME_OVERFLOW;
    } else if ((control & 0x13) == 0x13) {
        const uint32_t shape = raw16(m, ADC12CTL1);
        const uint32_t format = raw16(m, ADC12CTL2) & FORMAT;
        if ((shape & 0x7FFE) != SHP_ONLY || format != RIGHT_12_BITS || raw16(m, ADC12CTL3) & 31) {
            fml_fault(m, "ADC12 is modelled for single 12-bit conversions into MEM0 by ADC12SC, ADC12CTL1", shape);
            return;
        }
        m->adc_event = m->n.cycles + fml_cycles_of(m, sample_clocks[control >> 8 & 15] + 15u, MODCLK_HZ);
        m->mem[ADC12CTL1] |= ADC_BUSY;
    }
    m->mem[ADC12CTL0] &= 0xFE;
}

void fml_adc_finish(fml_msp430_t *m) {
    static const uint16_t reference_mv[4] = {1200, 2000, 2500, 2500};
    const uint32_t memory = raw16(m, ADC12MCTL0), channel = memory & 31, reference = memory >> 8 & 15;
    const int is_supply = channel == 31 && raw16(m, ADC12CTL3) & 0x40;
    const uint32_t input = is_supply ? m->supply_mv / 2 : fml_analog_mv(m, channel);
    const uint32_t full = reference == 0 ? m->supply_mv : reference_mv[raw16(m, REFCTL0) >> 4 & 3];
    uint32_t code;
    m->adc_event = NEVER;
    m->mem[ADC12CTL1] &= 0xFE;
    if (reference > 1 || memory & DIFFERENTIAL || input == NO_LINE || (reference == 1 && !(m->mem[REFCTL0] & 1))) {
        fml_fault(m, "ADC12 conversion of an unconnected channel or without reference, ADC12MCTL0", memory);
        return;
    }
    code = full ? input * 4096 / full : 0;
    put16(m, ADC12MEM0, code > 4095 ? 4095 : code);
    m->mem[ADC12IFGR2] |= m->adc_unread ? ADC_OVERFLOW : 0;
    m->adc_unread = 1;
    if (!(m->mem[ADC12IFGR0] & 1)) {
        m->mem[ADC12IFGR0] |= 1;
        fml_dma_trigger(m, DMA_BY_ADC12);
    }
}

/* ADC12IV: the highest enabled flag. Reading resets it, but not ADC12IFG0, which goes with its result. */
static uint32_t take_vector(fml_msp430_t *m) {
    const uint32_t errors = m->mem[ADC12IFGR2] & m->mem[ADC12IER2] & (ADC_OVERFLOW | ADC_TIME_OVERFLOW);
    if (errors) {
        const uint32_t first = errors & ADC_OVERFLOW ? ADC_OVERFLOW : ADC_TIME_OVERFLOW;
        m->mem[ADC12IFGR2] &= (uint8_t)~first;
        return first == ADC_OVERFLOW ? 2 : 4;
    }
    return m->mem[ADC12IFGR0] & m->mem[ADC12IER0] & 1 ? 0x0C : 0;
}

uint32_t fml_adc_pending(const fml_msp430_t *m) {
    const uint32_t errors = m->mem[ADC12IFGR2] & m->mem[ADC12IER2];
    return errors || m->mem[ADC12IFGR0] & m->mem[ADC12IER0] & 1 ? VECTOR_ADC12 : 0;
}

void fml_adc_reset(fml_msp430_t *m) {
    put16(m, ADC12CTL2, RIGHT_12_BITS);
    put16(m, ADC12HI, 0x0FFF);
    m->adc_unread = 0;
}

int fml_adc_wakes(const fml_msp430_t *m) {
    return m->mem[ADC12IER0] & 1 || m->mem[ADC12IER2];
}

uint32_t fml_adc_read(fml_msp430_t *m, uint32_t slot) {
    if (slot == ADC12IV) {
        return take_vector(m);
    }
    if (slot == ADC12MEM0) {
        m->mem[ADC12IFGR0] &= 0xFE;
        m->adc_unread = 0;
    }
    return raw16(m, slot);
}

void fml_adc_written(fml_msp430_t *m, uint32_t slot) {
    static const uint32_t modelled[3] = {1, 0, ADC_OVERFLOW | ADC_TIME_OVERFLOW};
    switch (slot) {
    case ADC12CTL0: start(m); break;
    case ADC12IV: /* writing clears every flag */
        put16(m, ADC12IV, 0);
        put16(m, ADC12IFGR0, 0);
        put16(m, ADC12IFGR1, 0);
        put16(m, ADC12IFGR2, 0);
        break;
    case ADC12IER0:
    case ADC12IER1:
    case ADC12IER2:
        if (raw16(m, slot) & ~modelled[(slot - ADC12IER0) / 2]) {
            fml_fault(m, "ADC12 interrupts modelled are IE0, OVIE and TOVIE, register", slot);
        }
        break;
    default: break;
    }
}
