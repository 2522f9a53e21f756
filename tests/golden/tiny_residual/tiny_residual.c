/* made by a test */
#include "tiny_residual.h"

#include "fml_kernels.h"
#include "tiny_residual_weights.h"

static const fml_conv_t tiny_residual_v0 = {
    .w = tiny_residual_v0_weight,
    .bias = tiny_residual_v0_bias,
    .mult = tiny_residual_v0_mult,
    .shift = tiny_residual_v0_shift,
    .in_h = 4,
    .in_w = 4,
    .in_c = 2,
    .out_h = 4,
    .out_w = 4,
    .out_c = 2,
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

static const fml_conv_t tiny_residual_v2 = {
    .w = tiny_residual_v2_weight,
    .bias = tiny_residual_v2_bias,
    .mult = tiny_residual_v2_mult,
    .shift = tiny_residual_v2_shift,
    .in_h = 4,
    .in_w = 4,
    .in_c = 2,
    .out_h = 4,
    .out_w = 4,
    .out_c = 2,
    .groups = 2,
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

static const fml_add_t tiny_residual_v3 = {
    .dims = {1, 1, 1, 32},
    .a_strides = {0, 0, 0, 1},
    .b_strides = {0, 0, 0, 1},
    .offset = 700,
    .mult_a = 300,
    .mult_b = -200,
    .shift = 8,
    .lo = -128,
    .hi = 127,
};

static const fml_pad_t tiny_residual_v4 = {
    .in_dims = {1, 4, 4, 2},
    .before = {0, 1, 0, 0},
    .out_dims = {1, 5, 5, 2},
    .value = 3,
};

static const fml_pool_t tiny_residual_v5 = {
    .in_h = 4,
    .in_w = 4,
    .c = 2,
    .out_h = 2,
    .out_w = 2,
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

static const fml_pad_t tiny_residual_v6 = {
    .in_dims = {1, 2, 2, 2},
    .before = {0, 1, 1, 0},
    .out_dims = {1, 5, 5, 2},
    .value = 3,
};

static const fml_copy_t tiny_residual_v7_0 = {
    .n_rows = 25,
    .row_bytes = 2,
    .x_stride_bytes = 2,
    .y_stride_bytes = 4,
};

static const fml_copy_t tiny_residual_v7_1 = {
    .n_rows = 25,
    .row_bytes = 2,
    .x_stride_bytes = 2,
    .y_stride_bytes = 4,
};

static const fml_pool_t tiny_residual_v8 = {
    .in_h = 5,
    .in_w = 5,
    .c = 4,
    .out_h = 1,
    .out_w = 1,
    .k_h = 5,
    .k_w = 5,
    .stride_h = 1,
    .stride_w = 1,
    .dil_h = 1,
    .dil_w = 1,
    .pad_t = 0,
    .pad_l = 0,
    .pad_b = 0,
    .pad_r = 0,
    .lo = -128,
    .hi = 127,
    .x_zp = 3,
    .y_zp = 3,
    .include_pad = 0,
    .n_mult = 1,
    .mult = tiny_residual_v8_mult,
    .shift = tiny_residual_v8_shift,
};

static const fml_dense_t tiny_residual_v10 = {
    .w = tiny_residual_v10_weight,
    .bias = tiny_residual_v10_bias,
    .mult = tiny_residual_v10_mult,
    .shift = tiny_residual_v10_shift,
    .n_in = 4,
    .n_out = 3,
    .y_zp = 3,
    .lo = -128,
    .hi = 127,
};

static const fml_softmax_t tiny_residual_v11 = {
    .exp_table = tiny_residual_v11_table,
    .n = 3,
};

FML_STATIC_ASSERT(sizeof(tiny_residual_v0_weight) == 36u, tiny_residual_v0_weight);
FML_STATIC_ASSERT(sizeof(tiny_residual_v0_bias) == 8u, tiny_residual_v0_bias);
FML_STATIC_ASSERT(sizeof(tiny_residual_v0_mult) == 4u, tiny_residual_v0_mult);
FML_STATIC_ASSERT(sizeof(tiny_residual_v0_shift) == 2u, tiny_residual_v0_shift);
FML_STATIC_ASSERT(sizeof(tiny_residual_v1_table) == 256u, tiny_residual_v1_table);
FML_STATIC_ASSERT(sizeof(tiny_residual_v2_weight) == 18u, tiny_residual_v2_weight);
FML_STATIC_ASSERT(sizeof(tiny_residual_v2_bias) == 8u, tiny_residual_v2_bias);
FML_STATIC_ASSERT(sizeof(tiny_residual_v2_mult) == 4u, tiny_residual_v2_mult);
FML_STATIC_ASSERT(sizeof(tiny_residual_v2_shift) == 2u, tiny_residual_v2_shift);
FML_STATIC_ASSERT(sizeof(tiny_residual_v8_mult) == 2u, tiny_residual_v8_mult);
FML_STATIC_ASSERT(sizeof(tiny_residual_v8_shift) == 1u, tiny_residual_v8_shift);
FML_STATIC_ASSERT(sizeof(tiny_residual_v10_weight) == 12u, tiny_residual_v10_weight);
FML_STATIC_ASSERT(sizeof(tiny_residual_v10_bias) == 12u, tiny_residual_v10_bias);
FML_STATIC_ASSERT(sizeof(tiny_residual_v10_mult) == 6u, tiny_residual_v10_mult);
FML_STATIC_ASSERT(sizeof(tiny_residual_v10_shift) == 3u, tiny_residual_v10_shift);
FML_STATIC_ASSERT(sizeof(tiny_residual_v11_table) == 512u, tiny_residual_v11_table);
FML_STATIC_ASSERT(sizeof(tiny_residual_v0_weight) + sizeof(tiny_residual_v0_bias) + sizeof(tiny_residual_v0_mult) + sizeof(tiny_residual_v0_shift) + sizeof(tiny_residual_v1_table) + sizeof(tiny_residual_v2_weight) + sizeof(tiny_residual_v2_bias) + sizeof(tiny_residual_v2_mult) + sizeof(tiny_residual_v2_shift) + sizeof(tiny_residual_v8_mult) + sizeof(tiny_residual_v8_shift) + sizeof(tiny_residual_v10_weight) + sizeof(tiny_residual_v10_bias) + sizeof(tiny_residual_v10_mult) + sizeof(tiny_residual_v10_shift) + sizeof(tiny_residual_v11_table) + 0u == TINY_RESIDUAL_WEIGHTS_BYTES, tiny_residual_weights_bytes);
FML_STATIC_ASSERT(sizeof(((const tiny_residual_arena_t *)0)->bytes) == 200u, tiny_residual_arena_bytes);

static void tiny_residual_step(uint16_t step, int8_t *arena, int8_t *scratch)
{
    (void)arena;
    (void)scratch;
    switch (step) {
    case 0: /* v0: /ConvI8 */
        fml_conv_i8(&tiny_residual_v0, arena, arena + 32, scratch, 0, 32u);
        break;
    case 1: /* v1: /LutI8 */
        fml_lut_i8(tiny_residual_v1_table, arena + 32, arena, 0, 32u);
        break;
    case 2: /* v2: /ConvI8 */
        fml_depthwise_i8(&tiny_residual_v2, arena + 32, arena + 64, 0, 32u);
        break;
    case 3: /* v3: /AddI8 */
        fml_add_i8(&tiny_residual_v3, arena, arena + 64, arena, 0, 32u);
        break;
    case 4: /* v4: /PadI8 */
        fml_pad_i8(&tiny_residual_v4, arena, arena + 100, 0, 50u);
        break;
    case 5: /* v5: /MaxPoolI8 */
        fml_maxpool_i8(&tiny_residual_v5, arena, arena, 0, 4u);
        break;
    case 6: /* v6: /PadI8 */
        fml_pad_i8(&tiny_residual_v6, arena, arena + 150, 0, 50u);
        break;
    case 7: /* v7: /Concat */
        fml_copy_i8(&tiny_residual_v7_0, arena + 100, arena + 0, 0, 25u);
        fml_copy_i8(&tiny_residual_v7_1, arena + 150, arena + 2, 0, 25u);
        break;
    case 8: /* v8: /AvgPoolI8 */
        fml_avgpool_i8(&tiny_residual_v8, arena, arena + 100, 0, 1u);
        break;
    case 9: /* v10: /DenseI8 */
        fml_dense_i8(&tiny_residual_v10, arena + 100, arena, 0, 3u);
        break;
    case 10: /* v11: /SoftmaxI8 */
        fml_softmax_i8(&tiny_residual_v11, arena, arena, 0, 1u);
        break;
    default:
        break;
    }
}

static const fml_port_t tiny_residual_inputs[1] = {
    {0u, 32u},
};

static const fml_port_t tiny_residual_outputs[1] = {
    {0u, 3u},
};

const fml_info_t tiny_residual_info = {
    tiny_residual_inputs,
    tiny_residual_outputs,
    1u,
    1u,
    11u,
    TINY_RESIDUAL_ARENA_BYTES,
    TINY_RESIDUAL_SCRATCH_BYTES,
    tiny_residual_step,
};

void tiny_residual_run(tiny_residual_arena_t *arena, int8_t *scratch)
{
    for (uint16_t step = 0; step < tiny_residual_info.n_steps; step++) {
        tiny_residual_step(step, arena->bytes, scratch);
    }
}
