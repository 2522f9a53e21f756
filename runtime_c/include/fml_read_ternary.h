/* Rows of weights that are 0 or one value and its negative, five in a byte, read from any weight on: freeml/ir/stored_ternary.py
 * says what is stored. */
#ifndef FML_READ_TERNARY_H
#define FML_READ_TERNARY_H

#include "fml_coded.h"
#include "fml_stream.h"

#define FML_TERNARY_DIGITS 5

/* left: three times it has the next digit in its upper byte. */
typedef struct {
    fml_stream_t bytes;
    int8_t value;
    uint8_t left, n_left;
} fml_ternary_t;

/* The next digit, 0 to 2. */
static inline uint8_t fml_ternary_digit(uint8_t *left) {
    const uint16_t three = (uint16_t)(*left * 3u);
    *left = (uint8_t)three;
    return (uint8_t)(three >> 8);
}

static inline int8_t fml_ternary_next(fml_ternary_t *at) {
    if (at->n_left == 0) {
        at->left = fml_stream_next(&at->bytes);
        at->n_left = FML_TERNARY_DIGITS;
    }
    at->n_left--;
    const uint8_t digit = fml_ternary_digit(&at->left);
    return digit == 1 ? 0 : digit == 0 ? (int8_t)-at->value : at->value;
}

/* Row o from weight k on. */
static inline fml_ternary_t fml_ternary_start(const fml_coded_t *l, uint16_t o, uint32_t k) {
    fml_ternary_t at;
    at.bytes = fml_stream(l->w, (uint32_t)o * l->per_row + k / FML_TERNARY_DIGITS);
    at.value = l->value;
    at.left = at.n_left = 0;
    for (uint8_t skip = (uint8_t)(k % FML_TERNARY_DIGITS); skip > 0; skip--) {
        (void)fml_ternary_next(&at);
    }
    return at;
}

/* All of row o. */
static void fml_ternary_row(const fml_coded_t *l, uint16_t o, int8_t *to) {
    const int8_t values[3] = {(int8_t)-l->value, 0, l->value};
    fml_stream_t bytes = fml_stream(l->w, (uint32_t)o * l->per_row);
    uint16_t n = l->n_in;
    for (; n > 0;) {
        uint8_t left = fml_stream_next(&bytes), some = n < FML_TERNARY_DIGITS ? (uint8_t)n : FML_TERNARY_DIGITS;
        n = (uint16_t)(n - some);
        for (; some > 0; some--) {
            *to++ = values[fml_ternary_digit(&left)];
        }
    }
}

#endif
