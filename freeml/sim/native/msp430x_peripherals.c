/* Peripheral registers: FRAM controller, clocks, watchdog, Timer_A0, eUSCI_A0 transmitter, ADC12_B, MPY32.
 *
 * Ports, SFR, PMM, SYS, REF, RAMCTL, MPU and the rest of CS are registers that keep what is written. Every other module
 * is a fault, so that no firmware waits for hardware that is not there. Events have the cycle at which they happen. */
#include <string.h>

#include "msp430x_state.h"

enum {
    SFRIE1 = 0x100, SFRIFG1 = 0x102, PMMCTL0 = 0x120, PM5CTL0 = 0x130, FRCTL0 = 0x140, GCCTL0 = 0x144, GCCTL1 = 0x146,
    WDTCTL = 0x15C, CSCTL0 = 0x160, CSCTL1 = 0x162, CSCTL2 = 0x164, CSCTL3 = 0x166, REFCTL0 = 0x1B0, TA0CTL = 0x340,
    TA0CCTL0 = 0x342, TA0CCTL1 = 0x344, TA0CCTL2 = 0x346, TA0R = 0x350, TA0CCR0 = 0x352, TA0EX0 = 0x360, TA0IV = 0x36E,
    MPY32 = 0x4C0, UCA0CTLW0 = 0x5C0, UCA0STATW = 0x5CA, UCA0TXBUF = 0x5CE, UCA0IE = 0x5DA, UCA0IFG = 0x5DC,
    ADC12CTL0 = 0x800, ADC12CTL1 = 0x802, ADC12CTL3 = 0x806, ADC12IFGR0 = 0x80C, ADC12IER0 = 0x812, ADC12IV = 0x818,
    ADC12MCTL0 = 0x820, ADC12MEM0 = 0x860
};
enum { VECTOR_WATCHDOG = 0xFFF2, VECTOR_ADC12 = 0xFFEC, VECTOR_TIMER_CCR0 = 0xFFEA, VECTOR_TIMER = 0xFFE8 };
enum { ACLK_HZ = 32768, VLO_HZ = 9400, ADC_HZ = 4800000 }; /* ACLK from a crystal; VLO and MODCLK as typical */
enum { ACCESS_ERROR = 8, TIMER_IFG = 1, TIMER_IE = 2, CCR_IFG = 1, CCR_IE = 0x10, WATCHDOG_HELD = 0x80,
       WATCHDOG_INTERVAL = 0x10, ADC_BUSY = 1 };

typedef struct {
    uint16_t first, end;
} range_t;

/* Modelled, or plain registers. */
static const range_t PRESENT[] = {
    {0x100, 0x106}, {0x120, 0x122}, {0x12A, 0x12C}, {0x130, 0x132}, {0x140, 0x148}, {0x158, 0x15A}, {0x15C, 0x15E},
    {0x160, 0x16E}, {0x180, 0x1A0}, {0x1B0, 0x1B2}, {0x200, 0x280}, {0x320, 0x340}, {0x340, 0x348}, {0x350, 0x358},
    {0x360, 0x362}, {0x36E, 0x370}, {0x4C0, 0x4EE}, {0x5A0, 0x5B0}, {0x5C0, 0x5E0}, {0x800, 0x880}};

static int present(const fml_msp430_t *m, uint32_t address) {
    size_t i;
    if (address < 0x20) {
        return m->part == FML_PART_FR5994 && address >= 0x0A; /* TinyRAM */
    }
    for (i = 0; i < sizeof PRESENT / sizeof PRESENT[0]; i++) {
        if (address >= PRESENT[i].first && address < PRESENT[i].end) {
            return 1;
        }
    }
    return 0;
}

/* Clocks ---------------------------------------------------------------------------------------------------------- */

