#include "fml_kernels.h"
#include "fml_simd.h"
#include "fml_window.h"

/* The taps of one pixel inside the input: the first one, how many, and what lies between them. */
typedef struct {
    const int8_t *x;
    size_t row_step, tap_step;
    uint16_t rows, cols;
} taps_t;

/* Four channels from c on, or one of them in the low byte. */
static uint32_t largest(const taps_t *taps, size_t c, uint8_t four) {
    const int8_t *row = taps->x + c;
    uint32_t most = fml_splat4(-128);
    for (uint16_t i = taps->rows; i > 0; i--, row += taps->row_step) {
        const int8_t *tap = row;
        for (uint16_t j = taps->cols; j > 0; j--, tap += taps->tap_step) {
            most = fml_max4(most, four ? fml_load4(tap) : (uint8_t)*tap);
        }
    }
    return most;
}

/* In place, a pixel may lie where its first tap does: four channels are written after they were read in every tap. */
void fml_maxpool_i8(const fml_pool_t *l, const int8_t *x, int8_t *y, uint32_t first, uint32_t n) {
    const size_t channels = l->c;
    const uint32_t lo = fml_splat4(l->lo), hi = fml_splat4(l->hi), pixel = first / l->c;
    uint16_t out_row = (uint16_t)(pixel / l->out_w), out_col = (uint16_t)(pixel % l->out_w);
    size_t c = first % l->c; /* the first channel of the pixel that is wanted */
    taps_t taps;
    taps.tap_step = l->dil_w * channels;
    taps.row_step = (size_t)l->dil_h * l->in_w * channels;
    while (n > 0) {
        const int32_t row = (int32_t)out_row * l->stride_h - l->pad_t;
        const int32_t col = (int32_t)out_col * l->stride_w - l->pad_l;
        const fml_range_t rows = fml_taps_inside(row, l->k_h, l->dil_h, 0, l->in_h);
        const fml_range_t cols = fml_taps_inside(col, l->k_w, l->dil_w, 0, l->in_w);
        const size_t end = n < channels - c ? c + n : channels;
        taps.rows = (uint16_t)(rows.end - rows.begin);
        taps.cols = (uint16_t)(cols.end - cols.begin);
        taps.x = x;
        if (taps.rows > 0 && taps.cols > 0) {
            const size_t in_row = (size_t)(row + (int32_t)rows.begin * l->dil_h);
            const size_t in_col = (size_t)(col + (int32_t)cols.begin * l->dil_w);
            taps.x += (in_row * l->in_w + in_col) * channels;
        } else {
            taps.rows = 0; /* nothing inside: no pointer may be formed */
        }
        n -= (uint32_t)(end - c);
        for (size_t done; c < end; c += done, y += done) {
            const uint8_t four = end - c >= 4;
            const uint32_t most = fml_min4(fml_max4(largest(&taps, c, four), lo), hi);
            if (four) {
                fml_store4(y, most);
            } else {
                *y = (int8_t)(uint8_t)most;
            }
            done = four ? 4 : 1;
        }
        c = 0;
        if (++out_col == l->out_w) {
            out_col = 0;
            out_row++;
        }
    }
}
