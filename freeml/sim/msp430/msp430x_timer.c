/* Timer_A0 (SLAU367P chapter 25): up and continuous mode from ACLK or SMCLK, three compare registers, captures that
 * software makes by switching the input between GND and VCC.
 *
 * A fault: up/down mode, other clocks, captures from pins or the comparator. The output units have no pins to drive.
 * Assumed: a capture is there at once, also with SCS; writing CM, CCIS and CAP together captures nothing. */
#include "msp430x_state.h"

enum {
    TA0CTL = TIMER_LOW, TA0CCTL0 = 0x342, TA0CCTL2 = 0x346, TA0R = 0x350, TA0CCR0 = 0x352, TA0CCR2 = 0x356,
    TA0EX0 = 0x360, TA0IV = 0x36E, CSCTL2 = 0x164, CSCTL3 = 0x166
};
enum { N_BLOCKS = 3, TIMER_IFG = 1, TIMER_IE = 2, TIMER_CLEAR = 4, MODE_UP = 1, MODE_UP_DOWN = 3 };
enum { CCR_IFG = 1, CCR_OVERFLOW = 2, CCR_INPUT = 8, CCR_IE = 0x10, CCR_CAPTURE = 0x100, CCR_LATCHED = 0x400 };
enum { INPUT_GND = 2, INPUT_VCC = 3, VECTOR_BLOCK_0 = 0xFFEA, VECTOR_REST = 0xFFE8 };

static uint32_t control_of(const fml_msp430_t *m, uint32_t block) {
    return raw16(m, TA0CCTL0 + 2 * block);
}

static uint64_t timer_hz(const fml_msp430_t *m) {
    const uint32_t control = raw16(m, TA0CTL), select = control >> 8 & 3;
    const uint32_t hz =
        select == 1 ? fml_clock_hz(m, raw16(m, CSCTL2) >> 8 & 7, raw16(m, CSCTL3) >> 8 & 7) : m->smclk_hz;
    return hz >> (control >> 6 & 3);
}

static uint64_t timer_divider(const fml_msp430_t *m) {
    return (raw16(m, TA0EX0) & 7) + 1;
}

static uint32_t timer_mode(const fml_msp430_t *m) {
    const uint32_t mode = raw16(m, TA0CTL) >> 4 & 3;
    return mode == MODE_UP && !raw16(m, TA0CCR0) ? 0 : mode; /* up mode to 0 stands still */
}

int fml_timer_uses_smclk(const fml_msp430_t *m) {
    return (raw16(m, TA0CTL) >> 8 & 3) == 2;
}

/* The next tick at which a flag is set: a compare value reached, or back to 0. */
static void timer_schedule(fml_msp430_t *m) {
    const uint32_t mode = timer_mode(m), top = mode == MODE_UP ? raw16(m, TA0CCR0) : 0xFFFF;
    const uint32_t count = raw16(m, TA0R) < top ? raw16(m, TA0R) : top; /* beyond the period: 0 is next */
    uint32_t block, nearest = top + 1 - count;
    m->timer_event = NEVER;
    if (!mode) {
        return;
    }
    for (block = 0; block < N_BLOCKS; block++) {
        const uint32_t value = raw16(m, TA0CCR0 + 2 * block);
        if (!(control_of(m, block) & CCR_CAPTURE) && value > count && value - count < nearest) {
            nearest = value - count;
        }
    }
    m->timer_next = nearest == top + 1 - count ? 0 : count + nearest;
    m->timer_target = m->timer_counted + nearest;
    m->timer_event = m->timer_base_cycle + fml_cycles_of(m, m->timer_target * timer_divider(m), timer_hz(m));
}

static void set_flag(fml_msp430_t *m, uint32_t block) {
    const uint32_t control = control_of(m, block);
    put16(m, TA0CCTL0 + 2 * block, control | CCR_IFG);
    if (!(control & (CCR_IFG | CCR_IE)) && block != 1) {
        fml_dma_trigger(m, block ? DMA_BY_TA0CCR2 : DMA_BY_TA0CCR0);
    }
}

/* The counter counted to a value. */
static void reached(fml_msp430_t *m, uint32_t count) {
    uint32_t block;
    put16(m, TA0R, count);
    for (block = 0; block < N_BLOCKS; block++) {
        const uint32_t control = control_of(m, block);
        if (!(control & CCR_CAPTURE) && raw16(m, TA0CCR0 + 2 * block) == count) {
            put16(m, TA0CCTL0 + 2 * block, (control & ~(uint32_t)CCR_LATCHED) | (control & CCR_INPUT ? CCR_LATCHED : 0u));
            set_flag(m, block);
        }
    }
    if (!count) {
        m->mem[TA0CTL] |= TIMER_IFG;
    }
}

/* Flags up to the present cycle. */
void fml_timer_events(fml_msp430_t *m) {
    while (m->timer_event <= m->n.cycles) {
        reached(m, m->timer_next);
        m->timer_counted = m->timer_target;
        timer_schedule(m);
    }
}

/* Bring TA0R up to the present cycle, events done. */
void fml_timer_count(fml_msp430_t *m) {
    uint64_t ticks;
    if (!timer_mode(m)) {
        return;
    }
    ticks = (m->n.cycles - m->timer_base_cycle) * timer_hz(m) / ((uint64_t)m->mclk_hz * timer_divider(m));
    if (ticks > m->timer_counted) {
        put16(m, TA0R, (uint32_t)(raw16(m, TA0R) + (ticks - m->timer_counted)));
        m->timer_counted = ticks;
    }
}

