/* One answer of one exit, from numbers at a fixed address: what the test writes before each run. */
#include "fml_policy.h"

#include "fml_hal.h"

typedef struct {
    fml_policy_head_t head;
    fml_policy_exit_t row;
    uint32_t energy_uj, elapsed_ms;
    uint16_t n_classes, stops;
    uint16_t class_index, share, entropy, confidence;
    int32_t scores[256];
} block_t;

#define BLOCK ((block_t *)0xB800)

void fml_hal_nvm_read(void *dst, const void *src, size_t n) {
    for (size_t i = 0; i < n; i++) {
        ((uint8_t *)dst)[i] = ((const uint8_t *)src)[i];
    }
}

int main(void);
int main(void) {
    fml_policy_now_t now;
    fml_policy_answer_t answer;
    block_t *block = BLOCK;
    now.scores = block->scores;
    now.n_classes = block->n_classes;
    now.exit = 0;
    now.energy_uj = block->energy_uj;
    now.elapsed_ms = block->elapsed_ms;
    block->stops = fml_policy_confidence_or_energy(&block->head, &now, &answer);
    block->class_index = answer.class_index;
    block->share = answer.share;
    block->entropy = answer.entropy;
    block->confidence = answer.confidence;
    return 0;
}
