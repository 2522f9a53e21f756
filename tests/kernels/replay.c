/* Replays recorded kernel calls (see record.py): each constant, operand and output in an allocation of its exact size,
 * so that AddressSanitizer sees the first byte read or written outside. Exits with 1 at the first difference. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fml_decoded_conv.h"
#include "fml_decoded_slice.h"
#include "fml_exit_head.h"
#include "fml_kernels.h"

typedef void (*call_t)(const void *l, int8_t **in, int8_t *y, int8_t *scratch, uint32_t first, uint32_t n);

#define CALL(kernel, ...)                                                                                           \
    static void call_##kernel(const void *l, int8_t **in, int8_t *y, int8_t *scratch, uint32_t first, uint32_t n) { \
        (void)scratch;                                                                                              \
        kernel(__VA_ARGS__, first, n);                                                                              \
    }

CALL(fml_add_i8, l, in[0], in[1], y)
CALL(fml_argmax_i8, l, in[0], (int32_t *)(void *)y)
CALL(fml_avgpool_i8, l, in[0], y)
CALL(fml_coded_ans_i8, l, in[0], y)
CALL(fml_coded_blocks_i8, l, in[0], y)
CALL(fml_coded_codes2_i8, l, in[0], y)
CALL(fml_coded_codes3_i8, l, in[0], y)
CALL(fml_coded_codes4_i8, l, in[0], y)
CALL(fml_coded_gap_codes_i8, l, in[0], y)
CALL(fml_coded_gaps_i8, l, in[0], y)
CALL(fml_coded_rice_i8, l, in[0], y)
CALL(fml_coded_ternary_i8, l, in[0], y)
CALL(fml_coded_conv_depthwise_i8, l, in[0], y, scratch)
CALL(fml_coded_conv_gaps_i8, l, in[0], y, scratch)
CALL(fml_coded_conv_plain_i8, l, in[0], y, scratch)
CALL(fml_decoded_conv_ans_i8, l, in[0], y, scratch)
CALL(fml_decoded_conv_codebook_i8, l, in[0], y, scratch)
CALL(fml_decoded_conv_depthwise_i8, l, in[0], y, scratch)
CALL(fml_decoded_conv_ternary_i8, l, in[0], y, scratch)
static uint16_t slice_first, slice_rows; /* of the case */
CALL(fml_decoded_slice_ans_i8, l, in[0], y, scratch, slice_first, slice_rows)
CALL(fml_decoded_slice_codebook_i8, l, in[0], y, scratch, slice_first, slice_rows)
CALL(fml_decoded_slice_ternary_i8, l, in[0], y, scratch, slice_first, slice_rows)
CALL(fml_conv_i8, l, in[0], y, scratch)
CALL(fml_conv_pool_i8, l, in[0], y, scratch)
CALL(fml_copy_i8, l, in[0], y)
CALL(fml_dense_i8, l, in[0], y)
CALL(fml_depthwise_i8, l, in[0], y)
CALL(fml_depthwise_pool_i8, l, in[0], y, scratch)
CALL(fml_exit_head_i32, l, in[0], (const int32_t *)(const void *)in[1], (int32_t *)(void *)y)
CALL(fml_exit_mix_i32, l, (const int32_t *)(const void *)in[0], (const int32_t *)(const void *)in[1], (int32_t *)(void *)y)
CALL(fml_lut_i8, l, in[0], y)
CALL(fml_maxpool_i8, l, in[0], y)
CALL(fml_mul_i8, l, in[0], in[1], y)
CALL(fml_pad_i8, l, in[0], y)
CALL(fml_pointwise_i8, l, in[0], y)
CALL(fml_pointwise_pool_i8, l, in[0], y, scratch)
CALL(fml_softmax_i8, l, in[0], y)
CALL(fml_transpose_i8, l, in[0], y)

#define ENTRY(kernel) {#kernel, call_##kernel}

