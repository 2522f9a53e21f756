/* From accumulator to int8: the one rounding of the whole runtime. */
#ifndef FML_REQUANT_H
#define FML_REQUANT_H

#include <stdint.h>

#ifdef __ARM_FEATURE_DSP
#include <arm_acle.h>
#endif

/* For functions that need all registers: where they are inlined, loops around them take some. */
#if defined(__GNUC__)
#define FML_NOINLINE __attribute__((noinline))
#define FML_UNLIKELY(condition) __builtin_expect(condition, 0)
#else
#define FML_NOINLINE
#define FML_UNLIKELY(condition) (condition)
#endif

static inline int8_t fml_clamp_i8(int32_t v, int8_t lo, int8_t hi) {
    return v < lo ? lo : v > hi ? hi : (int8_t)v;
}

/* acc * mult >> 16, which fits int32. */
static inline int32_t fml_high_product(int32_t acc, uint16_t mult) {
#ifdef __ARM_FEATURE_DSP
    const int32_t low = (int16_t)mult; /* mult, or mult - 2^16 */
    return __smlawb(acc, low, acc & (low >> 31));
#else
    const uint32_t low_product = (uint32_t)(uint16_t)acc * mult;
    return (int32_t)(int16_t)(acc >> 16) * (int32_t)mult + (int32_t)(low_product >> 16);
#endif
}

/* clamp((((int64_t)acc * mult + ((int64_t)1 << (shift - 1))) >> shift) + zp, lo, hi): multiply by mult / 2^shift,
 * round half up, add the zero point. mult in [0, 65535], shift in [1, 46].
 *
 * The 48-bit product is held as high * 2^16 + low, 0 <= low < 2^16, because 64-bit products and shifts are calls into
 * a library on 16-bit and small 32-bit cores. With shift > 16, low is less than one unit of what the shift keeps
 * and cannot change its floor. With a shorter shift, a product beyond +-2^14 * 2^16 is clamped whatever its value. */
static inline int8_t fml_requant_i8(int32_t acc, uint16_t mult, uint8_t shift, int8_t zp, int8_t lo, int8_t hi) {
    int32_t high = fml_high_product(acc, mult);
    int beyond = (int)shift - 17;
    if (FML_UNLIKELY(beyond < 0)) { /* scales of a half and more */
        beyond += 16;
        high = high > 16383 ? 16383 : high < -16384 ? -16384 : high;
        high = high * 65536 + (int32_t)(uint16_t)((uint32_t)(uint16_t)acc * mult);
    }
    high = ((high >> beyond) + 1) >> 1;
    return fml_clamp_i8(high + zp, lo, hi);
}

#endif
