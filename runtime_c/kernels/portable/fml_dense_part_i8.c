/* Part of one output of a fully connected layer, and what becomes of the sum of all parts. */
#include "fml_dot.h"
#include "fml_requant.h"

int32_t fml_dense_part_i8(const fml_dense_t *l, const int8_t *x, uint32_t element, uint32_t k0, uint32_t n) {
    const uint16_t o = (uint16_t)element;
    fml_dot_row_t weights = fml_dot_row(l->w, l->n_in, l->n_out, 0, o, k0);
    return fml_dot_next(&weights, x + (size_t)k0, n, k0 == 0 ? l->bias[o] : 0);
}

int8_t fml_dense_finish_i8(const fml_dense_t *l, uint32_t element, int32_t acc) {
    return fml_requant_i8(acc, l->mult[element], l->shift[element], l->y_zp, l->lo, l->hi);
}
