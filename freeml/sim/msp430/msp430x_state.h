/* The device's state and the bus, shared by the emulator's files. */
#ifndef FML_MSP430X_STATE_H
#define FML_MSP430X_STATE_H

#include "msp430x.h"

#if defined(__GNUC__)
#define FML_LIKELY(x) __builtin_expect(!!(x), 1)
#define FML_UNLIKELY(x) __builtin_expect(!!(x), 0)
#define FML_INLINE static inline __attribute__((always_inline))
#define FML_COLD __attribute__((noinline, cold))
#else
#define FML_LIKELY(x) (x)
#define FML_UNLIKELY(x) (x)
#define FML_INLINE static inline
#define FML_COLD
#endif

enum { SR_C = 1, SR_Z = 2, SR_N = 4, SR_GIE = 8, SR_CPUOFF = 0x10, SR_SCG0 = 0x40, SR_SCG1 = 0x80, SR_V = 0x100 };
enum { SR_MASK = 0x1FF, PC = 0, SP = 1, SR = 2, CG = 3 };
enum { REGION_NONE = 0, REGION_IO, REGION_SRAM, REGION_FRAM, REGION_ROM };
enum { ADDRESS_MASK = 0xFFFFF, MEMORY_BYTES = 0x100000, IO_BYTES = 0x1000, UART_BYTES = 0x10000, UART_IN_BYTES = 0x1000, N_CHANNELS = 32 };

/* Registers of modules with a file of their own: first address, first beyond. */
enum { TIMER_LOW = 0x340, TIMER_HIGH = 0x370, MPY32_LOW = 0x4C0, MPY32_HIGH = 0x4F0, DMA_LOW = 0x500, DMA_HIGH = 0x570,
       UART_LOW = 0x5C0, UART_HIGH = 0x5E0, ADC12_LOW = 0x800, ADC12_HIGH = 0x880, COMP_LOW = 0x8C0, COMP_HIGH = 0x8D0 };
enum { MODCLK_HZ = 4800000 }; /* typical */

#define NO_LINE UINT32_C(0xFFFFFFFF)
#define NEVER UINT64_MAX

/* Multiplier. A word is `now` from cycle `ready` on and `before` until then. Index: RES0..RES3, SUMEXT, MPYC. */
enum { N_MPY_WORDS = 6, MPY_SUMEXT = 4, MPY_CARRY = 5 };
typedef struct {
    uint16_t now[N_MPY_WORDS], before[N_MPY_WORDS];
    uint64_t ready[N_MPY_WORDS];
    uint32_t op1, op2;
    uint64_t op2_low_cycle;
    unsigned mode, op1_bits, op2_bits; /* mode: 0 MPY, 1 MPYS, 2 MAC, 3 MACS; bits: 8, 16, 24 or 32 */
    unsigned delayed_write;            /* MPYDLY32 and MPYDLYWRTEN of MPY32CTL0 */
} fml_mpy32_t;

/* DMA. Of each channel what SLAU367P calls T_SourceAdd, T_DestAdd and T_Size; bits of `waiting` are channels, those of
 * `listening` triggers. In a burst the CPU has `cpu_cycles` to its credit and runs since cycle `released` (or NEVER). */
enum { N_DMA_CHANNELS = 6 };
enum { DMA_BY_TA0CCR0 = 1, DMA_BY_TA0CCR2 = 2, DMA_BY_UCA0RX = 14, DMA_BY_UCA0TX = 15, DMA_BY_ADC12 = 26,
       DMA_BY_MPY32 = 29 };
typedef struct {
    uint32_t source[N_DMA_CHANNELS], target[N_DMA_CHANNELS];
    uint16_t size[N_DMA_CHANNELS];
    uint32_t waiting, listening, latest, moved;
    int32_t active; /* channel whose transfer or block is under way, or -1 */
    int64_t cpu_cycles;
    uint64_t released;
} fml_dma_t;

