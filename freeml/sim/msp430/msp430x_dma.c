/* DMA controller (SLAU367P chapter 11): six channels on FR5994, three on FR5969, in all six transfer modes.
 *
 * From the guide: the state diagrams; 2 cycles a transfer, 1 or 2 before and 1 after a single transfer or block, at most
 * 4 with the CPU on and 5 with it off, so 1 before with the CPU on and 2 with it off; 5 us more where the DCO stands; 2
 * cycles of the CPU after every 4 transfers of a burst. Triggers by number: FR5994 data sheet (header file).
 *
 * Assumed: transfers happen between instructions, never inside one, whatever DMARMWDIS says; they read FRAM through the
 * cache and wait for it as the CPU does; FRAM asleep in a low-power mode costs no time to wake; an instruction longer
 * than the CPU's 2 cycles is made up for by the following bursts; a repeated burst-block gives the CPU its 2 cycles
 * after each block too. SMCLK stands still during a transfer out of LPM2 to LPM4.
 *
 * A fault, as the guide leaves it open or nothing here drives it: other triggers, level sensitivity, NMI, changing the
 * trigger of an enabled channel, DMAEN and DMAREQ set by one write. */
#include <stdio.h>
#include <string.h>

#include "msp430x_state.h"

enum { DMACTL0 = DMA_LOW, DMACTL3 = 0x506, DMACTL4 = 0x508, DMAIV = 0x50E, CHANNELS = 0x510 };
enum { CTL = 0, SA = 2, DA = 6, SZ = 0x0A }; /* of a channel, 16 bytes each */
enum { REQUEST = 1, ABORTED = 2, IE = 4, IFG = 8, ENABLE = 0x10, LEVEL = 0x20, SOURCE_BYTE = 0x40, TARGET_BYTE = 0x80 };
enum { BLOCK = 1, BURST = 2, REPEATED = 4, NMI_ENABLE = 1, ROUND_ROBIN = 2, VECTOR_DMA = 0xFFE4 };
enum { BY_REQUEST = 0, BY_CHANNEL = 30, BURST_TRANSFERS = 4, BURST_CPU_CYCLES = 2 };

static uint32_t n_channels(const fml_msp430_t *m) {
    return m->part == FML_PART_FR5994 ? 6 : 3;
}

static uint32_t at(uint32_t channel, uint32_t offset) {
    return CHANNELS + 16 * channel + offset;
}

static uint32_t control_of(const fml_msp430_t *m, uint32_t channel) {
    return raw16(m, at(channel, CTL));
}

static uint32_t trigger_of(const fml_msp430_t *m, uint32_t channel) {
    return m->mem[DMACTL0 + channel] & 31;
}

static int is_burst(uint32_t control) {
    return (control >> 12 & BURST) != 0;
}

static int is_block(uint32_t control) {
    return (control >> 12 & (BURST | BLOCK)) != 0;
}

static int is_modelled(uint32_t trigger, uint32_t channel) {
    switch (trigger) {
    case BY_REQUEST:
    case DMA_BY_TA0CCR0:
    case DMA_BY_TA0CCR2:
    case DMA_BY_ADC12:
    case DMA_BY_MPY32:
    case BY_CHANNEL: return 1;
    case DMA_BY_UCA0RX:
    case DMA_BY_UCA0TX: return channel < 3; /* of channels 3 to 5 these are eUSCI_A2 */
    default: return 0;
    }
}

int fml_dma_has(const fml_msp430_t *m, uint32_t address) {
    return address < DMACTL4 + 2 || (address >= DMAIV && address < at(0, 0)) ||
           (address >= at(0, 0) && address < at(n_channels(m), 0) && (address & 15) < SZ + 2);
}

/* Which triggers an enabled channel listens to. */
static void listen(fml_msp430_t *m) {
    uint32_t channel;
    m->dma.listening = 0;
    for (channel = 0; channel < n_channels(m); channel++) {
        if (control_of(m, channel) & ENABLE) {
            m->dma.listening |= UINT32_C(1) << trigger_of(m, channel);
        }
    }
}

static void load_addresses(fml_msp430_t *m, uint32_t channel) {
    m->dma.source[channel] = raw16(m, at(channel, SA)) | raw16(m, at(channel, SA + 2)) << 16;
    m->dma.target[channel] = raw16(m, at(channel, DA)) | raw16(m, at(channel, DA + 2)) << 16;
}

/* A trigger during its own block is ignored. */
static void trigger_channel(fml_msp430_t *m, uint32_t channel) {
    if (!(m->dma.active == (int32_t)channel && is_block(control_of(m, channel)))) {
        m->dma.waiting |= UINT32_C(1) << channel;
        m->attention = 1;
    }
}

