/* The maximum, byte by byte. A variant of the kernels may have a header of this name. */
#ifndef FML_LARGEST_H
#define FML_LARGEST_H

#include <stdint.h>

static inline void fml_keep_largest(int8_t *y, const int8_t *x, uint16_t n) {
    for (; n > 0; n--, x++, y++) {
        *y = *x > *y ? *x : *y;
    }
}

#endif
