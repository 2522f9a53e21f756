/* What the Cortex-M emulator keeps while it runs, and the devices on its bus. freeml/sim/cortexm/native.py has the same
 * fields. No Unicorn header is needed: its handle is opaque here. */
#ifndef FML_CORTEXM_WATCH_H
#define FML_CORTEXM_WATCH_H

#include <stddef.h>
#include <stdint.h>

typedef struct {
    uint64_t instructions, cycles;
    uint64_t nvm_stores; /* a store to NVM on the bus, or a byte that reached an SPI FRAM */
    uint64_t nvm_bytes_written, nvm_bytes_read, nvm_commands;
} fml_counts_t;

/* A block of code that was priced once. */
typedef struct {
    uint32_t n_bytes, instructions, cycles;
} fml_block_t;

/* A write to NVM, as the memory sees it. */
typedef struct {
    uint32_t offset_bytes, n_bytes;
    uint64_t value;
} fml_logged_t;

typedef enum {
    FML_STORE,       /* reads as written */
    FML_PINS,        /* GPIO outputs: the register that the next three change */
    FML_PINS_BSRR,   /* STM32: low half sets, high half clears pins of the register before */
    FML_PINS_SET,    /* nRF OUTSET */
    FML_PINS_CLEAR,  /* nRF OUTCLR, STM32 BRR */
    FML_SPI_STATUS,  /* RXNE or RXP, TXE or TXP, BSY: bits in `receive`, `transmit`, `busy` */
    FML_SPI_SEND,    /* bytes on MOSI */
    FML_SPI_RECEIVE, /* bytes from MISO */
    FML_SPI_DATA,    /* both, at one address */
    FML_SPI_EVENT,   /* nRF EVENTS_READY: 1 from the end of a byte until 0 is written */
    FML_UART_SEND,
    FML_UART_RECEIVE,
    FML_UART_STATUS, /* `receive`: a byte has come; the rest reads as `reset` */
    FML_EVENT,       /* nRF: becomes 1 when the register `follow` (a task) is written; cleared by writing 0 */
    FML_ADC_CONTROL, /* STM32: start and calibration end at once */
    FML_ADC_RESULT,  /* of the channel that the register `follow` selects: shift, mask in follow_shift, follow_mask */
    FML_SAADC_SAMPLE, /* nRF: a task that writes the result to RAM, at the value of the register `receive` */
    FML_FLAGS         /* writing clears flags, which come back at once: what they wait for takes no time */
} fml_register_kind_t;

/* A register that drivers use. Reading gives what was stored, and bits of another register where it follows one. */
typedef struct {
    uint32_t address, kind;
    uint32_t value, reset;
    uint32_t writable; /* bits that a driver may change */
    int32_t follow;    /* index of a register, -1 none: reads as (its value & follow_mask) shifted left by follow_shift, too */
    uint32_t follow_mask;
    int32_t follow_shift;
    int32_t gate; /* index of the register that clocks it, -1 none, and the bits it must hold */
    uint32_t gate_mask;
    uint32_t receive, transmit, busy;
} fml_register_t;

/* Bits of a register that must be as said before a byte can leave the SPI: modes and functions of its pins. */
typedef struct {
    uint32_t index, mask, value;
} fml_required_t;

/* A CY15B104Q, or another FRAM with its commands. */
typedef struct {
    uint8_t *bytes;
    uint32_t n_bytes;
    uint32_t absent; /* MISO floats */
    uint32_t selected, write_enabled, opcode, phase, address;
    uint32_t power_up_cycles; /* after power-on it takes no access for so long */
    uint64_t ready_at;
} fml_fram_t;

/* The timer of the core: counts down from `reload`, and on from there. */
typedef struct {
    uint32_t control, reload;
    uint64_t zero_at; /* cycle at which it reaches 0 */
} fml_systick_t;

typedef struct {
    fml_register_t *registers; /* ascending addresses */
    uint32_t n_registers;
    const fml_required_t *required;
    uint32_t n_required;
    uint32_t select_register, select_mask; /* the pin that is /CS of the FRAM */
    uint32_t spi_divider_register, spi_divider_kind; /* 1: 2^(BR+1), 3 bits from bit spi_divider_shift; 0: fixed */
    uint32_t spi_divider_shift, byte_cycles;
    uint32_t received, pending;
    uint64_t ready_at; /* cycle at which the byte on its way has arrived */
    fml_fram_t fram;
    fml_systick_t systick;
    uint8_t *sent; /* what the UART sent */
    uint32_t sent_bytes, sent_capacity;
    const uint8_t *incoming; /* what the UART will receive */
    uint32_t incoming_bytes, incoming_at;
    uint32_t supply_mv, reference_mv, capacitor_mv;     /* of the ADC */
    uint32_t capacitor_channel, reference_channel, adc_most;
    uint32_t converted; /* a conversion was started since the last result */
    uint32_t fault_address, fault; /* 0, or an fml_device_fault_t */
} fml_devices_t;