/* The rising edge of a trigger signal. */
void fml_dma_trigger(fml_msp430_t *m, uint32_t trigger) {
    uint32_t channel;
    if (!(m->dma.listening >> trigger & 1)) {
        return;
    }
    for (channel = 0; channel < n_channels(m); channel++) {
        if (control_of(m, channel) & ENABLE && trigger_of(m, channel) == trigger) {
            trigger_channel(m, channel);
        }
    }
}

/* DMAxIFG rose: it triggers the next channel of its group of three. */
static void chain(fml_msp430_t *m, uint32_t channel) {
    const uint32_t next = channel % 3 == 2 ? channel - 2 : channel + 1;
    if (control_of(m, next) & ENABLE && trigger_of(m, next) == BY_CHANNEL) {
        trigger_channel(m, next);
    }
}

/* Time of the controller, in which the CPU stands still; asleep, SMCLK may as well. */
static void spend(fml_msp430_t *m, uint64_t cycles) {
    m->n.cycles += cycles;
    if (m->r[SR] & SR_CPUOFF) {
        fml_io_slept(m, cycles);
    }
}

static void spend_asleep(fml_msp430_t *m, uint64_t cycles) {
    m->n.sleep_cycles += cycles;
    spend(m, cycles);
}

/* Cycles until successive reads of RES0, RES1, ..., one each 2 cycles, find them ready. */
static uint64_t until_product(const fml_msp430_t *m) {
    uint64_t first = m->n.cycles;
    uint32_t word;
    for (word = 0; word < 4; word++) {
        const uint64_t earliest = m->mpy.ready[word] > 2 * word + 1 ? m->mpy.ready[word] - 2 * word - 1 : 0;
        first = earliest > first ? earliest : first;
    }
    return first - m->n.cycles;
}

/* The flag that triggered the transfer is reset; ADC12IFG0 by reading its memory, DMAxIFG not at all. */
static void reset_trigger(fml_msp430_t *m, uint32_t channel) {
    switch (trigger_of(m, channel)) {
    case BY_REQUEST: m->mem[at(channel, CTL)] &= (uint8_t)~REQUEST; break;
    case DMA_BY_TA0CCR0: fml_timer_served(m, 0); break;
    case DMA_BY_TA0CCR2: fml_timer_served(m, 2); break;
    case DMA_BY_UCA0RX: fml_uart_served(m, 1); break;
    case DMA_BY_UCA0TX: fml_uart_served(m, 0); break;
    default: break;
    }
}

static void start(fml_msp430_t *m) {
    const uint32_t n = n_channels(m), first = m->mem[DMACTL4] & ROUND_ROBIN ? (m->dma.latest + 1) % n : 0;
    const int asleep = (m->r[SR] & SR_CPUOFF) != 0;
    uint64_t before = asleep ? 2 : 1;
    uint32_t channel = first;
    while (!(m->dma.waiting >> channel & 1)) {
        channel = (channel + 1) % n;
    }
    m->dma.waiting &= ~(UINT32_C(1) << channel);
    if (!raw16(m, at(channel, SZ))) {
        return;
    }
    reset_trigger(m, channel);
    if (trigger_of(m, channel) == DMA_BY_MPY32 && until_product(m) > before) {
        before = until_product(m);
    }
    if (asleep && m->r[SR] & SR_SCG1) {
        spend_asleep(m, (UINT64_C(5) * m->mclk_hz + 999999) / 1000000);
    }
    m->dma.active = (int32_t)channel;
    m->dma.moved = 0;
    m->dma.cpu_cycles = 0;
    m->dma.released = NEVER;
    spend(m, before);
}

static void finish(fml_msp430_t *m, uint32_t channel) {
    m->dma.active = -1;
    m->dma.latest = channel;
    spend(m, 1);
}

/* The CPU gets its cycles of a burst. */
static void release(fml_msp430_t *m) {
    m->dma.cpu_cycles += BURST_CPU_CYCLES;
    m->dma.released = m->dma.cpu_cycles > 0 ? m->n.cycles : NEVER;
}

/* DMAxSZ counted to 0. */
static void block_done(fml_msp430_t *m, uint32_t channel) {
    const uint32_t control = control_of(m, channel);
    put16(m, at(channel, SZ), m->dma.size[channel]);
    put16(m, at(channel, CTL), (control | IFG) & ~(control >> 12 & REPEATED ? 0u : (uint32_t)ENABLE));
    listen(m);
    if (!(control & IFG)) {
        chain(m, channel);
    }
    if (control >> 12 & REPEATED) {
        load_addresses(m, channel);
    } else {
        m->dma.waiting &= ~(UINT32_C(1) << channel); /* its last transfer may have raised the trigger again */
    }
    if (control >> 12 & REPEATED && is_burst(control)) {
        m->dma.moved = 0;
        release(m);
    } else {
        finish(m, channel);
    }
}

