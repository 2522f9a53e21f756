/* What an MSP430FR58xx/59xx firmware adds to fml_hal.h: where samples come from and where results go. */
#ifndef FML_HAL_MSP430_H
#define FML_HAL_MSP430_H

/* FML_SENSOR is one of these.
 * WINDOW: fml_window_inputs, which DMA, an interrupt or an emulator fills (fml_board_window.h).
 * REPLAY: samples in firmware/samples.h, one after the other as results come.
 * UART:   asks "freeml sample input=0 first=0 n=64\n" on eUSCI_A0 and waits for so many bytes, for as long as it takes. */
#define FML_SENSOR_WINDOW 0
#define FML_SENSOR_REPLAY 1
#define FML_SENSOR_UART 2

#include "fml_board.h"
#include "fml_board_window.h"
#include "fml_hal.h"
#include "fml_runtime.h"

#ifdef __cplusplus
extern "C" {
#endif

/* eUSCI_A0, 115200 8N1, on P2.0 and P2.1: the USB serial port of the LaunchPads. Ready after the first call of
 * fml_uart_start(); a call while it runs changes nothing. */
void fml_uart_start(void);
void fml_uart_text(const char *text);
void fml_uart_number(uint32_t number);
uint8_t fml_uart_byte(void);  /* waits */
void fml_uart_forget(void);   /* drops what came unasked */

#ifdef __cplusplus
}
#endif

#endif
