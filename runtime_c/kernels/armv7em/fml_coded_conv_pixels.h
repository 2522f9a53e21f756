/* Four neighbouring pixels at once, see runtime_c/include/fml_coded_conv_pixels.h. */
#ifndef FML_CODED_CONV_PIXELS_H
#define FML_CODED_CONV_PIXELS_H

#include "fml_simd.h"

#define FML_PIXELS 4

typedef struct {
    int32_t p0, p1, p2, p3;
} fml_pixels_t;

/* acc + a.high * b */
#ifdef __ARM_FEATURE_SIMD32
#define FML_MAC_HIGH(a, b, acc) __smlatb((int32_t)(a), b, acc)
#else
#define FML_MAC_HIGH(a, b, acc) ((acc) + (int32_t)(int16_t)(uint16_t)((a) >> 16) * (b))
#endif

static inline fml_pixels_t fml_pixels_mac(fml_pixels_t sums, const int8_t *x, int8_t w) {
    const uint32_t x4 = fml_load_word(x);
    const fml_pair_t even = fml_even(x4), odd = fml_odd(x4);
    sums.p0 = fml_mac_low(even, (fml_pair_t)(int32_t)w, sums.p0);
    sums.p1 = fml_mac_low(odd, (fml_pair_t)(int32_t)w, sums.p1);
    sums.p2 = FML_MAC_HIGH(even, w, sums.p2);
    sums.p3 = FML_MAC_HIGH(odd, w, sums.p3);
    return sums;
}

static inline void fml_pixels_store(fml_pixels_t sums, int32_t to[FML_PIXELS]) {
    to[0] = sums.p0;
    to[1] = sums.p1;
    to[2] = sums.p2;
    to[3] = sums.p3;
}

#endif