static uint32_t clock_hz(const fml_msp430_t *m, uint32_t select, uint32_t divider) {
    static const uint32_t slow[8] = {1000000, 2670000, 3500000, 4000000, 5330000, 7000000, 8000000, 8000000};
    static const uint32_t fast[8] = {1000000, 5330000, 7000000, 8000000, 16000000, 21000000, 24000000, 24000000};
    const uint32_t dco = raw16(m, CSCTL1);
    uint32_t hz;
    switch (select) {
    case 0: hz = ACLK_HZ; break;
    case 1: hz = VLO_HZ; break;
    case 3: hz = (dco & 0x40 ? fast : slow)[dco >> 1 & 7]; break;
    case 4: hz = ADC_HZ; break;
    default: hz = 8000000; break; /* crystal HFXT: 8 MHz assumed */
    }
    return hz >> (divider > 5 ? 5 : divider);
}

static uint64_t cycles_of(const fml_msp430_t *m, uint64_t ticks, uint64_t hz) {
    return (ticks * m->mclk_hz + hz - 1) / hz;
}

/* FRAM controller: waits in force, and what too few of them do. */
static void update_fram(fml_msp430_t *m) {
    const uint32_t control = raw16(m, FRCTL0);
    const uint32_t needed = m->mclk_hz <= 8000000 ? 0 : m->mclk_hz <= 16000000 ? 1 : 2;
    const int is_fr5994 = m->part == FML_PART_FR5994;
    uint32_t waits = control >> 4 & (is_fr5994 ? 15 : 7);
    if (control & 8) {
        waits = m->mclk_hz <= 24000000 ? 3 : 4;
    }
    if (waits < needed) {
        if (!is_fr5994) {
            fml_request_reset(m, "FRAM access time error: MCLK above 8 MHz without wait states");
        }
        m->mem[GCCTL1] |= ACCESS_ERROR;
    }
    m->fram_blocked = control & 1;
    if (is_fr5994 && m->mem[GCCTL1] & ACCESS_ERROR) {
        if (m->fram_waits != 15) {
            memset(m->way, 0xFF, sizeof m->way);
        }
        waits = 15;
        m->fram_blocked = 1;
    }
    m->fram_waits = waits;
}

/* Timer_A0 -------------------------------------------------------------------------------------------------------- */

static uint64_t timer_hz(const fml_msp430_t *m) {
    const uint32_t control = raw16(m, TA0CTL), select = control >> 8 & 3;
    const uint32_t hz = select == 1 ? clock_hz(m, raw16(m, CSCTL2) >> 8 & 7, raw16(m, CSCTL3) >> 8 & 7) : m->smclk_hz;
    return hz >> (control >> 6 & 3);
}

static uint64_t timer_divider(const fml_msp430_t *m) {
    return (raw16(m, TA0EX0) & 7) + 1;
}

static uint32_t timer_mode(const fml_msp430_t *m) {
    const uint32_t mode = raw16(m, TA0CTL) >> 4 & 3;
    return mode == 1 && !raw16(m, TA0CCR0) ? 0 : mode; /* up mode to 0 stands still */
}

static uint64_t ticks_to_cycles(const fml_msp430_t *m, uint64_t ticks) {
    return cycles_of(m, ticks * timer_divider(m), timer_hz(m));
}

/* The next tick at which a flag is set: CCR0 reached, or back to 0. */
static void timer_schedule(fml_msp430_t *m) {
    const uint32_t count = raw16(m, TA0R), top = raw16(m, TA0CCR0), mode = timer_mode(m);
    m->timer_event = NEVER;
    if (mode) {
        const uint32_t to_zero = mode == 1 ? 1 : 0x10000 - count;
        m->timer_target = m->timer_counted + (count < top ? top - count : to_zero);
        m->timer_event = m->timer_base_cycle + ticks_to_cycles(m, m->timer_target);
    }
}

