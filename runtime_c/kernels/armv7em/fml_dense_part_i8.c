/* Part of one output of a fully connected layer, and what becomes of the sum of all parts. */
#include "fml_kernels.h"
#include "fml_packed.h"
#include "fml_requant.h"

int32_t fml_dense_part_i8(const fml_dense_t *l, const int8_t *x, uint32_t element, uint32_t k0, uint32_t n) {
    const uint16_t o = (uint16_t)element;
    const int8_t *w = l->w + fml_packed_row(fml_packed_row_bytes(l->n_in), o);
    int32_t acc = k0 == 0 ? l->bias[o] : 0;
    for (size_t k = (size_t)k0; n > 0; n--, k++) {
        acc += x[k] * w[fml_packed_at(k)];
    }
    return acc;
}

int8_t fml_dense_finish_i8(const fml_dense_t *l, uint32_t element, int32_t acc) {
    return fml_requant_i8(acc, l->mult[element], l->shift[element], l->y_zp, l->lo, l->hi);
}
