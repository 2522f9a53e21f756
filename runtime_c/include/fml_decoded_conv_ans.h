/* A row in an asymmetric numeral system, decoded in whole. */
#ifndef FML_DECODED_CONV_ANS_H
#define FML_DECODED_CONV_ANS_H

#include "fml_decoded_conv_rows.h"
#include "fml_read_ans.h"

/* Parts of outputs alone call this, and a kernel may have none: named here, it is no function that nobody uses. */
static inline void fml_decoded_conv_no_parts(void) {
    (void)fml_coded_finish;
}

/* On from the row before, but at a restart point: what follows there is another stream. */
static void fml_decode_ans(const fml_coded_t *l, uint16_t o, int8_t *to, fml_place_t *place) {
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

#endif
