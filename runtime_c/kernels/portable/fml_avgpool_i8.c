/* Four channels are summed at once, so that address arithmetic is shared. */
#include "fml_kernels.h"
#include "fml_requant.h"
#include "fml_window.h"

/* The taps of one pixel that lie inside the input. */
typedef struct {
    uint16_t n_rows, n_cols;
    size_t x_row, x_tap; /* from one to the next */
} taps_t;

static uint32_t taps_between(int32_t start, uint16_t k, uint16_t dil, int32_t low, int32_t high) {
    const fml_range_t taps = fml_taps_inside(start, k, dil, low, high);
    return (uint32_t)(taps.end - taps.begin);
}

static int32_t one_channel(const taps_t *taps, const int8_t *x_row) {
    int32_t acc = 0;
    for (uint16_t i = 0; i < taps->n_rows; i++, x_row += taps->x_row) {
        const int8_t *x = x_row;
        for (uint16_t j = 0; j < taps->n_cols; j++, x += taps->x_tap) {
            acc += *x;
        }
    }
    return acc;
}

static void four_channels(const taps_t *taps, const int8_t *x_row, int32_t acc[4]) {
    int32_t acc0 = 0, acc1 = 0, acc2 = 0, acc3 = 0;
    for (uint16_t i = 0; i < taps->n_rows; i++, x_row += taps->x_row) {
        const int8_t *x = x_row;
        for (uint16_t j = 0; j < taps->n_cols; j++, x += taps->x_tap) {
            acc0 += x[0];
            acc1 += x[1];
            acc2 += x[2];
            acc3 += x[3];
        }
    }
    acc[0] = acc0;
    acc[1] = acc1;
    acc[2] = acc2;
    acc[3] = acc3;
}

/* Which multiplier the pixel whose first tap lies at (row, col) has. */
static uint32_t entry_of(const fml_pool_t *l, int32_t row, int32_t col, uint32_t n_taps) {
    if (l->n_mult == 1) {
        return 0;
    }
    if (!l->include_pad) {
        return n_taps - 1;
    }
    return taps_between(row, l->k_h, l->dil_h, -(int32_t)l->pad_t, (int32_t)l->in_h + l->pad_b) *
               taps_between(col, l->k_w, l->dil_w, -(int32_t)l->pad_l, (int32_t)l->in_w + l->pad_r) -
           1;
}

/* n_channels of one output pixel. x: the first of them. */
static void one_pixel(const fml_pool_t *l, const int8_t *x, int32_t row, int32_t col, int8_t *y, uint32_t n_channels) {
    const fml_range_t rows = fml_taps_inside(row, l->k_h, l->dil_h, 0, l->in_h);
    const fml_range_t cols = fml_taps_inside(col, l->k_w, l->dil_w, 0, l->in_w);
    const uint8_t none = rows.begin >= rows.end || cols.begin >= cols.end;
    taps_t taps = {0, 0, (size_t)l->dil_h * l->in_w * l->c, (size_t)l->dil_w * l->c};
    if (!none) {
        const size_t in_row = (size_t)(row + (int32_t)rows.begin * l->dil_h);
        const size_t in_col = (size_t)(col + (int32_t)cols.begin * l->dil_w);
        taps.n_rows = (uint16_t)(rows.end - rows.begin);
        taps.n_cols = (uint16_t)(cols.end - cols.begin);
        x += (in_row * l->in_w + in_col) * l->c;
    }
    const uint32_t n_taps = (uint32_t)taps.n_rows * taps.n_cols, entry = entry_of(l, row, col, n_taps);
    const uint16_t mult = l->mult[entry];
    const uint8_t shift = l->shift[entry];
    const int32_t base = -(int32_t)n_taps * l->x_zp;
    while (n_channels > 0) {
        int32_t acc[4];
        uint8_t width = 1;
        if (n_channels >= 4) {
            four_channels(&taps, x, acc);
            width = 4;
        } else {
            acc[0] = one_channel(&taps, x);
        }
        for (uint8_t k = 0; k < width; k++) {
            *y++ = fml_requant_i8(base + acc[k], mult, shift, l->y_zp, l->lo, l->hi);
        }
        x += width;
        n_channels -= width;
    }
}

void fml_avgpool_i8(const fml_pool_t *l, const int8_t *x, int8_t *y, uint32_t first, uint32_t n) {
    const uint32_t pixel = first / l->c;
    uint16_t out_row = (uint16_t)(pixel / l->out_w), out_col = (uint16_t)(pixel % l->out_w);
    uint16_t o = (uint16_t)(first % l->c); /* the first channel of the pixel that is wanted */
    while (n > 0) {
        const uint32_t left = (uint32_t)l->c - o, take = n < left ? n : left;
        const int32_t row = (int32_t)out_row * l->stride_h - l->pad_t;
        const int32_t col = (int32_t)out_col * l->stride_w - l->pad_l;
        one_pixel(l, x + o, row, col, y, take);
        y += take;
        n -= take;
        o = 0;
        if (++out_col == l->out_w) {
            out_col = 0;
            out_row++;
        }
    }
}
