/* Stored weights and indices, read one after the other, from anywhere in memory: see include/fml_stream.h. The core shifts
 * by one place at a time, so bits are taken one by one. */
#ifndef FML_STREAM_H
#define FML_STREAM_H

#include "fml_mpy.h"

typedef struct {
    fml_weights_t at;
} fml_stream_t;

static inline fml_stream_t fml_stream(fml_weights_t table, uint32_t offset) {
    fml_stream_t stream;
    stream.at = table + offset;
    return stream;
}

#ifdef FML_MPY32

static inline uint8_t fml_stream_next(fml_stream_t *stream) {
    register uint16_t at __asm__("r12") = (uint16_t)(uintptr_t)stream;
    uint16_t value;
    __asm__ volatile(
        ".word 0x0c0d\n\t" /* mova @r12, r13 */
        "mov.b @r13+, %0\n\t"
        ".word 0x0d7c, 0" /* mova r13, 0(r12) */
        : "=&r"(value)
        : "r"(at)
        : "r13", "memory");
    return (uint8_t)value;
}

/* GCC shifts by 16 places in a loop. */
typedef union {
    int32_t whole;
    uint16_t half[2];
} fml_halves_t;

static inline int32_t fml_product(int32_t acc, int8_t x, int8_t w) {
    fml_halves_t sum;
    sum.whole = acc;
    __asm__ volatile(
        "mov %0, &0x4ca\n\t" /* RESLO, RESHI */
        "mov %1, &0x4cc\n\t"
        "mov.b %2, &0x4c6\n\t" /* MACS */
        "mov.b %3, &0x4c8\n\t" /* OP2 */
        "mov &0x4ca, %0\n\t"
        "mov &0x4cc, %1"
        : "+r"(sum.half[0]), "+r"(sum.half[1])
        : "r"((uint16_t)x), "r"((uint16_t)w));
    return sum.whole;
}

#else

static inline uint8_t fml_stream_next(fml_stream_t *stream) {
    return (uint8_t)*stream->at++;
}

static inline int32_t fml_product(int32_t acc, int8_t x, int8_t w) {
    return acc + x * w;
}

#endif

/* The highest bit of a byte comes first; `window` has `left` bits, the next one on top. */
typedef struct {
    fml_stream_t bytes;
    uint8_t window, left;
} fml_bits_t;

static inline fml_bits_t fml_bits(fml_weights_t table, uint32_t offset) {
    fml_bits_t bits;
    bits.bytes = fml_stream(table, offset);
    bits.window = 0;
    bits.left = 0;
    return bits;
}

static inline uint16_t fml_bits_take(fml_bits_t *bits, uint8_t n) {
    uint16_t value = 0;
    uint8_t window = bits->window, left = bits->left;
    for (; n > 0; n--) {
        if (left == 0) {
            window = fml_stream_next(&bits->bytes);
            left = 8;
        }
        value = (uint16_t)(value + value + (window >= 128));
        window = (uint8_t)(window + window);
        left--;
    }
    bits->window = window;
    bits->left = left;
    return value;
}

static inline uint16_t fml_bits_zeros(fml_bits_t *bits) {
    uint16_t n = 0;
    uint8_t window = bits->window, left = bits->left, one;
    do {
        if (left == 0) {
            window = fml_stream_next(&bits->bytes);
            left = 8;
        }
        one = window & 128;
        window = (uint8_t)(window + window);
        left--;
        n++;
    } while (one == 0);
    bits->window = window;
    bits->left = left;
    return (uint16_t)(n - 1);
}

#endif
