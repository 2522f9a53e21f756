#include "fml_kernels.h"
#include "fml_requant.h"
#include "fml_window.h"

/* Channels of one output pixel collect the maximum tap by tap. The first tap is copied, not compared with -128, so that a
 * layer in place may start where that tap lies. x: the first of these channels. */
static void one_pixel(const fml_pool_t *l, const int8_t *x, int32_t row, int32_t col, int8_t *y, uint16_t n_channels) {
    const fml_range_t rows = fml_taps_inside(row, l->k_h, l->dil_h, 0, l->in_h);
    const fml_range_t cols = fml_taps_inside(col, l->k_w, l->dil_w, 0, l->in_w);
    uint8_t none_yet = 1;
    for (uint16_t i = rows.begin; i < rows.end; i++) {
        const size_t in_row = (size_t)(row + (int32_t)i * l->dil_h);
        for (uint16_t j = cols.begin; j < cols.end; j++) {
            const size_t in_col = (size_t)(col + (int32_t)j * l->dil_w);
            const int8_t *tap = x + (in_row * l->in_w + in_col) * l->c;
            if (none_yet) {
                for (uint16_t c = 0; c < n_channels; c++) {
                    y[c] = tap[c];
                }
                none_yet = 0;
                continue;
            }
            for (uint16_t c = 0; c < n_channels; c++) {
                y[c] = tap[c] > y[c] ? tap[c] : y[c];
            }
        }
    }
    for (uint16_t c = 0; c < n_channels; c++) {
        y[c] = fml_clamp_i8(none_yet ? -128 : y[c], l->lo, l->hi);
    }
}

void fml_maxpool_i8(const fml_pool_t *l, const int8_t *x, int8_t *y, uint32_t first, uint32_t n) {
    const uint32_t pixel = first / l->c;
    uint16_t out_row = (uint16_t)(pixel / l->out_w), out_col = (uint16_t)(pixel % l->out_w);
    uint16_t o = (uint16_t)(first % l->c); /* the first channel of the pixel that is wanted */
    while (n > 0) {
        const uint32_t left = (uint32_t)l->c - o, take = n < left ? n : left;
        const int32_t row = (int32_t)out_row * l->stride_h - l->pad_t;
        const int32_t col = (int32_t)out_col * l->stride_w - l->pad_l;
        one_pixel(l, x + o, row, col, y, (uint16_t)take);
        y += take;
        n -= take;
        o = 0;
        if (++out_col == l->out_w) {
            out_col = 0;
            out_row++;
        }
    }
}
