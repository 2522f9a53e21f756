/* Channels of one output pixel collect the maximum tap by tap. The first tap is copied, not compared with -128, so that a
 * layer in place may start where that tap lies: it is copied upwards, and in place the first tap is not below the output. */
#include "fml_largest.h"
#include "fml_move.h"
#include "fml_requant.h"
#include "fml_window.h"

static void clamp(int8_t *y, uint16_t n, int8_t lo, int8_t hi) {
    for (; n > 0; n--, y++) {
        if (*y < lo) {
            *y = lo;
        } else if (*y > hi) {
            *y = hi;
        }
    }
}

typedef struct {
    fml_range_t rows, cols; /* of the window, inside */
    size_t x_row, x_tap;
} taps_t;

/* x: the first tap inside, the first of these channels. */
static void one_pixel(const fml_pool_t *l, const taps_t *taps, const int8_t *x, int8_t *y, uint16_t n) {
    const uint8_t none = taps->rows.begin >= taps->rows.end || taps->cols.begin >= taps->cols.end;
    if (none) {
        fml_fill(y, -128, n);
    } else {
        fml_copy_rows(y, 0, x, 0, 1, n);
        for (uint16_t i = taps->rows.begin; i < taps->rows.end; i++, x += taps->x_row) {
            const int8_t *tap = x;
            for (uint16_t j = taps->cols.begin; j < taps->cols.end; j++, tap += taps->x_tap) {
                if (tap != x || i != taps->rows.begin) {
                    fml_keep_largest(y, tap, n);
                }
            }
        }
    }
    if (none || l->lo > -128 || l->hi < 127) {
        clamp(y, n, l->lo, l->hi);
    }
}

void fml_maxpool_i8(const fml_pool_t *l, const int8_t *x, int8_t *y, uint32_t first, uint32_t n) {
    const int32_t extent_w = ((int32_t)l->k_w - 1) * l->dil_w + 1;
    const size_t in_row_bytes = (size_t)l->in_w * l->c;
    uint16_t o, out_col; /* o: the first channel of the pixel that is wanted */
    const uint32_t pixel = fml_divide(first, l->c, &o);
    uint16_t out_row = (uint16_t)fml_divide(pixel, l->out_w, &out_col);
    taps_t taps;
    taps.x_row = l->dil_h * in_row_bytes;
    taps.x_tap = (size_t)l->dil_w * l->c;
    for (; n > 0; out_row++, out_col = 0) {
        const int32_t row = (int32_t)out_row * l->stride_h - l->pad_t;
        int32_t col = (int32_t)out_col * l->stride_w - l->pad_l;
        const int8_t *x_row = x;
        taps.rows = fml_taps_inside(row, l->k_h, l->dil_h, 0, l->in_h);
        if (taps.rows.begin < taps.rows.end) {
            x_row += (size_t)(row + (int32_t)taps.rows.begin * l->dil_h) * in_row_bytes;
        }
        for (; n > 0 && out_col < l->out_w; out_col++, col += l->stride_w) {
            const uint16_t left = (uint16_t)(l->c - o), take = n < left ? (uint16_t)n : left;
            int32_t in_col = col;
            taps.cols.begin = 0;
            taps.cols.end = l->k_w;
            if (col < 0 || col + extent_w > l->in_w) {
                taps.cols = fml_taps_inside(col, l->k_w, l->dil_w, 0, l->in_w);
                in_col = taps.cols.begin < taps.cols.end ? col + (int32_t)taps.cols.begin * l->dil_w : 0;
            }
            one_pixel(l, &taps, x_row + (size_t)in_col * l->c + o, y, take);
            y += take;
            n -= take;
            o = 0;
        }
    }
}
