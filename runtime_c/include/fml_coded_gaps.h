/* Gaps in bytes, read one after the other: freeml/ir/stored_gaps.py says what is stored. */
#ifndef FML_CODED_GAPS_H
#define FML_CODED_GAPS_H

/* How many entries a row has. */
static uint16_t fml_gap_entries(fml_stream_t *index) {
    const uint8_t n = fml_stream_next(index);
    if (n < 255) {
        return n;
    }
    const uint8_t low = fml_stream_next(index);
    return (uint16_t)(fml_stream_next(index) << 8 | low);
}

/* Zeros before the next entry. */
static inline uint16_t fml_gap_zeros(fml_stream_t *index) {
    uint16_t n = 0;
    uint8_t gap;
    while ((gap = fml_stream_next(index)) == 255) {
        n = (uint16_t)(n + 255);
    }
    return (uint16_t)(n + gap);
}

/* acc + the products of the next n entries with x, values int8. */
static inline int32_t fml_gap_products(fml_stream_t *w, fml_stream_t *index, uint16_t n, const int8_t *x, int32_t acc) {
    for (; n > 0; n--) {
        x += fml_gap_zeros(index);
        acc = fml_product(acc, *x++, (int8_t)fml_stream_next(w));
    }
    return acc;
}

#endif
