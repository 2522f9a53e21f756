/* Gaps in bytes, read one after the other, all products of a row by the multiplier: see include/fml_coded_gaps.h. */
#ifndef FML_CODED_GAPS_H
#define FML_CODED_GAPS_H

#include "fml_gaps.h"

/* acc + the products of the next n entries with x, values int8. */
#ifdef FML_MPY32

static inline int32_t fml_gap_products(fml_stream_t *w, fml_stream_t *index, uint16_t n, const int8_t *x, int32_t acc) {
    register uint16_t w_at __asm__("r8") = (uint16_t)(uintptr_t)w;
    register uint16_t index_at __asm__("r9") = (uint16_t)(uintptr_t)index;
    register uint16_t left __asm__("r11") = n;
    register uint16_t from __asm__("r12") = (uint16_t)(uintptr_t)x;
    fml_halves_t sum;
    sum.whole = acc;
    if (n == 0) {
        return acc;
    }
    __asm__ volatile(
        "mov %0, &0x4ca\n\t" /* RESLO, RESHI */
        "mov %1, &0x4cc\n\t"
        ".word 0x080d\n\t" /* mova @r8, r13 */
        ".word 0x090e\n" /* mova @r9, r14 */
        "1: mov.b @r14+, r15\n\t"
        "cmp.b #-1, r15\n\t"
        "jeq 3f\n"
        "2: add r15, r12\n\t"
        ".word 0x4cf2, 0x04c6\n\t" /* mov.b @r12+, &MACS */
        ".word 0x4df2, 0x04c8\n\t" /* mov.b @r13+, &OP2 */
        "dec r11\n\t"
        "jnz 1b\n\t"
        "jmp 4f\n"
        "3: add #255, r12\n\t"
        "mov.b @r14+, r15\n\t"
        "cmp.b #-1, r15\n\t"
        "jeq 3b\n\t"
        "jmp 2b\n"
        "4: .word 0x0d78, 0\n\t" /* mova r13, 0(r8) */
        ".word 0x0e79, 0\n\t"    /* mova r14, 0(r9) */
        "mov &0x4ca, %0\n\t"
        "mov &0x4cc, %1"
        : "+r"(sum.half[0]), "+r"(sum.half[1]), "+r"(left), "+r"(from)
        : "r"(w_at), "r"(index_at)
        : "r13", "r14", "r15", "memory");
    return sum.whole;
}

#else

static inline int32_t fml_gap_products(fml_stream_t *w, fml_stream_t *index, uint16_t n, const int8_t *x, int32_t acc) {
    for (; n > 0; n--) {
        x += fml_gap_zeros(index);
        acc = fml_product(acc, *x++, (int8_t)fml_stream_next(w));
    }
    return acc;
}

#endif

#endif
