#include "bound.h"

#include <math.h>

/* A state on its way through the trace. debt_c: what is drawn and not paid yet. */
typedef struct {
    fml_supply_t supply;
    double clock_s, debt_c;
    int64_t piece, at;
} walk_t;

static walk_t walk_from(const fml_bound_t *bound, const fml_bound_state_t *state)
{
    walk_t walk;
    walk.supply = bound->supply;
    walk.supply.voltage_v = walk.supply.seen_v = state->volts;
    walk.supply.is_on = 0;
    if (state->is_lit) {
        walk.supply.v_on_v = HUGE_VAL;
    }
    walk.clock_s = state->event < 0 ? 0 : bound->arrivals_s[state->event];
    walk.debt_c = 0;
    walk.piece = state->piece;
    walk.at = state->at;
    return walk;
}

/* What comes in at a voltage, in A: what a full capacitor of that voltage shunts. */
static double current_at(const fml_supply_t *supply, double volts)
{
    fml_supply_t full = *supply;
    int event;
    full.voltage_v = full.seen_v = full.clamp_v = volts;
    full.energy.clipped_j = full.carried.clipped_j = 0;
    (void)fml_supply_advance(&full, 0, 1.0, &event);
    return full.energy.clipped_j / volts;
}

/* The most that comes in while a device runs: currents fall with the voltage, but where a charger starts cold. */
static double most_a(const fml_supply_t *supply)
{
    const fml_source_t *source = &supply->source;
    double found = current_at(supply, supply->v_off_v);
    if (source->split > 0 && source->split < source->n && source->volts[source->split] > supply->v_off_v) {
        double warm = current_at(supply, source->volts[source->split] * (1 + 1e-9));
        found = warm > found ? warm : found;
    }
    return found;
}

/* So much time within one sample. Less, where the debt is paid. */
static double pass(walk_t *walk, double most_s)
{
    int event;
    double took_s;
    if (walk->debt_c > 0) {
        double amperes = most_a(&walk->supply);
        took_s = walk->debt_c <= amperes * most_s ? walk->debt_c / amperes : most_s;
        walk->debt_c = took_s < most_s ? 0 : walk->debt_c - amperes * most_s;
        if (walk->debt_c < 0) {
            walk->debt_c = 0;
        }
        return took_s;
    }
    took_s = fml_supply_advance(&walk->supply, 0, most_s, &event);
    if (event == FML_ON) {
        walk->supply.v_on_v = HUGE_VAL;
        walk->supply.is_on = 0;
    }
    return took_s;
}

/* Until a time, or where `paid`, until the debt is paid. 0 at the end of the trace. */
static int walk_on(const fml_bound_t *bound, walk_t *walk, double to_s, int paid)
{
    while (walk->piece < bound->n_pieces) {
        const fml_samples_t *piece = &bound->pieces[walk->piece];
        for (; walk->at < piece->n; walk->at++) {
            double end_s = piece->ends_s[walk->at];
            fml_offer(&walk->supply.source, piece, walk->at);
            while (end_s - walk->clock_s > 1e-13 * end_s) {
                if (paid ? walk->debt_c <= 0 : walk->clock_s >= to_s) {
                    return 1;
                }
                double most_s = !paid && to_s < end_s ? to_s - walk->clock_s : end_s - walk->clock_s;
                double took_s = pass(walk, most_s);
                walk->clock_s = !paid && to_s < end_s && took_s >= most_s ? to_s : walk->clock_s + took_s;
            }
            walk->clock_s = end_s;
        }
        walk->piece++;
        walk->at = 0;
    }
    return 0;
}

