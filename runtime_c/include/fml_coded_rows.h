/* What the kernels of stored formats share: where rows begin, biases and scales in few bytes. */
#ifndef FML_CODED_ROWS_H
#define FML_CODED_ROWS_H

#include "fml_coded.h"
#include "fml_requant.h"

static inline int32_t fml_coded_bias(const fml_coded_t *l, uint16_t o) {
    return l->narrow & FML_BIAS_16 ? ((const int16_t *)l->bias)[o] : ((const int32_t *)l->bias)[o];
}

/* The output byte of acc. Not inline: kernels and their parts share it. */
static FML_NOINLINE int8_t fml_coded_finish(const fml_coded_t *l, uint16_t o, int32_t acc) {
    const uint16_t mult = l->mult[l->narrow & FML_ONE_MULT ? 0 : o];
    const uint8_t shift = l->shift[l->narrow & FML_ONE_SHIFT ? 0 : o];
    return fml_requant_i8(acc, mult, shift, l->y_zp, l->lo, l->hi);
}

/* The restart point at or before row o: its row, and offsets of both streams in bytes. */
static inline uint16_t fml_coded_restart(const fml_coded_t *l, uint16_t o, uint32_t *w, uint32_t *index) {
    const uint16_t point = (uint16_t)(o / l->rows);
    const uint16_t *offsets = l->restart + 2 * (size_t)point;
    *w = (uint32_t)offsets[0] << l->unit;
    *index = (uint32_t)offsets[1] << l->unit;
    return (uint16_t)(point * l->rows);
}

/* The functions of a format whose rows each begin at a known place; sum() adds products [k0, k0 + n) of row o. */
#define FML_CODED_FIXED(name) \
    void fml_coded_##name##_i8(const fml_coded_t *l, const int8_t *x, int8_t *y, uint32_t first, uint32_t n) { \
        for (; n > 0; n--, first++) { \
            const int32_t acc = sum(l, x, first, 0, l->n_in, fml_coded_bias(l, (uint16_t)first)); \
            *y++ = fml_coded_finish(l, (uint16_t)first, acc); \
        } \
    } \
    int32_t fml_coded_##name##_part_i8(const fml_coded_t *l, const int8_t *x, uint32_t element, uint32_t k0, \
                                       uint32_t n) { \
        return sum(l, x, element, k0, n, k0 == 0 ? fml_coded_bias(l, (uint16_t)element) : 0); \
    } \
    int8_t fml_coded_##name##_finish_i8(const fml_coded_t *l, uint32_t element, int32_t acc) { \
        return fml_coded_finish(l, (uint16_t)element, acc); \
    }

#endif
