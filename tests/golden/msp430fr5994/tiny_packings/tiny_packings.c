/* made by a test */
#include "tiny_packings.h"

#include "fml_kernels.h"
#include "tiny_packings_weights.h"

FML_WITH_WEIGHTS(fml_conv, tiny_packings_v0, .w, tiny_packings_v0_weight)
    .bias = tiny_packings_v0_bias,
    .mult = tiny_packings_v0_mult,
    .shift = tiny_packings_v0_shift,
    .in_h = 4,
    .in_w = 4,
    .in_c = 3,
    .out_h = 4,
    .out_w = 4,
    .out_c = 5,
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

FML_WITH_WEIGHTS(fml_conv, tiny_packings_v1, .w, tiny_packings_v1_weight)
    .bias = tiny_packings_v1_bias,
    .mult = tiny_packings_v1_mult,
    .shift = tiny_packings_v1_shift,
    .in_h = 4,
    .in_w = 4,
    .in_c = 5,
    .out_h = 2,
    .out_w = 2,
    .out_c = 5,
    .groups = 5,
    .k_h = 3,
    .k_w = 3,
    .stride_h = 2,
    .stride_w = 2,
    .dil_h = 1,
    .dil_w = 1,
    .pad_t = 1,
    .pad_l = 1,
    .x_zp = 3,
    .y_zp = 3,
    .lo = -128,
    .hi = 127,
};

FML_WITH_WEIGHTS(fml_conv, tiny_packings_v2, .w, tiny_packings_v2_weight)
    .bias = tiny_packings_v2_bias,
    .mult = tiny_packings_v2_mult,
    .shift = tiny_packings_v2_shift,
    .in_h = 2,
    .in_w = 2,
    .in_c = 5,
    .out_h = 2,
    .out_w = 2,
    .out_c = 6,
    .groups = 1,
    .k_h = 1,
    .k_w = 1,
    .stride_h = 1,
    .stride_w = 1,
    .dil_h = 1,
    .dil_w = 1,
    .pad_t = 0,
    .pad_l = 0,
    .x_zp = 3,
    .y_zp = 3,
    .lo = -128,
    .hi = 127,
};

FML_WITH_WEIGHTS(fml_conv, tiny_packings_v3, .w, tiny_packings_v3_weight)
    .bias = tiny_packings_v3_bias,
    .mult = tiny_packings_v3_mult,
    .shift = tiny_packings_v3_shift,
    .in_h = 2,
    .in_w = 2,
    .in_c = 6,
    .out_h = 2,
    .out_w = 2,
    .out_c = 4,
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

FML_WITH_WEIGHTS(fml_dense, tiny_packings_v5, .w, tiny_packings_v5_weight)
    .bias = tiny_packings_v5_bias,
    .mult = tiny_packings_v5_mult,
    .shift = tiny_packings_v5_shift,
    .n_in = 16,
    .n_out = 3,
    .y_zp = 3,
    .lo = -128,
    .hi = 127,
};

FML_STATIC_ASSERT(sizeof(tiny_packings_v0_bias) == 20u, tiny_packings_v0_bias);
FML_STATIC_ASSERT(sizeof(tiny_packings_v0_mult) == 10u, tiny_packings_v0_mult);
FML_STATIC_ASSERT(sizeof(tiny_packings_v0_shift) == 5u, tiny_packings_v0_shift);
FML_STATIC_ASSERT(sizeof(tiny_packings_v1_bias) == 20u, tiny_packings_v1_bias);
FML_STATIC_ASSERT(sizeof(tiny_packings_v1_mult) == 10u, tiny_packings_v1_mult);
FML_STATIC_ASSERT(sizeof(tiny_packings_v1_shift) == 5u, tiny_packings_v1_shift);
FML_STATIC_ASSERT(sizeof(tiny_packings_v2_bias) == 24u, tiny_packings_v2_bias);
FML_STATIC_ASSERT(sizeof(tiny_packings_v2_mult) == 12u, tiny_packings_v2_mult);
FML_STATIC_ASSERT(sizeof(tiny_packings_v2_shift) == 6u, tiny_packings_v2_shift);
FML_STATIC_ASSERT(sizeof(tiny_packings_v3_bias) == 16u, tiny_packings_v3_bias);
FML_STATIC_ASSERT(sizeof(tiny_packings_v3_mult) == 8u, tiny_packings_v3_mult);
FML_STATIC_ASSERT(sizeof(tiny_packings_v3_shift) == 4u, tiny_packings_v3_shift);
FML_STATIC_ASSERT(sizeof(tiny_packings_v5_bias) == 12u, tiny_packings_v5_bias);
FML_STATIC_ASSERT(sizeof(tiny_packings_v5_mult) == 6u, tiny_packings_v5_mult);
FML_STATIC_ASSERT(sizeof(tiny_packings_v5_shift) == 3u, tiny_packings_v5_shift);
FML_STATIC_ASSERT(sizeof(tiny_packings_v0_bias) + sizeof(tiny_packings_v0_mult) + sizeof(tiny_packings_v0_shift) + sizeof(tiny_packings_v1_bias) + sizeof(tiny_packings_v1_mult) + sizeof(tiny_packings_v1_shift) + sizeof(tiny_packings_v2_bias) + sizeof(tiny_packings_v2_mult) + sizeof(tiny_packings_v2_shift) + sizeof(tiny_packings_v3_bias) + sizeof(tiny_packings_v3_mult) + sizeof(tiny_packings_v3_shift) + sizeof(tiny_packings_v5_bias) + sizeof(tiny_packings_v5_mult) + sizeof(tiny_packings_v5_shift) + 366u == TINY_PACKINGS_WEIGHTS_BYTES, tiny_packings_weights_bytes);
FML_STATIC_ASSERT(FML_NVM_ARENA + TINY_PACKINGS_ARENA_BYTES == TINY_PACKINGS_NVM_BYTES, tiny_packings_nvm_bytes);
FML_STATIC_ASSERT(TINY_PACKINGS_TILE_BYTES + TINY_PACKINGS_SCRATCH_BYTES == TINY_PACKINGS_SRAM_BYTES, tiny_packings_sram_bytes);

