#include "life.h"

#include <math.h>
#include <stddef.h>

#define WHOLE (1 - 1e-9) /* of a step's time: what is nearer to its end is at it */
#define LOG_SPARE 4      /* entries that a transition may write */

static void log_it(fml_life_t *life, int32_t what, double time_s, double value)
{
    fml_log_t *entry;
    if (!(life->log_what & what) || life->log_n >= life->log_room) {
        return;
    }
    entry = &life->log[life->log_n++];
    entry->time_s = time_s;
    entry->value = value;
    entry->event = life->event;
    entry->what = what;
    entry->depth = life->work.depth;
    entry->right = 2;
    entry->row = life->work.row;
}

static void spend(fml_life_t *life, int stack, double joules)
{
    double term = joules - life->lost_j[stack], total = life->stack_j[stack] + term;
    life->lost_j[stack] = (total - life->stack_j[stack]) - term;
    life->stack_j[stack] = total;
}

static void draw_picture(fml_life_t *life)
{
    double *point;
    if (life->clock_s < life->picture_next_s || life->picture_n >= life->picture_room) {
        return;
    }
    point = life->picture + 3 * life->picture_n++;
    point[0] = life->clock_s;
    point[1] = life->supply.seen_v;
    point[2] = life->state;
    life->picture_next_s = life->clock_s + life->picture_step_s;
}

/* Energy that the capacitor still gives, in uJ. */
static double left_uj(const fml_life_t *life)
{
    const fml_supply_t *supply = &life->supply;
    double volts = supply->voltage_v, empty = supply->v_off_v;
    return volts > empty ? 0.5e6 * supply->capacitance_f * (volts * volts - empty * empty) : 0;
}

/* Let time pass with a load; what was used of it, in J. */
static double pass(fml_life_t *life, double load_a, double most_s, double *took_s, int *event)
{
    double before_j = life->supply.energy.used_j - life->supply.carried.used_j;
    *took_s = fml_supply_advance(&life->supply, load_a, most_s, event);
    life->clock_s += *took_s;
    return life->supply.energy.used_j - life->supply.carried.used_j - before_j;
}

/* Events that came while nobody looked. 0 where the log has no room for more. */
static int miss(fml_life_t *life, double before_s)
{
    while (life->arrivals == FML_EVERY_TIME && life->arrival < life->n_arrivals &&
           life->arrivals_s[life->arrival] < before_s) {
        if ((life->log_what & FML_LOG_MISSED) && life->log_n + LOG_SPARE > life->log_room) {
            return 0;
        }
        life->event = life->arrival;
        life->missed++;
        log_it(life, FML_LOG_MISSED, life->arrivals_s[life->arrival], life->supply.seen_v);
        life->arrival++;
    }
    return 1;
}

/* An event whose capture a loss cut off is gone with its sample. */
static void lose_event(fml_life_t *life)
{
    if (life->has_event && life->has_work && life->work.stack == FML_SENSE) {
        life->missed++;
        life->has_event = 0;
        log_it(life, FML_LOG_MISSED, life->clock_s, life->supply.seen_v);
    }
}

static int go_off(fml_life_t *life)
{
    int is_working = life->state == FML_WORKING && life->has_work;
    double share = is_working ? life->elapsed_s / life->work.time_s : 0;
    life->losses++;
    log_it(life, FML_LOG_LOSS, life->clock_s, life->supply.seen_v);
    lose_event(life);
    life->redone += is_working && share > 0;
    life->state = FML_OFF_STATE;
    life->has_work = 0;
    life->off_since_s = life->clock_s;
    return life->device.cut(life->device.context, share);
}

static void end_outage(fml_life_t *life)
{
    double off_s = life->clock_s - life->off_since_s;
    life->outages++;
    if (off_s > life->longest_off_s) {
        life->longest_off_s = off_s;
    }
}

static int run_off(fml_life_t *life, double window_s)
{
    double took_s;
    int event;
    (void)pass(life, 0, window_s, &took_s, &event);
    if (event == FML_ON) {
        end_outage(life);
        life->boots++;
        life->events_at_boot = 1;
        life->state = FML_BOOTING;
        life->elapsed_s = 0;
        log_it(life, FML_LOG_ON, life->clock_s, life->supply.seen_v);
    }
    return 0;
}

