/* What a microcontroller does for the board support of this folder: one C file for each family. A wait that takes longer
 * than the hardware ever should ends in fml_board_fault(); where nobody listens to the UART, nothing is lost by giving up. */
#ifndef FML_PORT_H
#define FML_PORT_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define FML_UART_BAUD 115200u

/* Clocks, pins, SPI in mode 0 with its most significant bit first, UART with 8N1. */
void fml_port_start(void);

/* /CS of the FRAM: 1 low. When it goes high, the last byte has left. */
void fml_port_select(uint8_t selected);

/* Bytes to the SPI, what comes back is dropped; bytes from the SPI. */
void fml_port_put(const uint8_t *from, size_t n);
void fml_port_get(uint8_t *to, size_t n);

/* A byte to the UART. The next byte from it, or -1 after about a second. Forget what came so far. */
void fml_port_send(uint8_t byte);
int fml_port_receive(void);
void fml_port_drain(void);

/* Voltage of the capacitor, measured through the divider by two of the board file's wiring. */
uint32_t fml_port_capacitor_mv(void);

#ifdef __cplusplus
}
#endif

#endif