/* Count up to the present cycle: from flag to flag, then the rest. */
static void timer_update(fml_msp430_t *m) {
    const uint32_t top = raw16(m, TA0CCR0);
    uint64_t ticks;
    if (!timer_mode(m)) {
        return;
    }
    while (m->timer_event <= m->n.cycles) {
        const uint32_t next = raw16(m, TA0R) < top ? top : 0;
        if (next) {
            m->mem[TA0CCTL0] |= CCR_IFG;
        } else {
            m->mem[TA0CTL] |= TIMER_IFG;
        }
        put16(m, TA0R, next);
        m->timer_counted = m->timer_target;
        timer_schedule(m);
    }
    ticks = (m->n.cycles - m->timer_base_cycle) * timer_hz(m) / ((uint64_t)m->mclk_hz * timer_divider(m));
    if (ticks > m->timer_counted) {
        put16(m, TA0R, (uint32_t)(raw16(m, TA0R) + (ticks - m->timer_counted)));
        m->timer_counted = ticks;
    }
}

/* A register was written: the count restarts its tick. */
static void timer_restart(fml_msp430_t *m) {
    m->timer_base_cycle = m->n.cycles;
    m->timer_counted = 0;
    timer_schedule(m);
}

/* Watchdog -------------------------------------------------------------------------------------------------------- */

static void watchdog_start(fml_msp430_t *m) {
    static const uint8_t log2_ticks[8] = {31, 27, 23, 19, 15, 13, 9, 6};
    const uint32_t control = m->mem[WDTCTL], select = control >> 5 & 3;
    const uint32_t hz = select == 0 ? m->smclk_hz : select == 1 ? ACLK_HZ : VLO_HZ;
    m->watchdog_period = cycles_of(m, UINT64_C(1) << log2_ticks[control & 7], hz);
    m->watchdog_event = control & WATCHDOG_HELD ? NEVER : m->n.cycles + m->watchdog_period;
}

static void watchdog_write(fml_msp430_t *m, uint32_t value, uint32_t is_byte) {
    if (is_byte || value >> 8 != 0x5A) {
        fml_request_reset(m, "watchdog password violation");
        return;
    }
    if (value & 8 || (value ^ m->mem[WDTCTL]) & ~8u & 0xFF) {
        m->mem[WDTCTL] = (uint8_t)(value & 0xF7);
        watchdog_start(m);
    }
}

static void update_clocks(fml_msp430_t *m) {
    const uint32_t select = raw16(m, CSCTL2), divide = raw16(m, CSCTL3);
    const uint64_t left = m->watchdog_event == NEVER ? NEVER : m->watchdog_event - m->n.cycles;
    const uint64_t old_period = m->watchdog_period;
    m->mclk_hz = clock_hz(m, select & 7, divide & 7);
    m->smclk_hz = clock_hz(m, select >> 4 & 7, divide >> 4 & 7);
    if (m->mclk_hz == 0 || m->mclk_hz > 24000000) {
        fml_fault(m, "MCLK out of range in CSCTL1", raw16(m, CSCTL1));
        m->mclk_hz = 16000000;
    }
    watchdog_start(m);
    if (left != NEVER && old_period) { /* the part already counted stays counted */
        m->watchdog_event = m->n.cycles + (uint64_t)((double)left / (double)old_period * (double)m->watchdog_period);
    }
    timer_restart(m);
    update_fram(m);
}

/* ADC12_B: single conversions of MEM0, on software start ------------------------------------------------------------ */

static void adc_start(fml_msp430_t *m) {
    static const uint16_t sample_clocks[16] = {4, 8, 16, 32, 64, 96, 128, 192, 256, 384, 512, 512, 512, 512, 512, 512};
    const uint32_t control = raw16(m, ADC12CTL0);
    if ((control & 0x13) == 0x13 && m->adc_event == NEVER) {
        const uint32_t shape = raw16(m, ADC12CTL1);
        if (shape & 6 || raw16(m, ADC12CTL3) & 31 || (shape & 0x200) == 0 || shape & 0x1C00) {
            fml_fault(m, "ADC12 is modelled for single conversions into MEM0 with SHP and ADC12SC only, ADC12CTL1", shape);
            return;
        }
        m->adc_event = m->n.cycles + cycles_of(m, sample_clocks[control >> 8 & 15] + 15u, ADC_HZ);
        m->mem[ADC12CTL1] |= ADC_BUSY;
    }
    m->mem[ADC12CTL0] &= 0xFE;
}

