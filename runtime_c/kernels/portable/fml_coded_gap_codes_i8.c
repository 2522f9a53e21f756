/* Rows with few entries, gaps in bytes, values from a codebook: freeml/ir/stored_gaps.py says what is stored. */
#include "fml_stream.h"

#define VALUES fml_bits
#include "fml_coded_gap_place.h"

static inline int8_t value(const fml_coded_t *l, place_t *at) {
    return l->codebook[fml_bits_take(&at->w, l->value_bits)];
}

#define FORMAT(what) fml_coded_gap_codes_##what
#include "fml_coded_walk.h"
