/* Depthwise convolution. Taps outer, channels inner in memory; four channels are computed at once where each reads its
 * own input channel, so that address arithmetic is shared. */
#include "fml_kernels.h"
#include "fml_lanes.h"
#include "fml_requant.h"
#include "fml_window.h"

/* The taps of one pixel that lie inside the input. */
typedef struct {
    fml_range_t rows, cols;
    const int8_t *x; /* the first of them, channel 0 */
    size_t x_row, x_tap;
    int8_t x_zp[4]; /* what taps in the padding read */
    uint8_t padded; /* there are such taps, and they count */
} window_t;

/* Where the weights of row i start: the first tap inside, channel o. */
static const int8_t *row_weights(const fml_conv_t *l, const window_t *at, size_t i, size_t o) {
    return l->w + ((size_t)i * l->k_w + at->cols.begin) * l->out_c + o;
}

static int32_t one_channel(const fml_conv_t *l, const window_t *at, size_t c, size_t o) {
    const int8_t *x_row = at->x + c, *w = l->w + o;
    int32_t acc = 0;
    for (size_t i = 0; at->padded && i < l->k_h; i++) {
        const uint8_t row_inside = i >= at->rows.begin && i < at->rows.end;
        for (size_t j = 0; j < l->k_w; j++, w += l->out_c) {
            acc += row_inside && j >= at->cols.begin && j < at->cols.end ? 0 : at->x_zp[0] * *w;
        }
    }
    for (size_t i = at->rows.begin; i < at->rows.end; i++, x_row += at->x_row) {
        const int8_t *x = x_row;
        w = row_weights(l, at, i, o);
        for (size_t j = at->cols.begin; j < at->cols.end; j++, x += at->x_tap, w += l->out_c) {
            acc += *x * *w;
        }
    }
    return acc;
}

/* What the taps in the padding contribute to the channels that begin at w. */
FML_NOINLINE static fml_lanes_t padding(const fml_conv_t *l, const window_t *at, const int8_t *w) {
    const size_t w_tap = l->out_c;
    fml_lanes_t sums = {0, 0, 0, 0};
    for (size_t i = 0; i < l->k_h; i++) {
        const uint8_t row_inside = i >= at->rows.begin && i < at->rows.end;
        const size_t begin = row_inside ? at->cols.begin : l->k_w, end = row_inside ? at->cols.end : l->k_w;
        for (size_t j = 0; j < l->k_w; j++, w += w_tap) {
            if (j == begin) { /* past those inside */
                w += (end - begin) * w_tap;
                j = end;
                if (j == l->k_w) {
                    break;
                }
            }
            sums = fml_lanes_mac(sums, at->x_zp, w);
        }
    }
    return sums;
}

FML_NOINLINE static void four_channels(const fml_conv_t *l, const window_t *at, size_t o, int32_t acc[4]) {
    const size_t w_tap = l->out_c, x_tap = at->x_tap, w_row = w_tap * l->k_w;
    const size_t w_run = (size_t)(at->cols.end - at->cols.begin) * w_tap;
    const int8_t *x_row = at->x + o, *row = row_weights(l, at, at->rows.begin, o);
    fml_lanes_t sums = {0, 0, 0, 0};
    if (at->padded) {
        sums = padding(l, at, l->w + o);
    }
    for (size_t i = (size_t)(at->rows.end - at->rows.begin); i > 0; i--, x_row += at->x_row, row += w_row) {
        const int8_t *x = x_row, *w = row;
        for (const int8_t *end = w + w_run; w != end; x += x_tap, w += w_tap) {
            sums = fml_lanes_mac(sums, x, w);
        }
    }
    acc[0] = sums.c0;
    acc[1] = sums.c1;
    acc[2] = sums.c2;
    acc[3] = sums.c3;
}

FML_NOINLINE static void finish(const fml_conv_t *l, size_t o, size_t n, const int32_t *acc, int8_t *y) {
    const int8_t y_zp = l->y_zp, lo = l->lo, hi = l->hi; /* copies, which a store to y cannot change */
    const int32_t *bias = l->bias + o;
    const uint16_t *mult = l->mult + o;
    const uint8_t *shift = l->shift + o;
    for (; n > 0; n--) {
        *y++ = fml_requant_i8(*bias++ + *acc++, *mult++, *shift++, y_zp, lo, hi);
    }
}

/* Output channels [o, end) of one pixel. */
static void one_pixel(const fml_conv_t *l, const window_t *at, int8_t *y, size_t o, size_t end) {
    const size_t multiplier = l->out_c / l->in_c;
    size_t c = o, m = 0, n_channels; /* the input channel of output channel o, and how many have read it */
    if (multiplier != 1) {
        c = o / multiplier;
        m = o % multiplier;
    }
    for (; o < end; o += n_channels, y += n_channels) {
        int32_t acc[4];
        n_channels = 1;
        if (multiplier == 1 && end - o >= 4) {
            four_channels(l, at, o, acc);
            n_channels = 4;
            c += 4;
        } else {
            acc[0] = one_channel(l, at, c, o);
            if (++m == multiplier) {
                m = 0;
                c++;
            }
        }
        finish(l, o, n_channels, acc, y);
    }
}

void fml_depthwise_i8(const fml_conv_t *l, const int8_t *x, int8_t *y, uint32_t first, uint32_t n) {
    window_t at;
    at.x_row = (size_t)l->dil_h * l->in_w * l->in_c;
    at.x_tap = (size_t)l->dil_w * l->in_c;
    at.x_zp[0] = at.x_zp[1] = at.x_zp[2] = at.x_zp[3] = l->x_zp;
    const uint32_t pixel = first / l->out_c;
    uint16_t out_row = (uint16_t)(pixel / l->out_w), out_col = (uint16_t)(pixel % l->out_w);
    uint16_t o = (uint16_t)(first % l->out_c); /* the first output channel of the pixel that is wanted */
    while (n > 0) {
        const int32_t row = (int32_t)out_row * l->stride_h - l->pad_t;
        const int32_t col = (int32_t)out_col * l->stride_w - l->pad_l;
        at.rows = fml_taps_inside(row, l->k_h, l->dil_h, 0, l->in_h);
        at.cols = fml_taps_inside(col, l->k_w, l->dil_w, 0, l->in_w);
        at.x = x;
        if (at.rows.begin < at.rows.end && at.cols.begin < at.cols.end) {
            const size_t in_row = (size_t)(row + (int32_t)at.rows.begin * l->dil_h);
            const size_t in_col = (size_t)(col + (int32_t)at.cols.begin * l->dil_w);
            at.x += (in_row * l->in_w + in_col) * l->in_c;
        } else {
            at.rows.end = at.rows.begin; /* nothing inside: no pointer may be formed */
        }
        const uint8_t cut = at.rows.end - at.rows.begin < l->k_h || at.cols.end - at.cols.begin < l->k_w;
        at.padded = cut && l->x_zp != 0;
        const uint32_t left = (uint32_t)l->out_c - o, take = n < left ? n : left;
        one_pixel(l, &at, y, o, (size_t)(o + take));
        y += take;
        n -= take;
        o = 0;
        if (++out_col == l->out_w) {
            out_col = 0;
            out_row++;
        }
    }
}