static void adc_finish(fml_msp430_t *m) {
    static const uint16_t reference_mv[4] = {1200, 2000, 2500, 2500};
    const uint32_t memory = raw16(m, ADC12MCTL0), channel = memory & 31, reference = memory >> 8 & 15;
    const int is_supply = channel == 31 && raw16(m, ADC12CTL3) & 0x40;
    const uint32_t input = is_supply ? m->supply_mv / 2 : m->analog_mv[channel];
    const uint32_t full = reference == 0 ? m->supply_mv : reference_mv[raw16(m, REFCTL0) >> 4 & 3];
    uint32_t code;
    m->adc_event = NEVER;
    m->mem[ADC12CTL1] &= 0xFE;
    if (reference > 1 || input == NO_LINE || (reference == 1 && !(m->mem[REFCTL0] & 1))) {
        fml_fault(m, "ADC12 conversion of an unconnected channel or without reference, ADC12MCTL0", memory);
        return;
    }
    code = full ? input * 4096 / full : 0;
    put16(m, ADC12MEM0, code > 4095 ? 4095 : code);
    m->mem[ADC12IFGR0] |= 1;
}

/* Bus ------------------------------------------------------------------------------------------------------------- */

static uint64_t access_cycle(const fml_msp430_t *m) {
    return m->n.cycles + (m->n.accesses - m->access_start);
}

static uint32_t read16(fml_msp430_t *m, uint32_t slot) {
    uint32_t value = raw16(m, slot);
    switch (slot) {
    case FRCTL0: return 0x9600 | (value & 0xFF);
    case WDTCTL: return 0x6900 | (value & 0xFF);
    case PMMCTL0:
    case CSCTL0: return 0x9600 | (value & 0xFF);
    case UCA0STATW: return 0;
    case TA0R: fml_io_update(m); return raw16(m, slot);
    case TA0IV:
        value = m->mem[TA0CTL] & TIMER_IE && m->mem[TA0CTL] & TIMER_IFG ? 0x0E : 0;
        m->mem[TA0CTL] &= (uint8_t)(value ? ~TIMER_IFG : 0xFF);
        return value;
    case ADC12MEM0: m->mem[ADC12IFGR0] &= 0xFE; return value;
    case ADC12IV:
        value = m->mem[ADC12IFGR0] & m->mem[ADC12IER0] & 1 ? 0x0C : 0;
        m->mem[ADC12IFGR0] &= (uint8_t)(value ? 0xFE : 0xFF);
        return value;
    default: return value;
    }
}

uint32_t fml_io_read(fml_msp430_t *m, uint32_t address, uint32_t is_byte) {
    const uint32_t slot = address & ~UINT32_C(1);
    uint32_t value;
    m->n.io_reads++;
    if (!present(m, address)) {
        fml_fault(m, "read of peripheral register that is not modelled", address);
        return 0;
    }
    if (m->stop == FML_STOP_NONE) {
        fml_io_update(m);
    }
    value = slot >= MPY32 && slot < MPY32 + 0x30 ? fml_mpy32_read(m, slot - MPY32, access_cycle(m)) : read16(m, slot);
    return is_byte ? (address & 1 ? value >> 8 : value & 0xFF) : value;
}

