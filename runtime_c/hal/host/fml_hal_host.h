/* How a host program feeds the board interface. */
#ifndef FML_HAL_HOST_H
#define FML_HAL_HOST_H

#include "fml_hal.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The codes of each input, in memory order, that the next captures take; NULL: there is no sample. They must stay where
 * they are. */
void fml_host_set_inputs(const int8_t *const *inputs);

/* Who hears of results from now on, as fml_hal_report(); NULL: nobody, and every report is taken for made. */
typedef int fml_host_report_t(const fml_model_t *model, const fml_result_t *result);
void fml_host_set_report(fml_host_report_t *report);

/* What the energy meter shows from now on. */
void fml_host_set_energy_uj(uint32_t energy_uj);

/* What the clock shows from now on. */
void fml_host_set_elapsed_ms(uint32_t elapsed_ms);

/* Play NVM that no pointer can read: the runtime is given `window`, addresses that nobody may read, for the memory at
 * nvm. Twice the same address: NVM is where the runtime is told. */
void fml_host_set_window(const void *window, void *nvm);

#ifdef __cplusplus
}
#endif

#endif
