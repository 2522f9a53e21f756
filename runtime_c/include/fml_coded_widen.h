/* Biases and scales of some output channels, however they are stored, as kernels of dense weights read them. */
#ifndef FML_CODED_WIDEN_H
#define FML_CODED_WIDEN_H

#include "fml_coded.h"

typedef struct {
    int32_t *bias;
    uint16_t *mult;
    uint8_t *shift;
} fml_wide_t;

#define FML_WIDE_BYTES 7 /* of a channel */

/* Room for n channels at a multiple of 4. */
static inline fml_wide_t fml_wide_at(int8_t *scratch, uint16_t n) {
    fml_wide_t wide;
    wide.bias = (int32_t *)(void *)scratch;
    wide.mult = (uint16_t *)(void *)(scratch + 4 * (size_t)n);
    wide.shift = (uint8_t *)scratch + 6 * (size_t)n;
    return wide;
}

/* Those of channel o as entry k. */
static inline void fml_widen(const fml_coded_t *l, fml_wide_t wide, uint16_t o, uint16_t k) {
    wide.bias[k] = l->narrow & FML_BIAS_16 ? ((const int16_t *)l->bias)[o] : ((const int32_t *)l->bias)[o];
    wide.mult[k] = l->mult[l->narrow & FML_ONE_MULT ? 0 : o];
    wide.shift[k] = l->shift[l->narrow & FML_ONE_SHIFT ? 0 : o];
}

#endif
