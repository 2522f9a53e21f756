/* Fully connected layer: two rows share each load of x. Where x ends amid a word, weights are zero, and nothing is read beyond. */
#include "fml_kernels.h"
#include "fml_packed.h"
#include "fml_requant.h"
#include "fml_simd.h"

static void two_rows(const int8_t *w, const int8_t *x, size_t n_in, int32_t sums[2]) {
    int32_t sum0 = 0, sum1 = 0;
    for (size_t i = 0; i < n_in; i += 4, w += 8) {
        const size_t left = n_in - i;
        const uint32_t x4 = left >= 4 ? fml_load4(x + i) : fml_load_last(x + i, left);
        const uint32_t w0 = fml_load_word(w), w1 = fml_load_word(w + 4);
        const fml_pair_t even = fml_even(x4), odd = fml_odd(x4);
        sum0 = fml_dot2(even, fml_even(w0), sum0);
        sum1 = fml_dot2(even, fml_even(w1), sum1);
        sum0 = fml_dot2(odd, fml_odd(w0), sum0);
        sum1 = fml_dot2(odd, fml_odd(w1), sum1);
    }
    sums[0] = sum0;
    sums[1] = sum1;
}

/* Of a pair with one row to do, the other one is computed in vain. */
void fml_dense_i8(const fml_dense_t *l, const int8_t *x, int8_t *y, uint32_t first, uint32_t n) {
    const size_t row_bytes = fml_packed_row_bytes(l->n_in);
    for (const uint32_t end = first + n; first < end;) {
        const uint16_t pair = (uint16_t)first & (uint16_t)~1u;
        int32_t sums[2];
        two_rows(l->w + pair * row_bytes, x, l->n_in, sums);
        for (; first < end && first - pair < 2; first++) {
            const int32_t acc = l->bias[first] + sums[first - pair];
            *y++ = fml_requant_i8(acc, l->mult[first], l->shift[first], l->y_zp, l->lo, l->hi);
        }
    }
}
