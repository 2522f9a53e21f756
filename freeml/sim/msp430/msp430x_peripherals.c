/* The bus of the peripherals, and those without a file of their own: FRAM controller, clocks, watchdog.
 *
 * Ports, SFR, PMM, SYS, REF, RAMCTL, MPU and the rest of CS are registers that keep what is written. Every other module
 * is a fault, so that no firmware waits for hardware that is not there. Events have the cycle at which they happen. */
#include <string.h>

#include "msp430x_state.h"

enum {
    SFRIE1 = 0x100, SFRIFG1 = 0x102, PMMCTL0 = 0x120, PM5CTL0 = 0x130, FRCTL0 = 0x140, GCCTL0 = 0x144, GCCTL1 = 0x146,
    WDTCTL = 0x15C, CSCTL0 = 0x160, CSCTL1 = 0x162, CSCTL2 = 0x164, CSCTL3 = 0x166, REFCTL0 = 0x1B0
};
enum { VECTOR_WATCHDOG = 0xFFF2 };
enum { ACLK_HZ = 32768, VLO_HZ = 9400 }; /* ACLK from a crystal; VLO and MODCLK as typical */
enum { ACCESS_ERROR = 8, WATCHDOG_HELD = 0x80, WATCHDOG_INTERVAL = 0x10 };

typedef struct {
    uint16_t first, end;
} range_t;

/* Modelled, or plain registers. */
static const range_t PRESENT[] = {
    {0x100, 0x106}, {0x120, 0x122}, {0x12A, 0x12C}, {0x130, 0x132}, {0x140, 0x148}, {0x158, 0x15A}, {0x15C, 0x15E},
    {0x160, 0x16E}, {0x180, 0x1A0}, {0x1B0, 0x1B2}, {0x200, 0x280}, {0x320, 0x340}, {0x340, 0x348}, {0x350, 0x358},
    {0x360, 0x362}, {0x36E, 0x370}, {0x4C0, 0x4EE}, {0x5A0, 0x5B0}, {0x5C0, 0x5E0}, {0x800, 0x880},
    {0x8C0, 0x8C8}, {0x8CC, 0x8D0}};

static int present(const fml_msp430_t *m, uint32_t address) {
    size_t i;
    if (address < 0x20) {
        return m->part == FML_PART_FR5994 && address >= 0x0A; /* TinyRAM */
    }
    if (address >= DMA_LOW && address < DMA_HIGH) {
        return fml_dma_has(m, address);
    }
    for (i = 0; i < sizeof PRESENT / sizeof PRESENT[0]; i++) {
        if (address >= PRESENT[i].first && address < PRESENT[i].end) {
            return 1;
        }
    }
    return 0;
}

/* Clocks ---------------------------------------------------------------------------------------------------------- */

uint32_t fml_clock_hz(const fml_msp430_t *m, uint32_t select, uint32_t divider) {
    static const uint32_t slow[8] = {1000000, 2670000, 3500000, 4000000, 5330000, 7000000, 8000000, 8000000};
    static const uint32_t fast[8] = {1000000, 5330000, 7000000, 8000000, 16000000, 21000000, 24000000, 24000000};
    const uint32_t dco = raw16(m, CSCTL1);
    uint32_t hz;
    switch (select) {
    case 0: hz = ACLK_HZ; break;
    case 1: hz = VLO_HZ; break;
    case 3: hz = (dco & 0x40 ? fast : slow)[dco >> 1 & 7]; break;
    case 4: hz = MODCLK_HZ; break;
    default: hz = 8000000; break; /* crystal HFXT: 8 MHz assumed */
    }
    return hz >> (divider > 5 ? 5 : divider);
}

