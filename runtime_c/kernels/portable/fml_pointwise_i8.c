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
    uint16_t o = (uint16_t)(first % l->out_c); /* the first output channel of the pixel that is wanted */
    x += (size_t)(first / l->out_c) * l->in_c;
    while (n > 0) {
        const uint32_t left = (uint32_t)l->out_c - o, take = n < left ? n : left;
        fml_dense_i8(&dense, x, y, o, take);
        x += l->in_c;
        y += take;
        n -= take;
        o = 0;
    }
}
