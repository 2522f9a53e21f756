#include "fml_kernels.h"

void fml_lut_i8(const int8_t *table, const int8_t *x, int8_t *y, uint32_t first, uint32_t n) {
    x += first;
    for (; n > 0; n--) {
        *y++ = table[*x++ + 128];
    }
}
