/* Any convolution: gather the taps of a pixel into a column, then it is a dense layer. */
#include "fml_kernels.h"
#include "fml_window.h"

static int8_t *fill(int8_t *to, int8_t value, size_t n_bytes) {
    for (; n_bytes > 0; n_bytes--) {
        *to++ = value;
    }
    return to;
}

static int8_t *copy(int8_t *restrict to, const int8_t *restrict from, size_t n_bytes) {
    for (; n_bytes > 0; n_bytes--) {
        *to++ = *from++;
    }
    return to;
}

/* The window whose first tap lies at (row, col), channels of one group, x_zp in the padding. x points to the first
 * channel of the group. */
static void gather(const fml_conv_t *l, const int8_t *x, uint16_t channels, int32_t row, int32_t col, int8_t *to) {
    const fml_range_t rows = fml_taps_inside(row, l->k_h, l->dil_h, 0, l->in_h);
    const fml_range_t cols = fml_taps_inside(col, l->k_w, l->dil_w, 0, l->in_w);
    const size_t row_bytes = (size_t)l->k_w * channels;
    if (rows.begin >= rows.end || cols.begin >= cols.end) {
        fill(to, l->x_zp, l->k_h * row_bytes);
        return;
    }
    const size_t left_bytes = (size_t)cols.begin * channels, right_bytes = (size_t)(l->k_w - cols.end) * channels;
    const size_t tap_step = (size_t)l->dil_w * l->in_c, row_step = (size_t)l->dil_h * l->in_w * l->in_c;
    const size_t in_row = (size_t)(row + (int32_t)rows.begin * l->dil_h);
    const size_t in_col = (size_t)(col + (int32_t)cols.begin * l->dil_w);
    const int8_t *from = x + (in_row * l->in_w + in_col) * l->in_c;

    to = fill(to, l->x_zp, rows.begin * row_bytes);
    for (uint16_t i = rows.begin; i < rows.end; i++, from += row_step) {
        to = fill(to, l->x_zp, left_bytes);
        if (tap_step == channels) { /* neighbouring taps are neighbours in memory */
            to = copy(to, from, row_bytes - left_bytes - right_bytes);
        } else {
            const int8_t *tap = from;
            for (uint16_t j = cols.begin; j < cols.end; j++, tap += tap_step) {
                to = copy(to, tap, channels);
            }
        }
        to = fill(to, l->x_zp, right_bytes);
    }
    fill(to, l->x_zp, (size_t)(l->k_h - rows.end) * row_bytes);
}

void fml_conv_i8(const fml_conv_t *l, const int8_t *x, int8_t *y, int8_t *scratch, uint32_t first, uint32_t n) {
    const uint16_t channels = l->in_c / l->groups;
    const uint16_t taps = (uint16_t)(l->k_h * l->k_w);
    fml_dense_t dense;
    dense.n_in = (uint16_t)(taps * channels);
    dense.n_out = l->out_c / l->groups;
    dense.y_zp = l->y_zp;
    dense.lo = l->lo;
    dense.hi = l->hi;

    const uint32_t pixel = first / l->out_c;
    uint16_t out_row = (uint16_t)(pixel / l->out_w), out_col = (uint16_t)(pixel % l->out_w);
    uint16_t o = (uint16_t)(first % l->out_c); /* the first output channel of the pixel that is wanted */
    while (n > 0) {
        const int32_t row = (int32_t)out_row * l->stride_h - l->pad_t;
        const int32_t col = (int32_t)out_col * l->stride_w - l->pad_l;
        uint16_t group = 0;
        dense.w = l->w;
        dense.bias = l->bias;
        dense.mult = l->mult;
        dense.shift = l->shift;
        for (; group < l->groups && n > 0; group++) {
            if (o < dense.n_out) {
                const uint32_t left = (uint32_t)dense.n_out - o, take = n < left ? n : left;
                gather(l, x + (size_t)group * channels, channels, row, col, scratch);
                fml_dense_i8(&dense, scratch, y, o, take);
                y += take;
                n -= take;
                o = 0;
            } else {
                o = (uint16_t)(o - dense.n_out);
            }
            dense.w += (size_t)dense.n_out * dense.n_in;
            dense.bias += dense.n_out;
            dense.mult += dense.n_out;
            dense.shift += dense.n_out;
        }
        if (++out_col == l->out_w) {
            out_col = 0;
            out_row++;
        }
    }
}
