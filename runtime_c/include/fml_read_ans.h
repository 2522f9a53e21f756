/* Rows in an asymmetric numeral system, read from any row on: freeml/ir/stored_ans.py says what is stored. The
 * codebook has a value and its share of 256 in turn, the most frequent first: that is where the search begins. */
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

/* The restart point at or before row o; its row. */
static inline fml_ans_t fml_ans_restart(const fml_coded_t *l, uint16_t o, uint16_t *row) {
    uint32_t w, unused;
    fml_ans_t at;
    *row = fml_coded_restart(l, o, &w, &unused);
    at.bytes = fml_stream(l->w, w);
    at.book = l->codebook;
    at.state = l->restart[2 * (size_t)(*row / l->rows) + 1];
    return at;
}

/* Row o from weight k on. */
static inline fml_ans_t fml_ans_start(const fml_coded_t *l, uint16_t o, uint32_t k) {
    uint16_t row;
    fml_ans_t at = fml_ans_restart(l, o, &row);
    for (uint32_t skip = (uint32_t)(o - row) * l->n_in + k; skip > 0; skip--) {
        (void)fml_ans_next(&at);
    }
    return at;
}

#endif
