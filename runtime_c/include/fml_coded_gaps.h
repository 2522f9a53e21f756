/* Products of a row by gaps, its values as they are. */
#ifndef FML_CODED_GAPS_H
#define FML_CODED_GAPS_H

#include "fml_gaps.h"

/* acc + the products of the next n entries with x, values int8. */
static inline int32_t fml_gap_products(fml_stream_t *w, fml_stream_t *index, uint16_t n, const int8_t *x, int32_t acc) {
    for (; n > 0; n--) {
        x += fml_gap_zeros(index);
        acc = fml_product(acc, *x++, (int8_t)fml_stream_next(w));
    }
    return acc;
}

#endif
