#include "fml_stream.h" /* first: those of the variant */

#include "fml_decoded_conv_block.h"

#include "fml_coded_conv_part.h"
#include "fml_decoded_conv_ans.h"
#include "fml_decoded_conv_units.h"

void fml_decoded_conv_ans_i8(const fml_coded_conv_t *l, const int8_t *x, int8_t *y, int8_t *scratch, uint32_t first,
                             uint32_t n) {
    fml_decoded_units(l, fml_decode_ans, x, y, scratch, first, n);
}

FML_CODED_CONV_PART(fml_decoded_conv_ans, ans)
