#include "fml_kernels.h"
#include "fml_requant.h"
#include "fml_walk.h"

static inline int8_t sum(const fml_add_t *l, int8_t a, int8_t b) {
    const int32_t acc = l->mult_a * a + l->mult_b * b + l->offset;
    return fml_clamp_i8(acc >> l->shift, l->lo, l->hi);
}

void fml_add_i8(const fml_add_t *l, const int8_t *a, const int8_t *b, int8_t *y, uint32_t first, uint32_t n) {
    const fml_add_t layer = *l; /* a copy that stores to y cannot change: it stays in registers */
    fml_walk_t at;
    fml_walk_start(&at, l->dims, l->a_strides, l->b_strides, first);
    while (n > 0) {
        const uint32_t run = fml_walk_run(&at, n);
        const int8_t *from_a = a + at.a, *from_b = b + at.b;
        const size_t step_a = (size_t)at.a_strides[3], step_b = (size_t)at.b_strides[3];
        if (step_a == 1 && step_b == 1) {
            for (uint32_t i = 0; i < run; i++) {
                y[i] = sum(&layer, from_a[i], from_b[i]);
            }
        } else {
            for (uint32_t i = 0; i < run; i++) {
                y[i] = sum(&layer, from_a[i * step_a], from_b[i * step_b]);
            }
        }
        fml_walk_next(&at, run);
        y += run;
        n -= run;
    }
}
