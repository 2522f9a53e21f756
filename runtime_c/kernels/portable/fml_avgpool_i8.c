#include "fml_kernels.h"
#include "fml_requant.h"
#include "fml_window.h"

static uint32_t taps_between(int32_t start, uint16_t k, uint16_t dil, int32_t low, int32_t high) {
    const fml_range_t taps = fml_taps_inside(start, k, dil, low, high);
    return (uint32_t)(taps.end - taps.begin);
}

void fml_avgpool_i8(const fml_pool_t *l, const int8_t *x, int8_t *y, uint32_t first, uint32_t n) {
    const size_t channels = l->c;
    uint16_t out_row = (uint16_t)(first / l->out_w), out_col = (uint16_t)(first % l->out_w);
    for (; n > 0; n--) {
        const int32_t row = (int32_t)out_row * l->stride_h - l->pad_t;
        const int32_t col = (int32_t)out_col * l->stride_w - l->pad_l;
        const fml_range_t rows = fml_taps_inside(row, l->k_h, l->dil_h, 0, l->in_h);
        const fml_range_t cols = fml_taps_inside(col, l->k_w, l->dil_w, 0, l->in_w);
        const uint32_t n_taps = (uint32_t)(rows.end - rows.begin) * (uint32_t)(cols.end - cols.begin);
        uint32_t entry = 0;
        if (l->n_mult > 1) {
            entry = n_taps - 1;
            if (l->include_pad) {
                entry = taps_between(row, l->k_h, l->dil_h, -(int32_t)l->pad_t, (int32_t)l->in_h + l->pad_b) *
                            taps_between(col, l->k_w, l->dil_w, -(int32_t)l->pad_l, (int32_t)l->in_w + l->pad_r) -
                        1;
            }
        }
        const uint16_t mult = l->mult[entry];
        const uint8_t shift = l->shift[entry];
        for (size_t c = 0; c < channels; c++) {
            int32_t acc = -(int32_t)n_taps * l->x_zp;
            for (uint16_t i = rows.begin; i < rows.end; i++) {
                const size_t in_row = (size_t)(row + (int32_t)i * l->dil_h);
                for (uint16_t j = cols.begin; j < cols.end; j++) {
                    const size_t in_col = (size_t)(col + (int32_t)j * l->dil_w);
                    acc += x[(in_row * l->in_w + in_col) * channels + c];
                }
            }
            *y++ = fml_requant_i8(acc, mult, shift, l->y_zp, l->lo, l->hi);
        }
        if (++out_col == l->out_w) {
            out_col = 0;
            out_row++;
        }
    }
}
