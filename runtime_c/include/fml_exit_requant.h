/* From one int32 scale to another. */
#ifndef FML_EXIT_REQUANT_H
#define FML_EXIT_REQUANT_H

#include "fml_requant.h"

/* (acc * mult + 2^(shift - 1)) >> shift, shift 1 to 46, at most 2^30 off zero: twice of it is what 32 bits hold before the
 * rounding. As fml_requant_i8: the product is high * 2^16 + low, and low is all of it that a shift below 17 keeps. */
static inline int32_t fml_exit_requant(int32_t acc, uint16_t mult, uint8_t shift) {
    int32_t twice = fml_high_product(acc, mult);
    if (shift >= 17) {
        twice >>= shift - 17;
    } else {
        const uint16_t low = (uint16_t)((uint32_t)(uint16_t)acc * mult);
        twice = (int32_t)((uint32_t)twice << (17 - shift) | (uint32_t)low >> (shift - 1));
    }
    return (twice + 1) >> 1;
}

static inline int32_t fml_exit_carried(int32_t before, uint16_t mult, uint8_t shift) {
    return shift > 0 ? fml_exit_requant(before, mult, shift) : before;
}

#endif
