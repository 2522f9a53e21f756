/* Rows of codes into a list of values, read from any weight on: freeml/ir/stored_codes.py says what is stored. */
#ifndef FML_READ_CODEBOOK_H
#define FML_READ_CODEBOOK_H

#include "fml_coded.h"
#include "fml_stream.h"

typedef struct {
    const fml_coded_t *l;
    uint32_t row, k; /* the first byte of the row, and the weight that is next */
} fml_codebook_t;

/* Row o from weight k on. */
static inline fml_codebook_t fml_codebook_start(const fml_coded_t *l, uint16_t o, uint32_t k) {
    fml_codebook_t at;
    at.l = l;
    at.row = (uint32_t)o * l->per_row;
    at.k = k;
    return at;
}

static inline uint8_t fml_codebook_byte(const fml_codebook_t *at, uint32_t offset) {
    fml_stream_t bytes = fml_stream(at->l->w, at->row + offset);
    return fml_stream_next(&bytes);
}

static inline int8_t fml_codebook_next(fml_codebook_t *at) {
    const uint32_t k = at->k++;
    const uint8_t bits = at->l->value_bits;
    uint8_t code;
    if (bits == 3) {
        const uint8_t i = (uint8_t)(k & 7), low = fml_codebook_byte(at, k / 8 * 3 + 1 + (i >> 2));
        code = (uint8_t)((fml_codebook_byte(at, k / 8 * 3) >> i & 1) << 2 | (low >> 2 * (i & 3) & 3));
    } else if (bits == 2) {
        code = (uint8_t)(fml_codebook_byte(at, k / 4) >> 2 * (k & 3) & 3);
    } else {
        code = (uint8_t)(fml_codebook_byte(at, k / 2) >> 4 * (k & 1) & 15);
    }
    return at->l->codebook[code];
}

/* Four weights whose two lower bits are in one byte; high: a third one of each, from the lowest on. */
static inline int8_t *fml_codebook_four(const int8_t *values, uint8_t low, uint8_t high, int8_t *to) {
    to[0] = values[(low & 3) | (high << 2 & 4)];
    to[1] = values[(low >> 2 & 3) | (high << 1 & 4)];
    to[2] = values[(low >> 4 & 3) | (high & 4)];
    to[3] = values[low >> 6 | (high >> 1 & 4)];
    return to + 4;
}

/* All of row o. */
static void fml_codebook_row(const fml_coded_t *l, uint16_t o, int8_t *to) {
    const int8_t *const values = l->codebook;
    fml_stream_t bytes = fml_stream(l->w, (uint32_t)o * l->per_row);
    uint16_t n = l->n_in;
    if (l->value_bits == 4) {
        for (; n >= 2; n = (uint16_t)(n - 2), to += 2) {
            const uint8_t codes = fml_stream_next(&bytes);
            to[0] = values[codes & 15];
            to[1] = values[codes >> 4];
        }
    } else if (l->value_bits == 2) {
        for (; n >= 4; n = (uint16_t)(n - 4)) {
            to = fml_codebook_four(values, fml_stream_next(&bytes), 0, to);
        }
    } else {
        for (; n >= 8; n = (uint16_t)(n - 8)) {
            const uint8_t high = fml_stream_next(&bytes);
            to = fml_codebook_four(values, fml_stream_next(&bytes), high, to);
            to = fml_codebook_four(values, fml_stream_next(&bytes), (uint8_t)(high >> 4), to);
        }
    }
    if (n > 0) {
        fml_codebook_t at = fml_codebook_start(l, o, (uint32_t)l->n_in - n);
        for (; n > 0; n--) {
            *to++ = fml_codebook_next(&at);
        }
    }
}

#endif
