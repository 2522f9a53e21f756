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
FML_STATIC_ASSERT(sizeof(((const tiny_dense_arena_t *)0)->bytes) == 10u, tiny_dense_arena_bytes);

static void tiny_dense_step(uint16_t step, int8_t *arena, int8_t *scratch)
{
    (void)arena;
    (void)scratch;
    switch (step) {
    case 0: /* v0: /DenseI8 */
        fml_dense_i8(&tiny_dense_v0, arena, arena + 6, 0, 4u);
        break;
    case 1: /* v1: /DenseI8 */
        fml_dense_i8(&tiny_dense_v1, arena + 6, arena, 0, 3u);
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

const fml_info_t tiny_dense_info = {
    tiny_dense_inputs,
    tiny_dense_outputs,
    1u,
    1u,
    2u,
    TINY_DENSE_ARENA_BYTES,
    TINY_DENSE_SCRATCH_BYTES,
    tiny_dense_step,
};

void tiny_dense_run(tiny_dense_arena_t *arena, int8_t *scratch)
{
    for (uint16_t step = 0; step < tiny_dense_info.n_steps; step++) {
        tiny_dense_step(step, arena->bytes, scratch);
    }
}
