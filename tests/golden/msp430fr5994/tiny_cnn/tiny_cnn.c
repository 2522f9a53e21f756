/* made by a test */
#include "tiny_cnn.h"

#include "fml_kernels.h"
#include "tiny_cnn_weights.h"

FML_WITH_WEIGHTS(fml_conv, tiny_cnn_v0, .w, tiny_cnn_v0_weight)
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

FML_WITH_WEIGHTS(fml_dense, tiny_cnn_v3, .w, tiny_cnn_v3_weight)
    .bias = tiny_cnn_v3_bias,
    .mult = tiny_cnn_v3_mult,
    .shift = tiny_cnn_v3_shift,
    .n_in = 27,
    .n_out = 4,
    .y_zp = 3,
    .lo = -128,
    .hi = 127,
};

FML_STATIC_ASSERT(sizeof(tiny_cnn_v0_bias) == 12u, tiny_cnn_v0_bias);
FML_STATIC_ASSERT(sizeof(tiny_cnn_v0_mult) == 6u, tiny_cnn_v0_mult);
FML_STATIC_ASSERT(sizeof(tiny_cnn_v0_shift) == 3u, tiny_cnn_v0_shift);
FML_STATIC_ASSERT(sizeof(tiny_cnn_v3_bias) == 16u, tiny_cnn_v3_bias);
FML_STATIC_ASSERT(sizeof(tiny_cnn_v3_mult) == 8u, tiny_cnn_v3_mult);
FML_STATIC_ASSERT(sizeof(tiny_cnn_v3_shift) == 4u, tiny_cnn_v3_shift);
FML_STATIC_ASSERT(sizeof(tiny_cnn_v0_bias) + sizeof(tiny_cnn_v0_mult) + sizeof(tiny_cnn_v0_shift) + sizeof(tiny_cnn_v3_bias) + sizeof(tiny_cnn_v3_mult) + sizeof(tiny_cnn_v3_shift) + 135u == TINY_CNN_WEIGHTS_BYTES, tiny_cnn_weights_bytes);
FML_STATIC_ASSERT(FML_NVM_ARENA + TINY_CNN_ARENA_BYTES == TINY_CNN_NVM_BYTES, tiny_cnn_nvm_bytes);
FML_STATIC_ASSERT(TINY_CNN_TILE_BYTES + TINY_CNN_SCRATCH_BYTES == TINY_CNN_SRAM_BYTES, tiny_cnn_sram_bytes);

static const fml_layer_t tiny_cnn_layers[6] = {
    /* capture */
    {.first_step = 0u, .n_units = 1u, .tile_units = 1u, .parts = 1u, .kind = FML_CAPTURE},
    /* v0: /ConvI8 */
    {.first_step = 1u, .out_offset_bytes = 0u, .n_units = 108u, .tile_units = 108u, .unit_bytes = 1u, .unit_stride_bytes = 1u, .products = 0u, .part_products = 0u, .parts = 1u, .kind = FML_TILES},
    /* v1: /MaxPoolI8 */
    {.first_step = 2u, .out_offset_bytes = 108u, .n_units = 27u, .tile_units = 27u, .unit_bytes = 1u, .unit_stride_bytes = 1u, .products = 0u, .part_products = 0u, .parts = 1u, .kind = FML_TILES},
    /* v3: /DenseI8 */
    {.first_step = 3u, .out_offset_bytes = 0u, .n_units = 4u, .tile_units = 4u, .unit_bytes = 1u, .unit_stride_bytes = 1u, .products = 0u, .part_products = 0u, .parts = 1u, .kind = FML_TILES},
    /* publish */
    {.first_step = 4u, .n_units = 1u, .tile_units = 1u, .products = 1u, .parts = 1u, .kind = FML_PUBLISH},
    /* report */
    {.first_step = 5u, .n_units = 1u, .tile_units = 1u, .products = 1u, .parts = 1u, .kind = FML_REPORT},
};

static void tiny_cnn_compute(uint16_t layer, const int8_t *arena, int8_t *y, int8_t *scratch, uint32_t first, uint32_t n)
{
    (void)scratch;
    switch (layer) {
    case 1:
        fml_conv_i8(&tiny_cnn_v0, arena + 108, y, scratch, first, n);
        break;
    case 2:
        fml_maxpool_i8(&tiny_cnn_v1, arena, y, first, n);
        break;
    case 3:
        fml_dense_i8(&tiny_cnn_v3, arena + 108, y, first, n);
        break;
    default:
        break;
    }
}

static const fml_port_t tiny_cnn_inputs[1] = {
    {108u, 36u},
};

static const fml_port_t tiny_cnn_outputs[1] = {
    {0u, 4u},
};

const fml_model_t tiny_cnn_model = {
    .inputs = tiny_cnn_inputs,
    .outputs = tiny_cnn_outputs,
    .layers = tiny_cnn_layers,
    .n_inputs = 1u,
    .n_outputs = 1u,
    .n_layers = 6u,
    .layout_version = FML_LAYOUT_VERSION,
    .digest = {0xbe26f41au, 0x460a9e6du},
    .n_steps = 6u,
    .arena_bytes = TINY_CNN_ARENA_BYTES,
    .tile_bytes = TINY_CNN_TILE_BYTES,
    .scratch_bytes = TINY_CNN_SCRATCH_BYTES,
    .sram_bytes = TINY_CNN_SRAM_BYTES,
    .nvm_bytes = TINY_CNN_NVM_BYTES,
    .commit_slots = 1u,
    .result_kind = FML_RESULT_SCORES,
    .result_output = 0u,
    .result = {0u, 4u},
    .compute = tiny_cnn_compute,
};