static uint32_t step_of(uint32_t address, uint32_t mode, uint32_t n_bytes) {
    return (mode == 3 ? address + n_bytes : mode == 2 ? address - n_bytes : address) & ADDRESS_MASK;
}

/* One transfer. */
static void move(fml_msp430_t *m, uint32_t channel) {
    const uint32_t control = control_of(m, channel);
    const uint32_t source_byte = control & SOURCE_BYTE ? 1 : 0, target_byte = control & TARGET_BYTE ? 1 : 0;
    const uint64_t start_cycle = m->n.cycles;
    uint32_t value, left;
    m->access_start = m->n.accesses;
    value = load(m, m->dma.source[channel], source_byte);
    store(m, m->dma.target[channel], target_byte ? value & 0xFF : value, target_byte);
    m->n.cycles += 2;
    if (m->r[SR] & SR_CPUOFF) {
        fml_io_slept(m, m->n.cycles - start_cycle);
    }
    if (m->stop == FML_STOP_FAULT) {
        const size_t n = strlen(m->fault_text);
        (void)snprintf(m->fault_text + n, sizeof m->fault_text - n, " by DMA channel %u", (unsigned)channel);
    }
    if (m->stop != FML_STOP_NONE || m->dma.active != (int32_t)channel) {
        return;
    }
    m->dma.source[channel] = step_of(m->dma.source[channel], control >> 8 & 3, 2 - source_byte);
    m->dma.target[channel] = step_of(m->dma.target[channel], control >> 10 & 3, 2 - target_byte);
    m->dma.moved++;
    left = (raw16(m, at(channel, SZ)) - 1) & 0xFFFF;
    put16(m, at(channel, SZ), left);
    if (!left) {
        block_done(m, channel);
    } else if (!is_block(control)) {
        finish(m, channel);
    } else if (is_burst(control) && m->dma.moved % BURST_TRANSFERS == 0) {
        release(m);
    }
}

/* In a burst: the CPU has not used up its cycles. Asleep it lets them pass, unless something can wake it. */
static int is_turn_of_cpu(fml_msp430_t *m, uint32_t channel) {
    fml_dma_t *d = &m->dma;
    const int asleep = (m->r[SR] & SR_CPUOFF) != 0, gie = (m->r[SR] & SR_GIE) != 0;
    d->cpu_cycles -= (int64_t)(m->n.cycles - d->released);
    d->released = m->n.cycles;
    if (d->cpu_cycles > 0 && asleep && !(gie && fml_io_pending(m, 0))) {
        const int is_endless = control_of(m, channel) >> 12 & REPEATED && !(control_of(m, channel) & IE);
        if (control_of(m, channel) >> 12 & REPEATED && (!gie || (is_endless && fml_io_next(m, 1) == NEVER))) {
            return 1;
        }
        spend_asleep(m, (uint64_t)d->cpu_cycles);
        d->cpu_cycles = 0;
    }
    if (d->cpu_cycles > 0) {
        m->attention = 1;
        return 1;
    }
    d->released = NEVER;
    return 0;
}

int fml_dma_step(fml_msp430_t *m) {
    if (m->dma.active < 0) {
        if (!m->dma.waiting) {
            return 0;
        }
        start(m);
        return 1;
    }
    if (m->dma.released != NEVER && is_turn_of_cpu(m, (uint32_t)m->dma.active)) {
        return 0;
    }
    move(m, (uint32_t)m->dma.active);
    return 1;
}

/* DMAIV: the highest flag that is enabled, which any access resets. */
static uint32_t take_vector(fml_msp430_t *m) {
    uint32_t channel;
    for (channel = 0; channel < n_channels(m); channel++) {
        if (control_of(m, channel) & IE && control_of(m, channel) & IFG) {
            m->mem[at(channel, CTL)] &= (uint8_t)~IFG;
            return 2 * channel + 2;
        }
    }
    return 0;
}

uint32_t fml_dma_read(fml_msp430_t *m, uint32_t slot) {
    return slot == DMAIV ? take_vector(m) : raw16(m, slot);
}

