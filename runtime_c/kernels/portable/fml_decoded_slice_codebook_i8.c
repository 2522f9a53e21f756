#include "fml_stream.h" /* first: those of the variant */

#include "fml_decoded_conv_block.h"

#include "fml_decoded_slice_rows.h"
#include "fml_read_codebook.h"

static void decode(const fml_coded_t *l, uint16_t o, int8_t *to, fml_place_t *place) {
    (void)place;
    fml_codebook_row(l, o, to);
}

void fml_decoded_slice_codebook_i8(const fml_coded_conv_t *l, const int8_t *x, int8_t *y, int8_t *scratch, uint16_t o, uint16_t rows,
                                   uint32_t first, uint32_t n) {
    fml_decoded_slice(l, decode, x, y, scratch, o, rows, first, n);
}
