/* Where a walk over rows by gaps is (fml_coded_walk.h). Who includes this has defined VALUES, what reads the values of entries:
 * fml_stream or fml_bits. */
#include "fml_coded_rows.h"
#include "fml_gaps.h"

#define FML_GAP_VALUES__(reader) reader##_t
#define FML_GAP_VALUES_(reader) FML_GAP_VALUES__(reader)

typedef struct {
    FML_GAP_VALUES_(VALUES) w;
    fml_stream_t index;
    uint16_t row;
} place_t;

static place_t start(const fml_coded_t *l, uint32_t first) {
    uint32_t w, index;
    place_t at;
    at.row = fml_coded_restart(l, (uint16_t)first, &w, &index);
    at.w = VALUES(l->w, w);
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
