/* More right answers than any device with this capacitor can give on this trace: a dynamic programme over events.
 *
 * What it knows: all energy to come, and at which exit an answer is right. What it is let off, each in its favour: an
 * answer takes its charge and its time, and nothing else (no boot, nothing done again, no sleep, no leakage, a charger
 * that draws nothing itself); it runs wherever the capacitor is not empty, so at the lowest voltage, where a joule is
 * most charge; charge is drawn when the event comes, what the capacitor lacks is paid as it comes in. So a device that
 * has as many right answers as a state of this programme never has more charge, and none is left out: of states with as
 * many right answers at one event, the one with most charge is kept. Charge is not rounded. Only where more than
 * FML_BOUND_FRONT states differ are two made one that has the best of both; `lifted` counts what that may have given.
 */
#ifndef FML_BOUND_H
#define FML_BOUND_H

#include <stdint.h>

#include "life.h"

enum { FML_BOUND_FRONT = 48, FML_BOUND_STATES = 1024 };

/* At an event, with nothing under way. is_lit: power was on before; piece, at: where the trace is. */
typedef struct {
    double volts;
    int64_t event, right, piece, at;
    int32_t is_lit, unused;
} fml_bound_state_t;

/* charge_c, time_s  [n_depths] of one answer at each exit, from the capture to the report
 * first_right  [n_samples] the first exit, from 1, at which a sample's answer is right; 0: none
 * order        [n_samples] which sample an event shows
 */
typedef struct {
    fml_supply_t supply; /* without anything that takes charge */
    const fml_samples_t *pieces;
    int64_t n_pieces;
    const double *arrivals_s;
    int64_t n_arrivals;
    const double *charge_c, *time_s;
    const int32_t *first_right, *order;
    int64_t n_samples;
    double end_s;
    int64_t best;
    double lifted;
    int32_t n_states, overflowed;
    fml_bound_state_t states[FML_BOUND_STATES];
} fml_bound_t;

/* Sets best, lifted; overflowed where FML_BOUND_STATES do not suffice. */
void fml_bound(fml_bound_t *bound);

#endif
