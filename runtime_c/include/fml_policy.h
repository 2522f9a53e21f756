/* Whether an answer at an exit is good enough to be the last one.
 *
 * A policy is a table, which freeml/exits/policy.py writes and explains, and one of the functions below, which reads it. The
 * table is no part of a model: `freeml tune` may replace it. Confidence is computed from the scores by shifts and a table of
 * powers; freeml/ir/confidence.py says what it is, bit for bit, and how far it is from softmax. */
#ifndef FML_POLICY_H
#define FML_POLICY_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define FML_POLICY_MAGIC 0x7066u
#define FML_POLICY_VERSION 1
#define FML_POLICY_MAX_CLASSES 256 /* sums of weights stay below 32 bits */

/* What a table lies as in memory: a head, and a row for each exit but the network's own answer. */
typedef struct {
    uint16_t magic;
    uint8_t version, kind;
    uint8_t n_exits, depth; /* depth: that of fml_policy_fixed */
    uint16_t n_classes;
    uint32_t deadline_ms;
    uint32_t digest; /* of all other bytes */
} fml_policy_head_t;

typedef struct {
    uint16_t mult; /* a step of the scores in 1/32 octave is mult / 2^shift; shift 1 to 46 */
    uint8_t shift, unused;
    uint16_t threshold; /* least share, in 1/2^15; most entropy, in 1/256 bit */
    uint16_t unused2;
    uint32_t next_uj, next_ms; /* what the segment to the next exit takes */
} fml_policy_exit_t;

/* What is known at an exit. */
typedef struct {
    const int32_t *scores; /* n_classes, as computed there: read by fml_hal_nvm_read() */
    uint16_t n_classes;    /* 1 to FML_POLICY_MAX_CLASSES */
    uint8_t exit;          /* from 0 */
    uint32_t energy_uj;    /* that is left */
    uint32_t elapsed_ms;   /* since the inference began */
} fml_policy_now_t;

/* What the scores say. */
typedef struct {
    uint16_t class_index; /* first of the largest */
    uint16_t share;       /* largest share, in 1/2^15 */
    uint16_t entropy;     /* in 1/256 bit */
    uint8_t confidence;   /* the share, 0 to 255 */
} fml_policy_answer_t;

/* Pure. */
void fml_policy_answer(const fml_policy_exit_t *row, const fml_policy_now_t *now, fml_policy_answer_t *answer);

/* 1 to stop at this exit, 0 to go on. head: followed by its rows. Pure, but for `answer`, which is filled in any case. */
typedef uint8_t fml_policy_fn(const fml_policy_head_t *head, const fml_policy_now_t *now, fml_policy_answer_t *answer);

fml_policy_fn fml_policy_fixed;
fml_policy_fn fml_policy_confidence;
fml_policy_fn fml_policy_entropy;
fml_policy_fn fml_policy_energy;
fml_policy_fn fml_policy_confidence_or_energy;
fml_policy_fn fml_policy_deadline;
fml_policy_fn fml_policy_confidence_or_deadline;

#ifdef __cplusplus
}
#endif

#endif
