/* Part of one output of a fully connected layer, and what becomes of the sum of all parts. */
#include "fml_kernels.h"
#include "fml_packed.h"
#include "fml_requant.h"

int32_t fml_dense_part_i8(const fml_dense_t *l, const int8_t *x, uint32_t element, uint32_t k0, uint32_t n) {
    const fml_packed_row_t row = fml_packed_row(l->w, l->n_in, l->n_out, (uint16_t)element);
    const uint8_t *w = row.w + (size_t)k0 * row.step;
    int32_t acc = k0 == 0 ? l->bias[element] : 0;
    x += (size_t)k0;
    for (; n > 0; n--, w += row.step) {
        acc += *x++ * (*w - 128);
    }
    return acc;
}

int8_t fml_dense_finish_i8(const fml_dense_t *l, uint32_t element, int32_t acc) {
    return fml_requant_i8(acc, l->mult[element], l->shift[element], l->y_zp, l->lo, l->hi);
}
