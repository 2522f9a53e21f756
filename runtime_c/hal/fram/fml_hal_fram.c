/* The board interface of a microcontroller with an SPI FRAM (CY15B104Q, MB85RS4MT and their kin), a capacitor at its ADC
 * and a UART. The FRAM keeps each byte as it arrives: a power loss leaves those that came before it. */
#include "fml_hal_cortexm.h"
#include "fml_port.h"
#include "fml_text.h"

#define WRITE 0x02u
#define READ 0x03u
#define WRITE_DISABLE 0x04u
#define READ_STATUS 0x05u
#define WRITE_ENABLE 0x06u
#define LATCH 0x02u /* of the status: writing is enabled */

/* The core's own timer: every Cortex-M of a board of this support has one (DDI 0403, B3.3). */
#define SYSTICK_CONTROL 0xe000e010u
#define SYSTICK_RELOAD 0xe000e014u
#define SYSTICK_VALUE 0xe000e018u
#define COUNTS_CORE_CYCLES 5u
#define HAS_COUNTED (1u << 16)
#define REGISTER(address) (*(volatile uint32_t *)(uintptr_t)(address))
#define MOST_TRIES 8u

/* Interrupts. A handler may read NVM, too, also amid a transfer: fml_result(). So each piece of a transfer, command or
 * WINDOW_BYTES of data, is done with interrupts off, and between two pieces the bus is idle. A handler that finds the chip
 * selected ends that transfer; whoever was at it sees that it is no longer its own, and begins anew where it was. For the
 * memory that is as two transfers. */
#define WINDOW_BYTES 24u /* with the command before it, 72 us at 16 MHz: less than a byte of the UART takes */

static const void *volatile owner; /* a variable on the stack of whoever has the chip selected; NULL: nobody */

static uint32_t interrupts_off(void) {
    uint32_t before;
    __asm__ volatile("mrs %0, primask\n\tcpsid i" : "=r"(before) : : "memory");
    return before;
}

static void interrupts_as(uint32_t before) {
    __asm__ volatile("msr primask, %0" : : "r"(before) : "memory");
}

static void command(uint8_t opcode) {
    fml_port_select(1);
    fml_port_put(&opcode, 1);
    fml_port_select(0);
}

/* Up to opcode and address; the chip stays selected. */
static void begin(uint8_t opcode, uint32_t at) {
    const uint8_t head[4] = {opcode, (uint8_t)(at >> 16), (uint8_t)(at >> 8), (uint8_t)at};
    if (owner != NULL) {
        fml_port_select(0);
    }
    if (opcode == WRITE) {
        command(WRITE_ENABLE); /* the chip forgets it after each write */
    }
    fml_port_select(1);
    fml_port_put(head, sizeof head);
}

/* n bytes between the chip at `where` and one of the two. */
static void transfer(uint8_t opcode, const void *where, const uint8_t *from, uint8_t *to, size_t n) {
    uint32_t at = (uint32_t)((uintptr_t)where - FML_BOARD_NVM_BASE);
    if (at >= FML_BOARD_NVM_BYTES || n > FML_BOARD_NVM_BYTES - at) {
        fml_board_fault(); /* the chip would go on at its first byte */
    }
    while (n > 0) {
        const size_t piece = n < WINDOW_BYTES ? n : WINDOW_BYTES;
        const uint32_t before = interrupts_off();
        if (owner != &at) {
            begin(opcode, at);
            owner = &at;
        }
        if (opcode == WRITE) {
            fml_port_put(from, piece);
            from += piece;
        } else {
            fml_port_get(to, piece);
            to += piece;
        }
        at += (uint32_t)piece;
        n -= piece;
        if (n == 0) {
            fml_port_select(0);
            owner = NULL;
        }
        interrupts_as(before);
    }
}

void fml_hal_nvm_read(void *dst, const void *src, size_t n) {
    if (n > 0) {
        transfer(READ, src, NULL, dst, n);
    }
}

void fml_hal_nvm_write(void *dst, const void *src, size_t n) {
    if (n > 0) {
        transfer(WRITE, dst, src, NULL, n);
    }
}

void fml_hal_nvm_barrier(void) {
    /* fml_hal_nvm_write returns when its last byte is in the memory */
}

static uint8_t status_of_chip(void) {
    const uint8_t opcode = READ_STATUS;
    uint8_t status;
    fml_port_select(1);
    fml_port_put(&opcode, 1);
    fml_port_get(&status, 1);
    fml_port_select(0);
    return status;
}

/* From power-up to the first access that the chip takes, as its datasheet has it, and a sixteenth more: the oscillator is
 * true to 3 %. The reset was released when the supply was high enough for the core, which may be before it is for the
 * chip: nothing of the time before is counted. */
static void wait_for_power_up(void) {
    REGISTER(SYSTICK_RELOAD) = FML_BOARD_CLOCK_HZ / 1000000u * FML_BOARD_NVM_POWER_UP_US * 17u / 16u;
    REGISTER(SYSTICK_VALUE) = 0;
    REGISTER(SYSTICK_CONTROL) = COUNTS_CORE_CYCLES;
    while ((REGISTER(SYSTICK_CONTROL) & HAS_COUNTED) == 0) {
    }
    REGISTER(SYSTICK_CONTROL) = 0;
}

/* A bus without a chip reads as all ones or all zeros: the latch tells a chip from it. */
static uint8_t finds_chip(void) {
    command(WRITE_ENABLE);
    const uint8_t on = status_of_chip();
    command(WRITE_DISABLE);
    const uint8_t off = status_of_chip();
    return (on & LATCH) != 0 && (off & LATCH) == 0;
}

void fml_board_start(void) {
    fml_port_start();
    wait_for_power_up();
    for (uint32_t tries = MOST_TRIES; !finds_chip(); tries--) {
        if (tries == 0) {
            fml_board_fault();
        }
        wait_for_power_up(); /* its supply may come later than the core's */
    }
}

/* C/2 (v^2 - v_off^2): nF and mV^2 are 1e-9 uJ. */
uint32_t fml_hal_energy_uj(void) {
    const uint64_t v_mv = fml_port_capacitor_mv(), v_off_mv = FML_BOARD_V_OFF_MV;
    if (v_mv <= v_off_mv) {
        return 0;
    }
    return (uint32_t)((v_mv * v_mv - v_off_mv * v_off_mv) * FML_BOARD_CAPACITANCE_NF / 2000000000u);
}

void fml_board_tell(const fml_result_t *result) {
#if FML_REPORT_UART
    fml_text_put("freeml seq=");
    fml_text_number(result->sequence);
    fml_text_put(" class=");
    fml_text_number(result->class_index);
    fml_text_put(" confidence=");
    fml_text_number(result->confidence);
    fml_text_put(" depth=");
    fml_text_number(result->depth);
    fml_text_put("\n");
#else
    (void)result;
#endif
}

__attribute__((noinline)) void fml_board_report(int status) {
    if (status == FML_PUBLISHED) {
        fml_board_tell(&fml_window_result);
    }
    if (status > 0) {
        return;
    }
    fml_text_put("freeml failed status=-");
    fml_text_number(0u - (uint32_t)status);
    fml_text_put("\n");
}
