/* A decision: on the way through a network, whether what is known suffices. A file of its own, so that firmware of models
 * without decisions does without it. */
#include "fml_decide.h"

#include "fml_nvm.h"

fml_status_t fml_decide(fml_ram_t *ram, const fml_layer_t *row, fml_position_t *next) {
    const fml_model_t *model = ram->model;
    fml_record_t newest, record;
    fml_nvm_record(model, ram->nvm, ram->newest, &newest);
    record = newest;
    record.class_index = 0;
    record.confidence = 0;
    record.depth = (uint8_t)row->products;
    const uint8_t stops = model->policy->stops(ram->layer, (const int8_t *)ram->nvm + FML_NVM_ARENA, &record);
    if (stops) {
        next->step = row->part_products;
        ram->sequence = ram->sequence + 1 == 0 ? 1 : ram->sequence + 1;
    } else {
        record.class_index = newest.class_index;
        record.confidence = newest.confidence;
        record.depth = newest.depth;
    }
    record.sequence = ram->sequence;
    next->newest ^= 1u;
    fml_nvm_erase_next(model, ram->nvm, next->count);
    fml_nvm_write_record(model, ram->nvm, next->newest, &record);
    return stops ? FML_PUBLISHED : FML_OK;
}
