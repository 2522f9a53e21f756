/* One row of packed weights, product by product: see include/fml_dot.h. */
#ifndef FML_DOT_H
#define FML_DOT_H

#include "fml_kernels.h"
#include "fml_packed.h"

typedef fml_packed_row_t fml_dot_row_t;

static inline fml_dot_row_t fml_dot_row(fml_weights_t w, uint32_t n_products, uint16_t rows, uint16_t group, uint16_t o,
                                        uint32_t k) {
    const uint16_t before = (uint16_t)(group * rows);
    fml_dot_row_t row = fml_packed_row(w + (size_t)before * n_products, n_products, rows, (uint16_t)(o - before));
    row.w += (size_t)k * row.step;
    return row;
}

static inline int32_t fml_dot_next(fml_dot_row_t *row, const int8_t *x, uint32_t n, int32_t acc) {
    const uint8_t *w = row->w;
    for (uint32_t i = 0; i < n; i++, w += row->step) {
        acc += *x++ * (*w - 128);
    }
    row->w = w;
    return acc;
}

static inline int32_t fml_dot_next_const(fml_dot_row_t *row, int8_t x, uint32_t n, int32_t acc) {
    const uint8_t *w = row->w;
    for (uint32_t i = 0; i < n; i++, w += row->step) {
        acc += x * (*w - 128);
    }
    row->w = w;
    return acc;
}

#endif
