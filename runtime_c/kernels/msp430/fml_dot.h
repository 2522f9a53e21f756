/* One row of weights, product by product, by the multiplier: see include/fml_dot.h. */
#ifndef FML_DOT_H
#define FML_DOT_H

#include "fml_mpy.h"

typedef struct {
    fml_weights_t w;
} fml_dot_row_t;

static inline fml_dot_row_t fml_dot_row(fml_weights_t w, uint32_t n_products, uint16_t rows, uint16_t group, uint16_t o,
                                        uint32_t k) {
    fml_dot_row_t row;
    (void)rows;
    (void)group;
    row.w = w + (o * n_products + k);
    return row;
}

static inline int32_t fml_dot_next(fml_dot_row_t *row, const int8_t *x, uint32_t n, int32_t acc) {
    acc = fml_dot_i8(x, row->w, (uint16_t)n, acc);
    row->w += n;
    return acc;
}

static inline int32_t fml_dot_next_const(fml_dot_row_t *row, int8_t x, uint32_t n, int32_t acc) {
    acc = fml_dot_const_i8(x, row->w, (uint16_t)n, acc);
    row->w += n;
    return acc;
}

#endif
