/* Two neighbouring pixels at once, see runtime_c/include/fml_coded_conv_pixels.h: with three streams that is all that eight registers hold. */
#ifndef FML_CODED_CONV_PIXELS_H
#define FML_CODED_CONV_PIXELS_H

#include <stdint.h>

#define FML_PIXELS 2

typedef struct {
    int32_t p0, p1;
} fml_pixels_t;

static inline fml_pixels_t fml_pixels_mac(fml_pixels_t sums, const int8_t *x, int8_t w) {
    sums.p0 += x[0] * w;
    sums.p1 += x[1] * w;
    return sums;
}

static inline void fml_pixels_store(fml_pixels_t sums, int32_t to[FML_PIXELS]) {
    to[0] = sums.p0;
    to[1] = sums.p1;
}

#endif
