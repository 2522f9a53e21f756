/* Rows of weights in an asymmetric numeral system of 16-bit states: freeml/ir/stored_ans.py says what is stored. The
 * codebook has a value and its share of 256 in turn, the most frequent first: that is where the search begins. */
#include "fml_coded_rows.h"
#include "fml_stream.h"

typedef struct {
    fml_stream_t bytes;
    uint16_t state, row;
} place_t;

static place_t start(const fml_coded_t *l, uint32_t first) {
    uint32_t w, state;
    place_t at;
    at.row = fml_coded_restart(l, (uint16_t)first, &w, &state);
    at.bytes = fml_stream(l->w, w);
    at.state = l->restart[2 * (size_t)(at.row / l->rows) + 1];
    return at;
}

static inline int8_t next(const int8_t *book, place_t *at) {
    uint8_t slot = (uint8_t)at->state, share;
    while (slot >= (share = (uint8_t)book[1])) {
        slot = (uint8_t)(slot - share);
        book += 2;
    }
    uint16_t state = (uint16_t)((uint16_t)(share * (uint16_t)(at->state >> 8)) + slot);
    if (state < 256) {
        state = (uint16_t)(state << 8 | fml_stream_next(&at->bytes));
    }
    at->state = state;
    return *book;
}

void fml_coded_ans_i8(const fml_coded_t *l, const int8_t *x, int8_t *y, uint32_t first, uint32_t n) {
    if (n == 0) {
        return;
    }
    place_t at = start(l, first);
    uint8_t left = l->rows; /* to the next restart point */
    for (uint16_t o = at.row; n > 0; o++, left--) {
        if (left == 0) {
            at = start(l, o);
            left = l->rows;
        }
        int32_t acc = fml_coded_bias(l, o);
        const int8_t *xi = x;
        for (uint16_t k = l->n_in; k > 0; k--, xi++) {
            const int8_t w = next(l->codebook, &at);
            if (w != 0) {
                acc = fml_product(acc, *xi, w);
            }
        }
        if (o >= first) {
            *y++ = fml_coded_finish(l, o, acc);
            n--;
        }
    }
}

int32_t fml_coded_ans_part_i8(const fml_coded_t *l, const int8_t *x, uint32_t element, uint32_t k0, uint32_t n) {
    place_t at = start(l, element);
    int32_t acc = k0 == 0 ? fml_coded_bias(l, (uint16_t)element) : 0;
    for (uint16_t o = at.row; o <= element; o++) {
        const uint32_t end = o == element ? k0 + n : l->n_in;
        for (uint32_t i = 0; i < end; i++) {
            const int8_t w = next(l->codebook, &at);
            if (o == element && i >= k0) {
                acc = fml_product(acc, x[(size_t)i], w);
            }
        }
    }
    return acc;
}

int8_t fml_coded_ans_finish_i8(const fml_coded_t *l, uint32_t element, int32_t acc) {
    return fml_coded_finish(l, (uint16_t)element, acc);
}