struct fml_msp430 {
    uint32_t r[16];
    fml_counters_t n;
    uint64_t access_start;  /* n.accesses when the instruction began: tells the cycle of an access within it */
    uint64_t deadline;      /* run() looks at limits and events when the cycles reach this */
    uint64_t instruction_limit, cycle_limit;
    uint64_t nvm_budget;    /* FRAM writes until the power fails; 0: has failed */
    uint32_t attention;     /* something for service(): stop, interrupt, status register written */
    uint32_t way[2][2];     /* FRAM cache: line in the most and least recently used way of each set */
    uint32_t fram_waits;    /* in force: NWAITS, AUTO, or 15 after an access error */
    uint32_t fram_blocked;  /* writes have no effect: WPROT or an access error */
    uint32_t gie_before;    /* GIE held before the last instruction, so that one follows EINT */
    int part;
    fml_stop_t stop;
    int needs_reset;
    uint32_t instruction_pc;
    uint32_t fault_pc;
    char fault_text[96];

    uint32_t fram_low, fram_high, sram_high;
    uint32_t mclk_hz, smclk_hz;
    fml_mpy32_t mpy;
    fml_dma_t dma;
    uint64_t timer_base_cycle, timer_counted, timer_target; /* Timer_A0, ticks since base: in TA0R; at the next flag */
    uint32_t timer_next;      /* count at the next flag */
    uint32_t captured_unread; /* bit per capture register */
    uint32_t uart_unread;     /* UCA0RXBUF holds a byte that nobody read */
    uint32_t adc_unread;      /* ADC12MEM0 likewise */
    uint64_t timer_event, watchdog_event, adc_event;
    uint64_t watchdog_period;
    uint32_t supply_mv;
    uint32_t analog_mv[N_CHANNELS]; /* NO_LINE: nothing connected */
    uint32_t supply_per_mille[N_CHANNELS]; /* 0: the input does not follow the supply */
    /* From here on: no part of a saved state. */
    uint32_t watch_low, watch_bytes;
    int logging;
    fml_nvm_write_t *log;
    size_t log_n, log_capacity;
    uint8_t uart_in[UART_IN_BYTES];
    size_t uart_in_n, uart_in_at;
    uint8_t uart[UART_BYTES];
    size_t uart_n;
    uint8_t region[MEMORY_BYTES >> 8];
    uint8_t mem[MEMORY_BYTES];
};

/* msp430x_peripherals.c */
uint32_t fml_io_read(fml_msp430_t *m, uint32_t address, uint32_t is_byte);
void fml_io_write(fml_msp430_t *m, uint32_t address, uint32_t value, uint32_t is_byte);
void fml_io_reset(fml_msp430_t *m);
void fml_io_update(fml_msp430_t *m);     /* bring timers, watchdog and converter up to the present cycle */
uint64_t fml_io_next(const fml_msp430_t *m, int sleeping); /* cycle of the next event, or NEVER */
uint32_t fml_io_pending(fml_msp430_t *m, int acknowledge); /* vector address of the highest enabled interrupt, or 0 */
void fml_io_slept(fml_msp430_t *m, uint64_t cycles);
uint32_t fml_clock_hz(const fml_msp430_t *m, uint32_t select, uint32_t divider);
uint64_t fml_cycles_of(const fml_msp430_t *m, uint64_t ticks, uint64_t hz);

/* One file each: registers with side effects (`old` is the value before the write), events, interrupts. */
void fml_timer_events(fml_msp430_t *m);
void fml_timer_count(fml_msp430_t *m);
void fml_timer_restart(fml_msp430_t *m);
uint32_t fml_timer_read(fml_msp430_t *m, uint32_t slot);
void fml_timer_written(fml_msp430_t *m, uint32_t slot, uint32_t old);
void fml_timer_served(fml_msp430_t *m, uint32_t block);
uint32_t fml_timer_pending(fml_msp430_t *m, int acknowledge);
int fml_timer_wakes(const fml_msp430_t *m);
int fml_timer_uses_smclk(const fml_msp430_t *m);

