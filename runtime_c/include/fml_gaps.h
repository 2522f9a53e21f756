/* Gaps in bytes, whoever reads them: freeml/ir/stored_gaps.py says what is stored. A kernel includes its variant's fml_stream.h
 * before. */
#ifndef FML_GAPS_H
#define FML_GAPS_H

#define FML_GAP_ESCAPE 255

/* How many entries the row that begins here has. */
static inline uint16_t fml_gap_entries(fml_stream_t *index) {
    const uint8_t n = fml_stream_next(index);
    if (n < FML_GAP_ESCAPE) {
        return n;
    }
    const uint8_t low = fml_stream_next(index);
    return (uint16_t)(fml_stream_next(index) << 8 | low);
}

/* Zeros before the next entry. */
static inline uint16_t fml_gap_zeros(fml_stream_t *index) {
    uint16_t n = 0;
    uint8_t gap;
    while ((gap = fml_stream_next(index)) == FML_GAP_ESCAPE) {
        n = (uint16_t)(n + FML_GAP_ESCAPE);
    }
    return (uint16_t)(n + gap);
}

#endif
