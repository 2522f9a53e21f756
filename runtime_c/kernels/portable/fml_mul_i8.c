#include "fml_kernels.h"
#include "fml_requant.h"
#include "fml_walk.h"

void fml_mul_i8(const fml_mul_t *l, const int8_t *a, const int8_t *b, int8_t *y, uint32_t first, uint32_t n) {
    fml_walk_t at;
    fml_walk_start(&at, l->dims, l->a_strides, l->b_strides, first);
    while (n > 0) {
        const uint32_t run = fml_walk_run(&at, n);
        const int8_t *from_a = a + at.a, *from_b = b + at.b;
        const size_t step_a = (size_t)at.a_strides[3], step_b = (size_t)at.b_strides[3];
        for (uint32_t i = 0; i < run; i++, from_a += step_a, from_b += step_b) {
            const int32_t acc = (int32_t)(*from_a - l->a_zp) * (*from_b - l->b_zp);
            *y++ = fml_requant_i8(acc, l->mult, l->shift, l->y_zp, l->lo, l->hi);
        }
        fml_walk_next(&at, run);
        n -= run;
    }
}
