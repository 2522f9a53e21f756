/* Rows of a dense layer, prepared once and run on many inputs: a convolution does so for each pixel. */
#ifndef FML_ROWS_H
#define FML_ROWS_H

#include "fml_mpy.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What the routine reads, at offsets it knows; the first six fields are those of fml_mpy_asm.h. */
typedef struct {
    int16_t lo, hi, zp;         /* bounds without the zero point */
    uint16_t n_left;            /* rows; on return, those not done */
    uint16_t acc_low, acc_high; /* on return with rows left: the sum of the next */
    uint16_t loops, entry;      /* of eight products each; where the first begins */
    uint16_t x, y, bias, mult, shift;
    uint16_t w_low, w_high;
    uint16_t n;
    const fml_dense_t *l;
    uint16_t first;
} fml_rows_t;

/* Rows [first, first + n) of l, which stays in place. */
void fml_rows_start(fml_rows_t *rows, const fml_dense_t *l, uint16_t first, uint16_t n);

/* Row by row, from x to y. */
void fml_rows_run(fml_rows_t *rows, const int8_t *x, int8_t *y);

#ifdef __cplusplus
}
#endif

#endif
