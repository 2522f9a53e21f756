/* Rows with few entries, gaps in bytes, values int8: freeml/ir/stored_gaps.py says what is stored. */
#include "fml_stream.h"

#define VALUES fml_stream
#include "fml_coded_gap_place.h"
#include "fml_coded_gaps.h"

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