/* What a write changes beyond the stored register. */
static void written(fml_msp430_t *m, uint32_t slot) {
    const uint32_t value = raw16(m, slot);
    switch (slot) {
    case PMMCTL0:
        if (value & 0x0C) {
            fml_request_reset(m, "software reset (PMMSWBOR or PMMSWPOR)");
        }
        break;
    case FRCTL0:
    case GCCTL0:
    case GCCTL1: update_fram(m); break;
    case CSCTL1:
    case CSCTL2:
    case CSCTL3: update_clocks(m); break;
    case TA0CTL:
        if (value & 4) {
            put16(m, TA0R, 0);
            m->mem[TA0CTL] = (uint8_t)(value & 0xFB);
        }
        if ((value >> 4 & 3) == 3 || (value >> 8 & 1) == (value >> 9 & 1)) {
            if (value >> 4 & 3) {
                fml_fault(m, "Timer_A0 is modelled for up and continuous mode from ACLK or SMCLK, TA0CTL", value);
                return;
            }
        }
        timer_restart(m);
        break;
    case TA0R:
    case TA0CCR0:
    case TA0EX0: timer_restart(m); break;
    case TA0CCTL0:
    case TA0CCTL1:
    case TA0CCTL2:
        if (value & 0x100 || (slot != TA0CCTL0 && value & CCR_IE)) {
            fml_fault(m, "Timer_A0 is modelled for compare of CCR0 only, register", slot);
        }
        break;
    case UCA0TXBUF:
        if (!(raw16(m, UCA0CTLW0) & 1)) {
            if (m->uart_n < UART_BYTES) {
                m->uart[m->uart_n++] = (uint8_t)value;
            } else {
                fml_fault(m, "more UART output than the host took, bytes", UART_BYTES);
            }
        }
        break;
    case UCA0IE:
        if (value) {
            fml_fault(m, "eUSCI_A0 interrupts are not modelled, UCA0IE", value);
        }
        break;
    case UCA0IFG: put16(m, UCA0IFG, 2); break; /* always ready to send */
    case ADC12CTL0: adc_start(m); break;
    default: break;
    }
    m->attention = 1;
}

void fml_io_write(fml_msp430_t *m, uint32_t address, uint32_t value, uint32_t is_byte) {
    const uint32_t slot = address & ~UINT32_C(1);
    m->n.io_writes++;
    if (slot >= MPY32 && slot < MPY32 + 0x30) {
        fml_mpy32_write(m, address - MPY32, value, is_byte, access_cycle(m));
        return;
    }
    if (!present(m, address)) {
        fml_fault(m, "write to peripheral register that is not modelled", address);
        return;
    }
    if (m->stop != FML_STOP_NONE) {
        return;
    }
    fml_io_update(m);
    if (slot == WDTCTL) {
        watchdog_write(m, value, is_byte);
        m->attention = 1;
        return;
    }
    if (slot == FRCTL0 || slot == PMMCTL0 || slot == CSCTL0) { /* the password is the high byte; a byte locks or unlocks */
        if (!is_byte && value >> 8 != 0xA5) {
            fml_request_reset(m, slot == FRCTL0    ? "FRAM controller password violation"
                                 : slot == PMMCTL0 ? "PMM password violation"
                                                   : "clock system password violation");
            return;
        }
        if (is_byte && !(address & 1) && m->mem[slot + 1] != 0xA5) {
            return; /* locked: no effect */
        }
    } else if ((slot > FRCTL0 && slot <= GCCTL1 && m->mem[FRCTL0 + 1] != 0xA5) ||
               (slot > CSCTL0 && slot < CSCTL0 + 14 && m->mem[CSCTL0 + 1] != 0xA5)) {
        return;
    }
    if (is_byte) {
        m->mem[address] = (uint8_t)value;
    } else {
        put16(m, slot, value);
    }
    written(m, slot);
}

/* Events and interrupts --------------------------------------------------------------------------------------------- */

void fml_io_update(fml_msp430_t *m) {
    timer_update(m);
    if (m->adc_event <= m->n.cycles) {
        adc_finish(m);
    }
    while (m->watchdog_event <= m->n.cycles) {
        if (!(m->mem[WDTCTL] & WATCHDOG_INTERVAL)) {
            m->watchdog_event = NEVER;
            fml_request_reset(m, "watchdog expired");
            return;
        }
        m->mem[SFRIFG1] |= 1;
        m->watchdog_event += m->watchdog_period;
    }
}

