/* What a Cortex-M firmware adds to fml_hal.h: where samples come from and how an emulator or a debugger hears of results. */
#ifndef FML_HAL_CORTEXM_H
#define FML_HAL_CORTEXM_H

#include "fml_hal.h"

/* The sample window, which the generated main.c defines: where the codes of each input are put, in memory order, by what
 * samples it: a DMA channel, or an emulator before it starts the core. It lies in RAM that start-up does not touch. */
extern const volatile int8_t *const fml_board_inputs[];

/* Of a firmware that took an exception it has no handler for; below every fml_status_t. */
#define FML_BOARD_FAULT (-100)

/* The doorbell: semihosting's SYS_EXIT_EXTENDED with the status. An emulator or debugger that goes on after it gets the
 * next report; QEMU with semihosting ends with this exit code. Without a debugger the breakpoint is a fault: this board
 * support is for emulators. */
void fml_board_report(int status);

#endif
