/* Convolutions whose weights are decoded into SRAM before they are used, some output channels in each call: rows [o, o + rows), each
 * decoded once for all pixels of a tile. Descriptor and crash behaviour are those of fml_coded_conv.h; groups == 1.
 *
 * Units are pixels: [first, first + n) of the output, of which a tile has `rows` bytes each. block_rows of the descriptor: the most
 * rows of a call. Scratch: block_rows rows as fml_conv_i8 has them; FML_WIDE_BYTES for each; conv_scratch_bytes. Each is filled up
 * to a multiple of 4. */
#ifndef FML_DECODED_SLICE_H
#define FML_DECODED_SLICE_H

#include "fml_coded_conv.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Codes of 4, 3 or 2 bits into a list of values (stored_codes.py). */
void fml_decoded_slice_codebook_i8(const fml_coded_conv_t *l, const int8_t *x, int8_t *y, int8_t *scratch, uint16_t o, uint16_t rows,
                                   uint32_t first, uint32_t n);

/* 0, or one value and its negative (stored_ternary.py). */
void fml_decoded_slice_ternary_i8(const fml_coded_conv_t *l, const int8_t *x, int8_t *y, int8_t *scratch, uint16_t o, uint16_t rows,
                                  uint32_t first, uint32_t n);

/* Asymmetric numeral systems (stored_ans.py). */
void fml_decoded_slice_ans_i8(const fml_coded_conv_t *l, const int8_t *x, int8_t *y, int8_t *scratch, uint16_t o, uint16_t rows,
                              uint32_t first, uint32_t n);

#ifdef __cplusplus
}
#endif

#endif