uint32_t fml_uart_read(fml_msp430_t *m, uint32_t slot);
void fml_uart_written(fml_msp430_t *m, uint32_t slot, uint32_t old);
void fml_uart_served(fml_msp430_t *m, int is_receiver);
uint32_t fml_uart_pending(const fml_msp430_t *m);
void fml_uart_reset(fml_msp430_t *m);

void fml_adc_reset(fml_msp430_t *m);
void fml_adc_finish(fml_msp430_t *m);
uint32_t fml_adc_read(fml_msp430_t *m, uint32_t slot);
void fml_adc_written(fml_msp430_t *m, uint32_t slot);
uint32_t fml_adc_pending(const fml_msp430_t *m);
int fml_adc_wakes(const fml_msp430_t *m);

uint32_t fml_analog_mv(const fml_msp430_t *m, uint32_t channel); /* at an ADC input, or NO_LINE */
uint32_t fml_comparator_read(fml_msp430_t *m, uint32_t slot);
void fml_comparator_written(fml_msp430_t *m, uint32_t slot, uint32_t old);
void fml_comparator_update(fml_msp430_t *m);
uint32_t fml_comparator_pending(const fml_msp430_t *m);

int fml_dma_has(const fml_msp430_t *m, uint32_t address);
uint32_t fml_dma_read(fml_msp430_t *m, uint32_t slot);
void fml_dma_written(fml_msp430_t *m, uint32_t slot, uint32_t old, uint32_t is_byte);
void fml_dma_trigger(fml_msp430_t *m, uint32_t trigger);
int fml_dma_step(fml_msp430_t *m); /* one transfer, or what precedes it; 0: it is the CPU's turn */
int fml_dma_listens(const fml_msp430_t *m, uint32_t trigger);
int fml_dma_wakes(const fml_msp430_t *m); /* an enabled channel interrupts when it is done */
uint32_t fml_dma_pending(const fml_msp430_t *m);
void fml_dma_reset(fml_msp430_t *m);

/* msp430x_mpy32.c */
uint32_t fml_mpy32_read(fml_msp430_t *m, uint32_t offset, uint64_t cycle);
void fml_mpy32_write(fml_msp430_t *m, uint32_t offset, uint32_t value, uint32_t is_byte, uint64_t cycle);

/* msp430x_device.c */
FML_COLD void fml_fault(fml_msp430_t *m, const char *what, uint32_t value);
FML_COLD void fml_request_reset(fml_msp430_t *m, const char *cause);
void fml_schedule(fml_msp430_t *m);
FML_COLD void fml_log_write(fml_msp430_t *m, uint32_t address, uint32_t value, uint32_t n_bytes);

/* msp430x_extended.c */
void fml_step_extended(fml_msp430_t *m, uint32_t extension);
void fml_step_address(fml_msp430_t *m, uint32_t op);
void fml_step_calla(fml_msp430_t *m, uint32_t op);
void fml_step_multiple(fml_msp430_t *m, uint32_t op);

FML_INLINE uint32_t raw16(const fml_msp430_t *m, uint32_t address) {
    return (uint32_t)m->mem[address] | (uint32_t)m->mem[address + 1] << 8;
}

FML_INLINE void put16(fml_msp430_t *m, uint32_t address, uint32_t value) {
    m->mem[address] = (uint8_t)value;
    m->mem[address + 1] = (uint8_t)(value >> 8);
}

/* One FRAM read through the cache: 2 sets (address bit 3) of 2 ways of 8 bytes, least recently used replaced (assumed). */
FML_INLINE void cache_read(fml_msp430_t *m, uint32_t address) {
    const uint32_t line = address >> 3;
    uint32_t *way = m->way[line & 1];
    if (FML_LIKELY(way[0] == line)) {
        return;
    }
    if (way[1] != line) {
        m->n.fram_line_fills++;
        m->n.wait_cycles += m->fram_waits;
        m->n.cycles += m->fram_waits;
    }
    way[1] = way[0];
    way[0] = line;
}

