/* A convolution and the maximum over windows of its output: what the kernels of all kinds of convolution share. */
#ifndef FML_CONV_POOL_H
#define FML_CONV_POOL_H

#include "fml_kernels.h"
#include "fml_largest.h"
#include "fml_window.h"

/* A kernel of a convolution; one that needs no scratch gets some nevertheless. */
typedef void (*fml_convolve_t)(const fml_conv_t *l, const int8_t *x, int8_t *y, int8_t *scratch, uint32_t first,
                               uint32_t n);

/* Columns of the convolution, n bytes each, to the pixels whose windows they lie in: the first `until_next` of them to the
 * one at `to`, as many as a window has to each further one. */
static void fml_keep_columns(const int8_t *from, int8_t *to, uint16_t n_columns, uint16_t until_next, uint16_t per_window,
                             uint16_t n) {
    for (; n_columns > 0; n_columns--, from += n) {
        fml_keep_largest(to, from, n);
        if (--until_next == 0) {
            until_next = per_window;
            to += n;
        }
    }
}

/* n channels from o on of n_pixels pixels side by side; several pixels only with all their channels, and where windows
 * touch. Of each row of the windows, one call computes what it has of the convolution, or of one column after the other
 * where n leaves some out: an output of the convolution is computed once. */
static inline void fml_pool_pixels(const fml_conv_pool_t *l, fml_convolve_t convolve, const int8_t *x, int8_t *y,
                                   int8_t *scratch, int32_t top, int32_t left, uint16_t n_pixels, uint16_t o,
                                   uint16_t n) {
    const fml_conv_t *conv = &l->conv;
    const int32_t right = left + (int32_t)(n_pixels - 1) * l->pool_stride_w + l->pool_k_w;
    const uint16_t begin = left < 0 ? 0 : (uint16_t)left, end = right < conv->out_w ? (uint16_t)right : conv->out_w;
    const uint16_t until_next = (uint16_t)(left + l->pool_k_w - begin);
    const uint16_t step = n == conv->out_c ? (uint16_t)(end - begin) : 1; /* columns in one call */
    const fml_range_t rows = fml_taps_inside(top, l->pool_k_h, 1, 0, conv->out_h);
    int8_t *const outputs = scratch + l->conv_scratch_bytes;
    const int8_t *const y_end = y + (size_t)n_pixels * n;
    for (int8_t *to = y; to != y_end; to++) {
        *to = -128;
    }
    for (uint16_t i = rows.begin; i < rows.end; i++) {
        uint32_t at = ((uint32_t)(top + i) * conv->out_w + begin) * conv->out_c + o;
        for (uint16_t col = begin; col < end; col = (uint16_t)(col + step), at += conv->out_c) {
            convolve(conv, x, outputs, scratch, at, (uint32_t)step * n);
            fml_keep_columns(outputs, y, step, until_next, l->pool_k_w, n);
        }
    }
}

static inline void fml_pool_units(const fml_conv_pool_t *l, fml_convolve_t convolve, const int8_t *x, int8_t *y,
                                  int8_t *scratch, uint32_t first, uint32_t n) {
    const uint16_t channels = l->conv.out_c;
    const uint32_t pixel = first / channels;
    uint16_t out_row = (uint16_t)(pixel / l->pool_out_w), out_col = (uint16_t)(pixel % l->pool_out_w);
    uint16_t o = (uint16_t)(first % channels); /* the first channel of the pixel that is wanted */
    while (n > 0) {
        const uint16_t left = (uint16_t)(channels - o), take = n < left ? (uint16_t)n : left;
        const uint16_t most = (uint16_t)(l->pool_out_w - out_col);
        uint16_t pixels = 1;
        uint32_t taken = take;
        while (take == channels && pixels < l->run && pixels < most && taken + channels <= n) {
            pixels++;
            taken += channels;
        }
        fml_pool_pixels(l, convolve, x, y, scratch, (int32_t)out_row * l->pool_stride_h - l->pool_pad_t,
                        (int32_t)out_col * l->pool_stride_w - l->pool_pad_l, pixels, o, take);
        y += taken;
        n -= taken;
        o = 0;
        out_col = (uint16_t)(out_col + pixels);
        if (out_col == l->pool_out_w) {
            out_col = 0;
            out_row++;
        }
    }
}

#endif
