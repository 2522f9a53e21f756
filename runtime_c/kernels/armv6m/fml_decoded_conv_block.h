/* Rows of weights in SRAM, packed: see include/fml_decoded_conv_block.h. */
#ifndef FML_DECODED_CONV_BLOCK_H
#define FML_DECODED_CONV_BLOCK_H

#include "fml_kernels.h"
#include "fml_packed.h"

static inline int8_t *fml_block_row(int8_t *block, size_t n_products, uint16_t row, int8_t *spare) {
    (void)block;
    (void)n_products;
    (void)row;
    return spare;
}

static inline void fml_block_keep(int8_t *block, size_t n_products, uint16_t rows, uint16_t row, const int8_t *from) {
    const fml_packed_row_t at = fml_packed_row(block, n_products, rows, row);
    uint8_t *to = (uint8_t *)block + (at.w - (const uint8_t *)block);
    for (size_t k = 0; k < n_products; k++, to += at.step) {
        *to = (uint8_t)(from[k] + 128);
    }
}

static inline size_t fml_block_bytes(size_t n_products, uint16_t rows) {
    return rows * n_products;
}

#endif
