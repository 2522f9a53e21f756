/* Sum of two operands, on the multiplier. */
#include "fml_mpy.h"
#include "fml_requant.h"
#include "fml_walk.h"

static inline int8_t sum(const fml_add_t *l, int8_t a, int8_t b) {
    const int32_t acc = l->mult_a * a + l->mult_b * b + l->offset;
    return fml_clamp_i8(acc >> l->shift, l->lo, l->hi);
}

static void add_run(const fml_add_t *l, const int8_t *a, size_t step_a, const int8_t *b, size_t step_b, int8_t *y,
                    uint32_t n) {
    for (; n > 0; n--, a += step_a, b += step_b) {
        *y++ = sum(l, *a, *b);
    }
}

#ifdef FML_MPY32

#define MIN_SHIFT 18 /* the result fits 16 bits and 2^(32 - shift) is a positive operand */

/* What the loop reads, at offsets it knows. */
typedef struct {
    uint16_t step_a, step_b;
    int32_t offset;
    uint16_t power; /* 2^(32 - shift) */
    int16_t lo, hi;
    int32_t mult_a, mult_b;
    uint16_t a, b, y, n;
} block_t;

/* The product of acc and the power has the result in its third word. R5, R6 mult_a, R7, R9 mult_b, R8 y, R10 count, R11
 * block, R12 a, R13 b. */
static void add_run_mpy(const fml_add_t *l, const int8_t *a, size_t step_a, const int8_t *b, size_t step_b, int8_t *y,
                        uint32_t n) {
    block_t block;
    block.step_a = (uint16_t)step_a;
    block.step_b = (uint16_t)step_b;
    block.offset = l->offset;
    block.power = (uint16_t)(1u << (32 - l->shift));
    block.lo = l->lo;
    block.hi = l->hi;
    block.mult_a = l->mult_a;
    block.mult_b = l->mult_b;
    block.a = (uint16_t)(uintptr_t)a;
    block.b = (uint16_t)(uintptr_t)b;
    block.y = (uint16_t)(uintptr_t)y;
    block.n = (uint16_t)n;
    register uint16_t at __asm__("r11") = (uint16_t)(uintptr_t)&block;
    __asm__ volatile(
        "mov 14(r11), r5\n\t"
        "mov 16(r11), r6\n\t"
        "mov 18(r11), r7\n\t"
        "mov 20(r11), r9\n\t"
        "mov 22(r11), r12\n\t"
        "mov 24(r11), r13\n\t"
        "mov 26(r11), r8\n\t"
        "mov 28(r11), r10\n"
        "1:\n\t"
        "mov 4(r11), &0x4e4\n\t" /* RES0, RES1; the words above are never read */
        "mov 6(r11), &0x4e6\n\t"
        ".word 0x4ce2, 0x04c6\n\t" /* mov.b @r12, &MACS */
        "mov r5, &0x4e0\n\t"       /* OP2L, OP2H */
        "mov r6, &0x4e2\n\t"
        ".word 0x4de2, 0x04c6\n\t" /* mov.b @r13, &MACS */
        "mov r7, &0x4e0\n\t"
        "mov r9, &0x4e2\n\t"
        "mov &0x4e4, &0x4d4\n\t" /* MPYS32L, MPYS32H */
        "mov &0x4e6, &0x4d6\n\t"
        "mov 8(r11), &0x4c8\n\t" /* OP2 */
        "add 0(r11), r12\n\t"    /* RES2 takes six cycles */
        "add 2(r11), r13\n\t"
        "mov &0x4e8, r14\n\t"
        "cmp 10(r11), r14\n\t"
        "jl 2f\n\t"
        "cmp 12(r11), r14\n\t"
        "jl 3f\n\t"
        "mov 12(r11), r14\n\t"
        "jmp 3f\n"
        "2: mov 10(r11), r14\n"
        "3: mov.b r14, 0(r8)\n\t"
        "inc r8\n\t"
        "dec r10\n\t"
        "jnz 1b"
        : "+r"(at)
        :
        : "r5", "r6", "r7", "r8", "r9", "r10", "r12", "r13", "r14", "memory");
}

#else

#define MIN_SHIFT 255
#define add_run_mpy add_run

#endif

void fml_add_i8(const fml_add_t *l, const int8_t *a, const int8_t *b, int8_t *y, uint32_t first, uint32_t n) {
    fml_walk_t at;
    fml_walk_start(&at, l->dims, l->a_strides, l->b_strides, first);
    while (n > 0) {
        const uint32_t run = fml_walk_run(&at, n);
        const int8_t *from_a = a + at.a, *from_b = b + at.b;
        const size_t step_a = (size_t)at.a_strides[3], step_b = (size_t)at.b_strides[3];
        if (l->shift >= MIN_SHIFT) {
            add_run_mpy(l, from_a, step_a, from_b, step_b, y, run);
        } else {
            add_run(l, from_a, step_a, from_b, step_b, y, run);
        }
        fml_walk_next(&at, run);
        y += run;
        n -= run;
    }
}
