/* One row of weights, product by product: what parts of dot products are summed with. A folder of runtime_c/kernels that
 * orders weights in another way has a header of this name of its own. */
#ifndef FML_DOT_H
#define FML_DOT_H

#include "fml_kernels.h"

/* Where the next product's weight lies. */
typedef struct {
    const int8_t *w;
} fml_dot_row_t;

/* Product k of row o, which is in this group of so many rows of n_products; groups follow each other from w on. */
static inline fml_dot_row_t fml_dot_row(fml_weights_t w, uint32_t n_products, uint16_t rows, uint16_t group, uint16_t o,
                                        uint32_t k) {
    fml_dot_row_t row;
    (void)rows;
    (void)group;
    row.w = w + o * (size_t)n_products + (size_t)k;
    return row;
}

/* acc + the sum of the next n products with x. */
static inline int32_t fml_dot_next(fml_dot_row_t *row, const int8_t *x, uint32_t n, int32_t acc) {
    const int8_t *w = row->w;
    for (uint32_t i = 0; i < n; i++) {
        acc += *x++ * *w++;
    }
    row->w = w;
    return acc;
}

/* The same where all of x is one number. */
static inline int32_t fml_dot_next_const(fml_dot_row_t *row, int8_t x, uint32_t n, int32_t acc) {
    const int8_t *w = row->w;
    for (uint32_t i = 0; i < n; i++) {
        acc += x * *w++;
    }
    row->w = w;
    return acc;
}

#endif
