/* The int8 kernels of freeml: descriptors and prototypes.
 *
 * Common contract, which the comments below only add to:
 * - Tensors are int8, row-major, channel last: (H, W, C), C contiguous. No pointer needs an alignment beyond its
 *   type's, but for scratch, which begins at a multiple of 4, and weights that a variant has packed by words.
 * - A kernel computes the output units [first, first + n). x (a, b) points to the whole input, of which only what these
 *   units read need be there (fml_read_t); y to where unit `first` goes. Any split of a layer into such calls, in any
 *   order, writes the same bytes. n may be 0.
 * - Kernels read their inputs and constants, and write y and scratch, nothing else. They keep no state.
 * - y and scratch overlap no other argument unless the comment allows "in place".
 * - Shapes and ranges were proved by the compiler (freeml.ir.verify): kernels check nothing and return nothing.
 * - Crash behaviour: pure. Outputs are volatile until the caller writes them to NVM and commits the tile.
 * - Requantisation: mult in [0, 65535], shift in [1, 46]; see fml_requant.h. lo <= hi bound the output; a fused
 *   activation has narrowed them.
 * - Arrays are no larger than size_t: 64 KiB with 16-bit pointers. */
#ifndef FML_KERNELS_H
#define FML_KERNELS_H

#include <stddef.h>
#include <stdint.h>

#include "fml_far.h"