FML_COLD uint32_t fml_fetch_elsewhere(fml_msp430_t *m, uint32_t address);

FML_INLINE uint32_t fetch(fml_msp430_t *m) {
    const uint32_t address = m->r[PC];
    m->r[PC] = (address + 2) & ADDRESS_MASK;
    m->n.accesses++;
    if (FML_LIKELY(m->region[address >> 8] == REGION_FRAM)) {
        cache_read(m, address);
        return raw16(m, address);
    }
    return fml_fetch_elsewhere(m, address);
}

FML_INLINE uint32_t load(fml_msp430_t *m, uint32_t address, uint32_t is_byte) {
    address &= is_byte ? ADDRESS_MASK : ADDRESS_MASK - 1;
    m->n.accesses++;
    switch (m->region[address >> 8]) {
    case REGION_SRAM: m->n.sram_reads++; break;
    case REGION_FRAM:
        m->n.fram_data_reads++;
        m->n.nvm_bytes_read += address - m->watch_low < m->watch_bytes ? 2 - is_byte : 0;
        cache_read(m, address);
        break;
    case REGION_IO: return fml_io_read(m, address, is_byte);
    case REGION_ROM: m->n.io_reads++; break;
    default: fml_fault(m, "read of unmapped address", address); return 0;
    }
    return is_byte ? m->mem[address] : raw16(m, address);
}

FML_COLD void fml_power_fails(fml_msp430_t *m);

FML_INLINE void store(fml_msp430_t *m, uint32_t address, uint32_t value, uint32_t is_byte) {
    address &= is_byte ? ADDRESS_MASK : ADDRESS_MASK - 1;
    m->n.accesses++;
    switch (m->region[address >> 8]) {
    case REGION_SRAM: m->n.sram_writes++; break;
    case REGION_FRAM: {
        uint32_t *way = m->way[address >> 3 & 1];
        if (FML_UNLIKELY(m->fram_blocked)) {
            return;
        }
        if (FML_UNLIKELY(m->nvm_budget <= 1)) {
            fml_power_fails(m);
            return;
        }
        m->nvm_budget--;
        m->n.fram_writes++;
        m->n.fram_bytes_written += 2 - is_byte;
        m->n.wait_cycles += m->fram_waits;
        m->n.cycles += m->fram_waits;
        if (address - m->watch_low < m->watch_bytes) {
            m->n.nvm_bytes_written += 2 - is_byte;
            if (FML_UNLIKELY(m->logging)) {
                fml_log_write(m, address, value, 2 - is_byte);
            }
        }
        if (way[0] == address >> 3) { /* a write drops the line from the cache (assumed) */
            way[0] = way[1];
            way[1] = NO_LINE;
        } else if (way[1] == address >> 3) {
            way[1] = NO_LINE;
        }
        break;
    }
    case REGION_IO: fml_io_write(m, address, value, is_byte); return;
    case REGION_ROM: fml_fault(m, "write to read-only address", address); return;
    default: fml_fault(m, "write to unmapped address", address); return;
    }
    if (is_byte) {
        m->mem[address] = (uint8_t)value;
    } else {
        put16(m, address, value);
    }
}

/* bits: 8, 16 or 20. A 20-bit value lies in two words, the low one first; the upper 12 bits of the second are 0. */
FML_INLINE uint32_t load_bits(fml_msp430_t *m, uint32_t address, uint32_t bits) {
    const uint32_t low = load(m, address, bits == 8);
    return bits == 20 ? low | (load(m, address + 2, 0) & 15) << 16 : low;
}

FML_INLINE void store_bits(fml_msp430_t *m, uint32_t address, uint32_t value, uint32_t bits) {
    store(m, address, value, bits == 8);
    if (bits == 20) {
        store(m, address + 2, value >> 16 & 15, 0);
    }
}

FML_INLINE void set_register(fml_msp430_t *m, uint32_t index, uint32_t value) {
    if (FML_LIKELY(index > CG)) {
        m->r[index] = value;
    } else if (index == SR) {
        m->r[SR] = value & SR_MASK;
        m->attention = 1;
    } else if (index != CG) {
        m->r[index] = value & ~UINT32_C(1);
    }
}

