/* The step of a decision, for the policy of a model that has some. */
#ifndef FML_DECIDE_H
#define FML_DECIDE_H

#include "fml_runtime.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Asks model->policy->stops() and writes what it says into the result slot that is not the newest one: the result of this
 * exit, and the policy's state. *next: how the commit of this step is to be, which switches the slot and names the next
 * step, the report of row->part_products or the row behind. Returns FML_PUBLISHED or FML_REFINED.
 * Crash behaviour: idempotent; what was decided is not acted on before the caller commits *next. */
fml_status_t fml_decide(fml_ram_t *ram, const fml_layer_t *row, struct fml_position *next);

/* Of the scores of a decision's row, two at least: the class, the first of the largest, and by how much it leads.
 * Crash behaviour: pure. */
uint32_t fml_lead(const fml_layer_t *row, const int8_t *arena, uint16_t *class_index);

#ifdef __cplusplus
}
#endif

#endif
