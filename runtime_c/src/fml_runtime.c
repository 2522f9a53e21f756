/* The steps of an inference, as the model's table has them. fml_nvm.c has the commit record. */
#include "fml_runtime.h"

#include "fml_nvm.h"

static const fml_layer_t *row_of(const fml_ram_t *ram) {
    return &ram->model->layers[ram->layer];
}

/* Row, unit and part of the step that is next. */
FML_SMALL static void locate(fml_ram_t *ram) {
    const fml_model_t *model = ram->model;
    uint16_t end = model->n_layers;
    ram->layer = ram->part = 0;
    while (end - ram->layer > 1) { /* the last row whose first step is not beyond */
        const uint16_t middle = (uint16_t)(ram->layer + (uint16_t)(end - ram->layer) / 2);
        if (model->layers[middle].first_step <= ram->step) {
            ram->layer = middle;
        } else {
            end = middle;
        }
    }
    const fml_layer_t *layer = row_of(ram);
    const uint32_t within = ram->step - layer->first_step;
    if (layer->parts > 1) {
        ram->unit = within / layer->parts;
        ram->part = (uint16_t)(within % layer->parts);
    } else {
        ram->unit = within * layer->tile_units;
    }
}

/* To the step after this one. */
static void advance(fml_ram_t *ram) {
    const fml_layer_t *layer = row_of(ram);
    if (layer->parts > 1 && ++ram->part < layer->parts) {
        return;
    }
    ram->part = 0;
    ram->unit += layer->tile_units;
    if (ram->unit >= layer->n_units) {
        ram->unit = 0;
        ram->layer++;
    }
}

FML_SMALL static void commit(fml_ram_t *ram, fml_position_t *at) {
    const uint8_t is_next = at->step == ram->step + 1;
    fml_nvm_commit(ram->model, ram->nvm, at);
    ram->step = at->step;
    ram->newest = at->newest;
    ram->count = at->count;
    if (is_next) {
        advance(ram);
    } else {
        locate(ram);
    }
}

FML_SMALL fml_status_t fml_boot(fml_ram_t *ram, const fml_model_t *model, void *nvm, void *sram) {
    fml_position_t at;
    fml_record_t newest;
    fml_status_t status = FML_OK;
    ram->model = model;
    ram->nvm = nvm;
    ram->tile = sram;
    ram->scratch = ram->tile + model->tile_bytes;
    if (!fml_nvm_valid(model, nvm, &at, &newest)) {
        fml_nvm_cold_start(model, nvm, &at, &newest);
        status = FML_COLD_START;
    }
    ram->step = at.step;
    ram->newest = at.newest;
    ram->count = at.count;
    ram->sequence = newest.sequence;
    ram->stop = 0;
    locate(ram);
    return status;
}

static int8_t *arena_of(const fml_ram_t *ram) {
    return (int8_t *)(ram->nvm + FML_NVM_ARENA);
}

FML_SMALL static fml_status_t capture(fml_ram_t *ram) {
    const fml_model_t *model = ram->model;
    for (uint16_t i = 0; i < model->n_inputs; i++) {
        const fml_port_t port = model->inputs[i];
        uint8_t *to = ram->nvm + FML_NVM_ARENA + port.offset_bytes;
        for (uint32_t first = 0, n; first < port.n_bytes; first += n) {
            n = port.n_bytes - first;
            n = n < model->sram_bytes ? n : model->sram_bytes;
            const fml_status_t status = fml_hal_sample(i, first, n, ram->tile);
            if (status < 0) {
                return status;
            }
            fml_nvm_write_rows(to + first, 0, ram->tile, n, 1);
            FML_BARRIER();
        }
    }
    return FML_OK;
}

/* One part of one element: the sum so far comes from slot tile mod 2 and goes to the other one, so that this tile can be
 * done again. */
FML_SMALL static void compute_part(const fml_ram_t *ram, const fml_layer_t *layer) {
    const fml_model_t *model = ram->model;
    const uint32_t k0 = ram->part * layer->part_products, left = layer->products - k0;
    const uint32_t n = left < layer->part_products ? left : layer->part_products;
    uint8_t *sums = ram->nvm + FML_NVM_SUMS;
    const uint8_t from = (ram->step - 1) & 1u, to = (uint8_t)(1u - from);
    int32_t sum = 0;
    if (ram->part > 0) {
        fml_hal_nvm_read(&sum, sums + from * sizeof sum, sizeof sum);
    }
    sum += model->partial(ram->layer, arena_of(ram), ram->tile, ram->unit, k0, n);
    if (ram->part + 1u < layer->parts) {
        fml_hal_nvm_write(sums + to * sizeof sum, &sum, sizeof sum);
    } else {
        const int8_t y = model->finish(ram->layer, ram->unit, sum);
        fml_hal_nvm_write(arena_of(ram) + layer->out_offset_bytes + ram->unit, &y, 1);
    }
}

FML_SMALL static void compute_units(const fml_ram_t *ram, const fml_layer_t *layer) {
    const uint32_t left = layer->n_units - ram->unit, n = left < layer->tile_units ? left : layer->tile_units;
    uint8_t *to = ram->nvm + FML_NVM_ARENA + layer->out_offset_bytes + ram->unit * layer->unit_stride_bytes;
    ram->model->compute(ram->layer, arena_of(ram), ram->tile, ram->scratch, ram->unit, n);
    if (layer->unit_bytes == layer->unit_stride_bytes) {
        fml_nvm_write_rows(to, 0, ram->tile, n * layer->unit_bytes, 1);
    } else {
        fml_nvm_write_rows(to, layer->unit_stride_bytes, ram->tile, layer->unit_bytes, n);
    }
}

