/* Bytes from place to place: words where everything is even, four at a time. */
#ifndef FML_MOVE_H
#define FML_MOVE_H

#include "fml_mpy.h"

#ifdef FML_MPY32

/* n_rows of `quads` times four elements and `rest` more, gaps in bytes between rows. move: one element, as a word. */
#define FML_COPY_ROWS_(move, size) \
    __asm__ volatile( \
        "1: tst %3\n\t" \
        "jz 3f\n\t" \
        "mov %3, r14\n" \
        "2: .word " move ", 0, " move ", " #size ", " move ", 2*" #size ", " move ", 3*" #size "\n\t" \
        "add #4*" #size ", r13\n\t" \
        "dec r14\n\t" \
        "jnz 2b\n" \
        "3: tst %4\n\t" \
        "jz 5f\n\t" \
        "mov %4, r14\n" \
        "4: .word " move ", 0\n\t" \
        "add #" #size ", r13\n\t" \
        "dec r14\n\t" \
        "jnz 4b\n" \
        "5: add %5, r12\n\t" \
        "add %6, r13\n\t" \
        "dec %2\n\t" \
        "jnz 1b" \
        : "+r"(source), "+r"(target), "+r"(n_rows) \
        : "r"(quads), "r"(rest), "r"(from_gap), "r"(to_gap) \
        : "r14", "memory")

/* n_rows > 0 rows of row_bytes; the gaps follow each row. */
static inline void fml_copy_rows(int8_t *to, size_t to_gap_bytes, const int8_t *from, size_t from_gap_bytes,
                                 uint16_t n_rows, size_t row_bytes) {
    register uint16_t source __asm__("r12") = (uint16_t)(uintptr_t)from;
    register uint16_t target __asm__("r13") = (uint16_t)(uintptr_t)to;
    const uint16_t to_gap = (uint16_t)to_gap_bytes, from_gap = (uint16_t)from_gap_bytes, n = (uint16_t)row_bytes;
    if (((source | target | to_gap | from_gap | n) & 1) == 0) {
        const uint16_t quads = n >> 3, rest = n >> 1 & 3;
        FML_COPY_ROWS_("0x4cbd", 2); /* mov @r12+, x(r13) */
    } else {
        const uint16_t quads = n >> 2, rest = n & 3;
        FML_COPY_ROWS_("0x4cfd", 1); /* mov.b */
    }
}

static inline void fml_fill(int8_t *to, int8_t value, size_t n_bytes) {
    const uint16_t both = (uint16_t)((uint16_t)(uint8_t)value << 8 | (uint8_t)value);
    uint16_t at = (uint16_t)(uintptr_t)to, quads = (uint16_t)n_bytes >> 3;
    if ((at & 1) == 0 && quads > 0) {
        __asm__ volatile(
            "1: mov %2, 0(%0)\n\t"
            "mov %2, 2(%0)\n\t"
            "mov %2, 4(%0)\n\t"
            "mov %2, 6(%0)\n\t"
            "add #8, %0\n\t"
            "dec %1\n\t"
            "jnz 1b"
            : "+r"(at), "+r"(quads)
            : "r"(both)
            : "memory");
        to += n_bytes & ~(size_t)7;
        n_bytes &= 7;
    }
    for (; n_bytes > 0; n_bytes--) {
        *to++ = value;
    }
}

#else

static inline void fml_copy_rows(int8_t *to, size_t to_gap_bytes, const int8_t *from, size_t from_gap_bytes,
                                 uint16_t n_rows, size_t row_bytes) {
    for (; n_rows > 0; n_rows--, to += to_gap_bytes, from += from_gap_bytes) {
        for (size_t i = 0; i < row_bytes; i++) {
            *to++ = *from++;
        }
    }
}

static inline void fml_fill(int8_t *to, int8_t value, size_t n_bytes) {
    for (; n_bytes > 0; n_bytes--) {
        *to++ = value;
    }
}

#endif

#endif
