/* Rows of weights in SRAM as the kernels of this folder read them: where a decoded row goes. A folder of runtime_c/kernels that
 * orders weights in another way has a header of this name of its own. */
#ifndef FML_DECODED_CONV_BLOCK_H
#define FML_DECODED_CONV_BLOCK_H

#include "fml_kernels.h"

/* Where row `row` of so many rows of n_products is decoded to; spare: room for a row elsewhere. */
static inline int8_t *fml_block_row(int8_t *block, size_t n_products, uint16_t row, int8_t *spare) {
    (void)spare;
    return block + row * n_products;
}

/* Put it into its place, if that is another one. */
static inline void fml_block_keep(int8_t *block, size_t n_products, uint16_t rows, uint16_t row, const int8_t *from) {
    (void)block;
    (void)n_products;
    (void)rows;
    (void)row;
    (void)from;
}

/* Bytes of a block. */
static inline size_t fml_block_bytes(size_t n_products, uint16_t rows) {
    return rows * n_products;
}

#endif