uint64_t fml_cycles_of(const fml_msp430_t *m, uint64_t ticks, uint64_t hz) {
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

/* Watchdog -------------------------------------------------------------------------------------------------------- */

static void watchdog_start(fml_msp430_t *m) {
    static const uint8_t log2_ticks[8] = {31, 27, 23, 19, 15, 13, 9, 6};
    const uint32_t control = m->mem[WDTCTL], select = control >> 5 & 3;
    const uint32_t hz = select == 0 ? m->smclk_hz : select == 1 ? ACLK_HZ : VLO_HZ;
    m->watchdog_period = fml_cycles_of(m, UINT64_C(1) << log2_ticks[control & 7], hz);
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
    m->mclk_hz = fml_clock_hz(m, select & 7, divide & 7);
    m->smclk_hz = fml_clock_hz(m, select >> 4 & 7, divide >> 4 & 7);
    if (m->mclk_hz == 0 || m->mclk_hz > 24000000) {
        fml_fault(m, "MCLK out of range in CSCTL1", raw16(m, CSCTL1));
        m->mclk_hz = 16000000;
    }
    watchdog_start(m);
    if (left != NEVER && old_period) { /* the part already counted stays counted */
        m->watchdog_event = m->n.cycles + (uint64_t)((double)left / (double)old_period * (double)m->watchdog_period);
    }
    fml_timer_restart(m);
    update_fram(m);
}

/* Bus ------------------------------------------------------------------------------------------------------------- */

static uint64_t access_cycle(const fml_msp430_t *m) {
    return m->n.cycles + (m->n.accesses - m->access_start);
}

static uint32_t read16(fml_msp430_t *m, uint32_t slot) {
    const uint32_t value = raw16(m, slot);
    if (slot >= TIMER_LOW && slot < TIMER_HIGH) {
        return fml_timer_read(m, slot);
    } else if (slot >= UART_LOW && slot < UART_HIGH) {
        return fml_uart_read(m, slot);
    } else if (slot >= DMA_LOW && slot < DMA_HIGH) {
        return fml_dma_read(m, slot);
    } else if (slot >= ADC12_LOW && slot < ADC12_HIGH) {
        return fml_adc_read(m, slot);
    } else if (slot >= COMP_LOW && slot < COMP_HIGH) {
        return fml_comparator_read(m, slot);
    }
    switch (slot) {
    case FRCTL0: return 0x9600 | (value & 0xFF);
    case WDTCTL: return 0x6900 | (value & 0xFF);
    case PMMCTL0:
    case CSCTL0: return 0x9600 | (value & 0xFF);
    case REFCTL0: return value & 1 ? value | 0x1000 : value; /* the reference is ready at once (assumed) */
    default: return value;
    }
}

uint32_t fml_io_read(fml_msp430_t *m, uint32_t address, uint32_t is_byte) {
    const uint32_t slot = address & ~UINT32_C(1);
    uint32_t value;
    m->n.io_reads++;
    if (slot >= MPY32_LOW && slot < MPY32_HIGH) {
        value = fml_mpy32_read(m, slot - MPY32_LOW, access_cycle(m));
    } else if (!present(m, address)) {
        fml_fault(m, "read of peripheral register that is not modelled", address);
        return 0;
    } else {
        if (m->stop == FML_STOP_NONE) {
            fml_io_update(m);
        }
        value = read16(m, slot);
    }
    return is_byte ? (address & 1 ? value >> 8 : value & 0xFF) : value;
}

/* What a write changes beyond the stored register. */
static void written(fml_msp430_t *m, uint32_t slot, uint32_t old, uint32_t is_byte) {
    const uint32_t value = raw16(m, slot);
    m->attention = 1;
    if (slot >= TIMER_LOW && slot < TIMER_HIGH) {
        fml_timer_written(m, slot, old);
        return;
    } else if (slot >= UART_LOW && slot < UART_HIGH) {
        fml_uart_written(m, slot, old);
        return;
    } else if (slot >= DMA_LOW && slot < DMA_HIGH) {
        fml_dma_written(m, slot, old, is_byte);
        return;
    } else if (slot >= ADC12_LOW && slot < ADC12_HIGH) {
        fml_adc_written(m, slot);
        return;
    } else if (slot >= COMP_LOW && slot < COMP_HIGH) {
        fml_comparator_written(m, slot, old);
        return;
    }
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
    case REFCTL0: fml_comparator_update(m); break;
    default: break;
    }
}

