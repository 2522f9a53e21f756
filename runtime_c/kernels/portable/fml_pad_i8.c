#include "fml_kernels.h"

/* Whether x covers index i of dimension k of y. */
static inline uint8_t inside(const fml_pad_t *l, uint8_t k, uint16_t i) {
    return i >= l->before[k] && (uint16_t)(i - l->before[k]) < l->in_dims[k];
}

void fml_pad_i8(const fml_pad_t *l, const int8_t *x, int8_t *y, uint32_t first, uint32_t n) {
    uint16_t index[4];
    for (uint8_t k = 4; k-- > 0;) {
        index[k] = (uint16_t)(first % l->out_dims[k]);
        first /= l->out_dims[k];
    }
    while (n > 0) {
        const uint8_t row_inside = inside(l, 0, index[0]) && inside(l, 1, index[1]) && inside(l, 2, index[2]);
        const int8_t *row = x;
        if (row_inside) {
            size_t offset = (size_t)(index[0] - l->before[0]);
            offset = offset * l->in_dims[1] + (size_t)(index[1] - l->before[1]);
            offset = offset * l->in_dims[2] + (size_t)(index[2] - l->before[2]);
            row += offset * l->in_dims[3];
        }
        for (; n > 0 && index[3] < l->out_dims[3]; n--, index[3]++) {
            *y++ = row_inside && inside(l, 3, index[3]) ? row[index[3] - l->before[3]] : l->value;
        }
        index[3] = 0;
        for (uint8_t k = 3; k-- > 0 && ++index[k] == l->out_dims[k];) {
            index[k] = 0;
        }
    }
}
