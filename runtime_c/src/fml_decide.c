/* A decision: on the way through a network, whether what is known suffices. A file of its own, so that firmware of models
 * without decisions does without it. */
#include "fml_decide.h"

#include "fml_nvm.h"

FML_SMALL fml_status_t fml_decide(fml_ram_t *ram, const fml_layer_t *row, fml_position_t *next) {
    const fml_model_t *model = ram->model;
    fml_record_t record;
    fml_nvm_record(model, ram->nvm, ram->newest, &record);
    record.class_index = 0;
    record.confidence = 0;
    record.depth = (uint8_t)row->products;
    const uint8_t is_enough = model->policy->stops(model->policy, row, (const int8_t *)ram->nvm + FML_NVM_ARENA, &record);
    if (is_enough || ram->stop) {
        next->step = row->part_products;
    }
    ram->sequence = record.sequence = fml_next_sequence(ram, row);
    next->newest ^= 1u;
    fml_nvm_erase_next(model, ram->nvm, next->count);
    fml_nvm_write_record(model, ram->nvm, next->newest, &record);
    return next->step == row->part_products ? FML_PUBLISHED : FML_REFINED; /* in any case where a report is next */
}

void fml_stop(fml_ram_t *ram) {
    ram->stop = 1;
}

FML_SMALL fml_status_t fml_read_scores(const fml_ram_t *ram, uint16_t first, uint16_t n, int32_t *dst) {
    const fml_layer_t *row = &ram->model->layers[ram->layer], *of = ram->model->layers;
    fml_record_t newest;
    fml_nvm_record(ram->model, ram->nvm, ram->newest, &newest);
    while (of != row && (of->kind != FML_DECIDE || of->products != newest.depth)) {
        of++;
    }
    const uint8_t waits = row->kind == FML_REPORT || ram->step == of->first_step + 1;
    if (of == row || of->unit_stride_bytes != sizeof *dst || !waits) {
        return FML_NO_RESULT;
    }
    fml_hal_nvm_read(dst, ram->nvm + FML_NVM_ARENA + of->out_offset_bytes + first * sizeof *dst, n * sizeof *dst);
    return FML_OK;
}

FML_SMALL static int32_t score_of(const int8_t *at, uint32_t n_bytes) {
    int32_t sum;
    int8_t code;
    if (n_bytes == sizeof code) {
        fml_hal_nvm_read(&code, at, sizeof code);
        return code;
    }
    fml_hal_nvm_read(&sum, at, sizeof sum);
    return sum;
}

FML_SMALL uint32_t fml_lead(const fml_layer_t *row, const int8_t *arena, uint16_t *class_index) {
    const int8_t *from = arena + row->out_offset_bytes;
    int32_t best = INT32_MIN, second = INT32_MIN;
    uint16_t i = 0;
    *class_index = 0;
    for (uint32_t at = 0; at < row->unit_bytes; at += row->unit_stride_bytes, i++) {
        const int32_t score = score_of(from + at, row->unit_stride_bytes);
        if (score > best) {
            second = best;
            best = score;
            *class_index = i;
        } else if (score > second) {
            second = score;
        }
    }
    return (uint32_t)best - (uint32_t)second;
}
