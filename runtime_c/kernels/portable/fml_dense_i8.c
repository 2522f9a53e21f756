/* Fully connected layer, and the inner loop of every convolution but the depthwise one. Four rows of w share each load
 * of x; that is what the registers of a Cortex-M hold. */
#include "fml_kernels.h"
#include "fml_requant.h"

void fml_dense_i8(const fml_dense_t *l, const int8_t *x, int8_t *y, uint32_t first, uint32_t n) {
    const size_t n_in = l->n_in;
    const int8_t y_zp = l->y_zp, lo = l->lo, hi = l->hi;
    const int8_t *w = l->w + (size_t)first * n_in;
    const int32_t *bias = l->bias + first;
    const uint16_t *mult = l->mult + first;
    const uint8_t *shift = l->shift + first;
    while (n > 0) {
        int32_t acc[4];
        uint8_t rows;
        if (n >= 4) {
            const int8_t *w1 = w + n_in, *w2 = w1 + n_in, *w3 = w2 + n_in;
            int32_t acc0 = bias[0], acc1 = bias[1], acc2 = bias[2], acc3 = bias[3];
            for (size_t i = 0; i < n_in; i++) { /* the product of two int8 fits a 16-bit int */
                acc0 += x[i] * w[i];
                acc1 += x[i] * w1[i];
                acc2 += x[i] * w2[i];
                acc3 += x[i] * w3[i];
            }
            acc[0] = acc0;
            acc[1] = acc1;
            acc[2] = acc2;
            acc[3] = acc3;
            rows = 4;
            w = w3 + n_in;
        } else {
            acc[0] = bias[0];
            for (size_t i = 0; i < n_in; i++) {
                acc[0] += x[i] * w[i];
            }
            rows = 1;
            w += n_in;
        }
        for (uint8_t i = 0; i < rows; i++) {
            *y++ = fml_requant_i8(acc[i], *mult++, *shift++, y_zp, lo, hi);
        }
        bias += rows;
        n -= rows;
    }
}
