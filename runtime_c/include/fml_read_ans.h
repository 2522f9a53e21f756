/* Rows in an asymmetric numeral system, read from any row on: freeml/ir/stored_ans.py says what is stored. */
#ifndef FML_READ_ANS_H
#define FML_READ_ANS_H

#include "fml_coded_rows.h"
#include "fml_stream.h"

typedef struct {
    fml_stream_t bytes;
    const int8_t *book;
    uint16_t state;
} fml_ans_t;

static inline int8_t fml_ans_next(fml_ans_t *at) {
    const int8_t *book = at->book;
    uint8_t slot = (uint8_t)at->state, share;
    while (slot >= (share = (uint8_t)book[1])) {
        slot = (uint8_t)(slot - share);
        book += 2;
    }
    at->state = (uint16_t)((uint16_t)(share * (uint16_t)(at->state >> 8)) + slot);
    if (at->state < 256) {
        at->state = (uint16_t)(at->state << 8 | fml_stream_next(&at->bytes));
    }
    return *book;
}

/* Row o from weight k on. */
static inline fml_ans_t fml_ans_start(const fml_coded_t *l, uint16_t o, uint32_t k) {
    uint32_t w, unused;
    uint16_t row = fml_coded_restart(l, o, &w, &unused);
    fml_ans_t at;
    at.bytes = fml_stream(l->w, w);
    at.book = l->codebook;
    at.state = l->restart[2 * (size_t)(row / l->rows) + 1];
    for (uint32_t skip = (uint32_t)(o - row) * l->n_in + k; skip > 0; skip--) {
        (void)fml_ans_next(&at);
    }
    return at;
}

#endif