FML_INLINE void push16(fml_msp430_t *m, uint32_t value) {
    m->r[SP] = (m->r[SP] - 2) & ADDRESS_MASK;
    store(m, m->r[SP], value, 0);
}

FML_INLINE void push20(fml_msp430_t *m, uint32_t value) {
    push16(m, value >> 16 & 15);
    push16(m, value & 0xFFFF);
}

FML_INLINE uint32_t pop16(fml_msp430_t *m) {
    const uint32_t value = load(m, m->r[SP], 0);
    m->r[SP] = (m->r[SP] + 2) & ADDRESS_MASK;
    return value;
}

FML_INLINE uint32_t mask_of(uint32_t bits) {
    return bits == 8 ? 0xFF : bits == 16 ? 0xFFFF : ADDRESS_MASK;
}

FML_INLINE uint32_t sign_extend(uint32_t value, uint32_t bits) {
    const uint32_t sign = UINT32_C(1) << (bits - 1);
    return ((value & (sign | (sign - 1))) ^ sign) - sign;
}

/* Address of a non-extended index: stays in the lower 64 K when the base is there. */
FML_INLINE uint32_t indexed16(uint32_t base, uint32_t index) {
    return base < 0x10000 ? (base + index) & 0xFFFF : (base + sign_extend(index, 16)) & ADDRESS_MASK;
}

FML_INLINE void set_nz(fml_msp430_t *m, uint32_t result, uint32_t bits, uint32_t carry_overflow) {
    const uint32_t value = result & mask_of(bits);
    m->r[SR] = (m->r[SR] & ~(uint32_t)(SR_C | SR_Z | SR_N | SR_V)) | carry_overflow | (value ? 0u : SR_Z) |
               (value >> (bits - 1) & 1 ? SR_N : 0u);
}

FML_INLINE uint32_t add_flags(fml_msp430_t *m, uint32_t a, uint32_t b, uint32_t carry, uint32_t bits) {
    const uint32_t mask = mask_of(bits);
    const uint32_t sum = (a & mask) + (b & mask) + carry;
    const uint32_t overflow = ~(a ^ b) & (a ^ sum) & (UINT32_C(1) << (bits - 1));
    set_nz(m, sum, bits, (sum > mask ? SR_C : 0u) | (overflow ? SR_V : 0u));
    return sum & mask;
}

/* What a Format I opcode (its bits 15:12) makes of source a and destination b; sets the flags. */
FML_INLINE uint32_t format_i_result(fml_msp430_t *m, uint32_t code, uint32_t a, uint32_t b, uint32_t bits,
                                    uint32_t carry) {
    const uint32_t mask = mask_of(bits);
    uint32_t result;
    switch (code) {
    case 4: return a;
    case 5: return add_flags(m, b, a, 0, bits);
    case 6: return add_flags(m, b, a, carry, bits);
    case 7: return add_flags(m, b, ~a & mask, carry, bits);
    case 8:
    case 9: return add_flags(m, b, ~a & mask, 1, bits);
    case 10: {
        uint32_t i;
        for (i = 0, result = 0; i < bits; i += 4) {
            uint32_t digit = (a >> i & 15) + (b >> i & 15) + carry;
            carry = digit > 9;
            digit -= carry ? 10 : 0;
            result |= (digit & 15) << i;
        }
        set_nz(m, result, bits, carry | (m->r[SR] & SR_V));
        return result;
    }
    case 12: return b & ~a;
    case 13: return b | a;
    case 14:
        result = (a ^ b) & mask;
        set_nz(m, result, bits, (result ? SR_C : 0u) | (a & b & (UINT32_C(1) << (bits - 1)) ? SR_V : 0u));
        return result;
    default: /* BIT, AND */
        result = a & b;
        set_nz(m, result, bits, result ? SR_C : 0u);
        return result;
    }
}

#endif
