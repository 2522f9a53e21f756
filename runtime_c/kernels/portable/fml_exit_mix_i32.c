#include "fml_exit_head.h"

#include "fml_exit_requant.h"

void fml_exit_mix_i32(const fml_exit_mix_t *l, const int32_t *a, const int32_t *b, int32_t *y, uint32_t first, uint32_t n) {
    for (size_t o = (size_t)first; o < (size_t)(first + n); o++) {
        *y++ = a[o] + fml_exit_carried(b[o], l->carry_mult, l->carry_shift);
    }
}
