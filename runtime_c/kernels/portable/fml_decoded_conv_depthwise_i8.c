/* Depthwise convolutions with codes into a list of values: rows are decoded, and put tap by tap as fml_depthwise_i8 has them. */
#include "fml_stream.h" /* first: that of the variant */

#include "fml_decoded_conv.h"
#include "fml_read_codebook.h"
#include "fml_coded_conv_inner.h"

void fml_decoded_conv_depthwise_i8(const fml_coded_conv_t *c, const int8_t *x, int8_t *y, int8_t *scratch, uint32_t first,
                                   uint32_t n) {
    const uint16_t out_c = c->rows.n_out, taps = c->rows.n_in;
    int8_t *const row = scratch + (size_t)out_c * taps;
    const fml_wide_t wide = fml_wide_at(scratch + (((size_t)out_c * taps + taps + 3) & ~(size_t)3), out_c);
    uint16_t o = (uint16_t)(first % out_c);
    fml_conv_t l = fml_coded_conv_inner(c);
    fml_widen_run(&c->rows, wide, o, n);
    l.w = FML_WEIGHTS_AT(scratch);
    l.bias = wide.bias;
    l.mult = wide.mult;
    l.shift = wide.shift;
    for (uint16_t left = n < out_c ? (uint16_t)n : out_c; left > 0; left--) {
        int8_t *to = scratch + o;
        fml_codebook_row(&c->rows, o, row);
        for (uint16_t k = 0; k < taps; k++, to += out_c) {
            *to = row[k];
        }
        o = o + 1u < out_c ? (uint16_t)(o + 1) : 0;
    }
    fml_depthwise_i8(&l, x, y, first, n);
}
