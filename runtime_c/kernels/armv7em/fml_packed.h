/* Weights as freeml/kernels/packing.py packs them for this folder: [rows / 2][products / 4][2][4] bytes, rows and products
 * filled up with zeros to multiples of 2 and 4. The table begins at a multiple of 4. */
#ifndef FML_PACKED_H
#define FML_PACKED_H

#include <stddef.h>
#include <stdint.h>

static inline size_t fml_packed_row_bytes(size_t n_products) {
    return (n_products + 3) & ~(size_t)3;
}

/* Of all rows. */
static inline size_t fml_packed_bytes(uint16_t n_rows, size_t row_bytes) {
    return ((size_t)n_rows + 1) / 2 * 2 * row_bytes;
}

/* Offset of a row from the first one. */
static inline size_t fml_packed_row(size_t row_bytes, uint16_t row) {
    return (row & ~1u) * row_bytes + (row & 1u) * 4;
}

/* Offset of product k within its row. */
static inline size_t fml_packed_at(size_t k) {
    return (k & ~(size_t)3) * 2 + (k & 3);
}

#endif
