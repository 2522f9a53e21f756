/* MSP430X (CPUXv2) with the memories and the peripherals of an MSP430FR5994 or FR5969 that a batteryless firmware uses.
 * Cycle tables and controller behaviour are those of TI's SLAU367P; what the guide leaves open is marked "assumed".
 * One device is one fml_msp430_t; there is no other state. Host code: it runs in the simulator, never on a device. */
#ifndef FML_MSP430X_H
#define FML_MSP430X_H

#include <stddef.h>
#include <stdint.h>

typedef struct fml_msp430 fml_msp430_t;

typedef enum { FML_PART_FR5994 = 0, FML_PART_FR5969 = 1 } fml_part_t;

typedef enum {
    FML_STOP_NONE = 0,
    FML_STOP_CYCLES,       /* the cycle limit is reached (the instruction that crosses it is complete) */
    FML_STOP_INSTRUCTIONS, /* so many instructions are done */
    FML_STOP_NVM_WRITE,    /* power fails at the n-th FRAM write, which does not take effect: reset before going on */
    FML_STOP_BREAKPOINT,   /* the instruction at a breakpoint is next */
    FML_STOP_CPU_OFF,      /* CPUOFF, and nothing can wake the CPU */
    FML_STOP_RESET,        /* the firmware or its watchdog asked for a reset: cause in fault_text */
    FML_STOP_FAULT,        /* something no sound firmware does: fault_text, fault_pc */
    FML_STOP_RETURNED      /* fml_msp430_interrupt: the handler has returned */
} fml_stop_t;

/* What happened since the last reset. An access is one bus cycle of 8 or 16 bits; a 20-bit one counts twice. */
typedef struct {
    uint64_t instructions;
    uint64_t cycles;            /* MCLK cycles since reset, waits and sleep included: the time base */
    uint64_t sleep_cycles;      /* of these with the CPU off */
    uint64_t wait_cycles;       /* of these waiting for FRAM */
    uint64_t accesses;          /* all bus accesses, instruction words included */
    uint64_t sram_code_reads;   /* instruction words from SRAM; those from FRAM: code_words - sram_code_reads */
    uint64_t fram_data_reads;
    uint64_t fram_line_fills;   /* reads that missed the cache, code and data */
    uint64_t fram_writes;
    uint64_t fram_bytes_written;
    uint64_t sram_reads;        /* data only */
    uint64_t sram_writes;
    uint64_t io_reads;
    uint64_t io_writes;
    uint64_t multiplications;   /* 16x16 products: 1, 2 or 4 per operation */
    uint64_t interrupts;
    uint64_t format_ii;         /* RRA RRC SWPB SXT PUSH CALL */
    uint64_t jumps;
    uint64_t extended;          /* with an extension word */
    uint64_t address;           /* MOVA ADDA SUBA CMPA */
    uint64_t rotate_multiple;   /* RRCM RRAM RLAM RRUM */
    uint64_t push_pop_multiple; /* PUSHM POPM */
    uint64_t calla;
    uint64_t reti;              /* the rest of `instructions` is Format I */
    uint64_t nvm_bytes_read;    /* of the watched part of FRAM, data only */
    uint64_t nvm_bytes_written;
} fml_counters_t;

/* Picocoulombs per event at the supply pin, which do not depend on the voltage (the core sits behind an LDO). */
typedef struct {
    double idle_cycle_pc;      /* a cycle without bus access */
    double fram_code_word_pc;  /* an instruction word from FRAM that hits the cache */
    double fram_data_word_pc;  /* a data word from FRAM that hits */
    double line_fill_pc;       /* more, when it misses; the wait cycle apart */
    double wait_cycle_pc;
    double fram_write_pc;      /* without its wait cycle */
    double sram_read_pc;       /* also instruction words from SRAM and peripheral registers */
    double sram_write_pc;
    double multiplication_pc;  /* on top of the store that starts it */
    double sleep_cycle_pc;
    double calibration;        /* one factor per board */
} fml_charge_t;

/* One bus write to the watched part of FRAM. */
typedef struct {
    uint32_t address;
    uint16_t value;
    uint16_t n_bytes; /* 1 or 2 */
} fml_nvm_write_t;

