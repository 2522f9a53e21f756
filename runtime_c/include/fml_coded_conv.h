/* Convolutions whose weights are not stored one by one: descriptor and prototypes.
 *
 * The contract is that of convolutions in fml_kernels.h, with weights, biases and scales as fml_coded.h stores them: rows are
 * output channels, and products of a row are numbered (k_h, k_w, in_c / groups) row-major. Decoders begin at a restart point, and
 * their state ends with the call. Crash behaviour: pure. */
#ifndef FML_CODED_CONV_H
#define FML_CODED_CONV_H

#include "fml_coded.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct {
    fml_coded_t rows; /* n_in: products of a row; n_out: output channels */
    uint16_t in_h, in_w, in_c;
    uint16_t out_h, out_w;
    uint16_t groups;
    uint16_t k_h, k_w;
    uint16_t stride_h, stride_w;
    uint16_t dil_h, dil_w;
    uint16_t pad_t, pad_l;
    int8_t x_zp;
    uint16_t block_rows;        /* decoded at once: all, or some where groups == 1 */
    uint16_t run;               /* pixels computed with a block of some */
    uint16_t conv_scratch_bytes; /* of fml_conv_i8 */
} fml_coded_conv_t;

/* Gaps in bytes, values int8 (stored_gaps.py): zeros take no product. Scratch: FML_CODED_CONV_GAPS_COLUMNS columns of n_in bytes,
 * filled up to a multiple of 4, and where the descriptor has narrow biases or scales, 7 bytes for each output channel. */
void fml_coded_conv_gaps_i8(const fml_coded_conv_t *l, const int8_t *x, int8_t *y, int8_t *scratch, uint32_t first,
                            uint32_t n);
int32_t fml_coded_conv_gaps_part_i8(const fml_coded_conv_t *l, const int8_t *x, uint32_t element, uint32_t k0, uint32_t n);
int8_t fml_coded_conv_gaps_finish_i8(const fml_coded_conv_t *l, uint32_t element, int32_t acc);

/* Weights as fml_conv_i8 has them, only biases and scales in few bytes. Scratch: conv_scratch_bytes, filled up to a multiple of
 * 4, then FML_WIDE_BYTES for each output channel. */
void fml_coded_conv_plain_i8(const fml_coded_conv_t *l, const int8_t *x, int8_t *y, int8_t *scratch, uint32_t first,
                             uint32_t n);
int32_t fml_coded_conv_plain_part_i8(const fml_coded_conv_t *l, const int8_t *x, uint32_t element, uint32_t k0, uint32_t n);
int8_t fml_coded_conv_plain_finish_i8(const fml_coded_conv_t *l, uint32_t element, int32_t acc);

/* The same of fml_depthwise_i8. */
void fml_coded_conv_depthwise_i8(const fml_coded_conv_t *l, const int8_t *x, int8_t *y, int8_t *scratch, uint32_t first,
                                 uint32_t n);

#ifdef __cplusplus
}
#endif

#endif
