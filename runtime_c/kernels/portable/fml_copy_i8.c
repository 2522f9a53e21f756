#include "fml_kernels.h"

static void copy(int8_t *restrict to, const int8_t *restrict from, size_t n_bytes) {
    for (; n_bytes > 0; n_bytes--) {
        *to++ = *from++;
    }
}

void fml_copy_i8(const fml_copy_t *l, const int8_t *x, int8_t *y, uint32_t first, uint32_t n) {
    x += (size_t)first * l->x_stride_bytes;
    for (; n > 0; n--, x += l->x_stride_bytes, y += l->y_stride_bytes) {
        copy(y, x, (size_t)l->row_bytes);
    }
}