/* A stretch of one charge and time, of which elapsed_s is over: 1 at its end, 0 where it goes on, -1 at a failure. */
static int run_one(fml_life_t *life, double charge_c, double time_s, int stack, double window_s)
{
    double left_s = time_s - life->elapsed_s, took_s = 0;
    int event = FML_TIME;
    if (left_s > 0) {
        spend(life, stack, pass(life, charge_c / time_s, left_s < window_s ? left_s : window_s, &took_s, &event));
        life->elapsed_s += took_s;
    }
    if (event == FML_OFF) {
        return go_off(life) < 0 ? -1 : 0;
    }
    if (life->elapsed_s >= time_s * WHOLE) {
        life->elapsed_s = 0;
        return 1;
    }
    return 0;
}

static int run_booting(fml_life_t *life, double window_s)
{
    int status = run_one(life, life->boot_c, life->boot_s, FML_BOOT, window_s);
    if (status == 1) {
        int found = life->device.boot(life->device.context, &life->work);
        if (found < 0) {
            return -1;
        }
        life->has_event = found;
        life->state = FML_RESTORING;
        return 0;
    }
    return status;
}

static void fall_asleep(fml_life_t *life)
{
    life->state = FML_ASLEEP;
    life->has_work = 0;
    life->asleep_s = life->clock_s;
}

static int run_restoring(fml_life_t *life, double window_s)
{
    int status = run_one(life, life->work.charge_c, life->work.time_s, FML_RESTORE, window_s);
    if (status == 1) {
        if (life->has_event) {
            life->state = FML_WORKING;
            life->has_work = 0;
        } else {
            fall_asleep(life);
        }
        return 0;
    }
    return status;
}

/* When the next event comes: now, later, or never. */
static double next_event_s(const fml_life_t *life)
{
    if (life->arrivals == FML_BACK_TO_BACK || (life->arrivals == FML_EACH_BOOT && life->events_at_boot > 0)) {
        return life->clock_s;
    }
    return life->arrivals == FML_EVERY_TIME && life->arrival < life->n_arrivals ? life->arrivals_s[life->arrival]
                                                                               : HUGE_VAL;
}

static int run_asleep(fml_life_t *life, double window_s)
{
    double event_s, took_s;
    int event;
    if (!miss(life, life->asleep_s)) {
        return 0;
    }
    event_s = next_event_s(life);
    if (event_s <= life->clock_s) {
        life->event = life->arrival++;
        life->event_s = event_s;
        life->events_at_boot = 0;
        life->started++;
        life->has_event = 1;
        life->has_work = 0;
        life->state = FML_WORKING;
        life->work.depth = 0;
        log_it(life, FML_LOG_START, life->clock_s, life->supply.seen_v);
        return life->device.start(life->device.context, life->event);
    }
    if (event_s - life->clock_s < window_s) {
        window_s = event_s - life->clock_s;
    } else {
        event_s = HUGE_VAL;
    }
    spend(life, FML_SLEEP, pass(life, life->sleep_a, window_s, &took_s, &event));
    if (event == FML_OFF) {
        return go_off(life);
    }
    if (event_s < HUGE_VAL) {
        life->clock_s = event_s;
    }
    return 0;
}

static void book_steps(fml_life_t *life, double joules)
{
    double commit_j = joules * life->work.commit_share;
    spend(life, life->work.stack, joules - commit_j);
    spend(life, FML_COMMIT, commit_j);
}

/* So many steps were committed. */
static int commit(fml_life_t *life, int32_t n)
{
    int right = life->device.done(life->device.context, n);
    if (right < 0) {
        return -1;
    }
    life->steps += n;
    life->work.n -= n;
    life->has_work = life->work.n > 0;
    log_it(life, FML_LOG_COMMIT, life->clock_s, life->supply.seen_v);
    if (life->work.stack == FML_REPORT && !life->has_work) {
        log_it(life, FML_LOG_DONE, life->clock_s, life->clock_s - life->event_s);
        if ((life->log_what & FML_LOG_DONE) && life->log_n > 0) {
            life->log[life->log_n - 1].right = right;
        }
        life->inferences++;
        life->right += right == 1;
        life->unknown += right == 2;
        life->exits[life->work.depth & 7]++;
        life->has_event = 0;
        fall_asleep(life);
    }
    return 0;
}

