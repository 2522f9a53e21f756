/* made by a test */
#include "tiny_residual.h"

#include "fml_kernels.h"
#include "fml_stage.h"
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

static const fml_copy_t tiny_residual_v7 = {
    .n_rows = 25,
    .row_bytes = 2,
    .x_stride_bytes = 2,
    .y_stride_bytes = 2,
};

static const fml_copy_t tiny_residual_v7_1 = {
    .n_rows = 25,
    .row_bytes = 2,
    .x_stride_bytes = 2,
    .y_stride_bytes = 2,
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

FML_STATIC_ASSERT(sizeof(tiny_residual_v0_weight) == 40u, tiny_residual_v0_weight);
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
FML_STATIC_ASSERT(sizeof(tiny_residual_v10_weight) == 16u, tiny_residual_v10_weight);
FML_STATIC_ASSERT(sizeof(tiny_residual_v10_bias) == 12u, tiny_residual_v10_bias);
FML_STATIC_ASSERT(sizeof(tiny_residual_v10_mult) == 6u, tiny_residual_v10_mult);
FML_STATIC_ASSERT(sizeof(tiny_residual_v10_shift) == 3u, tiny_residual_v10_shift);
FML_STATIC_ASSERT(sizeof(tiny_residual_v11_table) == 512u, tiny_residual_v11_table);
FML_STATIC_ASSERT(sizeof(tiny_residual_v0_weight) + sizeof(tiny_residual_v0_bias) + sizeof(tiny_residual_v0_mult) + sizeof(tiny_residual_v0_shift) + sizeof(tiny_residual_v1_table) + sizeof(tiny_residual_v2_weight) + sizeof(tiny_residual_v2_bias) + sizeof(tiny_residual_v2_mult) + sizeof(tiny_residual_v2_shift) + sizeof(tiny_residual_v8_mult) + sizeof(tiny_residual_v8_shift) + sizeof(tiny_residual_v10_weight) + sizeof(tiny_residual_v10_bias) + sizeof(tiny_residual_v10_mult) + sizeof(tiny_residual_v10_shift) + sizeof(tiny_residual_v11_table) + 0u == TINY_RESIDUAL_WEIGHTS_BYTES, tiny_residual_weights_bytes);
FML_STATIC_ASSERT(FML_NVM_ARENA + TINY_RESIDUAL_ARENA_BYTES == TINY_RESIDUAL_NVM_BYTES, tiny_residual_nvm_bytes);
FML_STATIC_ASSERT(TINY_RESIDUAL_TILE_BYTES + TINY_RESIDUAL_SCRATCH_BYTES == TINY_RESIDUAL_SRAM_BYTES, tiny_residual_sram_bytes);

static const fml_layer_t tiny_residual_layers[15] = {
    /* capture */
    {.first_step = 0u, .n_units = 1u, .tile_units = 1u, .parts = 1u, .kind = FML_CAPTURE},
    /* v0: /ConvI8 */
    {.first_step = 1u, .out_offset_bytes = 32u, .n_units = 32u, .tile_units = 32u, .unit_bytes = 1u, .unit_stride_bytes = 1u, .products = 0u, .part_products = 0u, .parts = 1u, .kind = FML_TILES},
    /* v1: /LutI8 */
    {.first_step = 2u, .out_offset_bytes = 0u, .n_units = 32u, .tile_units = 32u, .unit_bytes = 1u, .unit_stride_bytes = 1u, .products = 0u, .part_products = 0u, .parts = 1u, .kind = FML_TILES},
    /* v2: /ConvI8 */
    {.first_step = 3u, .out_offset_bytes = 64u, .n_units = 32u, .tile_units = 32u, .unit_bytes = 1u, .unit_stride_bytes = 1u, .products = 0u, .part_products = 0u, .parts = 1u, .kind = FML_TILES},
    /* v3: /AddI8 */
    {.first_step = 4u, .out_offset_bytes = 32u, .n_units = 32u, .tile_units = 32u, .unit_bytes = 1u, .unit_stride_bytes = 1u, .products = 0u, .part_products = 0u, .parts = 1u, .kind = FML_TILES},
    /* v4: /PadI8 */
    {.first_step = 5u, .out_offset_bytes = 100u, .n_units = 50u, .tile_units = 50u, .unit_bytes = 1u, .unit_stride_bytes = 1u, .products = 0u, .part_products = 0u, .parts = 1u, .kind = FML_TILES},
    /* v5: /MaxPoolI8 */
    {.first_step = 6u, .out_offset_bytes = 0u, .n_units = 8u, .tile_units = 8u, .unit_bytes = 1u, .unit_stride_bytes = 1u, .products = 0u, .part_products = 0u, .parts = 1u, .kind = FML_TILES},
    /* v6: /PadI8 */
    {.first_step = 7u, .out_offset_bytes = 150u, .n_units = 50u, .tile_units = 50u, .unit_bytes = 1u, .unit_stride_bytes = 1u, .products = 0u, .part_products = 0u, .parts = 1u, .kind = FML_TILES},
    /* v7: /Concat */
    {.first_step = 8u, .out_offset_bytes = 0u, .n_units = 25u, .tile_units = 25u, .unit_bytes = 2u, .unit_stride_bytes = 4u, .products = 0u, .part_products = 0u, .parts = 1u, .kind = FML_TILES},
    /* v7: /Concat */
    {.first_step = 9u, .out_offset_bytes = 2u, .n_units = 25u, .tile_units = 25u, .unit_bytes = 2u, .unit_stride_bytes = 4u, .products = 0u, .part_products = 0u, .parts = 1u, .kind = FML_TILES},
    /* v8: /AvgPoolI8 */
    {.first_step = 10u, .out_offset_bytes = 100u, .n_units = 4u, .tile_units = 4u, .unit_bytes = 1u, .unit_stride_bytes = 1u, .products = 0u, .part_products = 0u, .parts = 1u, .kind = FML_TILES},
    /* v10: /DenseI8 */
    {.first_step = 11u, .out_offset_bytes = 0u, .n_units = 3u, .tile_units = 3u, .unit_bytes = 1u, .unit_stride_bytes = 1u, .products = 0u, .part_products = 0u, .parts = 1u, .kind = FML_TILES},
    /* v11: /SoftmaxI8 */
    {.first_step = 12u, .out_offset_bytes = 3u, .n_units = 1u, .tile_units = 1u, .unit_bytes = 3u, .unit_stride_bytes = 3u, .products = 0u, .part_products = 0u, .parts = 1u, .kind = FML_TILES},
    /* publish */
    {.first_step = 13u, .n_units = 1u, .tile_units = 1u, .products = 1u, .parts = 1u, .kind = FML_PUBLISH},
    /* report */
    {.first_step = 14u, .n_units = 1u, .tile_units = 1u, .products = 1u, .parts = 1u, .kind = FML_REPORT},
};

/* What tiles read, from NVM to SRAM before the kernel: both operands of each layer, from row 1 on. */
static const fml_read_t tiny_residual_reads[12][2] = {
    {{0u, 32u, 8u, 8u, 8u, 24u}, {0u, 0u, 1u, 0u, 0u, 0u}},
    {{32u, 32u, 1u, 1u, 0u, 1u}, {0u, 0u, 1u, 0u, 0u, 0u}},
    {{32u, 32u, 8u, 8u, 8u, 24u}, {0u, 0u, 1u, 0u, 0u, 0u}},
    {{0u, 32u, 1u, 1u, 0u, 1u}, {64u, 32u, 1u, 1u, 0u, 1u}},
    {{32u, 32u, 10u, 8u, 8u, 8u}, {0u, 0u, 1u, 0u, 0u, 0u}},
    {{32u, 32u, 4u, 16u, 0u, 16u}, {0u, 0u, 1u, 0u, 0u, 0u}},
    {{0u, 8u, 10u, 4u, 4u, 4u}, {0u, 0u, 1u, 0u, 0u, 0u}},
    {{100u, 50u, 1u, 2u, 0u, 2u}, {0u, 0u, 1u, 0u, 0u, 0u}},
    {{150u, 50u, 1u, 2u, 0u, 2u}, {0u, 0u, 1u, 0u, 0u, 0u}},
    {{0u, 100u, 4u, 20u, 0u, 100u}, {0u, 0u, 1u, 0u, 0u, 0u}},
    {{100u, 4u, 3u, 0u, 0u, 4u}, {0u, 0u, 1u, 0u, 0u, 0u}},
    {{0u, 3u, 1u, 3u, 0u, 3u}, {0u, 0u, 1u, 0u, 0u, 0u}},
};

static void tiny_residual_compute(uint16_t layer, const int8_t *arena, int8_t *y, int8_t *scratch, uint32_t first, uint32_t n)
{
    (void)scratch;
    const int8_t *x[2];
    fml_stage(&tiny_residual_layers[layer], tiny_residual_reads[layer - 1], arena, y, first, n, x);
    switch (layer) {
    case 1:
        fml_conv_i8(&tiny_residual_v0, x[0], y, scratch, first, n);
        break;
    case 2:
        fml_lut_i8(tiny_residual_v1_table, x[0], y, first, n);
        break;
    case 3:
        fml_depthwise_i8(&tiny_residual_v2, x[0], y, first, n);
        break;
    case 4:
        fml_add_i8(&tiny_residual_v3, x[0], x[1], y, first, n);
        break;
    case 5:
        fml_pad_i8(&tiny_residual_v4, x[0], y, first, n);
        break;
    case 6:
        fml_maxpool_i8(&tiny_residual_v5, x[0], y, first, n);
        break;
    case 7:
        fml_pad_i8(&tiny_residual_v6, x[0], y, first, n);
        break;
    case 8:
        fml_copy_i8(&tiny_residual_v7, x[0] + (size_t)first * 2u, y, 0, n);
        break;
    case 9:
        fml_copy_i8(&tiny_residual_v7_1, x[0] + (size_t)first * 2u, y, 0, n);
        break;
    case 10:
        fml_avgpool_i8(&tiny_residual_v8, x[0], y, first, n);
        break;
    case 11:
        fml_dense_i8(&tiny_residual_v10, x[0], y, first, n);
        break;
    case 12:
        fml_softmax_i8(&tiny_residual_v11, x[0], y, first, n);
        break;
    default:
        break;
    }
}

static const fml_port_t tiny_residual_inputs[1] = {
    {0u, 32u},
};

static const fml_port_t tiny_residual_outputs[1] = {
    {3u, 3u},
};

const fml_model_t tiny_residual_model = {
    .inputs = tiny_residual_inputs,
    .outputs = tiny_residual_outputs,
    .layers = tiny_residual_layers,
    .n_inputs = 1u,
    .n_outputs = 1u,
    .n_layers = 15u,
    .layout_version = FML_LAYOUT_VERSION,
    .digest = {0xff6026f9u, 0xfa5b8e40u},
    .n_steps = 15u,
    .arena_bytes = TINY_RESIDUAL_ARENA_BYTES,
    .tile_bytes = TINY_RESIDUAL_TILE_BYTES,
    .scratch_bytes = TINY_RESIDUAL_SCRATCH_BYTES,
    .sram_bytes = TINY_RESIDUAL_SRAM_BYTES,
    .nvm_bytes = TINY_RESIDUAL_NVM_BYTES,
    .commit_slots = 2u,
    .result_kind = FML_RESULT_SCORES,
    .result_output = 0u,
    .result = {0u, 3u},
    .is_staged = 1u,
    .compute = tiny_residual_compute,
};
