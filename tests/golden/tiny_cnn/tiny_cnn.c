/* made by a test */
#include "tiny_cnn.h"

#include "fml_kernels.h"
#include "tiny_cnn_weights.h"

static const fml_conv_t tiny_cnn_v0 = {
    .w = tiny_cnn_v0_weight,
    .bias = tiny_cnn_v0_bias,
    .mult = tiny_cnn_v0_mult,
    .shift = tiny_cnn_v0_shift,
    .in_h = 6,
    .in_w = 6,
    .in_c = 1,
    .out_h = 6,
    .out_w = 6,
    .out_c = 3,
    .groups = 1,
    .k_h = 3,
    .k_w = 3,
    .stride_h = 1,
    .stride_w = 1,
    .dil_h = 1,
    .dil_w = 1,
    .pad_t = 1,
    .pad_l = 1,
    .x_zp = 3,
    .y_zp = 3,
    .lo = -128,
    .hi = 127,
};

static const fml_pool_t tiny_cnn_v1 = {
    .in_h = 6,
    .in_w = 6,
    .c = 3,
    .out_h = 3,
    .out_w = 3,
    .k_h = 2,
    .k_w = 2,
    .stride_h = 2,
    .stride_w = 2,
    .dil_h = 1,
    .dil_w = 1,
    .pad_t = 0,
    .pad_l = 0,
    .pad_b = 0,
    .pad_r = 0,
    .lo = -120,
    .hi = 120,
};

static const fml_dense_t tiny_cnn_v3 = {
    .w = tiny_cnn_v3_weight,
    .bias = tiny_cnn_v3_bias,
    .mult = tiny_cnn_v3_mult,
    .shift = tiny_cnn_v3_shift,
    .n_in = 27,
    .n_out = 4,
    .y_zp = 3,
    .lo = -128,
    .hi = 127,
};

FML_STATIC_ASSERT(sizeof(tiny_cnn_v0_weight) == 27u, tiny_cnn_v0_weight);
FML_STATIC_ASSERT(sizeof(tiny_cnn_v0_bias) == 12u, tiny_cnn_v0_bias);
FML_STATIC_ASSERT(sizeof(tiny_cnn_v0_mult) == 6u, tiny_cnn_v0_mult);
FML_STATIC_ASSERT(sizeof(tiny_cnn_v0_shift) == 3u, tiny_cnn_v0_shift);
FML_STATIC_ASSERT(sizeof(tiny_cnn_v3_weight) == 108u, tiny_cnn_v3_weight);
FML_STATIC_ASSERT(sizeof(tiny_cnn_v3_bias) == 16u, tiny_cnn_v3_bias);
FML_STATIC_ASSERT(sizeof(tiny_cnn_v3_mult) == 8u, tiny_cnn_v3_mult);
FML_STATIC_ASSERT(sizeof(tiny_cnn_v3_shift) == 4u, tiny_cnn_v3_shift);
FML_STATIC_ASSERT(sizeof(tiny_cnn_v0_weight) + sizeof(tiny_cnn_v0_bias) + sizeof(tiny_cnn_v0_mult) + sizeof(tiny_cnn_v0_shift) + sizeof(tiny_cnn_v3_weight) + sizeof(tiny_cnn_v3_bias) + sizeof(tiny_cnn_v3_mult) + sizeof(tiny_cnn_v3_shift) + 0u == TINY_CNN_WEIGHTS_BYTES, tiny_cnn_weights_bytes);
FML_STATIC_ASSERT(sizeof(((const tiny_cnn_arena_t *)0)->bytes) == 144u, tiny_cnn_arena_bytes);

static void tiny_cnn_step(uint16_t step, int8_t *arena, int8_t *scratch)
{
    (void)arena;
    (void)scratch;
    switch (step) {
    case 0: /* v0: /ConvI8 */
        fml_conv_i8(&tiny_cnn_v0, arena + 108, arena, scratch, 0, 108u);
        break;
    case 1: /* v1: /MaxPoolI8 */
        fml_maxpool_i8(&tiny_cnn_v1, arena, arena, 0, 9u);
        break;
    case 2: /* v3: /DenseI8 */
        fml_dense_i8(&tiny_cnn_v3, arena, arena + 27, 0, 4u);
        break;
    default:
        break;
    }
}

static const fml_port_t tiny_cnn_inputs[1] = {
    {108u, 36u},
};

static const fml_port_t tiny_cnn_outputs[1] = {
    {27u, 4u},
};

const fml_info_t tiny_cnn_info = {
    tiny_cnn_inputs,
    tiny_cnn_outputs,
    1u,
    1u,
    3u,
    TINY_CNN_ARENA_BYTES,
    TINY_CNN_SCRATCH_BYTES,
    tiny_cnn_step,
};

void tiny_cnn_run(tiny_cnn_arena_t *arena, int8_t *scratch)
{
    for (uint16_t step = 0; step < tiny_cnn_info.n_steps; step++) {
        tiny_cnn_step(step, arena->bytes, scratch);
    }
}