/* The step that is under way, to its end or that of the window. */
static int finish_step(fml_life_t *life, double load_a, double window_s)
{
    double left_s = life->work.time_s - life->elapsed_s, took_s;
    int event, is_whole = left_s <= window_s;
    life->pending_j += pass(life, load_a, is_whole ? left_s : window_s, &took_s, &event);
    life->elapsed_s += took_s;
    if (event == FML_OFF) {
        spend(life, FML_REEXECUTE, life->pending_j);
        life->pending_j = 0;
        return go_off(life);
    }
    if (is_whole || life->elapsed_s >= life->work.time_s * WHOLE) {
        book_steps(life, life->pending_j);
        life->pending_j = life->elapsed_s = 0;
        return commit(life, 1);
    }
    return 0;
}

/* Whole steps at once: between events a load that stays the same has one closed form. */
static int many_steps(fml_life_t *life, double load_a, int32_t n)
{
    fml_supply_t before = life->supply;
    double clock_s = life->clock_s, time_s = life->work.time_s, took_s, joules;
    int event;
    joules = pass(life, load_a, n * time_s, &took_s, &event);
    if (event == FML_OFF) {
        n = (int32_t)(took_s / time_s * (1 + 1e-12));
        life->supply = before;
        life->clock_s = clock_s;
        if (n == 0) {
            return finish_step(life, load_a, time_s);
        }
        joules = pass(life, load_a, n * time_s, &took_s, &event);
        if (event == FML_OFF) { /* by a last digit: it was at the end of a step */
            book_steps(life, joules);
            return commit(life, n) < 0 ? -1 : go_off(life);
        }
    }
    book_steps(life, joules);
    return commit(life, n);
}

static int run_working(fml_life_t *life, double window_s)
{
    double load_a, whole;
    if (!life->has_work) {
        if (life->device.next(life->device.context, left_uj(life), life->clock_s - life->event_s, &life->work) < 0) {
            return -1;
        }
        life->has_work = 1;
        life->elapsed_s = life->pending_j = 0;
    }
    load_a = life->work.charge_c / life->work.time_s;
    whole = life->elapsed_s > 0 ? 0 : floor(window_s / life->work.time_s);
    if (whole < 1) {
        return finish_step(life, load_a, window_s);
    }
    return many_steps(life, load_a, whole < life->work.n ? (int32_t)whole : life->work.n);
}

static int transition(fml_life_t *life, double window_s)
{
    switch (life->state) {
    case FML_OFF_STATE:
        return run_off(life, window_s);
    case FML_BOOTING:
        return run_booting(life, window_s);
    case FML_RESTORING:
        return run_restoring(life, window_s);
    case FML_ASLEEP:
        return run_asleep(life, window_s);
    default:
        return run_working(life, window_s);
    }
}

void fml_offer(fml_source_t *source, const fml_samples_t *samples, int64_t at)
{
    int64_t first = samples->is_shared ? 0 : at * samples->nodes;
    source->volts = samples->volts + first;
    source->amperes = samples->amperes + first;
    source->n = samples->nodes;
    source->split = samples->split;
    source->low = samples->low ? samples->low[at] : 1;
    source->high = samples->high ? samples->high[at] : 1;
    source->low_share = samples->low_share ? samples->low_share[at] : 1;
    source->high_share = samples->high_share ? samples->high_share[at] : 1;
}

int fml_life_run(fml_life_t *life, fml_samples_t *samples)
{
    for (; samples->at < samples->n; samples->at++) {
        double end_s = samples->ends_s[samples->at];
        fml_offer(&life->supply.source, samples, samples->at);
        while (end_s - life->clock_s > 1e-13 * end_s) {
            if (life->log_what && life->log_n + LOG_SPARE > life->log_room) {
                return FML_RUN_LOG_FULL;
            }
            if (transition(life, end_s - life->clock_s) < 0) {
                return FML_RUN_FAILED;
            }
            if (life->supply.runs_away) {
                return FML_RUN_RUNS_AWAY;
            }
            draw_picture(life);
        }
        life->clock_s = end_s;
    }
    return FML_RUN_DONE;
}

int fml_life_end(fml_life_t *life)
{
    if (!miss(life, life->clock_s)) {
        return 0;
    }
    if (life->pending_j > 0) { /* the step that is under way */
        spend(life, life->work.stack, life->pending_j);
        life->pending_j = 0;
    }
    if (life->state == FML_OFF_STATE) {
        end_outage(life);
        life->off_since_s = life->clock_s;
    }
    return 1;
}
