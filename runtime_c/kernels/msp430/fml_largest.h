/* The maximum, byte by byte: a byte is stored only where it is the larger. */
#ifndef FML_LARGEST_H
#define FML_LARGEST_H

#include "fml_mpy.h"

static inline void fml_keep_largest(int8_t *y, const int8_t *x, uint16_t n) {
#ifdef FML_MPY32
    uint16_t to = (uint16_t)(uintptr_t)y, from = (uint16_t)(uintptr_t)x, byte;
    if (n == 0) {
        return;
    }
    __asm__ volatile(
        "1: mov.b @%1+, %3\n\t"
        "cmp.b @%0, %3\n\t"
        "jl 2f\n\t"
        "mov.b %3, 0(%0)\n"
        "2: inc %0\n\t"
        "dec %2\n\t"
        "jnz 1b"
        : "+&r"(to), "+&r"(from), "+&r"(n), "=&r"(byte)
        :
        : "memory");
#else
    for (; n > 0; n--, x++, y++) {
        *y = *x > *y ? *x : *y;
    }
#endif
}

#endif
