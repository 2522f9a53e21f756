/* What decides at the exits of a model: a table of fml_policy.h, and the function of it that stands for its kind. */
#ifndef FML_EXITS_H
#define FML_EXITS_H

#include "fml_decide.h"
#include "fml_policy.h"

#ifdef __cplusplus
extern "C" {
#endif

/* head: followed by a row for each decision. It may be another one after a reset: the state of the policy, which begins
 * with the digest of the table that it is of, is then made anew, and nothing else changes. */
typedef struct {
    fml_policy_t policy;
    const fml_policy_head_t *head;
    fml_policy_fn *judge;
} fml_exits_t;

#define FML_EXITS_STATE_BYTES 4

/* fml_policy_t.stops of policies that look at scores alone, at the energy meter, or at the clock. */
uint8_t fml_exits_stops(const fml_policy_t *policy, const fml_layer_t *row, const int8_t *arena, fml_record_t *record);
uint8_t fml_exits_stops_by_energy(const fml_policy_t *policy, const fml_layer_t *row, const int8_t *arena, fml_record_t *record);
uint8_t fml_exits_stops_by_time(const fml_policy_t *policy, const fml_layer_t *row, const int8_t *arena, fml_record_t *record);

#ifdef __cplusplus
}
#endif

#endif
