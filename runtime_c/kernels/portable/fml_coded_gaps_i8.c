/* Rows with few entries, gaps in bytes: freeml/ir/stored_gaps.py says what is stored. */
#include "fml_coded_rows.h"
#include "fml_stream.h"

typedef struct {
    fml_stream_t w, index;
    uint16_t row;
} place_t;

static place_t start(const fml_coded_t *l, uint32_t first) {
    uint32_t w, index;
    place_t at;
    at.row = fml_coded_restart(l, (uint16_t)first, &w, &index);
    at.w = fml_stream(l->w, w);
    at.index = fml_stream(l->index, index);
    return at;
}

static uint16_t entries(fml_stream_t *index) {
    const uint8_t n = fml_stream_next(index);
    if (n < 255) {
        return n;
    }
    const uint8_t low = fml_stream_next(index);
    return (uint16_t)(fml_stream_next(index) << 8 | low);
}

/* Zeros before the next entry. */
static inline uint16_t zeros(fml_stream_t *index) {
    uint16_t n = 0;
    uint8_t gap;
    while ((gap = fml_stream_next(index)) == 255) {
        n = (uint16_t)(n + 255);
    }
    return (uint16_t)(n + gap);
}

void fml_coded_gaps_i8(const fml_coded_t *l, const int8_t *x, int8_t *y, uint32_t first, uint32_t n) {
    if (n == 0) {
        return;
    }
    place_t at = start(l, first);
    for (uint16_t o = at.row; n > 0; o++) {
        int32_t acc = fml_coded_bias(l, o);
        const int8_t *xi = x;
        for (uint16_t k = entries(&at.index); k > 0; k--) {
            xi += zeros(&at.index);
            acc = fml_product(acc, *xi++, (int8_t)fml_stream_next(&at.w));
        }
        if (o >= first) {
            *y++ = fml_coded_finish(l, o, acc);
            n--;
        }
    }
}

int32_t fml_coded_gaps_part_i8(const fml_coded_t *l, const int8_t *x, uint32_t element, uint32_t k0, uint32_t n) {
    place_t at = start(l, element);
    int32_t acc = k0 == 0 ? fml_coded_bias(l, (uint16_t)element) : 0;
    for (uint16_t o = at.row; o <= element; o++) {
        uint32_t i = 0;
        for (uint16_t k = entries(&at.index); k > 0; k--, i++) {
            i += zeros(&at.index);
            const int8_t w = (int8_t)fml_stream_next(&at.w);
            if (o == element && i >= k0 && i - k0 < n) {
                acc = fml_product(acc, x[(size_t)i], w);
            }
        }
    }
    return acc;
}

int8_t fml_coded_gaps_finish_i8(const fml_coded_t *l, uint32_t element, int32_t acc) {
    return fml_coded_finish(l, (uint16_t)element, acc);
}
