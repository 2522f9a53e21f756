/* COMP_E (SLAU367P chapter 35) and the voltages at the analog inputs.
 *
 * Comparator channel n is the pin of ADC channel n for n = 0..5 and 12..15; the other pins are not modelled. Assumed:
 * the output, the filter and the shared reference follow at once, so CERDYIFG is set when the module is switched on;
 * switching it on or over sets the flags as an edge of the input does; changing CEIES sets none. Offset is 0, so CEEX,
 * which exchanges the inputs and inverts the output, changes nothing. A fault: an open terminal, no reference,
 * shorted inputs, a reference that makes the output oscillate. */
#include "msp430x_state.h"

enum { CECTL0 = COMP_LOW, CECTL1 = 0x8C2, CECTL2 = 0x8C4, CEINT = 0x8CC, CEIV = 0x8CE, REFCTL0 = 0x1B0 };
enum { OUTPUT = 1, INVERTED = 2, EDGE = 8, SHORT = 0x10, ON = 0x400, SELECT_1 = 0x800, SELECT_BY_BIT = 0x1000 };
enum { FROM_VCC = 1, FROM_SHARED, SHARED_UNDIVIDED, VECTOR_COMPARATOR = 0xFFF8 };
enum { IFG = 1, INVERTED_IFG = 2, READY_IFG = 0x10, ALL_FLAGS = 0x13 };

uint32_t fml_analog_mv(const fml_msp430_t *m, uint32_t channel) {
    const uint32_t per_mille = m->supply_per_mille[channel];
    return per_mille ? m->supply_mv * per_mille / 1000 : m->analog_mv[channel];
}

/* In 1/32 mV, as the ladder divides by 32; NO_LINE: none. */
static uint32_t reference(fml_msp430_t *m, uint32_t output) {
    static const uint16_t shared_mv[4] = {0, 1200, 2000, 2500};
    const uint32_t control1 = raw16(m, CECTL1), control2 = raw16(m, CECTL2), ref = raw16(m, REFCTL0);
    const uint32_t source = control2 >> 6 & 3, level = control2 >> 13 & 3;
    const uint32_t full_mv = source == FROM_VCC ? m->supply_mv : shared_mv[level];
    const uint32_t second = control1 & SELECT_BY_BIT ? control1 & SELECT_1 : output;
    const uint32_t tap = second ? control2 >> 8 & 31 : control2 & 31;
    if (source == 0 || full_mv == 0) {
        fml_fault(m, "COMP_E compares with a reference that is off, CECTL2", control2);
        return NO_LINE;
    }
    if (source != FROM_VCC && ref & 1 && (ref >> 4 & 3) + 1 != level) {
        fml_fault(m, "COMP_E and REFCTL0 ask for two voltages of the one shared reference, CECTL2", control2);
        return NO_LINE;
    }
    return source == SHARED_UNDIVIDED ? full_mv * 32 : full_mv * (tap + 1);
}

/* The voltage at a terminal, in 1/32 mV. */
static uint32_t terminal(fml_msp430_t *m, int is_minus, uint32_t output) {
    const uint32_t select = raw16(m, CECTL0) >> (is_minus ? 8 : 0), channel = select & 15;
    if (select & 0x80) {
        const uint32_t mv = channel < 6 || channel > 11 ? fml_analog_mv(m, channel) : NO_LINE;
        if (mv == NO_LINE) {
            fml_fault(m, "COMP_E input without a voltage, channel", channel);
        }
        return mv == NO_LINE ? NO_LINE : mv * 32;
    }
    if (is_minus != (int)(raw16(m, CECTL2) >> 5 & 1)) {
        fml_fault(m, "COMP_E terminal connected to nothing, CECTL0", raw16(m, CECTL0));
        return NO_LINE;
    }
    return reference(m, output);
}

