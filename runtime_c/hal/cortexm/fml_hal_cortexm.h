/* What a Cortex-M firmware adds to fml_hal.h: where samples come from and who hears of results. */
#ifndef FML_HAL_CORTEXM_H
#define FML_HAL_CORTEXM_H

#include "fml_board.h"
#include "fml_board_window.h"
#include "fml_hal.h"
#include "fml_runtime.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Report FML_BOARD_FAULT, again and again. */
__attribute__((noreturn)) void fml_board_fault(void);

#ifdef __cplusplus
}
#endif

#endif
