/* Policies: tables of freeml/exits/policy.py, read. Each is a function of its own, so that a linker takes one of them. */
#include "fml_policy.h"

#include "fml_hal.h"
#include "fml_model.h"

FML_STATIC_ASSERT(sizeof(fml_policy_head_t) == 16, a_head_has_no_holes);
FML_STATIC_ASSERT(sizeof(fml_policy_exit_t) == 16, a_row_has_no_holes);

#define OCTAVE 32
#define MOST_FALL (16u * OCTAVE) /* a weight of 2^15 is 0 by then */
#define ONE ((uint32_t)0x8000) /* an int may have 16 bits */

/* 2^15 * 2^(-i / 32) */
static const uint16_t powers[OCTAVE] = {32768, 32066, 31379, 30706, 30048, 29405, 28774, 28158, 27554, 26964, 26386,
                                        25821, 25268, 24726, 24196, 23678, 23170, 22674, 22188, 21713, 21247, 20792,
                                        20347, 19911, 19484, 19066, 18658, 18258, 17867, 17484, 17109, 16743};
/* 256 * log2(1 + i / 32) */
static const uint16_t logs[33] = {0,   11,  22,  33,  44,  54,  63,  73,  82,  92,  100, 109, 118, 126, 134, 142, 150,
                                  157, 165, 172, 179, 186, 193, 200, 207, 213, 220, 226, 232, 238, 244, 250, 256};

/* min(requant(below, mult, shift), MOST_FALL), below >= 0: fml_requant_i8 without its last step. */
static uint16_t fall_of(uint32_t below, uint16_t mult, uint8_t shift) {
    const uint32_t low_product = (uint32_t)(uint16_t)below * mult;
    uint32_t high = (below >> 16) * mult + (low_product >> 16); /* below * mult >> 16, less than 2^31 */
    int beyond = (int)shift - 17;
    if (beyond < 0) {
        beyond += 16;
        high = high > 16383u ? 16383u : high;
        high = high << 16 | (uint16_t)low_product;
    }
    high = ((high >> beyond) + 1) >> 1;
    return high > MOST_FALL ? (uint16_t)MOST_FALL : (uint16_t)high;
}

/* 256 * log2(total / 2^15), total 2^15 to 2^23. */
static uint16_t log2_of(uint32_t total) {
    uint16_t octave = 0;
    while (octave < 8 && total >> octave >= 2 * ONE)
        octave++;
    const uint32_t fraction = (total << 8 >> octave) - (ONE << 8);
    const uint16_t step = (uint16_t)(fraction >> 18), rest = (uint16_t)(fraction >> 10 & 255u);
    const uint16_t between = step < OCTAVE ? (uint16_t)(((uint16_t)(logs[step + 1] - logs[step]) * rest + 128u) >> 8) : 0;
    return (uint16_t)((uint16_t)(octave << 8) + logs[step] + between);
}

/* Of what may lie in NVM that no pointer can read. */
static int32_t score_of(const fml_policy_now_t *now, uint16_t i) {
    int32_t score;
    fml_hal_nvm_read(&score, now->scores + i, sizeof score);
    return score;
}

void fml_policy_answer(const fml_policy_exit_t *row, const fml_policy_now_t *now, fml_policy_answer_t *answer) {
    uint16_t best = 0, i;
    int32_t most = score_of(now, 0);
    for (i = 1; i < now->n_classes; i++) {
        const int32_t score = score_of(now, i);
        if (score > most) {
            most = score;
            best = i;
        }
    }
    uint32_t total = 0, spread = 0;
    i = 0;
    do { /* once at least: a division by 0 that a compiler sees becomes a call of abort() */
        const uint32_t below = (uint32_t)most - (uint32_t)score_of(now, i);
        const uint16_t fall = fall_of(below, row->mult, row->shift);
        const uint16_t weight = (uint16_t)((uint32_t)powers[fall % OCTAVE] >> fall / OCTAVE);
        total += weight;
        spread += (uint32_t)weight * fall;
    } while (++i < now->n_classes);
    answer->class_index = best;
    answer->share = (uint16_t)((ONE * ONE + total / 2) / total);
    answer->entropy = (uint16_t)(log2_of(total) + (spread * 8 + total / 2) / total);
    answer->confidence = (uint8_t)((answer->share * 255ul + ONE / 2) >> 15);
}

/* The row of this exit, and what its scores say. */
static const fml_policy_exit_t *row_of(
    const fml_policy_head_t *head, const fml_policy_now_t *now, fml_policy_answer_t *answer) {
    const fml_policy_exit_t *row = (const fml_policy_exit_t *)(head + 1) + now->exit;
    fml_policy_answer(row, now, answer);
    return row;
}

uint8_t fml_policy_fixed(const fml_policy_head_t *head, const fml_policy_now_t *now, fml_policy_answer_t *answer) {
    (void)row_of(head, now, answer);
    return now->exit + 1u >= head->depth;
}

uint8_t fml_policy_confidence(const fml_policy_head_t *head, const fml_policy_now_t *now, fml_policy_answer_t *answer) {
    const uint16_t threshold = row_of(head, now, answer)->threshold;
    return answer->share >= threshold;
}

uint8_t fml_policy_entropy(const fml_policy_head_t *head, const fml_policy_now_t *now, fml_policy_answer_t *answer) {
    const uint16_t threshold = row_of(head, now, answer)->threshold;
    return answer->entropy < threshold;
}

uint8_t fml_policy_energy(const fml_policy_head_t *head, const fml_policy_now_t *now, fml_policy_answer_t *answer) {
    return row_of(head, now, answer)->next_uj > now->energy_uj;
}

uint8_t fml_policy_confidence_or_energy(
    const fml_policy_head_t *head, const fml_policy_now_t *now, fml_policy_answer_t *answer) {
    const fml_policy_exit_t *row = row_of(head, now, answer);
    return answer->share >= row->threshold || row->next_uj > now->energy_uj;
}

/* Whether the segment behind a row ends after the deadline, without a sum that could wrap. */
static uint8_t is_late(const fml_policy_head_t *head, const fml_policy_exit_t *row, const fml_policy_now_t *now) {
    return now->elapsed_ms > head->deadline_ms || row->next_ms > head->deadline_ms - now->elapsed_ms;
}

uint8_t fml_policy_deadline(const fml_policy_head_t *head, const fml_policy_now_t *now, fml_policy_answer_t *answer) {
    return is_late(head, row_of(head, now, answer), now);
}

uint8_t fml_policy_confidence_or_deadline(
    const fml_policy_head_t *head, const fml_policy_now_t *now, fml_policy_answer_t *answer) {
    const fml_policy_exit_t *row = row_of(head, now, answer);
    return answer->share >= row->threshold || is_late(head, row, now);
}
