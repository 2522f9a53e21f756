/* fml_requant_i8 over arrays, for comparison with 64-bit arithmetic. */
#include <stddef.h>

#include "fml_requant.h"

void probe_requant(const int32_t *acc, const uint16_t *mult, const uint8_t *shift, const int8_t *zp, int8_t *y,
                   size_t n);

void probe_requant(const int32_t *acc, const uint16_t *mult, const uint8_t *shift, const int8_t *zp, int8_t *y,
                   size_t n) {
    for (size_t i = 0; i < n; i++) {
        y[i] = fml_requant_i8(acc[i], mult[i], shift[i], zp[i], -128, 127);
    }
}
