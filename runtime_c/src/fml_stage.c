#include "fml_stage.h"

#include "fml_hal.h"

static uint32_t rounded_up(uint32_t n_bytes) {
    return (n_bytes + 3u) & ~(uint32_t)3u;
}

/* Bytes [begin, end) of an operand to `to`; returns where byte 0 would lie. No such byte need exist, so the address is
 * computed as a number. */
static const int8_t *copied(const fml_read_t *operand, const int8_t *arena, int8_t *to, uint32_t begin, uint32_t end) {
    if (begin < end) {
        fml_hal_nvm_read(to, arena + operand->offset_bytes + begin, (size_t)(end - begin));
    }
    return (const int8_t *)((uintptr_t)to - (uintptr_t)begin);
}

/* Units first to last. Windows may lie in the padding alone: then there is nothing to copy. */
static uint32_t span(const fml_read_t *operand, uint32_t first, uint32_t last, uint32_t *end) {
    const uint32_t lead = operand->lead_bytes, start = first / operand->group_units * operand->step_bytes;
    const uint32_t stop = last / operand->group_units * operand->step_bytes + operand->extent_bytes;
    const uint32_t begin = start > lead ? start - lead : 0;
    *end = stop > lead ? stop - lead : 0;
    *end = *end < operand->n_bytes ? *end : operand->n_bytes;
    return begin < *end ? begin : *end;
}

void fml_stage(const fml_layer_t *layer, const fml_read_t *operands, const int8_t *arena, int8_t *tile, uint32_t first,
               uint32_t n, const int8_t *x[2]) {
    int8_t *to = tile + rounded_up(layer->tile_units * layer->unit_bytes);
    for (uint8_t k = 0; k < 2; k++) {
        uint32_t end;
        const uint32_t begin = span(&operands[k], first, first + n - 1, &end);
        x[k] = copied(&operands[k], arena, to, begin, end);
        to += rounded_up(end - begin);
    }
}

const int8_t *fml_stage_part(const fml_read_t *operand, const int8_t *arena, int8_t *tile, uint32_t element, uint32_t k0,
                             uint32_t n) {
    uint32_t begin, end;
    if (operand->extent_bytes == 0) {
        begin = element / operand->group_units * operand->step_bytes + k0;
        end = begin + n;
    } else {
        begin = span(operand, element, element, &end);
    }
    return copied(operand, arena, tile, begin, end);
}