/* What CEOUT becomes while it is `output`. */
static uint32_t compare(fml_msp430_t *m, uint32_t output) {
    const uint32_t plus = terminal(m, 0, output), minus = terminal(m, 1, output);
    const uint32_t inverted = raw16(m, CECTL1) & INVERTED ? 1 : 0;
    return (plus > minus) ^ inverted;
}

/* Inputs or registers changed: output and flags follow. */
void fml_comparator_update(fml_msp430_t *m) {
    const uint32_t control = raw16(m, CECTL1), before = control & OUTPUT;
    uint32_t output;
    if (m->stop != FML_STOP_NONE) {
        return;
    }
    if (!(control & ON)) {
        output = control & INVERTED ? 1 : 0;
    } else if (control & SHORT || (control >> 8 & 3) == 3) {
        fml_fault(m, "COMP_E with shorted inputs or in the reserved power mode, CECTL1", control);
        return;
    } else {
        output = compare(m, before);
        if (output != before && compare(m, output) != output) {
            fml_fault(m, "COMP_E oscillates between its two references, CECTL2", raw16(m, CECTL2));
        }
    }
    if (m->stop == FML_STOP_NONE && output != before) {
        m->mem[CECTL1] ^= OUTPUT;
        m->mem[CEINT] |= (uint8_t)(!output == !(control & EDGE) ? INVERTED_IFG : IFG);
        m->attention = 1;
    }
}

/* The host changes a voltage between two runs. */
static void host_changed(fml_msp430_t *m) {
    if (!m->needs_reset) {
        m->stop = FML_STOP_NONE;
        fml_comparator_update(m);
    }
}

void fml_msp430_set_supply_mv(fml_msp430_t *m, uint32_t supply_mv) {
    m->supply_mv = supply_mv;
    host_changed(m);
}

void fml_msp430_set_analog_mv(fml_msp430_t *m, int channel, uint32_t input_mv) {
    m->analog_mv[channel & (N_CHANNELS - 1)] = input_mv;
    m->supply_per_mille[channel & (N_CHANNELS - 1)] = 0;
    host_changed(m);
}

void fml_msp430_connect_supply(fml_msp430_t *m, int channel, uint32_t per_mille) {
    m->supply_per_mille[channel & (N_CHANNELS - 1)] = per_mille;
    host_changed(m);
}

static uint32_t enabled_flags(const fml_msp430_t *m) {
    return m->mem[CEINT] & m->mem[CEINT + 1] & ALL_FLAGS;
}

uint32_t fml_comparator_read(fml_msp430_t *m, uint32_t slot) {
    const uint32_t flags = enabled_flags(m);
    if (slot != CEIV || !flags) {
        return raw16(m, slot);
    }
    m->mem[CEINT] &= (uint8_t) ~(flags & (~flags + 1)); /* the lowest bit is the highest priority */
    return flags & IFG ? 2 : flags & INVERTED_IFG ? 4 : 0x0A;
}

void fml_comparator_written(fml_msp430_t *m, uint32_t slot, uint32_t old) {
    const uint32_t value = raw16(m, slot);
    int is_ready = 0;
    switch (slot) {
    case CECTL0: put16(m, slot, value & 0x8F8F); break;
    case CECTL1:
        put16(m, slot, (value & 0x1FFE) | (old & OUTPUT));
        is_ready = value & ON && !(old & ON);
        break;
    case CECTL2: is_ready = raw16(m, CECTL1) & ON && (value ^ old) & 0x60C0; break;
    case CEINT: put16(m, slot, value & (ALL_FLAGS | ALL_FLAGS << 8)); break;
    case CEIV: put16(m, slot, 0); break; /* read-only */
    default: break;
    }
    if (is_ready) {
        m->mem[CEINT] |= READY_IFG;
    }
    fml_comparator_update(m);
}

uint32_t fml_comparator_pending(const fml_msp430_t *m) {
    return enabled_flags(m) ? VECTOR_COMPARATOR : 0;
}
