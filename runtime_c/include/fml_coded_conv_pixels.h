/* Neighbouring pixels at once, which share a weight: as many as the registers hold. A folder of runtime_c/kernels may have a
 * header of this name of its own. */
#ifndef FML_CODED_CONV_PIXELS_H
#define FML_CODED_CONV_PIXELS_H

#include <stdint.h>

#define FML_PIXELS 4

typedef struct {
    int32_t p0, p1, p2, p3;
} fml_pixels_t;

/* sums + x * w, pixel by pixel. x is at a multiple of FML_PIXELS. */
static inline fml_pixels_t fml_pixels_mac(fml_pixels_t sums, const int8_t *x, int8_t w) {
    sums.p0 += x[0] * w;
    sums.p1 += x[1] * w;
    sums.p2 += x[2] * w;
    sums.p3 += x[3] * w;
    return sums;
}

static inline void fml_pixels_store(fml_pixels_t sums, int32_t to[FML_PIXELS]) {
    to[0] = sums.p0;
    to[1] = sums.p1;
    to[2] = sums.p2;
    to[3] = sums.p3;
}

#endif
