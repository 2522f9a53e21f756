/* A device that lives on a supply: boots, senses when an event comes, works step by step, reports, sleeps.
 *
 * One scheduler for all engines. What a step is and costs it asks of a fml_device_t: a table (table.c), the generated C
 * or an emulated board (Python's callbacks). It may stop between any two transitions and go on later: all is in
 * fml_life_t, whose structs are those of native.py.
 */
#ifndef FML_LIFE_H
#define FML_LIFE_H

#include <stdint.h>

#include "supply.h"

/* What a stretch of work is to the energy stack. */
enum { FML_COMPUTE, FML_REEXECUTE, FML_COMMIT, FML_RESTORE, FML_BOOT, FML_SLEEP, FML_SENSE, FML_REPORT, FML_DECIDE, FML_STACK };

/* Steps that follow one another and are alike.
 *
 * charge_c   of one, the commit at its end included; commit_share of that is the commit's
 * stack      what it is: FML_SENSE the first of an inference, FML_REPORT its last
 * depth      the exit that is next behind it
 */
typedef struct {
    double time_s, charge_c, commit_share;
    int32_t n, stack, depth, row;
} fml_work_t;

/* A device. A function that returns less than 0 ends the run: it failed. */
typedef struct {
    void *context;
    /* Power is back; `restore`: what it takes to find where it was. 1 where an inference is under way, else 0. */
    int (*boot)(void *context, fml_work_t *restore);
    /* An event is sensed by a device that has nothing to do. */
    int (*start)(void *context, int64_t event);
    /* What is next. energy_uj: what the capacitor still gives; elapsed_s: since the event. */
    int (*next)(void *context, double energy_uj, double elapsed_s, fml_work_t *work);
    /* So many of it were committed. Behind a report: 1 the answer was right, 0 wrong, 2 nobody knows. */
    int (*done)(void *context, int32_t n);
    /* Power is lost with this share of a step's charge taken. */
    int (*cut)(void *context, double share);
} fml_device_t;

enum { FML_EVERY_TIME, FML_BACK_TO_BACK, FML_EACH_BOOT }; /* when events come */
enum { FML_OFF_STATE, FML_BOOTING, FML_RESTORING, FML_ASLEEP, FML_WORKING };
enum { FML_LOG_ON = 1, FML_LOG_LOSS = 2, FML_LOG_START = 4, FML_LOG_DONE = 8, FML_LOG_MISSED = 16, FML_LOG_COMMIT = 32 };
enum { FML_RUN_DONE, FML_RUN_LOG_FULL, FML_RUN_FAILED, FML_RUN_RUNS_AWAY };

/* time_s: when; value: latency in s of what is done, voltage else; event: its number; depth, right: of an answer. */
typedef struct {
    double time_s, value;
    int64_t event;
    int32_t what, depth, right, row;
} fml_log_t;

/* A trace, piece by piece: sample i ends at ends_s[i].
 *
 * volts    [n][nodes], or [nodes] where is_shared; amperes likewise: currents, or those of 1 W on a shared grid
 * low, high, low_share, high_share  [n] factors and efficiencies (supply.h); absent: 1
 */
typedef struct {
    const double *ends_s, *volts, *amperes, *low, *high, *low_share, *high_share;
    int64_t n, at;
    int32_t nodes, split, is_shared, unused;
} fml_samples_t;

typedef struct {
    fml_supply_t supply;
    fml_device_t device;
    double clock_s;
    /* figures of the device */
    double boot_s, boot_c, sleep_a;
    /* events */
    const double *arrivals_s;
    int64_t n_arrivals, arrival; /* the next one */
    int32_t arrivals, events_at_boot;
    /* where it is */
    int32_t state, has_work, has_event, unused;
    fml_work_t work;
    int64_t event;
    double event_s, elapsed_s, pending_j, asleep_s;
    /* what happened */
    int64_t missed, inferences, right, unknown, boots, losses, outages, steps, redone, started;
    int64_t exits[8];
    double off_since_s, longest_off_s;
    double stack_j[FML_STACK];
    double lost_j[FML_STACK]; /* what sums lost to rounding */
    /* log and picture */
    fml_log_t *log;
    int64_t log_room, log_n;
    int32_t log_what, unused_2;
    double *picture; /* [picture_room][3]: time, voltage, state */
    int64_t picture_room, picture_n;
    double picture_step_s, picture_next_s;
} fml_life_t;

/* Sample `at` becomes the source. */
void fml_offer(fml_source_t *source, const fml_samples_t *samples, int64_t at);

/* Let it live until the samples are over, or the log is full. */
int fml_life_run(fml_life_t *life, fml_samples_t *samples);

/* Behind the last sample: the outage that it ends in, and the events that nobody saw. 0 where the log is full. */
int fml_life_end(fml_life_t *life);

#endif
