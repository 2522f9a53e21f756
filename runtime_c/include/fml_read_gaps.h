/* Rows by gaps in bytes, read from any row on: freeml/ir/stored_gaps.py says what is stored. */
#ifndef FML_READ_GAPS_H
#define FML_READ_GAPS_H

#include "fml_coded_rows.h"
#include "fml_gaps.h"

/* Where the next row begins or, while one is read weight by weight, the next entry. */
typedef struct {
    fml_stream_t w, index;
    uint16_t entries, zeros;
} fml_gaps_t;

/* Where row o begins. */
static inline fml_gaps_t fml_gaps_row(const fml_coded_t *l, uint16_t o) {
    uint32_t w, index;
    uint16_t row = fml_coded_restart(l, o, &w, &index);
    fml_gaps_t at;
    at.index = fml_stream(l->index, index);
    for (; row < o; row++) {
        uint16_t n = fml_gap_entries(&at.index);
        w += n;
        while (n > 0) {
            n = (uint16_t)(n - (fml_stream_next(&at.index) < FML_GAP_ESCAPE));
        }
    }
    at.w = fml_stream(l->w, w);
    at.entries = at.zeros = 0;
    return at;
}

/* Behind an entry: how far the next one is. */
static inline void fml_gaps_ahead(fml_gaps_t *at) {
    at->zeros = at->entries > 0 ? fml_gap_zeros(&at->index) : UINT16_MAX;
}

static inline int8_t fml_gaps_next(fml_gaps_t *at) {
    if (at->zeros > 0) {
        at->zeros--;
        return 0;
    }
    const int8_t w = (int8_t)fml_stream_next(&at->w);
    at->entries--;
    fml_gaps_ahead(at);
    return w;
}

/* Row o from weight k on, to be read weight by weight. */
static inline fml_gaps_t fml_gaps_start(const fml_coded_t *l, uint16_t o, uint32_t k) {
    fml_gaps_t at = fml_gaps_row(l, o);
    at.entries = fml_gap_entries(&at.index);
    fml_gaps_ahead(&at);
    while (k > at.zeros) { /* over zeros and the entry behind them */
        k -= at.zeros + 1u;
        (void)fml_stream_next(&at.w);
        at.entries--;
        fml_gaps_ahead(&at);
    }
    at.zeros = (uint16_t)(at.zeros - k);
    return at;
}

#endif
