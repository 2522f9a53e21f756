/* What a Cortex-M firmware adds to fml_hal.h: where samples come from and who hears of results. */
#ifndef FML_HAL_CORTEXM_H
#define FML_HAL_CORTEXM_H

#include "fml_board.h"
#include "fml_hal.h"
#include "fml_runtime.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The sample window, which the generated main.c defines: where the codes of each input are put, in memory order, by what
 * samples it: a DMA channel, or an emulator before it starts the core. It lies in RAM that start-up does not touch. */
extern const volatile int8_t *const fml_board_inputs[];

/* The newest result: sequence 0 where there is none. main.c renews it before it reports; its sequence number tells a
 * sensor source which sample is next, also after a power loss. */
extern fml_result_t fml_board_result;

/* Of a firmware that took an exception it has no handler for, or whose hardware does not answer; below every
 * fml_status_t. */
#define FML_BOARD_FAULT (-100)

/* Before anything else that touches the hardware: clocks, pins, NVM. */
void fml_board_start(void);

/* Says what became of an inference. Emulators and debuggers know a result by a call of this function, a real one in every
 * firmware, with the status as its argument. */
__attribute__((noinline)) void fml_board_report(int status);

/* Report FML_BOARD_FAULT, again and again. */
__attribute__((noreturn)) void fml_board_fault(void);

#ifdef __cplusplus
}
#endif

#endif
