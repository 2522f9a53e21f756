/* A harvester, a capacitor and what lies between it and a load: what freeml/energy/supply.py computes, in C.
 *
 * The Python is what it is held against, line by line of its text; structs here are those of native.py.
 */
#ifndef FML_SUPPLY_H
#define FML_SUPPLY_H

#include <stdint.h>

enum { FML_NONE, FML_LDO, FML_BUCK }; /* what lies between capacitor and load */
enum { FML_TIME, FML_ON, FML_OFF };   /* what ended a stretch */

/* Where energy went, in J; delivered: at the capacitor's terminal, behind converter and diode (no part of the sum). */
typedef struct {
    double harvested_j, delivered_j, used_j, stored_j, leaked_j, clipped_j, converted_j;
} fml_energy_t;

/* A source: currents at n rising voltages from 0, lines between, none beyond.
 *
 * volts, amperes  [n]; the current at node i is amperes[i] times `low` below node `split`, times `high` from there on
 * low_share       of lines below split - 1, what comes out of a converter for what the harvester gives; high_share of
 *                 the others
 */
typedef struct {
    const double *volts, *amperes;
    double low, high, low_share, high_share;
    int32_t n, split;
    int32_t hint, unused; /* hint: how many nodes lay at or below the voltage that was looked up last */
} fml_source_t;

typedef struct {
    double capacitance_f, esr_ohm, insulation_ohm, clamp_v;
    double v_on_v, v_off_v, on_a, off_a;
    double diode_v;
    double output_v, dropout_v;
    const double *from_a, *shares; /* of a buck converter, [n_shares] */
    int32_t n_shares, regulator;
    double voltage_v; /* inside, behind the ESR */
    double seen_v;    /* at the terminal, when the present lines were drawn */
    int32_t is_on, runs_away; /* runs_away: a source that no ESR stands */
    fml_source_t source;
    fml_energy_t energy;
    fml_energy_t carried; /* what sums lost to rounding */
} fml_supply_t;

/* Let time pass with a load on the output while it is on, until it switches or the time is over.
 *
 * Returns how long that was, in s; `event`: what ended it.
 */
double fml_supply_advance(fml_supply_t *supply, double load_a, double most_s, int *event);

/* Voltage at the terminal when the present lines were drawn. */
double fml_supply_seen_v(const fml_supply_t *supply);

#endif
