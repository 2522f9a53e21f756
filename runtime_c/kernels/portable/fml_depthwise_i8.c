/* Depthwise convolution. Taps outer, channels inner in memory; four channels are computed at once where each reads its
 * own input channel, so that address arithmetic is shared. */
#include "fml_kernels.h"
#include "fml_requant.h"
#include "fml_window.h"

/* The taps of one pixel that lie inside the input. */
typedef struct {
    fml_range_t rows, cols;
    const int8_t *x; /* the first of them, channel 0 */
    size_t x_row, x_tap;
} window_t;

/* What the taps in the padding contribute to channel o. */
static int32_t padding_sum(const fml_conv_t *l, const window_t *at, uint16_t o) {
    const int8_t *w = l->w + o;
    int32_t sum = 0;
    for (uint16_t i = 0; i < l->k_h; i++) {
        const uint8_t row_inside = i >= at->rows.begin && i < at->rows.end;
        for (uint16_t j = 0; j < l->k_w; j++, w += l->out_c) {
            if (!row_inside || j < at->cols.begin || j >= at->cols.end) {
                sum += *w;
            }
        }
    }
    return sum * l->x_zp;
}

/* Where the weights of row i start: the first tap inside, channel o. */
static const int8_t *row_weights(const fml_conv_t *l, const window_t *at, uint16_t i, uint16_t o) {
    return l->w + ((size_t)i * l->k_w + at->cols.begin) * l->out_c + o;
}

static int32_t one_channel(const fml_conv_t *l, const window_t *at, uint16_t c, uint16_t o) {
    const int8_t *x_row = at->x + c;
    int32_t acc = 0;
    for (uint16_t i = at->rows.begin; i < at->rows.end; i++, x_row += at->x_row) {
        const int8_t *w = row_weights(l, at, i, o), *x = x_row;
        for (uint16_t j = at->cols.begin; j < at->cols.end; j++, x += at->x_tap, w += l->out_c) {
            acc += *x * *w;
        }
    }
    return acc;
}

static void four_channels(const fml_conv_t *l, const window_t *at, uint16_t c, int32_t acc[4]) {
    const int8_t *x_row = at->x + c;
    int32_t acc0 = 0, acc1 = 0, acc2 = 0, acc3 = 0;
    for (uint16_t i = at->rows.begin; i < at->rows.end; i++, x_row += at->x_row) {
        const int8_t *w = row_weights(l, at, i, c), *x = x_row;
        for (uint16_t j = at->cols.begin; j < at->cols.end; j++, x += at->x_tap, w += l->out_c) {
            acc0 += x[0] * w[0];
            acc1 += x[1] * w[1];
            acc2 += x[2] * w[2];
            acc3 += x[3] * w[3];
        }
    }
    acc[0] = acc0;
    acc[1] = acc1;
    acc[2] = acc2;
    acc[3] = acc3;
}

/* Output channels [o, end) of one pixel. */
static void one_pixel(const fml_conv_t *l, const window_t *at, int8_t *y, uint16_t o, uint16_t end) {
    const uint16_t multiplier = l->out_c / l->in_c;
    const uint8_t cut = at->rows.end - at->rows.begin < l->k_h || at->cols.end - at->cols.begin < l->k_w;
    const uint8_t padded = cut && l->x_zp != 0;
    uint16_t c = o, m = 0; /* the input channel of output channel o, and how many have read it */
    if (multiplier != 1) {
        c = o / multiplier;
        m = o % multiplier;
    }
    while (o < end) {
        int32_t acc[4];
        uint16_t n_channels = 1;
        if (multiplier == 1 && end - o >= 4) {
            four_channels(l, at, o, acc);
            n_channels = 4;
        } else {
            acc[0] = one_channel(l, at, c, o);
        }
        for (uint16_t k = 0; k < n_channels; k++, o++) {
            const int32_t base = l->bias[o] + (padded ? padding_sum(l, at, o) : 0);
            *y++ = fml_requant_i8(base + acc[k], l->mult[o], l->shift[o], l->y_zp, l->lo, l->hi);
            if (++m == multiplier) {
                m = 0;
                c++;
            }
        }
    }
}

void fml_depthwise_i8(const fml_conv_t *l, const int8_t *x, int8_t *y, uint32_t first, uint32_t n) {
    window_t at;
    at.x_row = (size_t)l->dil_h * l->in_w * l->in_c;
    at.x_tap = (size_t)l->dil_w * l->in_c;
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
        const uint32_t left = (uint32_t)l->out_c - o, take = n < left ? n : left;
        one_pixel(l, &at, y, o, (uint16_t)(o + take));
        y += take;
        n -= take;
        o = 0;
        if (++out_col == l->out_w) {
            out_col = 0;
            out_row++;
        }
    }
}
