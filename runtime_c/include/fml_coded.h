/* Fully connected layers whose weights are not stored one by one: descriptor, prototypes, and what all of them share.
 *
 * The contract is that of fml_kernels.h: y[o] = clamp(requant(bias[o] + sum_i x[i] * w[o][i], mult, shift) + y_zp, lo, hi),
 * units are outputs, any range of them. What w is, is said by the stored form of each kernel (freeml/ir/stored_*.py):
 * sections of weights, indices, codebook and restart points. Decoders begin at a restart point, and their state ends with
 * the call: no power loss can lose it. Crash behaviour: pure. */
#ifndef FML_CODED_H
#define FML_CODED_H

#include "fml_kernels.h"

#ifdef __cplusplus
extern "C" {
#endif

#define FML_BIAS_16 1u    /* bias is int16_t, not int32_t */
#define FML_ONE_MULT 2u   /* mult has one entry for all outputs */
#define FML_ONE_SHIFT 4u  /* shift has */

typedef struct {
    fml_weights_t w;         /* values or codes */
    fml_weights_t index;     /* where they are; where a format has none, not read */
    const void *bias;        /* [n_out] int32_t or int16_t, x's zero point folded in */
    const uint16_t *mult;    /* [n_out] or [1] */
    const uint8_t *shift;    /* [n_out] or [1] */
    const uint16_t *restart; /* [n_out / rows, rounded up][2]: offsets of w and index, in units of 1 << unit bytes */
    const int8_t *codebook;
    uint16_t n_in, n_out;
    uint16_t per_row;   /* bytes or entries of each row, where all have as many */
    uint8_t rows;      /* from one restart point to the next */
    uint8_t unit;
    uint8_t value_bits; /* of a code */
    uint8_t index_bits; /* of an index */
    uint8_t count_bits; /* of the number of a row's entries */
    uint8_t per_block;  /* entries of each block of a row */
    uint8_t narrow;     /* FML_BIAS_16, FML_ONE_MULT, FML_ONE_SHIFT */
    int8_t value;       /* of a one, where weights are ternary */
    int8_t y_zp;
    int8_t lo, hi;
} fml_coded_t;

/* Rows with few entries: gaps in bytes, values int8 (stored_gaps.py). */
void fml_coded_gaps_i8(const fml_coded_t *l, const int8_t *x, int8_t *y, uint32_t first, uint32_t n);
int32_t fml_coded_gaps_part_i8(const fml_coded_t *l, const int8_t *x, uint32_t element, uint32_t k0, uint32_t n);
int8_t fml_coded_gaps_finish_i8(const fml_coded_t *l, uint32_t element, int32_t acc);

/* The same with values from a codebook. */
void fml_coded_gap_codes_i8(const fml_coded_t *l, const int8_t *x, int8_t *y, uint32_t first, uint32_t n);
int32_t fml_coded_gap_codes_part_i8(const fml_coded_t *l, const int8_t *x, uint32_t element, uint32_t k0, uint32_t n);
int8_t fml_coded_gap_codes_finish_i8(const fml_coded_t *l, uint32_t element, int32_t acc);

/* Gaps in Rice's code (stored_rice.py). */
void fml_coded_rice_i8(const fml_coded_t *l, const int8_t *x, int8_t *y, uint32_t first, uint32_t n);
int32_t fml_coded_rice_part_i8(const fml_coded_t *l, const int8_t *x, uint32_t element, uint32_t k0, uint32_t n);
int8_t fml_coded_rice_finish_i8(const fml_coded_t *l, uint32_t element, int32_t acc);

/* A code of 4, 3 or 2 bits for each weight (stored_codes.py). */
void fml_coded_codes4_i8(const fml_coded_t *l, const int8_t *x, int8_t *y, uint32_t first, uint32_t n);
int32_t fml_coded_codes4_part_i8(const fml_coded_t *l, const int8_t *x, uint32_t element, uint32_t k0, uint32_t n);
int8_t fml_coded_codes4_finish_i8(const fml_coded_t *l, uint32_t element, int32_t acc);
void fml_coded_codes3_i8(const fml_coded_t *l, const int8_t *x, int8_t *y, uint32_t first, uint32_t n);
int32_t fml_coded_codes3_part_i8(const fml_coded_t *l, const int8_t *x, uint32_t element, uint32_t k0, uint32_t n);
int8_t fml_coded_codes3_finish_i8(const fml_coded_t *l, uint32_t element, int32_t acc);
void fml_coded_codes2_i8(const fml_coded_t *l, const int8_t *x, int8_t *y, uint32_t first, uint32_t n);
int32_t fml_coded_codes2_part_i8(const fml_coded_t *l, const int8_t *x, uint32_t element, uint32_t k0, uint32_t n);
int8_t fml_coded_codes2_finish_i8(const fml_coded_t *l, uint32_t element, int32_t acc);

/* One value, its negative, zero (stored_ternary.py). */
void fml_coded_ternary_i8(const fml_coded_t *l, const int8_t *x, int8_t *y, uint32_t first, uint32_t n);
int32_t fml_coded_ternary_part_i8(const fml_coded_t *l, const int8_t *x, uint32_t element, uint32_t k0, uint32_t n);
int8_t fml_coded_ternary_finish_i8(const fml_coded_t *l, uint32_t element, int32_t acc);

/* As many entries in each block (stored_blocks.py). */
void fml_coded_blocks_i8(const fml_coded_t *l, const int8_t *x, int8_t *y, uint32_t first, uint32_t n);
int32_t fml_coded_blocks_part_i8(const fml_coded_t *l, const int8_t *x, uint32_t element, uint32_t k0, uint32_t n);
int8_t fml_coded_blocks_finish_i8(const fml_coded_t *l, uint32_t element, int32_t acc);

/* Asymmetric numeral systems (stored_ans.py). */
void fml_coded_ans_i8(const fml_coded_t *l, const int8_t *x, int8_t *y, uint32_t first, uint32_t n);
int32_t fml_coded_ans_part_i8(const fml_coded_t *l, const int8_t *x, uint32_t element, uint32_t k0, uint32_t n);
int8_t fml_coded_ans_finish_i8(const fml_coded_t *l, uint32_t element, int32_t acc);

#ifdef __cplusplus
}
#endif

#endif
