/* Part of one output of a fully connected layer, and what becomes of the sum of all parts. */
#include "fml_mpy.h"
#include "fml_requant.h"

int32_t fml_dense_part_i8(const fml_dense_t *l, const int8_t *x, uint32_t element, uint32_t k0, uint32_t n) {
    const fml_weights_t w = l->w + (element * l->n_in + k0);
    return fml_dot_i8(x + (size_t)k0, w, (uint16_t)n, k0 == 0 ? l->bias[element] : 0);
}

int8_t fml_dense_finish_i8(const fml_dense_t *l, uint32_t element, int32_t acc) {
    return fml_requant_i8(acc, l->mult[element], l->shift[element], l->y_zp, l->lo, l->hi);
}