/* The first event that is not before a time. */
static int64_t event_from(const fml_bound_t *bound, int64_t low, double time_s)
{
    int64_t high = bound->n_arrivals;
    while (low < high) {
        int64_t middle = (low + high) / 2;
        if (bound->arrivals_s[middle] < time_s) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

/* Make two neighbours of the front one with the best of both: those whose answers differ least. */
static void lift(fml_bound_t *bound, int64_t event)
{
    int32_t a, b, low = -1, high = -1;
    int64_t least = INT64_MAX;
    for (a = 0; a < bound->n_states; a++) {
        for (b = 0; bound->states[a].event == event && b < bound->n_states; b++) {
            int64_t apart = bound->states[a].right - bound->states[b].right;
            if (bound->states[b].event == event && apart > 0 && apart < least) {
                least = apart;
                high = a;
                low = b;
            }
        }
    }
    bound->states[low].right = bound->states[high].right;
    bound->lifted += (double)least;
    bound->states[high] = bound->states[--bound->n_states];
}

/* Keep a state, unless there is one that is better; those that it is better than go. */
static void keep(fml_bound_t *bound, const fml_bound_state_t *made)
{
    int32_t n = 0, k, alike = 0;
    for (k = 0; k < bound->n_states; k++) {
        fml_bound_state_t *other = &bound->states[k];
        int is_rival = other->event == made->event && other->is_lit == made->is_lit;
        if (is_rival && other->right >= made->right && other->volts >= made->volts) {
            return;
        }
        is_rival = is_rival && other->right <= made->right && other->volts <= made->volts;
        if (!is_rival) {
            alike += other->event == made->event;
            bound->states[n++] = *other;
        }
    }
    bound->n_states = n;
    if (n >= FML_BOUND_STATES) {
        bound->overflowed = 1;
        return;
    }
    bound->states[bound->n_states++] = *made;
    if (alike + 1 > FML_BOUND_FRONT) {
        lift(bound, made->event);
    }
}

/* Where a walk is at an event. */
static void arrive(fml_bound_t *bound, walk_t *walk, int64_t event, int64_t right)
{
    fml_bound_state_t made;
    if (right > bound->best) {
        bound->best = right;
    }
    if (event >= bound->n_arrivals || !walk_on(bound, walk, bound->arrivals_s[event], 0)) {
        return;
    }
    made.volts = walk->supply.voltage_v;
    made.event = event;
    made.right = right;
    made.piece = walk->piece;
    made.at = walk->at;
    made.is_lit = walk->supply.v_on_v == HUGE_VAL;
    made.unused = 0;
    keep(bound, &made);
}

/* Answer the event of a state, at a depth from 1. */
static void take(fml_bound_t *bound, const fml_bound_state_t *state, int32_t depth)
{
    walk_t walk = walk_from(bound, state);
    double done_s = walk.clock_s + bound->time_s[depth - 1];
    walk.supply.voltage_v -= bound->charge_c[depth - 1] / walk.supply.capacitance_f;
    if (walk.supply.voltage_v < walk.supply.v_off_v) {
        walk.debt_c = (walk.supply.v_off_v - walk.supply.voltage_v) * walk.supply.capacitance_f;
        walk.supply.voltage_v = walk.supply.v_off_v;
    }
    walk.supply.seen_v = walk.supply.voltage_v;
    if (walk.debt_c > 0 && !walk_on(bound, &walk, 0, 1)) {
        return; /* not paid before the trace is over */
    }
    if (walk.clock_s > done_s) {
        done_s = walk.clock_s;
    }
    if (done_s > bound->end_s * (1 + 1e-9)) {
        return;
    }
    arrive(bound, &walk, event_from(bound, state->event + 1, done_s), state->right + 1);
}

void fml_bound(fml_bound_t *bound)
{
    fml_bound_state_t first = {0, -1, 0, 0, 0, 0, 0};
    walk_t walk;
    first.volts = bound->supply.voltage_v;
    walk = walk_from(bound, &first);
    arrive(bound, &walk, 0, 0);
    while (bound->n_states > 0 && !bound->overflowed) {
        fml_bound_state_t state;
        int32_t k, next = 0, depth;
        for (k = 1; k < bound->n_states; k++) {
            if (bound->states[k].event < bound->states[next].event) {
                next = k;
            }
        }
        state = bound->states[next];
        bound->states[next] = bound->states[--bound->n_states];
        depth = bound->first_right[bound->order[state.event % bound->n_samples]];
        if (depth > 0 && state.is_lit && state.volts >= bound->supply.v_off_v * (1 - 1e-12)) {
            take(bound, &state, depth);
        }
        walk = walk_from(bound, &state);
        arrive(bound, &walk, state.event + 1, state.right);
    }
}
