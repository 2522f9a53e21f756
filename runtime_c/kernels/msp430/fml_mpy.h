/* The hardware multiplier MPY32 of an MSP430 as kernels use it; on other machines the same in C.
 *
 * An operation lives in the multiplier's registers: no interrupt handler may multiply (fml_interrupt_msp430.h; fml_result()
 * does not), and no statement of C may come between the first and the last access, as it may. Each function here is one
 * assembler statement.
 *
 * Assemblers differ: clang's takes no MOV from @Rn+ to memory and no instruction of the 430X. Those are words. */
#ifndef FML_MPY_H
#define FML_MPY_H

#include "fml_kernels.h"

#if defined(__MSP430__) && defined(FML_FAR_WEIGHTS)
#define FML_MPY32
#endif

/* a / by and what is left. The core has no division; most numbers fit 16 bits, and half as long does. */
static inline uint32_t fml_divide(uint32_t a, uint16_t by, uint16_t *rest) {
    if (a == 0 || a < by) { /* without the first, GCC infers by == 0 behind this, and calls abort() */
        *rest = (uint16_t)a;
        return 0;
    }
    if (a <= UINT16_MAX) {
        const uint16_t quotient = (uint16_t)((uint16_t)a / by);
        *rest = (uint16_t)((uint16_t)a - (uint16_t)(quotient * by));
        return quotient;
    }
    const uint32_t quotient = a / by;
    *rest = (uint16_t)(a - quotient * by);
    return quotient;
}

#ifdef FML_MPY32

/* The weight at a 20-bit address. POPM.A takes the low word first. */
static inline int8_t fml_weight_i8(fml_weights_t w) {
    const uint16_t low = (uint16_t)w, high = (uint16_t)(w >> 16);
    uint16_t value;
    __asm__ volatile(
        "push %2\n\t"
        "push %1\n\t"
        ".word 0x160d\n\t" /* popm.a #1, r13 */
        "mov.b @r13, %0"
        : "=r"(value)
        : "r"(low), "r"(high)
        : "r13", "memory");
    return (int8_t)value;
}

/* acc + the sum of x[i] * w[i], i < n. */
static inline int32_t fml_dot_i8(const int8_t *x, fml_weights_t w, uint16_t n, int32_t acc) {
    uint16_t low = (uint16_t)acc, high = (uint16_t)((uint32_t)acc >> 16);
    const uint16_t w_low = (uint16_t)w, w_high = (uint16_t)(w >> 16);
    if (n == 0) {
        return acc;
    }
    __asm__ volatile(
        "mov %0, &0x4ca\n\t" /* RESLO, RESHI */
        "mov %1, &0x4cc\n\t"
        "push %4\n\t"
        "push %3\n\t"
        ".word 0x160d\n\t" /* popm.a #1, r13 */
#ifdef __MSP430X_LARGE__
        "mova %2, r12\n\t"
#else
        "mov %2, r12\n\t"
#endif
        "mov %5, r14\n"
        "1:\n\t"
        ".word 0x4cf2, 0x04c6\n\t" /* mov.b @r12+, &MACS */
        ".word 0x4df2, 0x04c8\n\t" /* mov.b @r13+, &OP2 */
        "dec r14\n\t"
        "jnz 1b\n\t"
        "mov &0x4ca, %0\n\t"
        "mov &0x4cc, %1"
        : "+r"(low), "+r"(high)
        : "r"(x), "r"(w_low), "r"(w_high), "r"(n)
        : "r12", "r13", "r14", "memory");
    return (int32_t)((uint32_t)high << 16 | low);
}

/* acc + x * the sum of w[i], i < n. */
static inline int32_t fml_dot_const_i8(int8_t x, fml_weights_t w, uint16_t n, int32_t acc) {
    uint16_t low = (uint16_t)acc, high = (uint16_t)((uint32_t)acc >> 16);
    const uint16_t w_low = (uint16_t)w, w_high = (uint16_t)(w >> 16);
    if (n == 0) {
        return acc;
    }
    __asm__ volatile(
        "mov %0, &0x4ca\n\t"
        "mov %1, &0x4cc\n\t"
        "push %4\n\t"
        "push %3\n\t"
        ".word 0x160d\n\t"
        "mov %5, r14\n\t"
        "mov.b %2, &0x4c6\n" /* MACS keeps its operand */
        "1:\n\t"
        ".word 0x4df2, 0x04c8\n\t"
        "dec r14\n\t"
        "jnz 1b\n\t"
        "mov &0x4ca, %0\n\t"
        "mov &0x4cc, %1"
        : "+r"(low), "+r"(high)
        : "r"(x), "r"(w_low), "r"(w_high), "r"(n)
        : "r13", "r14", "memory");
    return (int32_t)((uint32_t)high << 16 | low);
}

#else

static inline int32_t fml_dot_const_i8(int8_t x, fml_weights_t w, uint16_t n, int32_t acc) {
    for (uint16_t i = 0; i < n; i++) {
        acc += x * w[i];
    }
    return acc;
}

static inline int8_t fml_weight_i8(fml_weights_t w) {
    return *w;
}

static inline int32_t fml_dot_i8(const int8_t *x, fml_weights_t w, uint16_t n, int32_t acc) {
    for (uint16_t i = 0; i < n; i++) {
        acc += x[i] * w[i];
    }
    return acc;
}

#endif

#endif
