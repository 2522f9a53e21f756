/* As fml_dense_i8, a row at a time: where x ends amid a word, weights are zero, and nothing is read beyond. */
#include "fml_exit_head.h"

#include "fml_exit_requant.h"
#include "fml_packed.h"
#include "fml_simd.h"

static int32_t row_of(const int8_t *w, const int8_t *x, size_t n_in) {
    int32_t sum = 0;
    for (size_t i = 0; i < n_in; i += 4, w += 8) {
        const size_t left = n_in - i;
        const uint32_t x4 = left >= 4 ? fml_load4(x + i) : fml_load_last(x + i, left), w4 = fml_load_word(w);
        sum = fml_dot2(fml_even(x4), fml_even(w4), sum);
        sum = fml_dot2(fml_odd(x4), fml_odd(w4), sum);
    }
    return sum;
}

void fml_exit_head_i32(const fml_exit_head_t *l, const int8_t *x, const int32_t *before, int32_t *y, uint32_t first,
                       uint32_t n) {
    const size_t row_bytes = fml_packed_row_bytes(l->n_in);
    for (uint16_t o = (uint16_t)first; n > 0; n--, o++) {
        const int32_t acc = l->bias[o] + row_of(l->w + fml_packed_row(row_bytes, o), x, l->n_in);
        *y = fml_exit_requant(acc, l->mult[o], l->shift[o]);
        if (before != NULL) {
            *y += fml_exit_carried(before[o], l->carry_mult, l->carry_shift);
        }
        y++;
    }
}