typedef struct {
    uint64_t cycles;       /* absolute, as in the counters; 0: no limit */
    uint64_t instructions; /* from here on; 0: no limit */
    uint64_t nvm_writes;   /* cut at the n-th FRAM write from here on; 0: never */
    uint32_t breakpoint[3]; /* 20-bit addresses, or FML_NO_BREAKPOINT */
} fml_limits_t;

#define FML_NO_BREAKPOINT UINT32_C(0xFFFFFFFF)

fml_msp430_t *fml_msp430_create(int part);
void fml_msp430_destroy(fml_msp430_t *m);

/* Power-up. FRAM keeps its content; SRAM, registers and the multiplier hold garbage drawn from the seed. Counters: 0. */
void fml_msp430_reset(fml_msp430_t *m, uint64_t garbage_seed);

fml_stop_t fml_msp430_run(fml_msp430_t *m, const fml_limits_t *limits);

/* Between two instructions something outside asks for the interrupt whose vector is at an address. FML_STOP_NONE: it waits,
 * as GIE is clear, or was before the last instruction. Otherwise its handler runs up to its RETI, FML_STOP_RETURNED, or to
 * what else stops it within so many instructions. */
fml_stop_t fml_msp430_interrupt(fml_msp430_t *m, uint32_t vector, uint64_t instructions);

/* Whether it would wait. */
int fml_msp430_masks_interrupts(const fml_msp430_t *m);

const char *fml_msp430_fault_text(const fml_msp430_t *m);
uint32_t fml_msp430_fault_pc(const fml_msp430_t *m);
void fml_msp430_counters(const fml_msp430_t *m, fml_counters_t *out);
double fml_msp430_charge_pc(const fml_counters_t *counters, const fml_charge_t *charge);

uint32_t fml_msp430_register(const fml_msp430_t *m, int index);
void fml_msp430_set_register(fml_msp430_t *m, int index, uint32_t value);

/* Debugger's view: no cycles, no side effects. Returns the bytes copied; stops at the first that no memory holds. */
size_t fml_msp430_read(const fml_msp430_t *m, uint32_t address, uint8_t *out, size_t n_bytes);
size_t fml_msp430_write(fml_msp430_t *m, uint32_t address, const uint8_t *data, size_t n_bytes);

/* The part of FRAM whose traffic is counted apart and, while logging, listed write by write. */
void fml_msp430_watch(fml_msp430_t *m, uint32_t address, uint32_t n_bytes);
/* Forgets the list; logs from now on, or no more. */
void fml_msp430_log(fml_msp430_t *m, int on);
/* The list so far; valid until the device runs on. */
size_t fml_msp430_logged(const fml_msp430_t *m, const fml_nvm_write_t **out);

/* Everything between two instructions but FRAM outside the watched part: for a later load into the same device. */
size_t fml_msp430_state_bytes(const fml_msp430_t *m);
void fml_msp430_save(const fml_msp430_t *m, uint8_t *out);
void fml_msp430_load(fml_msp430_t *m, const uint8_t *data);

/* What the eUSCI_A0 sent since the last call: copies up to n_bytes and forgets them. */
size_t fml_msp430_uart_take(fml_msp430_t *m, uint8_t *out, size_t n_bytes);

/* Bytes that arrive at the eUSCI_A0 from now on, each as soon as the one before it was read. Returns how many there was
 * room for. */
size_t fml_msp430_uart_give(fml_msp430_t *m, const uint8_t *data, size_t n_bytes);
/* Bytes that arrive now, read or not: the last one stays, with UCOE. Returns 0 where the module is in reset. */
size_t fml_msp430_uart_force(fml_msp430_t *m, const uint8_t *data, size_t n_bytes);

void fml_msp430_set_supply_mv(fml_msp430_t *m, uint32_t supply_mv);
void fml_msp430_set_analog_mv(fml_msp430_t *m, int channel, uint32_t input_mv);
/* From now on the input is a part of the supply, in 1/1000; 0: what was set last. */
void fml_msp430_connect_supply(fml_msp430_t *m, int channel, uint32_t per_mille);

#endif
