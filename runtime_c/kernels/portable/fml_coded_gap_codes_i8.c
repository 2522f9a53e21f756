/* Rows with few entries, gaps in bytes, values from a codebook: freeml/ir/stored_gaps.py says what is stored. */
#include "fml_coded_rows.h"
#include "fml_stream.h"

#include "fml_coded_gaps.h"

typedef struct {
    fml_bits_t w;
    fml_stream_t index;
    uint16_t row;
} place_t;

static place_t start(const fml_coded_t *l, uint32_t first) {
    uint32_t w, index;
    place_t at;
    at.row = fml_coded_restart(l, (uint16_t)first, &w, &index);
    at.w = fml_bits(l->w, w);
    at.index = fml_stream(l->index, index);
    return at;
}

static inline uint16_t entries(const fml_coded_t *l, place_t *at) {
    (void)l;
    return fml_gap_entries(&at->index);
}

static inline uint16_t zeros(const fml_coded_t *l, place_t *at) {
    (void)l;
    return fml_gap_zeros(&at->index);
}

static inline int8_t value(const fml_coded_t *l, place_t *at) {
    return l->codebook[fml_bits_take(&at->w, l->value_bits)];
}

#define FORMAT(what) fml_coded_gap_codes_##what
#include "fml_coded_walk.h"
