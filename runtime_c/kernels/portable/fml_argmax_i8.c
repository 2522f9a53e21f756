#include "fml_kernels.h"

void fml_argmax_i8(const fml_argmax_t *l, const int8_t *x, int32_t *y, uint32_t first, uint32_t n) {
    x += (size_t)first * l->n;
    for (; n > 0; n--, x += l->n) {
        uint16_t best = 0;
        for (uint16_t i = 1; i < l->n; i++) {
            if (x[i] > x[best] || (l->last && x[i] == x[best])) {
                best = i;
            }
        }
        *y++ = best;
    }
}
