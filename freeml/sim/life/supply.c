#include "supply.h"

#include <math.h>
#include <stddef.h>

#include "linear.h"

#define NODE_V 1e-12 /* nearer to a node than that is on it */
#define LEAST_V 1e-3

/* What holds until the next event: current into the capacitor is cap_a - cap_s v, terminal voltage p + q v. */
typedef struct {
    double source_a, source_s;
    double load_a, load_s; /* the load's current is load_a - load_s v */
    double output_a, idle_a;
    double cap_a, cap_s, p, q, share;
} lines_t;

static void add(double *sum, double *carried, double joules)
{
    double term = joules - *carried, total = *sum + term;
    *carried = (total - *sum) - term;
    *sum = total;
}

#define BOOK(supply, name, joules) add(&(supply)->energy.name, &(supply)->carried.name, (joules))

/* Nodes at or below a voltage. */
static int32_t nodes_upto(fml_source_t *source, double volts)
{
    int32_t low = 0, high = source->n, hint = source->hint;
    /* Voltages move little from one look to the next. */
    if (hint > 0 && hint <= high && source->volts[hint - 1] <= volts) {
        if (hint == high || volts < source->volts[hint]) {
            return hint;
        }
        low = hint + 1;
        if (low < high && volts < source->volts[low]) {
            high = low;
        }
    } else if (hint > 1 && hint <= high && source->volts[hint - 2] <= volts) {
        low = high = hint - 1;
    }
    while (low < high) {
        int32_t middle = (low + high) / 2;
        if (volts < source->volts[middle]) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    source->hint = low;
    return low;
}

/* Number of the line at a voltage of the source; n - 1 is what lies beyond the last node. */
static int32_t segment(fml_source_t *source, double source_v, int up)
{
    int32_t below = nodes_upto(source, source_v + (up ? NODE_V : -NODE_V));
    return below > 0 ? below - 1 : 0;
}

static double node_a(const fml_source_t *source, int32_t at)
{
    return source->amperes[at] * (at < source->split ? source->low : source->high);
}

static double share_of(const fml_source_t *source, int32_t at)
{
    if (at >= source->n - 1) {
        return 1;
    }
    return at < source->split - 1 ? source->low_share : source->high_share;
}

/* Current at 0 V and its fall, in A and A/V, of a line. */
static void line(const fml_source_t *source, int32_t at, double *amperes, double *fall)
{
    double v0, v1, i0, i1;
    if (at >= source->n - 1) {
        *amperes = *fall = 0;
        return;
    }
    v0 = source->volts[at];
    v1 = source->volts[at + 1];
    i0 = node_a(source, at);
    i1 = node_a(source, at + 1);
    *fall = (i0 - i1) / (v1 - v0);
    *amperes = i0 + *fall * v0;
}

/* Efficiency of a buck converter at an output current. */
static double buck_share(const fml_supply_t *supply, double load_a)
{
    int32_t at = 0;
    while (at + 1 < supply->n_shares && supply->from_a[at + 1] <= load_a) {
        at++;
    }
    return supply->shares[at];
}

/* The two voltages, 1 % apart, between which the chord of a buck converter's current lies. */
static void around(double volts, int up, double *low_v, double *high_v)
{
    double ratio = log(1.01);
    double at = floor(log(volts > LEAST_V ? volts : LEAST_V) / ratio + (up ? 1e-9 : -1e-9));
    *low_v = exp(at * ratio);
    *high_v = exp((at + 1) * ratio);
}

/* The load's line at the capacitor: a - s v. */
static void drawn(const fml_supply_t *supply, double load_a, int up, double *amperes, double *fall)
{
    double watts, low_v, high_v;
    if (supply->regulator != FML_BUCK || load_a == 0) {
        *amperes = load_a;
        *fall = 0;
        return;
    }
    watts = load_a * supply->output_v / buck_share(supply, load_a);
    around(supply->seen_v, up, &low_v, &high_v);
    *fall = watts / (low_v * high_v); /* (watts / low - watts / high) / (high - low) */
    *amperes = watts / low_v + *fall * low_v;
}

/* The lines that hold here; on a node, those above it or those below. */
static void find_lines(fml_supply_t *supply, double load_a, int up, lines_t *found)
{
    fml_source_t *source = &supply->source;
    double esr = supply->esr_ohm, leak_s = 1.0 / supply->insulation_ohm;
    int32_t at, tries;
    found->idle_a = supply->is_on ? supply->on_a : supply->off_a;
    found->output_a = load_a;
    supply->seen_v = supply->voltage_v - (esr != 0 ? esr * (load_a + found->idle_a) : 0);
    at = segment(source, supply->seen_v + supply->diode_v, up);
    for (tries = 0; tries < source->n + 20; tries++) {
        double a, s, terminal_v, moved;
        int32_t there;
        line(source, at, &found->source_a, &found->source_s);
        drawn(supply, load_a, up, &found->load_a, &found->load_s);
        a = found->source_a - found->source_s * supply->diode_v - found->load_a - found->idle_a;
        s = found->source_s + leak_s - found->load_s;
        if (1 + esr * s <= 0) {
            supply->runs_away = 1;
            return;
        }
        found->cap_a = a / (1 + esr * s);
        found->cap_s = s / (1 + esr * s);
        if (esr == 0) {
            supply->seen_v = supply->voltage_v;
            break;
        }
        terminal_v = supply->voltage_v + esr * (found->cap_a - found->cap_s * supply->voltage_v);
        there = segment(source, terminal_v + supply->diode_v, up);
        moved = fabs(terminal_v - supply->seen_v);
        supply->seen_v = terminal_v;
        if (there == at && moved < 1e-12) {
            break;
        }
        at += there > at ? 1 : there < at ? -1 : 0;
    }
    found->p = esr * found->cap_a;
    found->q = 1 - esr * found->cap_s;
    found->share = share_of(source, at);
}

static double slope_of(const fml_supply_t *supply, const lines_t *lines)
{
    return (lines->cap_a - lines->cap_s * supply->voltage_v) / supply->capacitance_f;
}

/* Let the comparator see the terminal. Whether it switched. */
static int switches(fml_supply_t *supply, double terminal_v)
{
    if (supply->is_on ? terminal_v <= supply->v_off_v * (1 + 1e-14) : terminal_v >= supply->v_on_v * (1 - 1e-14)) {
        supply->is_on = !supply->is_on;
        return 1;
    }
    return 0;
}

static void nearer(double mark, double terminal_v, int rising, double *target)
{
    if (rising ? mark > terminal_v + NODE_V && mark < *target : mark < terminal_v - NODE_V && mark > *target) {
        *target = mark;
    }
}

/* The next terminal voltage at which something changes, on the way that the voltage goes; infinite where none does. */
static double next_v(fml_supply_t *supply, const lines_t *lines, double terminal_v, double slope)
{
    fml_source_t *source = &supply->source;
    int rising = slope > 0;
    double target = rising ? HUGE_VAL : -HUGE_VAL, source_v = terminal_v + supply->diode_v;
    int32_t node;
    if (slope == 0) {
        return HUGE_VAL;
    }
    node = nodes_upto(source, source_v + (rising ? NODE_V : -NODE_V)) - (rising ? 0 : 1);
    while (!rising && node >= 0 && source->volts[node] >= source_v - NODE_V) {
        node--; /* the nearest below, not the one it is on */
    }
    if (node >= 0 && node < source->n) {
        nearer(source->volts[node] - supply->diode_v, terminal_v, rising, &target);
    }
    nearer(supply->is_on ? supply->v_off_v : supply->v_on_v, terminal_v, rising, &target);
    nearer(lines->p, terminal_v, rising, &target); /* empty inside, and full */
    if (supply->clamp_v < HUGE_VAL) {
        nearer(lines->p + lines->q * supply->clamp_v, terminal_v, rising, &target);
    }
    if (supply->regulator != FML_NONE) {
        nearer(supply->output_v + supply->dropout_v, terminal_v, rising, &target);
    }
    if (supply->regulator == FML_BUCK && lines->output_a != 0) {
        double low_v, high_v;
        around(terminal_v, rising, &low_v, &high_v);
        nearer(low_v, terminal_v, rising, &target);
        nearer(high_v, terminal_v, rising, &target);
    }
    return target;
}

/* Energy at the load; `about_v` tells on which side of an LDO's knee the stretch lies. */
static double used(const fml_supply_t *supply, double load_a, double drawn_j, double of_v, double t_s, double about_v)
{
    if (supply->regulator == FML_NONE) {
        return drawn_j;
    }
    if (supply->regulator == FML_BUCK) {
        return load_a != 0 ? drawn_j * buck_share(supply, load_a) : 0;
    }
    if (about_v >= supply->output_v + supply->dropout_v) {
        return load_a * supply->output_v * t_s;
    }
    return load_a * (of_v - supply->dropout_v * t_s);
}

/* Charge and energy of a source in a stretch in which the capacitor settles on its line: its current is a small difference
 * of large numbers then. The charge is what went on by Kirchhoff, each part of it at the voltage that the line says. */
static double settled(const fml_supply_t *supply, const lines_t *lines, double slope, double k, double t_s,
                      double after_v, double of_v, double *charge)
{
    double fall = lines->source_s, terminal_v = lines->p + lines->q * supply->voltage_v, of_a, of_a2;
    fml_integrals(lines->source_a - fall * (terminal_v + supply->diode_v), -fall * lines->q * slope, k, t_s, &of_a,
                  &of_a2);
    *charge = supply->capacitance_f * (after_v - supply->voltage_v) + of_v / supply->insulation_ohm +
              (lines->load_a + lines->idle_a) * t_s - lines->load_s * of_v;
    return (lines->source_a * *charge - of_a2) / fall;
}

/* Energies of a stretch, from integrals of the voltage. */
static void book(fml_supply_t *supply, const lines_t *lines, double slope, double k, double t_s, double after_v)
{
    double inner_v, inner_v2, of_v, of_v2, of_a, of_a2, charge, given_j, esr_j = 0, drawn_j, used_j;
    double d = supply->diode_v, fall = lines->source_s, line_a = lines->source_a - fall * d;
    fml_integrals(supply->voltage_v, slope, k, t_s, &inner_v, &inner_v2);
    of_v = lines->p * t_s + lines->q * inner_v;
    of_v2 = lines->p * lines->p * t_s + 2 * lines->p * lines->q * inner_v + lines->q * lines->q * inner_v2;
    /* At the source: (a - s (v + d)) (v + d) */
    charge = line_a * t_s - fall * of_v;
    given_j = line_a * (of_v + d * t_s) - fall * (of_v2 + d * of_v);
    if (fall * t_s > supply->capacitance_f) {
        given_j = settled(supply, lines, slope, k, t_s, after_v, of_v, &charge);
    }
    if (supply->esr_ohm != 0) {
        fml_integrals(lines->cap_a - lines->cap_s * supply->voltage_v, -lines->cap_s * slope, k, t_s, &of_a, &of_a2);
        esr_j = supply->esr_ohm * of_a2;
    }
    drawn_j = lines->load_a * of_v - lines->load_s * of_v2;
    used_j = used(supply, lines->output_a, drawn_j, of_v, t_s, lines->p + lines->q * (supply->voltage_v + after_v) / 2);
    BOOK(supply, harvested_j, given_j / lines->share);
    BOOK(supply, delivered_j, given_j - charge * d);
    BOOK(supply, leaked_j, of_v2 / supply->insulation_ohm);
    BOOK(supply, used_j, used_j);
    BOOK(supply, converted_j,
         given_j * (1 / lines->share - 1) + charge * d + lines->idle_a * of_v + esr_j + drawn_j - used_j);
    BOOK(supply, stored_j, 0.5 * supply->capacitance_f * (after_v - supply->voltage_v) * (after_v + supply->voltage_v));
}

/* Full: what would charge the capacitor further is shunted. Empty: nothing draws more than comes. */
static void hold(fml_supply_t *supply, const lines_t *lines, double t_s)
{
    double steady = supply->voltage_v, source_v = steady + supply->diode_v;
    double source_a = lines->source_a - lines->source_s * source_v, leaked_a = steady / supply->insulation_ohm;
    double given_j = source_a * source_v * t_s, drawn_a = lines->load_a - lines->load_s * steady;
    double used_j = steady > 0 ? used(supply, lines->output_a, drawn_a * steady * t_s, steady * t_s, t_s, steady) : 0;
    BOOK(supply, harvested_j, given_j / lines->share);
    BOOK(supply, delivered_j, source_a * steady * t_s);
    BOOK(supply, leaked_j, leaked_a * steady * t_s);
    BOOK(supply, used_j, used_j);
    BOOK(supply, converted_j,
         given_j * (1 / lines->share - 1) + source_a * supply->diode_v * t_s +
             (lines->idle_a + drawn_a) * steady * t_s - used_j);
    BOOK(supply, clipped_j, (source_a - leaked_a - lines->idle_a - drawn_a) * steady * t_s);
}

/* Whether lines are others below the present voltage than above it. */
static int is_on_edge(fml_supply_t *supply, double load_a)
{
    double source_v = supply->seen_v + supply->diode_v;
    if (supply->regulator == FML_BUCK && load_a != 0) {
        return 1;
    }
    return segment(&supply->source, source_v, 1) != segment(&supply->source, source_v, 0);
}

/* One stretch between events. */
static double step(fml_supply_t *supply, double load_a, double most_s, int *event)
{
    lines_t lines;
    double slope, terminal_v, k, target_v, target, need_s, after_v;
    *event = FML_TIME;
    find_lines(supply, load_a, 1, &lines);
    slope = slope_of(supply, &lines);
    if (slope <= 0 && !supply->runs_away && (supply->esr_ohm != 0 || is_on_edge(supply, load_a))) {
        find_lines(supply, load_a, 0, &lines);
        slope = slope_of(supply, &lines);
    }
    if (supply->runs_away) {
        return most_s;
    }
    terminal_v = lines.p + lines.q * supply->voltage_v;
    if (switches(supply, terminal_v)) {
        *event = supply->is_on ? FML_ON : FML_OFF;
        return 0;
    }
    if ((slope >= 0 && supply->voltage_v >= supply->clamp_v) || (slope <= 0 && supply->voltage_v <= 0)) {
        hold(supply, &lines, most_s);
        return most_s;
    }
    k = lines.cap_s / supply->capacitance_f;
    target_v = next_v(supply, &lines, terminal_v, slope);
    target = (target_v - lines.p) / lines.q;
    need_s = HUGE_VAL;
    /* With k >= 0 the slope falls: what it cannot reach in a straight line, it does not reach. */
    if (fabs(target_v) < HUGE_VAL && (k < 0 || fabs(slope) * most_s * (1 + 1e-12) >= fabs(target - supply->voltage_v))) {
        need_s = fml_time_to_s(slope, k, target - supply->voltage_v);
    }
    if (need_s <= most_s) {
        after_v = target;
        most_s = need_s;
    } else {
        after_v = supply->voltage_v + fml_change_v(slope, k, most_s);
    }
    book(supply, &lines, slope, k, most_s, after_v);
    supply->voltage_v = after_v;
    return most_s;
}

double fml_supply_advance(fml_supply_t *supply, double load_a, double most_s, int *event)
{
    double passed = 0;
    *event = FML_TIME;
    while (passed < most_s && !supply->runs_away) {
        passed += step(supply, supply->is_on ? load_a : 0, most_s - passed, event);
        if (*event != FML_TIME) {
            return passed;
        }
    }
    return most_s;
}

double fml_supply_seen_v(const fml_supply_t *supply)
{
    return supply->seen_v;
}
