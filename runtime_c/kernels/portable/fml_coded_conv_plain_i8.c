/* Convolutions with biases and scales in few bytes, weights as fml_conv_i8 has them. */
#include "fml_stream.h" /* first: that of the variant */

#include "fml_coded_conv_inner.h"
#include "fml_coded_conv_part.h"
#include "fml_dot.h"

void fml_coded_conv_plain_i8(const fml_coded_conv_t *c, const int8_t *x, int8_t *y, int8_t *scratch, uint32_t first,
                             uint32_t n) {
    const fml_wide_t wide = fml_wide_at(scratch + ((c->conv_scratch_bytes + 3u) & ~(size_t)3), c->rows.n_out);
    fml_conv_t l = fml_coded_conv_inner(c);
    fml_widen_run(&c->rows, wide, (uint16_t)(first % c->rows.n_out), n);
    l.w = c->rows.w;
    l.bias = wide.bias;
    l.mult = wide.mult;
    l.shift = wide.shift;
    fml_conv_i8(&l, x, y, scratch, first, n);
}

int32_t fml_coded_conv_plain_part_i8(const fml_coded_conv_t *c, const int8_t *x, uint32_t element, uint32_t k0, uint32_t n) {
    const uint16_t o = (uint16_t)(element % c->rows.n_out), rows = c->rows.n_out / c->groups;
    fml_conv_t l = fml_coded_conv_inner(c);
    int32_t acc = 0;
    l.w = c->rows.w;
    if (k0 == 0) { /* the part that has the bias: fml_conv_part_i8 would read it itself */
        fml_tap_t tap = fml_tap(c, x, element, 0);
        fml_dot_row_t row = fml_dot_row(l.w, c->rows.n_in, rows, o / rows, o, 0);
        const int8_t w = (int8_t)fml_dot_next_const(&row, 1, 1, 0);
        acc = fml_product(fml_coded_bias(&c->rows, o), fml_tap_next(&tap), w);
        k0 = 1;
        n--;
    }
    return n > 0 ? acc + fml_conv_part_i8(&l, x, element, k0, n) : acc;
}

int8_t fml_coded_conv_plain_finish_i8(const fml_coded_conv_t *c, uint32_t element, int32_t acc) {
    return fml_coded_finish(&c->rows, (uint16_t)(element % c->rows.n_out), acc);
}
