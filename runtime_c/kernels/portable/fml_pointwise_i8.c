/* A 1 x 1 convolution is a dense layer on every pixel, and needs no column. */
#include "fml_kernels.h"

void fml_pointwise_i8(const fml_conv_t *l, const int8_t *x, int8_t *y, uint32_t first, uint32_t n) {
    fml_dense_t dense;
    dense.w = l->w;
    dense.bias = l->bias;
    dense.mult = l->mult;
    dense.shift = l->shift;
    dense.n_in = l->in_c;
    dense.n_out = l->out_c;
    dense.y_zp = l->y_zp;
    dense.lo = l->lo;
    dense.hi = l->hi;
    x += (size_t)first * l->in_c;
    for (; n > 0; n--) {
        fml_dense_i8(&dense, x, y, 0, l->out_c);
        x += l->in_c;
        y += l->out_c;
    }
}