void fml_io_write(fml_msp430_t *m, uint32_t address, uint32_t value, uint32_t is_byte) {
    const uint32_t slot = address & ~UINT32_C(1), old = raw16(m, slot);
    m->n.io_writes++;
    if (slot >= MPY32_LOW && slot < MPY32_HIGH) {
        fml_mpy32_write(m, address - MPY32_LOW, value, is_byte, access_cycle(m));
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
    fml_timer_count(m);
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
    written(m, slot, old, is_byte);
}

/* Events and interrupts --------------------------------------------------------------------------------------------- */

void fml_io_update(fml_msp430_t *m) {
    if (m->timer_event <= m->n.cycles) {
        fml_timer_events(m);
    }
    if (m->adc_event <= m->n.cycles) {
        fml_adc_finish(m);
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

/* Asleep, only what can wake the CPU or reset it counts, and what triggers a DMA transfer before that; SMCLK stands still
 * with SCG1. */
uint64_t fml_io_next(const fml_msp430_t *m, int sleeping) {
    int no_smclk, by_dma, timer_runs, timer_moves, watchdog_matters, adc_moves;
    uint64_t next = NEVER;
    if (!sleeping) {
        return earlier(m->timer_event, earlier(m->watchdog_event, m->adc_event));
    }
    no_smclk = m->r[SR] & SR_SCG1;
    by_dma = fml_dma_wakes(m);
    timer_runs = !(no_smclk && fml_timer_uses_smclk(m));
    timer_moves = fml_dma_listens(m, DMA_BY_TA0CCR0) || fml_dma_listens(m, DMA_BY_TA0CCR2);
    watchdog_matters = m->mem[SFRIE1] & 1 || !(m->mem[WDTCTL] & WATCHDOG_INTERVAL);
    adc_moves = fml_dma_listens(m, DMA_BY_ADC12);
    if (watchdog_matters && !(no_smclk && !(m->mem[WDTCTL] & 0x60))) {
        next = m->watchdog_event;
    }
    if (timer_runs && (fml_timer_wakes(m) || (timer_moves && by_dma))) {
        next = earlier(next, m->timer_event);
    }
    if (fml_adc_wakes(m) || (adc_moves && by_dma)) {
        next = earlier(next, m->adc_event);
    }
    if (next != NEVER && timer_moves && timer_runs) {
        next = earlier(next, m->timer_event);
    }
    return next != NEVER && adc_moves ? earlier(next, m->adc_event) : next;
}

/* Clocks that stood still while the CPU slept start again where they were. */
void fml_io_slept(fml_msp430_t *m, uint64_t cycles) {
    if (m->r[SR] & SR_SCG1) {
        if (fml_timer_uses_smclk(m) && m->timer_event != NEVER) {
            m->timer_base_cycle += cycles;
            m->timer_event += cycles;
        }
        if (!(m->mem[WDTCTL] & 0x60) && m->watchdog_event != NEVER) {
            m->watchdog_event += cycles;
        }
    }
}

/* In the order of priority. */
uint32_t fml_io_pending(fml_msp430_t *m, int acknowledge) {
    uint32_t vector = fml_comparator_pending(m);
    if (!vector && m->mem[SFRIE1] & m->mem[SFRIFG1] & 1) {
        m->mem[SFRIFG1] &= (uint8_t)(acknowledge ? 0xFE : 0xFF);
        return VECTOR_WATCHDOG;
    }
    vector = vector ? vector : fml_uart_pending(m);
    vector = vector ? vector : fml_adc_pending(m);
    vector = vector ? vector : fml_timer_pending(m, acknowledge);
    return vector ? vector : fml_dma_pending(m);
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
    fml_uart_reset(m);
    fml_adc_reset(m);
    m->captured_unread = 0;
    m->timer_base_cycle = m->timer_counted = 0;
    m->timer_event = m->adc_event = m->watchdog_event = NEVER;
    m->fram_waits = m->fram_blocked = 0;
    m->watchdog_period = 0;
    update_clocks(m);
}
