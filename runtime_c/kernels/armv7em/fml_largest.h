/* The maximum, four bytes at a time. */
#ifndef FML_LARGEST_H
#define FML_LARGEST_H

#include "fml_simd.h"

static inline void fml_keep_largest(int8_t *y, const int8_t *x, uint16_t n) {
    for (; n >= 4; n = (uint16_t)(n - 4), x += 4, y += 4) {
        fml_store4(y, fml_max4(fml_load4(y), fml_load4(x)));
    }
    for (; n > 0; n--, x++, y++) {
        *y = *x > *y ? *x : *y;
    }
}

#endif