/* The clock or its divider changed: the count restarts its tick. */
void fml_timer_restart(fml_msp430_t *m) {
    m->timer_base_cycle = m->n.cycles;
    m->timer_counted = 0;
    timer_schedule(m);
}

/* TA0IV: the highest enabled flag, which an access resets. */
static uint32_t take_vector(fml_msp430_t *m) {
    uint32_t block;
    for (block = 1; block < N_BLOCKS; block++) {
        const uint32_t control = control_of(m, block);
        if (control & CCR_IE && control & CCR_IFG) {
            put16(m, TA0CCTL0 + 2 * block, control & ~(uint32_t)CCR_IFG);
            return 2 * block;
        }
    }
    if (m->mem[TA0CTL] & TIMER_IE && m->mem[TA0CTL] & TIMER_IFG) {
        m->mem[TA0CTL] &= (uint8_t)~TIMER_IFG;
        return 0x0E;
    }
    return 0;
}

uint32_t fml_timer_read(fml_msp430_t *m, uint32_t slot) {
    if (slot == TA0R) {
        fml_timer_count(m);
    } else if (slot == TA0IV) {
        return take_vector(m);
    } else if (slot >= TA0CCR0 && slot <= TA0CCR2) {
        m->captured_unread &= ~(UINT32_C(1) << (slot - TA0CCR0) / 2);
    }
    return raw16(m, slot);
}

static void capture(fml_msp430_t *m, uint32_t block) {
    const uint32_t bit = UINT32_C(1) << block;
    put16(m, TA0CCR0 + 2 * block, raw16(m, TA0R));
    if (m->captured_unread & bit) {
        m->mem[TA0CCTL0 + 2 * block] |= CCR_OVERFLOW;
    }
    m->captured_unread |= bit;
    set_flag(m, block);
}

static void write_block_control(fml_msp430_t *m, uint32_t slot, uint32_t old) {
    const uint32_t block = (slot - TA0CCTL0) / 2, written = raw16(m, slot), input = written >> 12 & 3;
    const uint32_t before = old >> 12 & 3;
    const uint32_t edge = before == INPUT_GND && input == INPUT_VCC ? 1u : before == INPUT_VCC && input == INPUT_GND ? 2u : 0u;
    put16(m, slot, (written & 0xF9F7) | (old & CCR_LATCHED) | (input == INPUT_VCC ? CCR_INPUT : 0u));
    if (written & CCR_IFG && !(old & CCR_IFG) && !(written & CCR_IE) && block != 1) {
        fml_dma_trigger(m, block ? DMA_BY_TA0CCR2 : DMA_BY_TA0CCR0);
    }
    if (written & CCR_CAPTURE) {
        if (input < INPUT_GND) {
            fml_fault(m, "Timer_A0 captures by software only (CCIS from GND to VCC or back), register", slot);
        } else if (old & CCR_CAPTURE && edge & written >> 14) {
            capture(m, block);
        }
    } else {
        m->captured_unread &= ~(UINT32_C(1) << block);
    }
    timer_schedule(m);
}

void fml_timer_written(fml_msp430_t *m, uint32_t slot, uint32_t old) {
    const uint32_t value = raw16(m, slot);
    if (slot == TA0CTL) {
        if (value & TIMER_CLEAR) {
            put16(m, TA0R, 0);
            m->mem[TA0CTL] = (uint8_t)(value & ~(uint32_t)TIMER_CLEAR);
        }
        if (value >> 4 & 3 && ((value >> 4 & 3) == MODE_UP_DOWN || (value >> 8 & 1) == (value >> 9 & 1))) {
            fml_fault(m, "Timer_A0 is modelled for up and continuous mode from ACLK or SMCLK, TA0CTL", value);
        } else if ((value ^ old) & ~(uint32_t)(TIMER_IFG | TIMER_IE)) {
            fml_timer_restart(m);
        }
    } else if (slot >= TA0CCTL0 && slot <= TA0CCTL2) {
        write_block_control(m, slot, old);
    } else if (slot >= TA0CCR0 && slot <= TA0CCR2) {
        timer_schedule(m);
    } else if (slot == TA0IV) {
        put16(m, TA0IV, 0);
        (void)take_vector(m);
    } else {
        fml_timer_restart(m);
    }
}

/* A DMA transfer that the flag triggered starts. */
void fml_timer_served(fml_msp430_t *m, uint32_t block) {
    m->mem[TA0CCTL0 + 2 * block] &= (uint8_t)~CCR_IFG;
}

int fml_timer_wakes(const fml_msp430_t *m) {
    return (control_of(m, 0) | control_of(m, 1) | control_of(m, 2)) & CCR_IE || m->mem[TA0CTL] & TIMER_IE;
}

uint32_t fml_timer_pending(fml_msp430_t *m, int acknowledge) {
    uint32_t block;
    if (control_of(m, 0) & CCR_IE && control_of(m, 0) & CCR_IFG) {
        m->mem[TA0CCTL0] &= (uint8_t)(acknowledge ? ~CCR_IFG : 0xFF);
        return VECTOR_BLOCK_0;
    }
    for (block = 1; block < N_BLOCKS; block++) {
        if (control_of(m, block) & CCR_IE && control_of(m, block) & CCR_IFG) {
            return VECTOR_REST;
        }
    }
    return m->mem[TA0CTL] & TIMER_IE && m->mem[TA0CTL] & TIMER_IFG ? VECTOR_REST : 0;
}