#ifdef __cplusplus
extern "C" {
#endif

/* --- Convolutions: unit = one output element, row-major over (out_h, out_w, out_c) --------------------------------
 * Whole pixels are fastest; a tile may end within a pixel.
 * acc = bias[o] + sum over taps and channels of x * w, a tap in the padding contributing x_zp * w
 * y   = clamp(requant(acc, mult[o], shift[o]) + y_zp, lo, hi)
 * bias already holds b - x_zp * sum(w); acc fits int32. Tap (i, j) of pixel (r, c) lies at input row
 * r * stride_h + i * dil_h - pad_t and column c * stride_w + j * dil_w - pad_l. Padding at the bottom and the right
 * follows from out_h and out_w. stride and dil are at least 1; positions fit int32. */
typedef struct {
    fml_weights_t w;      /* layout: see the kernel */
    const int32_t *bias;  /* [out_c] */
    const uint16_t *mult;  /* [out_c] */
    const uint8_t *shift; /* [out_c] */
    uint16_t in_h, in_w, in_c;
    uint16_t out_h, out_w, out_c;
    uint16_t groups; /* divides in_c and out_c */
    uint16_t k_h, k_w;
    uint16_t stride_h, stride_w;
    uint16_t dil_h, dil_w;
    uint16_t pad_t, pad_l;
    int8_t x_zp, y_zp;
    int8_t lo, hi;
} fml_conv_t;

/* Bytes of scratch of the portable fml_conv_i8: one column, the taps of one pixel and one group. At most 65535. That of a
 * variant, and the order of its weights w, are in freeml/kernels/variants.py. */
#define FML_CONV_SCRATCH_BYTES(k_h, k_w, in_c, groups) \
    ((size_t)(k_h) * (size_t)(k_w) * ((size_t)(in_c) / (size_t)(groups)))

/* Any convolution. w [out_c][k_h][k_w][in_c / groups]. */
void fml_conv_i8(const fml_conv_t *l, const int8_t *x, int8_t *y, int8_t *scratch, uint32_t first, uint32_t n);

/* Part of one output element, for capacitors too small for the whole: the sum of its products [k0, k0 + n), numbered as
 * in w: (k_h, k_w, in_c / groups) row-major, and its bias where k0 == 0. Weights as fml_conv_i8 and fml_pointwise_i8
 * have them. The parts add up to acc; every sum of consecutive products and the bias fits int32. */
int32_t fml_conv_part_i8(const fml_conv_t *l, const int8_t *x, uint32_t element, uint32_t k0, uint32_t n);

/* The output byte of acc. Of any convolution. */
int8_t fml_conv_finish_i8(const fml_conv_t *l, uint32_t element, int32_t acc);

/* Convolution with k_h = k_w = 1, stride 1, no padding, groups = 1. w [out_c][in_c]. */
void fml_pointwise_i8(const fml_conv_t *l, const int8_t *x, int8_t *y, uint32_t first, uint32_t n);

/* Convolution with groups = in_c; out_c is a multiple of it, and output channel o reads input channel
 * o / (out_c / in_c). w [k_h][k_w][out_c]. */
void fml_depthwise_i8(const fml_conv_t *l, const int8_t *x, int8_t *y, uint32_t first, uint32_t n);

/* A convolution and the maximum over windows of its output, which do not overlap: unit = one output element, row-major
 * over (pool_out_h, pool_out_w, out_c). Whole pixels are fastest, and runs of them. Tap (i, j) of output pixel (r, c) is
 * the convolution's output pixel at row r * pool_stride_h + i - pool_pad_t, column c * pool_stride_w + j - pool_pad_l;
 * every window has a tap inside. pool_stride is at least pool_k. run: pixels computed together where there are so many in
 * a row; above 1 only with pool_stride_w == pool_k_w. */
typedef struct {
    fml_conv_t conv;
    uint16_t pool_out_w;
    uint16_t pool_k_h, pool_k_w;
    uint16_t pool_stride_h, pool_stride_w;
    uint16_t pool_pad_t, pool_pad_l;
    uint16_t run;
    uint16_t conv_scratch_bytes;
} fml_conv_pool_t;

/* Scratch: conv_scratch_bytes for fml_conv_i8, else 0, and run * pool_k_w * out_c bytes behind it. */
void fml_conv_pool_i8(const fml_conv_pool_t *l, const int8_t *x, int8_t *y, int8_t *scratch, uint32_t first, uint32_t n);
void fml_pointwise_pool_i8(const fml_conv_pool_t *l, const int8_t *x, int8_t *y, int8_t *scratch, uint32_t first,
                           uint32_t n);
void fml_depthwise_pool_i8(const fml_conv_pool_t *l, const int8_t *x, int8_t *y, int8_t *scratch, uint32_t first,
                           uint32_t n);

/* --- Fully connected: unit = one output element -------------------------------------------------------------------
 * y[o] = clamp(requant(bias[o] + sum_i x[i] * w[o][i], mult[o], shift[o]) + y_zp, lo, hi) */
typedef struct {
    fml_weights_t w;      /* [n_out][n_in] */
    const int32_t *bias;  /* [n_out], x's zero point folded in */
    const uint16_t *mult;  /* [n_out] */
    const uint8_t *shift; /* [n_out] */
    uint16_t n_in, n_out;
    int8_t y_zp;
    int8_t lo, hi;
} fml_dense_t;

void fml_dense_i8(const fml_dense_t *l, const int8_t *x, int8_t *y, uint32_t first, uint32_t n);

/* As fml_conv_part_i8 and fml_conv_finish_i8; products numbered by i. */
int32_t fml_dense_part_i8(const fml_dense_t *l, const int8_t *x, uint32_t element, uint32_t k0, uint32_t n);
int8_t fml_dense_finish_i8(const fml_dense_t *l, uint32_t element, int32_t acc);

/* --- Pooling: unit = one output element, row-major over (out_h, out_w, c) ------------------------------------------
 * Geometry as in convolutions. Whole pixels are fastest; a tile may end within a pixel. */
typedef struct {
    uint16_t in_h, in_w, c;
    uint16_t out_h, out_w;
    uint16_t k_h, k_w;
    uint16_t stride_h, stride_w;
    uint16_t dil_h, dil_w;
    uint16_t pad_t, pad_l, pad_b, pad_r;
    int8_t x_zp, y_zp;
    int8_t lo, hi;
    uint8_t include_pad;  /* average only: the divisor counts taps in the padding too */
    uint16_t n_mult;      /* average only: 1, or one entry per divisor 1, 2, ... n_mult */
    const uint16_t *mult;  /* [n_mult] */
    const uint8_t *shift; /* [n_mult] */
} fml_pool_t;

/* y = clamp(max over the taps inside the input, lo, hi), -128 being the maximum of none; input and output share scale
 * and zero point (x_zp and y_zp are not read). In place: the layer may write over its input, y = x + first, if
 * pad_t == pad_l == 0, every window holds a tap inside the input, and units are computed in ascending order. */
void fml_maxpool_i8(const fml_pool_t *l, const int8_t *x, int8_t *y, uint32_t first, uint32_t n);

/* acc = sum over the taps inside the input of (x - x_zp)
 * d   = the number of these taps; with include_pad, of those in [-pad_t, in_h + pad_b) x [-pad_l, in_w + pad_r)
 * i   = n_mult == 1 ? 0 : d - 1, and then d > 0
 * y   = clamp(requant(acc, mult[i], shift[i]) + y_zp, lo, hi) */
void fml_avgpool_i8(const fml_pool_t *l, const int8_t *x, int8_t *y, uint32_t first, uint32_t n);

/* --- Two operands: unit = one output element, row-major over dims -------------------------------------------------
 * Strides are in elements; 0 repeats the operand along that dimension. In place: y may equal a + first or b + first
 * if that operand is contiguous over dims. */
typedef struct {
    uint16_t dims[4]; /* leading 1s for a lower rank */
    uint32_t a_strides[4], b_strides[4];
    int32_t offset; /* rounding and y's zero point, at the scale of acc */
    int32_t mult_a, mult_b; /* below 2^20 in size */
    uint8_t shift; /* 0 to 30 */
    int8_t lo, hi;
} fml_add_t;

/* acc = mult_a * a + mult_b * b + offset, which fits int32; y = clamp(acc >> shift, lo, hi). A subtraction has a
 * negative mult_b. */
void fml_add_i8(const fml_add_t *l, const int8_t *a, const int8_t *b, int8_t *y, uint32_t first, uint32_t n);

typedef struct {
    uint16_t dims[4];
    uint32_t a_strides[4], b_strides[4];
    uint16_t mult;
    uint8_t shift;
    int8_t a_zp, b_zp, y_zp;
    int8_t lo, hi;
} fml_mul_t;

/* y = clamp(requant((a - a_zp) * (b - b_zp), mult, shift) + y_zp, lo, hi) */
void fml_mul_i8(const fml_mul_t *l, const int8_t *a, const int8_t *b, int8_t *y, uint32_t first, uint32_t n);

/* --- Element-wise function: unit = one element --------------------------------------------------------------------
 * y = table[x + 128]; table [256]. In place: y may equal x + first. */
void fml_lut_i8(const int8_t *table, const int8_t *x, int8_t *y, uint32_t first, uint32_t n);

/* --- Rows of n elements: unit = one row --------------------------------------------------------------------------- */
typedef struct {
    const uint16_t *exp_table; /* [256], of max - x, not increasing, exp_table[0] > 0 */
    uint16_t n;
} fml_softmax_t;

/* e = exp_table[max - x]; y = min((e * 256 + sum(e) / 2) / sum(e), 255) - 128: scale 1/256, zero point -128.
 * In place: y may equal x + first * l->n. */
void fml_softmax_i8(const fml_softmax_t *l, const int8_t *x, int8_t *y, uint32_t first, uint32_t n);

typedef struct {
    uint16_t n;
    uint8_t last; /* of equal maxima: 0 takes the first, 1 the last */
} fml_argmax_t;

/* y[row] = the index of the row's maximum. */
void fml_argmax_i8(const fml_argmax_t *l, const int8_t *x, int32_t *y, uint32_t first, uint32_t n);

/* --- Movement ----------------------------------------------------------------------------------------------------- */
typedef struct {
    uint32_t n_rows;
    uint32_t row_bytes;
    uint32_t x_stride_bytes, y_stride_bytes; /* from one row to the next */
} fml_copy_t;

/* Rows [first, first + n) of x to y: unit = one row. Concatenation is one such copy per input. Rows in y are
 * y_stride_bytes apart: row_bytes in a tile buffer, from which the runtime places each row. */
void fml_copy_i8(const fml_copy_t *l, const int8_t *x, int8_t *y, uint32_t first, uint32_t n);

typedef struct {
    uint16_t in_dims[4], before[4], out_dims[4]; /* leading 1s (before: 0s) for a lower rank */
    int8_t value;
} fml_pad_t;

/* y = x at the position minus before[], `value` outside x. Unit = one output element. */
void fml_pad_i8(const fml_pad_t *l, const int8_t *x, int8_t *y, uint32_t first, uint32_t n);

#define FML_TRANSPOSE_MAX_RANK 6

typedef struct {
    uint8_t rank; /* 1 to FML_TRANSPOSE_MAX_RANK; entries beyond it are not read */
    uint16_t out_dims[FML_TRANSPOSE_MAX_RANK];
    uint32_t x_strides[FML_TRANSPOSE_MAX_RANK]; /* elements of x per step along each dimension of y */
} fml_transpose_t;

/* y, row-major over out_dims, is x[sum of i_k * x_strides[k]]. Unit = one output element. */
void fml_transpose_i8(const fml_transpose_t *l, const int8_t *x, int8_t *y, uint32_t first, uint32_t n);

#ifdef __cplusplus
}
#endif

#endif