static uint64_t earlier(uint64_t a, uint64_t b) {
    return a < b ? a : b;
}

/* Asleep, only what can wake the CPU or reset it counts, and SMCLK stands still with SCG1. */
uint64_t fml_io_next(const fml_msp430_t *m, int sleeping) {
    const int no_smclk = sleeping && m->r[SR] & SR_SCG1;
    const int timer_wakes = m->mem[TA0CCTL0] & CCR_IE || m->mem[TA0CTL] & TIMER_IE;
    const int watchdog_matters = m->mem[SFRIE1] & 1 || !(m->mem[WDTCTL] & WATCHDOG_INTERVAL);
    uint64_t next = NEVER;
    if (!sleeping || (timer_wakes && !(no_smclk && (raw16(m, TA0CTL) >> 8 & 3) == 2))) {
        next = earlier(next, m->timer_event);
    }
    if (!sleeping || (watchdog_matters && !(no_smclk && !(m->mem[WDTCTL] & 0x60)))) {
        next = earlier(next, m->watchdog_event);
    }
    if (!sleeping || m->mem[ADC12IER0] & 1) {
        next = earlier(next, m->adc_event);
    }
    return next;
}

/* Clocks that stood still while the CPU slept start again where they were. */
void fml_io_slept(fml_msp430_t *m, uint64_t cycles) {
    if (m->r[SR] & SR_SCG1) {
        if ((raw16(m, TA0CTL) >> 8 & 3) == 2 && m->timer_event != NEVER) {
            m->timer_base_cycle += cycles;
            m->timer_event += cycles;
        }
        if (!(m->mem[WDTCTL] & 0x60) && m->watchdog_event != NEVER) {
            m->watchdog_event += cycles;
        }
    }
}

uint32_t fml_io_pending(fml_msp430_t *m, int acknowledge) {
    if (m->mem[SFRIE1] & m->mem[SFRIFG1] & 1) {
        m->mem[SFRIFG1] &= (uint8_t)(acknowledge ? 0xFE : 0xFF);
        return VECTOR_WATCHDOG;
    }
    if (m->mem[ADC12IER0] & m->mem[ADC12IFGR0] & 1) {
        return VECTOR_ADC12;
    }
    if (m->mem[TA0CCTL0] & CCR_IE && m->mem[TA0CCTL0] & CCR_IFG) {
        m->mem[TA0CCTL0] &= (uint8_t)(acknowledge ? ~CCR_IFG : 0xFF);
        return VECTOR_TIMER_CCR0;
    }
    return m->mem[TA0CTL] & TIMER_IE && m->mem[TA0CTL] & TIMER_IFG ? VECTOR_TIMER : 0;
}

void fml_io_reset(fml_msp430_t *m) {
    memset(m->mem + 0x20, 0, IO_BYTES - 0x20);
    put16(m, PM5CTL0, 1);                       /* LOCKLPM5 */
    put16(m, FRCTL0, 0xA500);                   /* the boot code leaves it unlocked */
    put16(m, GCCTL0, 4);                        /* FRPWR */
    put16(m, PMMCTL0, 0x9600);
    put16(m, WDTCTL, 4);                        /* running: SMCLK / 32768 */
    put16(m, CSCTL0, 0x9600);
    put16(m, CSCTL1, 0x000C);
    put16(m, CSCTL2, 0x0033);
    put16(m, CSCTL3, 0x0333);
    put16(m, UCA0CTLW0, 1);                     /* UCSWRST */
    put16(m, UCA0IFG, 2);
    m->timer_base_cycle = m->timer_counted = 0;
    m->timer_event = m->adc_event = m->watchdog_event = NEVER;
    m->fram_waits = m->fram_blocked = 0;
    m->watchdog_period = 0;
    update_clocks(m);
}