static const struct {
    const char *name;
    call_t call;
} calls[] = {
    ENTRY(fml_add_i8),      ENTRY(fml_argmax_i8), ENTRY(fml_avgpool_i8),   ENTRY(fml_conv_i8), ENTRY(fml_copy_i8),
    ENTRY(fml_dense_i8),    ENTRY(fml_depthwise_i8), ENTRY(fml_lut_i8),    ENTRY(fml_maxpool_i8), ENTRY(fml_mul_i8),
    ENTRY(fml_pad_i8),      ENTRY(fml_pointwise_i8), ENTRY(fml_softmax_i8), ENTRY(fml_transpose_i8),
    ENTRY(fml_exit_head_i32), ENTRY(fml_exit_mix_i32),
    ENTRY(fml_coded_ans_i8),
    ENTRY(fml_coded_blocks_i8),
    ENTRY(fml_coded_codes2_i8),
    ENTRY(fml_coded_codes3_i8),
    ENTRY(fml_coded_codes4_i8),
    ENTRY(fml_coded_gap_codes_i8),
    ENTRY(fml_coded_gaps_i8),
    ENTRY(fml_coded_rice_i8),
    ENTRY(fml_coded_ternary_i8),
    ENTRY(fml_decoded_conv_ans_i8), ENTRY(fml_decoded_conv_codebook_i8), ENTRY(fml_decoded_conv_depthwise_i8), ENTRY(fml_decoded_conv_ternary_i8),
    ENTRY(fml_decoded_slice_ans_i8), ENTRY(fml_decoded_slice_codebook_i8), ENTRY(fml_decoded_slice_ternary_i8),
    ENTRY(fml_coded_conv_depthwise_i8), ENTRY(fml_coded_conv_gaps_i8), ENTRY(fml_coded_conv_plain_i8),
    ENTRY(fml_conv_pool_i8), ENTRY(fml_depthwise_pool_i8), ENTRY(fml_pointwise_pool_i8),
};

static FILE *recording;

static void read_exactly(void *to, size_t n_bytes) {
    if (n_bytes > 0 && fread(to, n_bytes, 1, recording) != 1) {
        fputs("the recording ends early\n", stderr);
        exit(2);
    }
}

static uint32_t read_u32(void) {
    uint32_t value;
    read_exactly(&value, sizeof value);
    return value;
}

/* A length, then that many bytes, in an allocation of their size. */
static int8_t *read_block(uint32_t *n_bytes) {
    *n_bytes = read_u32();
    int8_t *block = malloc(*n_bytes);
    read_exactly(block, *n_bytes);
    return block;
}

static call_t find(const char *name) {
    for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++) {
        if (strcmp(calls[i].name, name) == 0) {
            return calls[i].call;
        }
    }
    fprintf(stderr, "no kernel %s\n", name);
    exit(2);
}

static int replay_one(uint32_t i_case) {
    uint32_t n_bytes, y_bytes;
    int8_t *name = read_block(&n_bytes);
    int8_t *layer = read_block(&n_bytes);
    const uint32_t layer_bytes = n_bytes, n_consts = read_u32();
    int8_t *consts[8], *in[8];
    for (uint32_t i = 0; i < n_consts; i++) {
        const uint32_t offset = read_u32();
        consts[i] = read_block(&n_bytes);
        if (layer_bytes > 0) {
            memcpy(layer + offset, &consts[i], sizeof consts[i]);
        }
    }
    const uint32_t n_inputs = read_u32();
    for (uint32_t i = 0; i < n_inputs; i++) {
        in[i] = read_block(&n_bytes);
    }
    int8_t *scratch = malloc(read_u32());
    int8_t *y = read_block(&y_bytes);
    uint32_t n_expected;
    int8_t *expected = read_block(&n_expected);
    slice_first = (uint16_t)read_u32();
    slice_rows = (uint16_t)read_u32();
    const uint32_t unit_bytes = read_u32(), n_tiles = read_u32();
    const call_t call = find((const char *)name);
    for (uint32_t i = 0; i < n_tiles; i++) {
        const uint32_t first = read_u32(), n = read_u32();
        call(layer_bytes > 0 ? layer : consts[0], in, y + (size_t)first * unit_bytes, scratch, first, n);
    }
    const int differs = n_expected != y_bytes || memcmp(y, expected, y_bytes) != 0;
    if (differs) {
        fprintf(stderr, "case %lu, %s: other bytes than recorded\n", (unsigned long)i_case, (const char *)name);
    }
    for (uint32_t i = 0; i < n_consts; i++) {
        free(consts[i]);
    }
    for (uint32_t i = 0; i < n_inputs; i++) {
        free(in[i]);
    }
    free(expected);
    free(y);
    free(scratch);
    free(layer);
    free(name);
    return differs;
}

int main(int argc, char **argv) {
    recording = argc == 2 ? fopen(argv[1], "rb") : NULL;
    if (recording == NULL) {
        fputs("usage: replay RECORDING\n", stderr);
        return 2;
    }
    const uint32_t n_cases = read_u32();
    for (uint32_t i = 0; i < n_cases; i++) {
        if (replay_one(i)) {
            return 1;
        }
    }
    fclose(recording);
    printf("%lu cases\n", (unsigned long)n_cases);
    return 0;
}
