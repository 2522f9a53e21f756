/* Four neighbouring channels at once. Kernels that are fast by no more than this share one source; a folder of
 * runtime_c/kernels may have a header of this name for its instructions. */
#ifndef FML_LANES_H
#define FML_LANES_H

#include <stdint.h>

typedef struct {
    int32_t c0, c1, c2, c3;
} fml_lanes_t;

/* sums + x * w, channel by channel. */
static inline fml_lanes_t fml_lanes_mac(fml_lanes_t sums, const int8_t *x, const int8_t *w) {
    sums.c0 += x[0] * w[0];
    sums.c1 += x[1] * w[1];
    sums.c2 += x[2] * w[2];
    sums.c3 += x[3] * w[3];
    return sums;
}

#endif
