#include "fml_exits.h"

#include "fml_hal.h"

/* now: but for what meter and clock show, which the caller fills in. */
static uint8_t judged(const fml_policy_t *policy, const fml_layer_t *row, const int8_t *arena, fml_policy_now_t *now,
                      fml_record_t *record) {
    const fml_exits_t *exits = (const fml_exits_t *)(const void *)policy;
    const fml_policy_head_t *head = exits->head;
    fml_policy_answer_t answer;
    now->scores = (const int32_t *)(const void *)(arena + row->out_offset_bytes);
    now->n_classes = head->n_classes;
    now->exit = (uint8_t)(row->products - 1u);
    for (uint8_t i = 0; i < FML_EXITS_STATE_BYTES; i++) { /* no state but that yet: of another table it would be forgotten */
        record->state[i] = (uint8_t)(head->digest >> 8 * i);
    }
    const uint8_t is_enough = exits->judge(head, now, &answer);
    record->class_index = answer.class_index;
    record->confidence = answer.confidence;
    return is_enough;
}

uint8_t fml_exits_stops(const fml_policy_t *policy, const fml_layer_t *row, const int8_t *arena, fml_record_t *record) {
    fml_policy_now_t now = {0};
    return judged(policy, row, arena, &now, record);
}

uint8_t fml_exits_stops_by_energy(const fml_policy_t *policy, const fml_layer_t *row, const int8_t *arena, fml_record_t *record) {
    fml_policy_now_t now = {0};
    now.energy_uj = fml_hal_energy_uj();
    return judged(policy, row, arena, &now, record);
}

uint8_t fml_exits_stops_by_time(const fml_policy_t *policy, const fml_layer_t *row, const int8_t *arena, fml_record_t *record) {
    fml_policy_now_t now = {0};
    now.elapsed_ms = fml_hal_elapsed_ms();
    return judged(policy, row, arena, &now, record);
}