static void write_channel_control(fml_msp430_t *m, uint32_t channel, uint32_t old) {
    const uint32_t bit = UINT32_C(1) << channel, trigger = trigger_of(m, channel);
    uint32_t value = control_of(m, channel) & 0x7FFF;
    if (!(value & ENABLE)) {
        value &= ~(uint32_t)REQUEST; /* only an enabled channel waits for a trigger */
        if (old & ENABLE) {
            m->dma.waiting &= ~bit;
            m->dma.active = m->dma.active == (int32_t)channel ? -1 : m->dma.active;
            put16(m, at(channel, SZ), m->dma.size[channel]);
        }
    } else if (value & (LEVEL | ABORTED)) {
        fml_fault(m, "DMA level sensitivity and DMAABORT are not modelled, control of channel", channel);
    } else if (!is_modelled(trigger, channel)) {
        fml_fault(m, "DMA trigger that is not modelled, DMAxTSEL", trigger);
    } else if (!(old & ENABLE)) {
        if (value & REQUEST) {
            fml_fault(m, "DMAEN and DMAREQ set by one write (the guide does not say what happens), channel", channel);
        }
        m->dma.size[channel] = (uint16_t)raw16(m, at(channel, SZ));
        load_addresses(m, channel);
    }
    put16(m, at(channel, CTL), value);
    listen(m);
    if (value & old & ENABLE && value & REQUEST && !(old & REQUEST) && trigger == BY_REQUEST) {
        trigger_channel(m, channel);
    }
    if (value & IFG && !(old & IFG)) {
        chain(m, channel);
    }
}

static void write_trigger_select(fml_msp430_t *m, uint32_t slot, uint32_t old) {
    const uint32_t first = slot - DMACTL0, changed = raw16(m, slot) ^ old;
    uint32_t i;
    put16(m, slot, slot < DMACTL3 && first < n_channels(m) ? raw16(m, slot) & 0x1F1F : 0);
    for (i = 0; i < 2 && first + i < n_channels(m); i++) {
        if (changed >> 8 * i & 31 && control_of(m, first + i) & ENABLE) {
            fml_fault(m, "DMAxTSEL changed while DMAEN is set, channel", first + i);
        }
    }
}

void fml_dma_written(fml_msp430_t *m, uint32_t slot, uint32_t old, uint32_t is_byte) {
    const uint32_t channel = (slot - CHANNELS) / 16, offset = slot & 15;
    if (slot < DMACTL4) {
        write_trigger_select(m, slot, old);
    } else if (slot == DMACTL4) {
        put16(m, slot, raw16(m, slot) & 7);
        if (raw16(m, slot) & NMI_ENABLE) {
            fml_fault(m, "DMA is not stopped by NMI here (ENNMI), DMACTL4", raw16(m, slot));
        }
    } else if (slot == DMAIV) {
        put16(m, slot, 0);
        (void)take_vector(m);
    } else if (offset == CTL) {
        write_channel_control(m, channel, old);
    } else if (is_byte) {
        fml_fault(m, "byte write to a DMA address or size register", slot);
    } else if (offset == SA || offset == DA) {
        put16(m, slot + 2, 0); /* a word write clears bits 19:16 */
    } else if (offset != SZ) {
        put16(m, slot, raw16(m, slot) & 15);
    }
}

int fml_dma_listens(const fml_msp430_t *m, uint32_t trigger) {
    return (int)(m->dma.listening >> trigger & 1);
}

static int any_channel_has(const fml_msp430_t *m, uint32_t bits) {
    uint32_t channel, found = 0;
    for (channel = 0; channel < n_channels(m); channel++) {
        found |= (control_of(m, channel) & bits) == bits;
    }
    return (int)found;
}

int fml_dma_wakes(const fml_msp430_t *m) {
    return any_channel_has(m, ENABLE | IE);
}

uint32_t fml_dma_pending(const fml_msp430_t *m) {
    return any_channel_has(m, IFG | IE) ? VECTOR_DMA : 0;
}

/* The registers hold garbage; of it only addresses and sizes stay. */
void fml_dma_reset(fml_msp430_t *m) {
    uint32_t channel;
    memset(&m->dma, 0, sizeof m->dma);
    m->dma.active = -1;
    m->dma.released = NEVER;
    m->dma.latest = n_channels(m) - 1;
    memset(m->mem + DMA_LOW, 0, CHANNELS - DMA_LOW);
    for (channel = 0; channel < N_DMA_CHANNELS; channel++) {
        put16(m, at(channel, CTL), 0);
        put16(m, at(channel, SA + 2), raw16(m, at(channel, SA + 2)) & 15);
        put16(m, at(channel, DA + 2), raw16(m, at(channel, DA + 2)) & 15);
    }
}
