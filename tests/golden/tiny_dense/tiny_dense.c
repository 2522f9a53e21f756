/* made by a test */
#include "tiny_dense.h"

#include "fml_kernels.h"
#include "tiny_dense_weights.h"

static const fml_dense_t tiny_dense_v0 = {
    .w = tiny_dense_v0_weight,
    .bias = tiny_dense_v0_bias,
    .mult = tiny_dense_v0_mult,
    .shift = tiny_dense_v0_shift,
    .n_in = 6,
    .n_out = 4,
    .y_zp = 3,
    .lo = -128,
    .hi = 127,
};

static const fml_dense_t tiny_dense_v1 = {
    .w = tiny_dense_v1_weight,
    .bias = tiny_dense_v1_bias,
    .mult = tiny_dense_v1_mult,
    .shift = tiny_dense_v1_shift,
    .n_in = 4,
    .n_out = 3,
    .y_zp = 3,
    .lo = -128,
    .hi = 127,
};

FML_STATIC_ASSERT(sizeof(tiny_dense_v0_weight) == 24u, tiny_dense_v0_weight);
FML_STATIC_ASSERT(sizeof(tiny_dense_v0_bias) == 16u, tiny_dense_v0_bias);
FML_STATIC_ASSERT(sizeof(tiny_dense_v0_mult) == 8u, tiny_dense_v0_mult);
FML_STATIC_ASSERT(sizeof(tiny_dense_v0_shift) == 4u, tiny_dense_v0_shift);
FML_STATIC_ASSERT(sizeof(tiny_dense_v1_weight) == 12u, tiny_dense_v1_weight);
FML_STATIC_ASSERT(sizeof(tiny_dense_v1_bias) == 12u, tiny_dense_v1_bias);
FML_STATIC_ASSERT(sizeof(tiny_dense_v1_mult) == 6u, tiny_dense_v1_mult);
FML_STATIC_ASSERT(sizeof(tiny_dense_v1_shift) == 3u, tiny_dense_v1_shift);
FML_STATIC_ASSERT(sizeof(tiny_dense_v0_weight) + sizeof(tiny_dense_v0_bias) + sizeof(tiny_dense_v0_mult) + sizeof(tiny_dense_v0_shift) + sizeof(tiny_dense_v1_weight) + sizeof(tiny_dense_v1_bias) + sizeof(tiny_dense_v1_mult) + sizeof(tiny_dense_v1_shift) + 0u == TINY_DENSE_WEIGHTS_BYTES, tiny_dense_weights_bytes);
FML_STATIC_ASSERT(FML_NVM_ARENA + TINY_DENSE_ARENA_BYTES == TINY_DENSE_NVM_BYTES, tiny_dense_nvm_bytes);
FML_STATIC_ASSERT(TINY_DENSE_TILE_BYTES + TINY_DENSE_SCRATCH_BYTES == TINY_DENSE_SRAM_BYTES, tiny_dense_sram_bytes);

static const fml_layer_t tiny_dense_layers[5] = {
    /* capture */
    {.first_step = 0u, .n_units = 1u, .tile_units = 1u, .parts = 1u, .kind = FML_CAPTURE},
    /* v0: /DenseI8 */
    {.first_step = 1u, .out_offset_bytes = 6u, .n_units = 4u, .tile_units = 4u, .unit_bytes = 1u, .unit_stride_bytes = 1u, .products = 0u, .part_products = 0u, .parts = 1u, .kind = FML_TILES},
    /* v1: /DenseI8 */
    {.first_step = 2u, .out_offset_bytes = 0u, .n_units = 3u, .tile_units = 3u, .unit_bytes = 1u, .unit_stride_bytes = 1u, .products = 0u, .part_products = 0u, .parts = 1u, .kind = FML_TILES},
    /* publish */
    {.first_step = 3u, .n_units = 1u, .tile_units = 1u, .products = 1u, .parts = 1u, .kind = FML_PUBLISH},
    /* report */
    {.first_step = 4u, .n_units = 1u, .tile_units = 1u, .products = 1u, .parts = 1u, .kind = FML_REPORT},
};

static void tiny_dense_compute(uint16_t layer, const int8_t *arena, int8_t *y, int8_t *scratch, uint32_t first, uint32_t n)
{
    (void)scratch;
    switch (layer) {
    case 1:
        fml_dense_i8(&tiny_dense_v0, arena, y, first, n);
        break;
    case 2:
        fml_dense_i8(&tiny_dense_v1, arena + 6, y, first, n);
        break;
    default:
        break;
    }
}

static const fml_port_t tiny_dense_inputs[1] = {
    {0u, 6u},
};

static const fml_port_t tiny_dense_outputs[1] = {
    {0u, 3u},
};

const fml_model_t tiny_dense_model = {
    .inputs = tiny_dense_inputs,
    .outputs = tiny_dense_outputs,
    .layers = tiny_dense_layers,
    .n_inputs = 1u,
    .n_outputs = 1u,
    .n_layers = 5u,
    .layout_version = FML_LAYOUT_VERSION,
    .digest = {0x858547aeu, 0xaa9e8826u},
    .n_steps = 5u,
    .arena_bytes = TINY_DENSE_ARENA_BYTES,
    .tile_bytes = TINY_DENSE_TILE_BYTES,
    .scratch_bytes = TINY_DENSE_SCRATCH_BYTES,
    .sram_bytes = TINY_DENSE_SRAM_BYTES,
    .nvm_bytes = TINY_DENSE_NVM_BYTES,
    .commit_slots = 1u,
    .result_kind = FML_RESULT_SCORES,
    .result_output = 0u,
    .result = {0u, 3u},
    .compute = tiny_dense_compute,
};
