/* Depthwise convolutions with biases and scales in few bytes, weights as fml_depthwise_i8 has them. */
#include "fml_stream.h" /* first: that of the variant */

#include "fml_coded_conv_inner.h"

void fml_coded_conv_depthwise_i8(const fml_coded_conv_t *c, const int8_t *x, int8_t *y, int8_t *scratch, uint32_t first,
                                 uint32_t n) {
    const fml_wide_t wide = fml_wide_at(scratch, c->rows.n_out);
    fml_conv_t l = fml_coded_conv_inner(c);
    fml_widen_run(&c->rows, wide, (uint16_t)(first % c->rows.n_out), n);
    l.w = c->rows.w;
    l.bias = wide.bias;
    l.mult = wide.mult;
    l.shift = wide.shift;
    fml_depthwise_i8(&l, x, y, first, n);
}
