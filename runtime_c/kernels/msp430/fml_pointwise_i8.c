/* A 1 x 1 convolution is a dense layer on every pixel, and needs no column. */
#include "fml_rows.h"

void fml_pointwise_i8(const fml_conv_t *l, const int8_t *x, int8_t *y, uint32_t first, uint32_t n) {
    fml_dense_t dense;
    fml_rows_t rows;
    dense.w = l->w;
    dense.bias = l->bias;
    dense.mult = l->mult;
    dense.shift = l->shift;
    dense.n_in = l->in_c;
    dense.n_out = l->out_c;
    dense.y_zp = l->y_zp;
    dense.lo = l->lo;
    dense.hi = l->hi;
    uint16_t o; /* the first output channel of the pixel that is wanted */
    const uint32_t pixel = fml_divide(first, l->out_c, &o);
    x += (size_t)pixel * l->in_c;
    if (o > 0 && n > 0) {
        const uint32_t left = (uint32_t)l->out_c - o, take = n < left ? n : left;
        fml_dense_i8(&dense, x, y, o, take);
        x += l->in_c;
        y += take;
        n -= take;
    }
    fml_rows_start(&rows, &dense, 0, l->out_c);
    for (; n >= l->out_c; n -= l->out_c) {
        fml_rows_run(&rows, x, y);
        x += l->in_c;
        y += l->out_c;
    }
    fml_dense_i8(&dense, x, y, 0, n);
}
