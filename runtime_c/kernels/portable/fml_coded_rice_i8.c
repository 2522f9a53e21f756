/* Rows with few entries, gaps in Rice's code, values int8 or from a codebook: freeml/ir/stored_rice.py says what is
 * stored. */
#include "fml_coded_rows.h"
#include "fml_stream.h"

typedef struct {
    fml_bits_t w, index;
    uint16_t row;
} place_t;

static place_t start(const fml_coded_t *l, uint32_t first) {
    uint32_t w, index;
    place_t at;
    at.row = fml_coded_restart(l, (uint16_t)first, &w, &index);
    at.w = fml_bits(l->w, w);
    at.index = fml_bits(l->index, index);
    return at;
}

static inline uint16_t entries(const fml_coded_t *l, place_t *at) {
    return fml_bits_take(&at->index, l->count_bits);
}

static inline uint16_t zeros(const fml_coded_t *l, place_t *at) {
    const uint16_t quotient = fml_bits_zeros(&at->index);
    return (uint16_t)(quotient << l->index_bits | fml_bits_take(&at->index, l->index_bits));
}

static inline int8_t value(const fml_coded_t *l, place_t *at) {
    const uint16_t code = fml_bits_take(&at->w, l->value_bits);
    return l->value_bits == 8 ? (int8_t)code : l->codebook[code];
}

#define FORMAT(what) fml_coded_rice_##what
#include "fml_coded_walk.h"
