/* Rows of weights in an asymmetric numeral system of 16-bit states: freeml/ir/stored_ans.py says what is stored. */
#include "fml_coded_rows.h"
#include "fml_stream.h"

#include "fml_read_ans.h"

void fml_coded_ans_i8(const fml_coded_t *l, const int8_t *x, int8_t *y, uint32_t first, uint32_t n) {
    if (n == 0) {
        return;
    }
    uint16_t o;
    fml_ans_t at = fml_ans_restart(l, (uint16_t)first, &o);
    for (uint8_t left = l->rows; n > 0; o++, left--) { /* to the next restart point */
        if (left == 0) {
            at = fml_ans_restart(l, o, &o);
            left = l->rows;
        }
        int32_t acc = fml_coded_bias(l, o);
        const int8_t *xi = x;
        for (uint16_t k = l->n_in; k > 0; k--, xi++) {
            const int8_t w = fml_ans_next(&at);
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
    uint16_t o;
    fml_ans_t at = fml_ans_restart(l, (uint16_t)element, &o);
    int32_t acc = k0 == 0 ? fml_coded_bias(l, (uint16_t)element) : 0;
    for (; o <= element; o++) {
        const uint32_t end = o == element ? k0 + n : l->n_in;
        for (uint32_t i = 0; i < end; i++) {
            const int8_t w = fml_ans_next(&at);
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
