/* Part of one output element of a convolution, tap by tap, and what becomes of the sum of all parts. */
#include "fml_dot.h"
#include "fml_requant.h"

int32_t fml_conv_part_i8(const fml_conv_t *l, const int8_t *x, uint32_t element, uint32_t k0, uint32_t n) {
    const uint16_t channels = l->in_c / l->groups;
    const uint16_t o = (uint16_t)(element % l->out_c), rows = l->out_c / l->groups, group = o / rows;
    const uint32_t pixel = element / l->out_c, tap = k0 / channels;
    const int32_t col0 = (int32_t)(pixel % l->out_w) * l->stride_w - l->pad_l;
    fml_dot_row_t weights = fml_dot_row(l->w, (uint32_t)l->k_h * l->k_w * channels, rows, group, o, k0);
    int32_t row = (int32_t)(pixel / l->out_w) * l->stride_h - l->pad_t + (int32_t)(tap / l->k_w) * l->dil_h;
    uint16_t j = (uint16_t)(tap % l->k_w), c = (uint16_t)(k0 % channels);
    int32_t acc = k0 == 0 ? l->bias[o] : 0;
    x += (size_t)group * channels;
    while (n > 0) {
        const int32_t col = col0 + (int32_t)j * l->dil_w;
        const uint32_t left = (uint32_t)channels - c, take = n < left ? n : left;
        if (row >= 0 && row < l->in_h && col >= 0 && col < l->in_w) {
            const int8_t *from = x + ((size_t)row * l->in_w + (size_t)col) * l->in_c + c;
            acc = fml_dot_next(&weights, from, take, acc);
        } else {
            acc = fml_dot_next_const(&weights, l->x_zp, take, acc);
        }
        n -= take;
        c = 0;
        if (++j == l->k_w) {
            j = 0;
            row += l->dil_h;
        }
    }
    return acc;
}

int8_t fml_conv_finish_i8(const fml_conv_t *l, uint32_t element, int32_t acc) {
    const uint16_t o = (uint16_t)(element % l->out_c);
    return fml_requant_i8(acc, l->mult[o], l->shift[o], l->y_zp, l->lo, l->hi);
}
