#include "fml_kernels.h"

void fml_softmax_i8(const fml_softmax_t *l, const int8_t *x, int8_t *y, uint32_t first, uint32_t n) {
    const uint16_t n_elems = l->n;
    x += (size_t)first * n_elems;
    for (; n > 0; n--, x += n_elems, y += n_elems) {
        int8_t max = x[0];
        for (uint16_t i = 1; i < n_elems; i++) {
            max = x[i] > max ? x[i] : max;
        }
        uint32_t sum = 0; /* at most 65535 * 65535 */
        for (uint16_t i = 0; i < n_elems; i++) {
            sum += l->exp_table[max - x[i]];
        }
        for (uint16_t i = 0; i < n_elems; i++) {
            const uint32_t share = ((uint32_t)l->exp_table[max - x[i]] * 256 + sum / 2) / sum;
            y[i] = (int8_t)((share > 255 ? 255 : (int16_t)share) - 128);
        }
    }
}
