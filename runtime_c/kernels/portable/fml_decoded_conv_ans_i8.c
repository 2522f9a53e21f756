#include "fml_stream.h" /* first: those of the variant */

#include "fml_decoded_conv_block.h"

#include "fml_coded_conv_part.h"
#include "fml_decoded_conv_rows.h"
#include "fml_read_ans.h"

/* On from the row before, but at a restart point: what follows there is another stream. */
static void decode(const fml_coded_t *l, uint16_t o, int8_t *to, fml_place_t *place) {
    fml_ans_t at;
    if (o == place->next && o % l->rows != 0) {
        at.bytes = place->bytes;
        at.book = l->codebook;
        at.state = place->state;
    } else {
        at = fml_ans_start(l, o, 0);
    }
    for (uint16_t n = l->n_in; n > 0; n--) {
        *to++ = fml_ans_next(&at);
    }
    place->bytes = at.bytes;
    place->state = at.state;
    place->next = (uint16_t)(o + 1);
}

void fml_decoded_conv_ans_i8(const fml_coded_conv_t *l, const int8_t *x, int8_t *y, int8_t *scratch, uint32_t first,
                             uint32_t n) {
    fml_decoded_units(l, decode, x, y, scratch, first, n);
}

FML_CODED_CONV_PART(fml_decoded_conv_ans, ans)
