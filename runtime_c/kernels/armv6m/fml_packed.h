/* Weights as freeml/kernels/packing.py packs them for this folder: [rows / 4][products][4], each code plus 128 as a byte, since
 * this core has loads at constant offsets for unsigned bytes only. The last rows % 4 rows are interleaved likewise. */
#ifndef FML_PACKED_H
#define FML_PACKED_H

#include <stddef.h>
#include <stdint.h>

/* The weights of one row: the first one, and from one to the next. */
typedef struct {
    const uint8_t *w;
    uint8_t step;
} fml_packed_row_t;

static inline fml_packed_row_t fml_packed_row(const int8_t *w, size_t n_products, uint16_t n_rows, uint16_t row) {
    const uint16_t quad = row & (uint16_t)~3u, left = (uint16_t)(n_rows - quad);
    fml_packed_row_t found;
    found.w = (const uint8_t *)w + quad * n_products + (row & 3u);
    found.step = left < 4 ? (uint8_t)left : 4;
    return found;
}

#endif
