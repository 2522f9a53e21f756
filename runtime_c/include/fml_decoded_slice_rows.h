/* What kernels share that decode some rows of a convolution, each once for all pixels of a tile. */
#ifndef FML_DECODED_SLICE_ROWS_H
#define FML_DECODED_SLICE_ROWS_H

#include "fml_decoded_conv_rows.h"
#include "fml_decoded_slice.h"

/* Rows [o, o + rows) for pixels [first, first + n), each decoded once. y: `rows` bytes of each pixel. block_rows: at least as many. */
static void fml_decoded_slice(const fml_coded_conv_t *c, fml_decode_row_t decode, const int8_t *x, int8_t *y, int8_t *scratch,
                              uint16_t o, uint16_t rows, uint32_t first, uint32_t n) {
    fml_decoded_t d = fml_decoded_start(c, decode, scratch);
    fml_conv_t l = fml_decoded_inner(&d);
    for (uint16_t at = 0; at < rows; at++) {
        fml_decoded_row(&d, (uint16_t)(o + at), at, rows);
    }
    l.out_c = rows;
    fml_conv_i8(&l, x, y, d.columns, first * rows, n * rows);
}

#endif
