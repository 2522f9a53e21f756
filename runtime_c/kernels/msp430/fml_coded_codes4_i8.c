/* Rows of 4-bit codes, both codes of a byte by the multiplier: see the portable file of this name. */
#include "fml_coded_rows.h"
#include "fml_stream.h"

#ifdef FML_MPY32

/* acc + the products of the next n > 0 bytes, two codes each, with x. */
static int32_t pairs(const int8_t *book, fml_stream_t *w, uint16_t n, const int8_t *x, int32_t acc) {
    register uint16_t w_at __asm__("r8") = (uint16_t)(uintptr_t)w;
    register uint16_t book_at __asm__("r10") = (uint16_t)(uintptr_t)book;
    register uint16_t left __asm__("r11") = n;
    register uint16_t from __asm__("r12") = (uint16_t)(uintptr_t)x;
    fml_halves_t sum;
    sum.whole = acc;
    __asm__ volatile(
        "mov %0, &0x4ca\n\t" /* RESLO, RESHI */
        "mov %1, &0x4cc\n\t"
        ".word 0x080d\n" /* mova @r8, r13 */
        "1: mov.b @r13+, r15\n\t"
        "mov r15, r14\n\t"
        "and #15, r15\n\t"
        "add r10, r15\n\t"
        ".word 0x4cf2, 0x04c6\n\t" /* mov.b @r12+, &MACS */
        ".word 0x4fe2, 0x04c8\n\t" /* mov.b @r15, &OP2 */
        "rra r14\n\t"
        "rra r14\n\t"
        "rra r14\n\t"
        "rra r14\n\t"
        "add r10, r14\n\t"
        ".word 0x4cf2, 0x04c6\n\t"
        ".word 0x4ee2, 0x04c8\n\t" /* mov.b @r14, &OP2 */
        "dec r11\n\t"
        "jnz 1b\n\t"
        ".word 0x0d78, 0\n\t" /* mova r13, 0(r8) */
        "mov &0x4ca, %0\n\t"
        "mov &0x4cc, %1"
        : "+r"(sum.half[0]), "+r"(sum.half[1]), "+r"(left), "+r"(from)
        : "r"(w_at), "r"(book_at)
        : "r13", "r14", "r15", "memory");
    return sum.whole;
}

#else

static int32_t pairs(const int8_t *book, fml_stream_t *w, uint16_t n, const int8_t *x, int32_t acc) {
    for (; n > 0; n--, x += 2) {
        const uint8_t two = fml_stream_next(w);
        acc = fml_product(fml_product(acc, x[0], book[two & 15]), x[1], book[two >> 4]);
    }
    return acc;
}

#endif

static int32_t sum(const fml_coded_t *l, const int8_t *x, uint32_t o, uint32_t k0, uint32_t n, int32_t acc) {
    fml_stream_t w = fml_stream(l->w, o * l->per_row + (k0 >> 1));
    uint16_t left = (uint16_t)n;
    x += (size_t)k0;
    if ((k0 & 1) && left > 0) {
        acc = fml_product(acc, *x++, l->codebook[fml_stream_next(&w) >> 4]);
        left--;
    }
    if (left > 1) {
        acc = pairs(l->codebook, &w, (uint16_t)(left >> 1), x, acc);
    }
    return left & 1 ? fml_product(acc, x[left - 1u], l->codebook[fml_stream_next(&w) & 15]) : acc;
}

FML_CODED_FIXED(codes4)
