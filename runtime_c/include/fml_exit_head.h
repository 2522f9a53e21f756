/* Heads of exits: scores of a depth as int32 sums, to which each exit adds what its own features say. */
#ifndef FML_EXIT_HEAD_H
#define FML_EXIT_HEAD_H

#include "fml_kernels.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Unit = one class o of n_out, an int32.
 * acc = bias[o] + sum over i < n_in of x[i] * w[o][i]
 * y   = requant(acc, mult[o], shift[o]) + carried(before[o])
 * carried(v) = requant(v, carry_mult, carry_shift); v itself where carry_shift is 0; nothing where before is NULL. bias
 * already holds b - x_zp * sum(w). requant gives int32 here: (v * mult + 2^(shift - 1)) >> shift, at most 2^30 off zero. */
typedef struct {
    fml_weights_t w; /* as those of fml_dense_i8: freeml/kernels/variants.py */
    const int32_t *bias;
    const uint16_t *mult;
    const uint8_t *shift;
    uint16_t n_in, n_out;
    uint16_t carry_mult;
    uint8_t carry_shift;
} fml_exit_head_t;

/* before, y: begin at a multiple of an int32's alignment. */
void fml_exit_head_i32(const fml_exit_head_t *l, const int8_t *x, const int32_t *before, int32_t *y, uint32_t first,
                       uint32_t n);

typedef struct {
    uint16_t carry_mult;
    uint8_t carry_shift;
} fml_exit_mix_t;

/* a[o] + carried(b[o]), as above. */
void fml_exit_mix_i32(const fml_exit_mix_t *l, const int32_t *a, const int32_t *b, int32_t *y, uint32_t first, uint32_t n);

#ifdef __cplusplus
}
#endif

#endif
