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

/* From power-up to the first access: 250 us in the datasheet of the CY15B104Q, twice that here. */
#define POWER_UP_US 500u

static void command(uint8_t opcode) {
    fml_port_select(1);
    fml_port_put(&opcode, 1);
    fml_port_select(0);
}

/* Opcode and address; the transfer goes on. */
static void begin(uint8_t opcode, const void *where, size_t n) {
    const uint32_t at = (uint32_t)((uintptr_t)where - FML_BOARD_NVM_BASE);
    if (at >= FML_BOARD_NVM_BYTES || n > FML_BOARD_NVM_BYTES - at) {
        fml_board_fault(); /* the chip would go on at its first byte */
    }
    const uint8_t head[4] = {opcode, (uint8_t)(at >> 16), (uint8_t)(at >> 8), (uint8_t)at};
    fml_port_select(1);
    fml_port_put(head, sizeof head);
}

void fml_hal_nvm_read(void *dst, const void *src, size_t n) {
    if (n == 0) {
        return;
    }
    begin(READ, src, n);
    fml_port_get(dst, n);
    fml_port_select(0);
}

void fml_hal_nvm_write(void *dst, const void *src, size_t n) {
    if (n == 0) {
        return;
    }
    command(WRITE_ENABLE); /* the chip forgets it after each write */
    begin(WRITE, dst, n);
    fml_port_put(src, n);
    fml_port_select(0);
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

/* A bus without a chip reads as all ones or all zeros: the latch tells a chip from it. */
static void find_chip(void) {
    command(WRITE_ENABLE);
    const uint8_t on = status_of_chip();
    command(WRITE_DISABLE);
    const uint8_t off = status_of_chip();
    if ((on & LATCH) == 0 || (off & LATCH) != 0) {
        fml_board_fault();
    }
}

void fml_board_start(void) {
    fml_port_start();
    for (volatile uint32_t left = FML_BOARD_CLOCK_HZ / 1000000u * POWER_UP_US / 4u; left > 0;) {
        left = left - 1u; /* four cycles or more: the counter goes through memory */
    }
    find_chip();
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
    fml_text_put("freeml seq=");
    fml_text_number(result->sequence);
    fml_text_put(" class=");
    fml_text_number(result->class_index);
    fml_text_put(" confidence=");
    fml_text_number(result->confidence);
    fml_text_put(" depth=");
    fml_text_number(result->depth);
    fml_text_put("\n");
}

__attribute__((noinline)) void fml_board_report(int status) {
    if (status == FML_PUBLISHED) {
        fml_board_tell(&fml_window_result);
        return;
    }
    fml_text_put("freeml failed status=-");
    fml_text_number(0u - (uint32_t)status);
    fml_text_put("\n");
}