static void tile(const fml_ram_t *ram, const fml_layer_t *layer) {
    if (layer->parts > 1) {
        compute_part(ram, layer);
    } else {
        compute_units(ram, layer);
    }
}

/* Class and confidence of int8 scores: the first maximum, and how far the next one is behind. One score at a time: few
 * models have so many that transfers of one byte would matter, and all would pay for a buffer. */
FML_SMALL static void best_of(const int8_t *scores, uint32_t n, fml_record_t *record) {
    int8_t best = -128, second = -128;
    for (uint16_t i = 0; i < n; i++) {
        int8_t score;
        fml_hal_nvm_read(&score, scores + i, sizeof score);
        if (score > best) {
            second = best;
            best = score;
            record->class_index = i;
        } else if (score > second) {
            second = score;
        }
    }
    record->confidence = (uint8_t)(best - second);
}

/* Class and confidence of one int8 score: its side of the threshold's code, and how far it is from there. */
FML_SMALL static void side_of(const int8_t *at, int16_t threshold, fml_record_t *record) {
    int8_t score;
    fml_hal_nvm_read(&score, at, sizeof score);
    const int16_t above = (int16_t)(score - threshold);
    const int16_t away = above < 0 ? (int16_t)-above : above;
    record->class_index = (uint16_t)(above > 0);
    record->confidence = away > 255 ? 255u : (uint8_t)away;
}

/* All results of an inference have the number that the first of them got. */
uint32_t fml_next_sequence(const fml_ram_t *ram, const fml_layer_t *row) {
    const uint32_t next = ram->sequence + (row->products == 1);
    return next == 0 ? 1 : next;
}

FML_SMALL static void publish(fml_ram_t *ram, const fml_layer_t *row, uint8_t slot) {
    const fml_model_t *model = ram->model;
    const int8_t *from = arena_of(ram) + model->result.offset_bytes;
    fml_record_t record;
    if (model->state_bytes > 0) {
        fml_nvm_record(model, ram->nvm, ram->newest, &record); /* the state of the policy goes on */
    }
    record.unused = 0;
    record.class_index = 0;
    record.confidence = 0;
    if (model->result_kind == FML_RESULT_SCORES) {
        best_of(from, model->result.n_bytes, &record);
    } else if (model->result_kind == FML_RESULT_THRESHOLD) {
        side_of(from, model->result_threshold, &record);
    } else if (model->result_kind == FML_RESULT_INDEX) {
        int32_t index;
        fml_hal_nvm_read(&index, from, sizeof index);
        record.class_index = (uint16_t)index;
        record.confidence = 255;
    }
    record.depth = (uint8_t)row->products;
    record.sequence = fml_next_sequence(ram, row);
    fml_nvm_write_record(model, ram->nvm, slot, &record);
    ram->sequence = record.sequence;
}

static void to_result(const fml_record_t *record, fml_result_t *result) {
    result->sequence = record->sequence;
    result->class_index = record->class_index;
    result->confidence = record->confidence;
    result->depth = record->depth;
}

FML_SMALL static uint8_t has_outputs(const fml_ram_t *ram) {
    const fml_layer_t *row = row_of(ram);
    return row->kind == FML_REPORT && row->products > 0;
}

FML_SMALL static fml_status_t report(const fml_ram_t *ram) {
    fml_record_t newest;
    fml_result_t result;
    fml_nvm_record(ram->model, ram->nvm, ram->newest, &newest);
    to_result(&newest, &result);
    const fml_status_t status = fml_hal_report(ram->model, &result);
    return status < 0 ? status : FML_OK;
}

/* Every step ends in the one commit below; `next` is what it says. */
FML_SMALL fml_status_t fml_step(fml_ram_t *ram) {
    const fml_layer_t *row = row_of(ram);
    fml_status_t status = FML_OK;
    fml_position_t next;
    next.step = ram->step + 1;
    next.newest = ram->newest;
    next.count = ram->count;
    switch (row->kind) {
    case FML_CAPTURE:
        status = capture(ram);
        break;
    case FML_TILES:
        tile(ram, row);
        break;
    case FML_DECIDE:
        status = ram->model->policy->step(ram, row, &next);
        break;
    case FML_PUBLISH:
        next.newest ^= 1u;
        publish(ram, row, next.newest);
        status = FML_PUBLISHED;
        break;
    default: /* FML_REPORT */
        next.step = 0;
        ram->stop = 0;
        status = report(ram);
        break;
    }
    if (status >= 0) {
        commit(ram, &next);
    }
    return status;
}

fml_status_t fml_infer(fml_ram_t *ram) {
    fml_status_t status;
    do {
        status = fml_step(ram);
    } while (status == FML_OK || status == FML_REFINED);
    return status;
}

fml_status_t fml_result(const fml_model_t *model, const void *nvm, fml_result_t *result) {
    fml_position_t at;
    fml_record_t newest;
    if (!fml_nvm_valid(model, nvm, &at, &newest) || newest.sequence == 0) {
        return FML_NO_RESULT;
    }
    to_result(&newest, result);
    return FML_OK;
}

fml_status_t fml_read_output(const fml_ram_t *ram, uint16_t output, uint32_t first, uint32_t n, void *dst) {
    if (!has_outputs(ram)) {
        return FML_NO_RESULT;
    }
    fml_hal_nvm_read(dst, arena_of(ram) + ram->model->outputs[output].offset_bytes + first, (size_t)n);
    return FML_OK;
}

const int8_t *fml_output(const fml_ram_t *ram, uint16_t output) {
    const fml_model_t *model = ram->model;
    return has_outputs(ram) && !model->is_staged ? arena_of(ram) + model->outputs[output].offset_bytes : NULL;
}