typedef enum {
    FML_FAULT_NONE,
    FML_FAULT_UNKNOWN,     /* no model of this register */
    FML_FAULT_UNCLOCKED,   /* its peripheral has no clock */
    FML_FAULT_BITS,        /* a write changed bits that the model does not know */
    FML_FAULT_PINS,        /* the SPI's pins are not set up */
    FML_FAULT_BUSY,        /* a byte was sent, or the chip deselected, while a byte was on its way */
    FML_FAULT_CHANNEL,     /* the ADC converts a channel at which nothing is */
    FML_FAULT_SIZE,        /* an access of a width that means something else */
    FML_FAULT_UNSELECTED,  /* bytes to nobody */
    FML_FAULT_POWER_UP     /* the FRAM is selected before it is up */
} fml_device_fault_t;

#define FML_WATCH_PIECE 100u    /* FML_BOARD_PIECE */

typedef struct {
    fml_counts_t total, at_report;
    uint64_t budget; /* the run stops at the first block after so many instructions */
    uint64_t block, block_bytes; /* counted last, and as a whole */
    uint64_t next;   /* where execution goes on unless there is a branch */
    uint64_t stop_at, skip_once; /* run_to */
    uint64_t stopped;            /* 1: at stop_at */
    uint64_t report, return_to;  /* fml_board_report, and where its caller goes on; 0: not within */
    uint64_t reported, status;
    uint64_t ready;              /* fml_window_ready */
    uint64_t unaligned, unaligned_address; /* accesses that the core faults on */
    uint64_t unchecked;                    /* an instruction that needs a check and has none */
    uint64_t in_handler; /* until it returns */
    uint64_t exception; /* number of one that ended the run, and 1 */
    uint64_t flash_base, flash_bytes;
    const uint8_t *flash;
    fml_block_t *known; /* [flash_bytes / 2], zeroed: the block that begins there */
    const uint8_t *checked; /* [flash_bytes / 2], 1 where fml_check_alignment is called first */
    uint8_t *costs;     /* [flash_bytes / 2], zeroed: cycles of the instruction there, 0 where not asked yet */
    uint64_t refill_cycles; /* of a taken branch */
    uint32_t is_v6m;        /* every unaligned access is a fault */
    uint64_t nvm_base;
    fml_logged_t *log; /* NULL: no log is kept */
    uint64_t logged, log_capacity;
    uint64_t devices_base, system_base;
    int (*stop)(void *emulator);
    int (*memory_read)(void *emulator, uint64_t address, void *bytes, uint64_t n_bytes);
    int (*memory_write)(void *emulator, uint64_t address, const void *bytes, uint64_t n_bytes);
    int (*register_read)(void *emulator, int number, void *value);
    int (*register_write)(void *emulator, int number, const void *value);
    uint32_t (*ask)(uint64_t address); /* cycles of an instruction */
    void (*asked)(uint32_t which);     /* a piece of the sample is wanted */
    void (*look)(void);                /* outputs are in their window */
    int32_t r0, lr, xpsr, pc;          /* Unicorn's numbers of them */
    fml_devices_t devices;
} fml_watch_t;

/* One write to NVM: counted, and noted where a log is kept. */
void fml_watch_note(fml_watch_t *watch, uint64_t offset_bytes, uint32_t n_bytes, uint64_t value);

/* Before an instruction of which fml_needs_alignment() says so: ends the run where it would find an unaligned address. */
void fml_check_alignment(fml_watch_t *watch, void *emulator, uint64_t address);

/* Notes an instruction that fml_check_alignment() should be called before and is not. */
void fml_watch_needs_check(fml_watch_t *watch, uint64_t address);

/* What the chip answers to a byte; /CS. */
uint8_t fml_fram_exchange(fml_watch_t *watch, uint8_t byte);
void fml_fram_select(fml_watch_t *watch, uint32_t selected);

#endif
