/* Rows with few entries, gaps in bytes, values int8: freeml/ir/stored_gaps.py says what is stored. */
#include "fml_coded_rows.h"
#include "fml_stream.h"

#include "fml_coded_gaps.h"

typedef struct {
    fml_stream_t w, index;
    uint16_t row;
} place_t;

static place_t start(const fml_coded_t *l, uint32_t first) {
    uint32_t w, index;
    place_t at;
    at.row = fml_coded_restart(l, (uint16_t)first, &w, &index);
    at.w = fml_stream(l->w, w);
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
    (void)l;
    return (int8_t)fml_stream_next(&at->w);
}

#define OWN_PRODUCTS
static inline int32_t products(const fml_coded_t *l, place_t *at, uint16_t n, const int8_t *x, int32_t acc) {
    (void)l;
    return fml_gap_products(&at->w, &at->index, n, x, acc);
}

#define FORMAT(what) fml_coded_gaps_##what
#include "fml_coded_walk.h"