static const fml_layer_t tiny_packings_layers[8] = {
    /* capture */
    {.first_step = 0u, .n_units = 1u, .tile_units = 1u, .parts = 1u, .kind = FML_CAPTURE},
    /* v0: /ConvI8 */
    {.first_step = 1u, .out_offset_bytes = 0u, .n_units = 80u, .tile_units = 80u, .unit_bytes = 1u, .unit_stride_bytes = 1u, .products = 0u, .part_products = 0u, .parts = 1u, .kind = FML_TILES},
    /* v1: /ConvI8 */
    {.first_step = 2u, .out_offset_bytes = 80u, .n_units = 20u, .tile_units = 20u, .unit_bytes = 1u, .unit_stride_bytes = 1u, .products = 0u, .part_products = 0u, .parts = 1u, .kind = FML_TILES},
    /* v2: /ConvI8 */
    {.first_step = 3u, .out_offset_bytes = 0u, .n_units = 24u, .tile_units = 24u, .unit_bytes = 1u, .unit_stride_bytes = 1u, .products = 0u, .part_products = 0u, .parts = 1u, .kind = FML_TILES},
    /* v3: /ConvI8 */
    {.first_step = 4u, .out_offset_bytes = 24u, .n_units = 16u, .tile_units = 16u, .unit_bytes = 1u, .unit_stride_bytes = 1u, .products = 0u, .part_products = 0u, .parts = 1u, .kind = FML_TILES},
    /* v5: /DenseI8 */
    {.first_step = 5u, .out_offset_bytes = 0u, .n_units = 3u, .tile_units = 1u, .unit_bytes = 1u, .unit_stride_bytes = 1u, .products = 16u, .part_products = 6u, .parts = 3u, .kind = FML_TILES},
    /* publish */
    {.first_step = 14u, .n_units = 1u, .tile_units = 1u, .products = 1u, .parts = 1u, .kind = FML_PUBLISH},
    /* report */
    {.first_step = 15u, .n_units = 1u, .tile_units = 1u, .products = 1u, .parts = 1u, .kind = FML_REPORT},
};

static void tiny_packings_compute(uint16_t layer, const int8_t *arena, int8_t *y, int8_t *scratch, uint32_t first, uint32_t n)
{
    (void)scratch;
    switch (layer) {
    case 1:
        fml_conv_i8(&tiny_packings_v0, arena + 80, y, scratch, first, n);
        break;
    case 2:
        fml_depthwise_i8(&tiny_packings_v1, arena, y, first, n);
        break;
    case 3:
        fml_pointwise_i8(&tiny_packings_v2, arena + 80, y, first, n);
        break;
    case 4:
        fml_conv_i8(&tiny_packings_v3, arena, y, scratch, first, n);
        break;
    default:
        break;
    }
}

static int32_t tiny_packings_partial(uint16_t layer, const int8_t *arena, int8_t *tile, uint32_t element, uint32_t k0, uint32_t n)
{
    (void)tile;
    switch (layer) {
    case 5:
        return fml_dense_part_i8(&tiny_packings_v5, arena + 24, element, k0, n);
    default:
        return 0;
    }
}

static int8_t tiny_packings_finish(uint16_t layer, uint32_t element, int32_t acc)
{
    switch (layer) {
    case 5:
        return fml_dense_finish_i8(&tiny_packings_v5, element, acc);
    default:
        return 0;
    }
}

static const fml_port_t tiny_packings_inputs[1] = {
    {80u, 48u},
};

static const fml_port_t tiny_packings_outputs[1] = {
    {0u, 3u},
};

const fml_model_t tiny_packings_model = {
    .inputs = tiny_packings_inputs,
    .outputs = tiny_packings_outputs,
    .layers = tiny_packings_layers,
    .n_inputs = 1u,
    .n_outputs = 1u,
    .n_layers = 8u,
    .layout_version = FML_LAYOUT_VERSION,
    .digest = {0x93fcdf28u, 0x1a491354u},
    .n_steps = 16u,
    .arena_bytes = TINY_PACKINGS_ARENA_BYTES,
    .tile_bytes = TINY_PACKINGS_TILE_BYTES,
    .scratch_bytes = TINY_PACKINGS_SCRATCH_BYTES,
    .sram_bytes = TINY_PACKINGS_SRAM_BYTES,
    .nvm_bytes = TINY_PACKINGS_NVM_BYTES,
    .commit_slots = 1u,
    .result_kind = FML_RESULT_SCORES,
    .result_output = 0u,
    .result = {0u, 3u},
    .compute = tiny_packings_compute,
    .partial = tiny_packings_partial,
    .finish = tiny_packings_finish,
};
