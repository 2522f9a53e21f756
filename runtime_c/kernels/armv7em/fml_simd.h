/* What kernels of this folder use of the 32-bit SIMD of ARMv7E-M and ARMv8-M with DSP; elsewhere the same in plain C, so
 * that they can be tested on any machine. A pair is two int16 in one word, the first in the low half. */
#ifndef FML_SIMD_H
#define FML_SIMD_H

#include <stddef.h>
#include <stdint.h>

typedef uint32_t fml_pair_t;

/* Loads below stay below: a compiler that moves them up runs out of registers. */
#if defined(__GNUC__)
#define FML_KEEP_ORDER() __asm__ volatile("" ::: "memory")
#else
#define FML_KEEP_ORDER() ((void)0)
#endif

#ifdef __ARM_FEATURE_SIMD32

#include <arm_acle.h>

/* Four bytes at any address, the first one lowest. */
static inline uint32_t fml_load4(const int8_t *from) {
    uint32_t word;
    __builtin_memcpy(&word, from, sizeof word);
    return word;
}

static inline void fml_store4(int8_t *to, uint32_t word) {
    __builtin_memcpy(to, &word, sizeof word);
}

/* The same at a multiple of 4, where two neighbours can be one instruction. */
static inline uint32_t fml_load_word(const int8_t *from) {
    uint32_t word;
    __builtin_memcpy(&word, __builtin_assume_aligned(from, 4), sizeof word);
    return word;
}

static inline void fml_store_word(int8_t *to, uint32_t word) {
    __builtin_memcpy(__builtin_assume_aligned(to, 4), &word, sizeof word);
}

/* Bytes 0 and 2, or 1 and 3, of a word, sign-extended. */
static inline fml_pair_t fml_even(uint32_t word) {
    return (fml_pair_t)__sxtb16((int8x4_t)word);
}

static inline fml_pair_t fml_odd(uint32_t word) {
    fml_pair_t pair; /* GCC has no pattern for the rotation within the instruction */
    __asm__("sxtb16 %0, %1, ror #8" : "=r"(pair) : "r"(word));
    return pair;
}

/* In each byte the larger one. */
static inline uint32_t fml_max4(uint32_t a, uint32_t b) {
    __ssub8((int8x4_t)a, (int8x4_t)b); /* sets a flag for each byte, which the next instruction reads */
    return (uint32_t)__sel((uint8x4_t)a, (uint8x4_t)b);
}

static inline uint32_t fml_min4(uint32_t a, uint32_t b) {
    __ssub8((int8x4_t)a, (int8x4_t)b);
    return (uint32_t)__sel((uint8x4_t)b, (uint8x4_t)a);
}

/* acc + a.low * b.low + a.high * b.high */
static inline int32_t fml_dot2(fml_pair_t a, fml_pair_t b, int32_t acc) {
    return __smlad((int16x2_t)a, (int16x2_t)b, acc);
}

/* acc + a.low * b.low, acc + a.high * b.high */
static inline int32_t fml_mac_low(fml_pair_t a, fml_pair_t b, int32_t acc) {
    return __smlabb((int32_t)a, (int32_t)b, acc);
}

static inline int32_t fml_mac_high(fml_pair_t a, fml_pair_t b, int32_t acc) {
    return __smlatt((int32_t)a, (int32_t)b, acc);
}

#else

static inline uint32_t fml_load4(const int8_t *from) {
    uint32_t word = 0;
    for (uint8_t i = 4; i-- > 0;) {
        word = word << 8 | (uint8_t)from[i];
    }
    return word;
}

static inline void fml_store4(int8_t *to, uint32_t word) {
    for (uint8_t i = 0; i < 4; i++, word >>= 8) {
        to[i] = (int8_t)(uint8_t)word;
    }
}

static inline uint32_t fml_load_word(const int8_t *from) {
    return fml_load4(from);
}

static inline void fml_store_word(int8_t *to, uint32_t word) {
    fml_store4(to, word);
}

static inline fml_pair_t fml_even(uint32_t word) {
    return (uint16_t)(int8_t)(uint8_t)word | (uint32_t)(uint16_t)(int8_t)(uint8_t)(word >> 16) << 16;
}

static inline fml_pair_t fml_odd(uint32_t word) {
    return fml_even(word >> 8);
}

static inline int32_t fml_mac_low(fml_pair_t a, fml_pair_t b, int32_t acc) {
    return acc + (int32_t)(int16_t)(uint16_t)a * (int16_t)(uint16_t)b;
}

static inline int32_t fml_mac_high(fml_pair_t a, fml_pair_t b, int32_t acc) {
    return fml_mac_low(a >> 16, b >> 16, acc);
}

static inline int32_t fml_dot2(fml_pair_t a, fml_pair_t b, int32_t acc) {
    return fml_mac_high(a, b, fml_mac_low(a, b, acc));
}

static inline uint32_t fml_choose4(uint32_t a, uint32_t b, uint8_t larger) {
    uint32_t word = 0;
    for (uint8_t i = 0; i < 32; i = (uint8_t)(i + 8)) {
        const uint8_t from_a = (int8_t)(uint8_t)(a >> i) >= (int8_t)(uint8_t)(b >> i);
        word |= (from_a == larger ? a : b) & (uint32_t)0xff << i;
    }
    return word;
}

static inline uint32_t fml_max4(uint32_t a, uint32_t b) {
    return fml_choose4(a, b, 1);
}

static inline uint32_t fml_min4(uint32_t a, uint32_t b) {
    return fml_choose4(a, b, 0);
}

#endif

/* The n < 4 bytes before the end of an array, zeros above. */
static inline uint32_t fml_load_last(const int8_t *from, size_t n) {
    uint32_t word = 0;
    while (n-- > 0) {
        word = word << 8 | (uint8_t)from[n];
    }
    return word;
}

static inline uint32_t fml_splat4(int8_t value) {
    return (uint8_t)value * 0x01010101u;
}

#endif
