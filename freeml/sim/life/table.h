/* A device by table: what each step costs and what each sample's answers are is known beforehand. */
#ifndef FML_TABLE_H
#define FML_TABLE_H

#include <stdint.h>

#include "fml_policy.h"
#include "life.h"

/* rows       [n_rows] from a capture (FML_SENSE) to a report, as plan/step_table.py has them; a row of FML_DECIDE names
 *            the exit that it decides about in `depth`
 * restore    of a boot that finds where it was; first: of the first one ever, on NVM that is not its own
 * forgets    a device without NVM: each boot starts anew
 * policy     a table of fml_policy.h, asked at each exit that it has a row of; NULL: the whole network, always
 * keeps_time whether the policy knows how long the inference takes
 * scores     [n_samples][policy->n_exits][policy->n_classes] at each exit
 * right      [n_samples][n_depths] whether the answer at an exit is right; NULL: nobody knows
 * order      [n_samples] which sample an event shows
 */
typedef struct {
    const fml_work_t *rows;
    fml_work_t restore, first;
    int32_t n_rows, row, left, forgets;
    int32_t keeps_time, depth, is_cold, under_way;
    const fml_policy_head_t *policy;
    const int32_t *scores;
    const int8_t *right;
    const int32_t *order;
    int64_t n_samples, sample;
    int32_t n_depths, unused;
    uint32_t energy_uj, elapsed_ms; /* as the last decision was told */
} fml_table_t;

/* The functions of a fml_device_t over a table. */
void fml_table_device(fml_table_t *table, fml_device_t *device);

#endif
