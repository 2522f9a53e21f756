/* From accumulator to int8: the one rounding of the whole runtime. */
#ifndef FML_REQUANT_H
#define FML_REQUANT_H

#include <stdint.h>

static inline int8_t fml_clamp_i8(int32_t v, int8_t lo, int8_t hi) {
    return v < lo ? lo : v > hi ? hi : (int8_t)v;
}

/* clamp((((int64_t)acc * mult + ((int64_t)1 << (shift - 1))) >> shift) + zp, lo, hi): multiply by mult / 2^shift,
 * round half up, add the zero point. mult in [0, 65535], shift in [1, 46].
 *
 * The 48-bit product is held as high * 2^16 + low, 0 <= low < 2^16, because 64-bit products and shifts are calls into
 * a library on 16-bit and small 32-bit cores. With shift > 16, low is less than one unit of what the shift keeps
 * and cannot change its floor. With a shorter shift, a product beyond +-2^14 * 2^16 is clamped whatever its value. */
static inline int8_t fml_requant_i8(int32_t acc, uint16_t mult, uint8_t shift, int8_t zp, int8_t lo, int8_t hi) {
    const uint32_t low_product = (uint32_t)(uint16_t)acc * mult;
    int32_t high = (int32_t)(int16_t)(acc >> 16) * (int32_t)mult + (int32_t)(low_product >> 16);
    if (shift > 16) {
        shift = (uint8_t)(shift - 16);
    } else {
        high = high > 16383 ? 16383 : high < -16384 ? -16384 : high;
        high = high * 65536 + (int32_t)(uint16_t)low_product;
    }
    high = ((high >> (shift - 1)) + 1) >> 1;
    return fml_clamp_i8(high + zp, lo, hi);
}

#endif
