#include "fml_kernels.h"

void fml_transpose_i8(const fml_transpose_t *l, const int8_t *x, int8_t *y, uint32_t first, uint32_t n) {
    const uint8_t inner = (uint8_t)(l->rank - 1);
    uint16_t index[FML_TRANSPOSE_MAX_RANK];
    for (uint8_t k = l->rank; k-- > 0;) {
        index[k] = (uint16_t)(first % l->out_dims[k]);
        first /= l->out_dims[k];
        x += (size_t)index[k] * l->x_strides[k];
    }
    while (n > 0) {
        for (; n > 0 && index[inner] < l->out_dims[inner]; n--, index[inner]++) {
            *y++ = *x;
            x += l->x_strides[inner];
        }
        for (uint8_t k = inner; k > 0 && index[k] == l->out_dims[k]; k--) {
            index[k] = 0;
            index[k - 1]++;
            x -= (size_t)l->out_dims[k] * l->x_strides[k];
            x += l->x_strides[k - 1];
        }
    }
}
