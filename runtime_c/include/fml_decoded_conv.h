/* Convolutions whose weights are decoded into SRAM before they are used, each row once for all pixels of a tile, or for all that a
 * tile has of a block of rows. Contract and descriptor are those of fml_coded_conv.h.
 *
 * Scratch: block_rows rows as fml_conv_i8 has them; FML_WIDE_BYTES for each; conv_scratch_bytes; and, where the block is not all
 * rows, `run` times block_rows bytes. Each is filled up to a multiple of 4. */
#ifndef FML_DECODED_CONV_H
#define FML_DECODED_CONV_H

#include "fml_coded_conv.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Codes of 4, 3 or 2 bits into a list of values (stored_codes.py). */
void fml_decoded_conv_codebook_i8(const fml_coded_conv_t *l, const int8_t *x, int8_t *y, int8_t *scratch, uint32_t first,
                                  uint32_t n);
int32_t fml_decoded_conv_codebook_part_i8(const fml_coded_conv_t *l, const int8_t *x, uint32_t element, uint32_t k0,
                                          uint32_t n);
int8_t fml_decoded_conv_codebook_finish_i8(const fml_coded_conv_t *l, uint32_t element, int32_t acc);

/* 0, or one value and its negative (stored_ternary.py). */
void fml_decoded_conv_ternary_i8(const fml_coded_conv_t *l, const int8_t *x, int8_t *y, int8_t *scratch, uint32_t first,
                                 uint32_t n);
int32_t fml_decoded_conv_ternary_part_i8(const fml_coded_conv_t *l, const int8_t *x, uint32_t element, uint32_t k0,
                                         uint32_t n);
int8_t fml_decoded_conv_ternary_finish_i8(const fml_coded_conv_t *l, uint32_t element, int32_t acc);

/* Asymmetric numeral systems (stored_ans.py). */
void fml_decoded_conv_ans_i8(const fml_coded_conv_t *l, const int8_t *x, int8_t *y, int8_t *scratch, uint32_t first,
                             uint32_t n);
int32_t fml_decoded_conv_ans_part_i8(const fml_coded_conv_t *l, const int8_t *x, uint32_t element, uint32_t k0, uint32_t n);
int8_t fml_decoded_conv_ans_finish_i8(const fml_coded_conv_t *l, uint32_t element, int32_t acc);

/* Depthwise, as codes into a list. Scratch: all weights and a row; FML_WIDE_BYTES for each output channel. Each is filled up to a
 * multiple of 4. */
void fml_decoded_conv_depthwise_i8(const fml_coded_conv_t *l, const int8_t *x, int8_t *y, int8_t *scratch, uint32_t first,
                                   uint32_t n);

#ifdef __cplusplus
}
#endif

#endif
