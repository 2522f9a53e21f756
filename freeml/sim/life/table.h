/* A device by table: what each step costs and what each sample's answers are is known beforehand. */
#ifndef FML_TABLE_H
#define FML_TABLE_H

#include <stdint.h>

#include "life.h"

/* rows       [n_rows] from a capture (FML_SENSE) to a report, as plan/step_table.py has them; a row of FML_DECIDE names
 *            the exit that it decides about in `depth`
 * restore    of a boot that finds where it was; first: of the first one ever, on NVM that is not its own
 * forgets    a device without NVM: each boot starts anew
 * stop_at    the exit at which it stops; that of the last row for the whole network
 * right      [n_samples][n_depths] whether the answer at an exit is right; NULL: nobody knows
 * order      [n_samples] which sample an event shows
 */
typedef struct {
    const fml_work_t *rows;
    fml_work_t restore, first;
    int32_t n_rows, row, left, forgets;
    int32_t stop_at, depth, is_cold, under_way;
    const int8_t *right;
    const int32_t *order;
    int64_t n_samples, sample;
    int32_t n_depths, unused;
} fml_table_t;

/* The functions of a fml_device_t over a table. */
void fml_table_device(fml_table_t *table, fml_device_t *device);

#endif
