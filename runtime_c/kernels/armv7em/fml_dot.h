/* One row of packed weights, product by product: see include/fml_dot.h. */
#ifndef FML_DOT_H
#define FML_DOT_H

#include "fml_kernels.h"
#include "fml_packed.h"

/* The first weight of the row, and the next product. */
typedef struct {
    const int8_t *w;
    size_t k;
} fml_dot_row_t;

static inline fml_dot_row_t fml_dot_row(fml_weights_t w, uint32_t n_products, uint16_t rows, uint16_t group, uint16_t o,
                                        uint32_t k) {
    const size_t row_bytes = fml_packed_row_bytes(n_products);
    fml_dot_row_t row;
    w += group * fml_packed_bytes(rows, row_bytes);
    row.w = w + fml_packed_row(row_bytes, (uint16_t)(o - group * rows));
    row.k = (size_t)k;
    return row;
}

static inline int32_t fml_dot_next(fml_dot_row_t *row, const int8_t *x, uint32_t n, int32_t acc) {
    size_t k = row->k;
    for (uint32_t i = 0; i < n; i++) {
        acc += *x++ * row->w[fml_packed_at(k++)];
    }
    row->k = k;
    return acc;
}

static inline int32_t fml_dot_next_const(fml_dot_row_t *row, int8_t x, uint32_t n, int32_t acc) {
    size_t k = row->k;
    for (uint32_t i = 0; i < n; i++) {
        acc += x * row->w[fml_packed_at(k++)];
    }
    row->k = k;
    return acc;
}

#endif
