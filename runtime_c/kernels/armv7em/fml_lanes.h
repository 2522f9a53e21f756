/* Four neighbouring channels at once, see runtime_c/include/fml_lanes.h. */
#ifndef FML_LANES_H
#define FML_LANES_H

#include "fml_simd.h"

typedef struct {
    int32_t c0, c1, c2, c3;
} fml_lanes_t;

static inline fml_lanes_t fml_lanes_mac(fml_lanes_t sums, const int8_t *x, const int8_t *w) {
    const uint32_t x4 = fml_load4(x), w4 = fml_load4(w);
    const fml_pair_t x_even = fml_even(x4), w_even = fml_even(w4);
    sums.c0 = fml_mac_low(x_even, w_even, sums.c0);
    sums.c2 = fml_mac_high(x_even, w_even, sums.c2);
    const fml_pair_t x_odd = fml_odd(x4), w_odd = fml_odd(w4);
    sums.c1 = fml_mac_low(x_odd, w_odd, sums.c1);
    sums.c3 = fml_mac_high(x_odd, w_odd, sums.c3);
    return sums;
}

#endif
