/* How generated C names weights. Everywhere but on an MSP430 they are arrays, and descriptors point to them.
 *
 * On an MSP430 they may lie beyond the reach of a pointer (fml_far.h): a descriptor begins with their 20-bit address, which
 * no C expression gives where pointers have 16 bits. So the first word of the descriptor is one of the assembler's, which the
 * linker fills in; the rest follows it, from C, in a section of the two alone. Each array is cut into slices that a 16-bit
 * size can count, and the linker script puts all that begin with .far. one after the other, of however many models. */
#ifndef FML_TABLES_H
#define FML_TABLES_H

#include <stddef.h>

#include "fml_decoded_conv.h"
#include "fml_exit_head.h"
#include "fml_kernels.h"
#include "fml_model.h"

#ifdef FML_FAR_WEIGHTS

/* The descriptors without their first word. */
typedef struct {
    const int32_t *bias;
    const uint16_t *mult;
    const uint8_t *shift;
    uint16_t in_h, in_w, in_c;
    uint16_t out_h, out_w, out_c;
    uint16_t groups;
    uint16_t k_h, k_w;
    uint16_t stride_h, stride_w;
    uint16_t dil_h, dil_w;
    uint16_t pad_t, pad_l;
    int8_t x_zp, y_zp;
    int8_t lo, hi;
} fml_conv_rest_t;

typedef struct {
    fml_conv_rest_t conv;
    uint16_t pool_out_w;
    uint16_t pool_k_h, pool_k_w;
    uint16_t pool_stride_h, pool_stride_w;
    uint16_t pool_pad_t, pool_pad_l;
    uint16_t run;
    uint16_t conv_scratch_bytes;
} fml_conv_pool_rest_t;

typedef struct {
    const int32_t *bias;
    const uint16_t *mult;
    const uint8_t *shift;
    uint16_t n_in, n_out;
    int8_t y_zp;
    int8_t lo, hi;
} fml_dense_rest_t;

typedef struct {
    const int32_t *bias;
    const uint16_t *mult;
    const uint8_t *shift;
    uint16_t n_in, n_out;
    uint16_t carry_mult;
    uint8_t carry_shift;
} fml_exit_head_rest_t;

#define FML_REST_FITS(kind, last) \
    FML_STATIC_ASSERT(offsetof(kind##_t, last) == offsetof(kind##_rest_t, last) + sizeof(fml_weights_t), kind##_rest)

FML_REST_FITS(fml_conv, hi);
FML_REST_FITS(fml_conv_pool, conv_scratch_bytes);
FML_REST_FITS(fml_dense, hi);
FML_REST_FITS(fml_exit_head, carry_shift);

typedef struct {
    const void *bias;
    const uint16_t *mult;
    const uint8_t *shift;
    const uint16_t *restart;
    const int8_t *codebook;
    uint16_t n_in, n_out;
    uint16_t per_row;
    uint8_t rows;
    uint8_t unit;
    uint8_t value_bits;
    uint8_t index_bits;
    uint8_t count_bits;
    uint8_t per_block;
    uint8_t narrow;
    int8_t value;
    int8_t y_zp;
    int8_t lo, hi;
} fml_coded_rest_t;

FML_STATIC_ASSERT(offsetof(fml_coded_t, hi) == offsetof(fml_coded_rest_t, hi) + 2 * sizeof(fml_weights_t), fml_coded_rest);

typedef struct {
    fml_coded_rest_t rows;
    uint16_t in_h, in_w, in_c;
    uint16_t out_h, out_w;
    uint16_t groups;
    uint16_t k_h, k_w;
    uint16_t stride_h, stride_w;
    uint16_t dil_h, dil_w;
    uint16_t pad_t, pad_l;
    int8_t x_zp;
    uint16_t block_rows;
    uint16_t run;
    uint16_t conv_scratch_bytes;
} fml_coded_conv_rest_t;

FML_STATIC_ASSERT(offsetof(fml_coded_conv_t, conv_scratch_bytes) ==
                      offsetof(fml_coded_conv_rest_t, conv_scratch_bytes) + 2 * sizeof(fml_weights_t),
                  fml_coded_conv_rest);

/* Two streams: their addresses are the first two words. */
#define FML_WITH_STREAMS(kind, name, field0, table0, field1, table1) \
    __asm__(".section .rodata." #name ",\"a\",@progbits\n" \
            ".balign 2\n" \
            ".globl " #name "\n" #name ":\n" \
            ".long " #table0 "_0, " #table1 "_0\n" \
            ".text\n"); \
    extern const kind##_t name; \
    static const kind##_rest_t name##_rest __attribute__((used, aligned(2), section(".rodata." #name))) = {

#define FML_WITH_WEIGHTS(kind, name, field, table) \
    __asm__(".section .rodata." #name ",\"a\",@progbits\n" \
            ".balign 2\n" \
            ".globl " #name "\n" #name ":\n" \
            ".long " #table "_0\n" \
            ".text\n"); \
    extern const kind##_t name; \
    static const kind##_rest_t name##_rest __attribute__((used, aligned(2), section(".rodata." #name))) = {

#define FML_WEIGHTS_BEGIN(table, n)
#define FML_WEIGHTS_SLICE(where, table, k, n) \
    extern const int8_t table##_##k[n]; \
    const int8_t table##_##k[n] __attribute__((used, aligned(2), section("." #where "." #table "." #k))) = {
#define FML_WEIGHTS_SLICE_END \
    } \
    ;
#define FML_WEIGHTS_END

#else

#define FML_WITH_WEIGHTS(kind, name, field, table) static const kind##_t name = { \
    field = table,

#define FML_WITH_STREAMS(kind, name, field0, table0, field1, table1) static const kind##_t name = { \
    field0 = table0, field1 = table1,

#define FML_WEIGHTS_BEGIN(table, n) static const int8_t table[n] = {
#define FML_WEIGHTS_SLICE(where, table, k, n)
#define FML_WEIGHTS_SLICE_END
#define FML_WEIGHTS_END \
    } \
    ;

#endif

#endif
