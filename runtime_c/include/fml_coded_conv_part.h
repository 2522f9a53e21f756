/* Part of one output element of a convolution with stored weights, product by product: whatever the format. */
#ifndef FML_CODED_CONV_PART_H
#define FML_CODED_CONV_PART_H

#include "fml_coded_conv.h"
#include "fml_coded_rows.h"

/* The tap of a product, and what it reads. */
typedef struct {
    const fml_coded_conv_t *l;
    const int8_t *x;
    int32_t row, col0;
    uint16_t j, c, channels;
} fml_tap_t;

static fml_tap_t fml_tap(const fml_coded_conv_t *l, const int8_t *x, uint32_t element, uint32_t k0) {
    const uint16_t out_c = l->rows.n_out, group = (uint16_t)(element % out_c) / (out_c / l->groups);
    const uint32_t pixel = element / out_c;
    fml_tap_t tap;
    tap.l = l;
    tap.channels = l->in_c / l->groups;
    tap.x = x + (size_t)group * tap.channels;
    const uint32_t first = k0 / tap.channels;
    tap.c = (uint16_t)(k0 % tap.channels);
    tap.j = (uint16_t)(first % l->k_w);
    tap.row = (int32_t)(pixel / l->out_w) * l->stride_h - l->pad_t + (int32_t)(first / l->k_w) * l->dil_h;
    tap.col0 = (int32_t)(pixel % l->out_w) * l->stride_w - l->pad_l;
    return tap;
}

/* What the product reads, and on to the next one. */
static int8_t fml_tap_next(fml_tap_t *tap) {
    const fml_coded_conv_t *l = tap->l;
    const int32_t col = tap->col0 + (int32_t)tap->j * l->dil_w;
    int8_t value = l->x_zp;
    if (tap->row >= 0 && tap->row < l->in_h && col >= 0 && col < l->in_w) {
        value = tap->x[((size_t)tap->row * l->in_w + (size_t)col) * l->in_c + tap->c];
    }
    if (++tap->c == tap->channels) {
        tap->c = 0;
        if (++tap->j == l->k_w) {
            tap->j = 0;
            tap->row += l->dil_h;
        }
    }
    return value;
}

/* The two functions of a kernel whose format has fml_FORMAT_start, for any weight of a row, and _next. */
#define FML_CODED_CONV_PART(kernel, format) \
    int32_t kernel##_part_i8(const fml_coded_conv_t *l, const int8_t *x, uint32_t element, uint32_t k0, uint32_t n) { \
        const uint16_t o = (uint16_t)(element % l->rows.n_out); \
        int32_t acc = k0 == 0 ? fml_coded_bias(&l->rows, o) : 0; \
        fml_tap_t tap = fml_tap(l, x, element, k0); \
        fml_##format##_t at = fml_##format##_start(&l->rows, o, k0); \
        for (; n > 0; n--) { \
            acc = fml_product(acc, fml_tap_next(&tap), fml_##format##_next(&at)); \
        } \
        return acc; \
    } \
    int8_t kernel##_finish_i8(const fml_coded_conv_t *l, uint32_t element, int32_t acc) { \
        return fml_coded_finish(&l->rows, (uint16_t)(element % l->rows.n_out), acc); \
    }

#endif
