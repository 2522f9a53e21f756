/* Rows of weights in SRAM, packed: see include/fml_decoded_conv_block.h. */
#ifndef FML_DECODED_CONV_BLOCK_H
#define FML_DECODED_CONV_BLOCK_H

#include "fml_kernels.h"
#include "fml_packed.h"
#include "fml_simd.h"

static inline int8_t *fml_block_row(int8_t *block, size_t n_products, uint16_t row, int8_t *spare) {
    (void)block;
    (void)n_products;
    (void)row;
    return spare;
}

static inline void fml_block_keep(int8_t *block, size_t n_products, uint16_t rows, uint16_t row, const int8_t *from) {
    int8_t *to = block + fml_packed_row(fml_packed_row_bytes(n_products), row);
    (void)rows;
    for (; n_products >= 4; n_products -= 4, from += 4, to += 8) {
        fml_store_word(to, fml_load4(from));
    }
    if (n_products > 0) {
        fml_store_word(to, fml_load_last(from, n_products)); /* what fills the row up is 0 */
    }
}

static inline size_t fml_block_bytes(size_t n_products, uint16_t rows) {
    return fml_packed_bytes(rows, fml_packed_row_bytes(n_products));
}

#endif
