/* made by a test */
#ifndef TINY_RESIDUAL_H
#define TINY_RESIDUAL_H

#include "fml_model.h"

/* Bytes of SRAM or NVM that the caller provides. */
#define TINY_RESIDUAL_ARENA_BYTES 200u
#define TINY_RESIDUAL_SCRATCH_BYTES 18u
/* Bytes of constant tables: weights, biases, requantisation and lookup tables. */
#define TINY_RESIDUAL_WEIGHTS_BYTES 886u

/* input in0: [4, 4, 2] */
#define TINY_RESIDUAL_INPUT_IN0_OFFSET_BYTES 0u
#define TINY_RESIDUAL_INPUT_IN0_ELEMS 32u
#define TINY_RESIDUAL_INPUT_IN0_SCALE 0.1f
#define TINY_RESIDUAL_INPUT_IN0_ZERO_POINT (3)

/* output v11: [3] */
#define TINY_RESIDUAL_OUTPUT_V11_OFFSET_BYTES 0u
#define TINY_RESIDUAL_OUTPUT_V11_ELEMS 3u
#define TINY_RESIDUAL_OUTPUT_V11_SCALE 0.1f
#define TINY_RESIDUAL_OUTPUT_V11_ZERO_POINT (3)

/* An arena of the right size and alignment. */
typedef union {
    int8_t bytes[TINY_RESIDUAL_ARENA_BYTES];
    int32_t align;
} tiny_residual_arena_t;

extern const fml_info_t tiny_residual_info;

/* One inference: reads the inputs from the arena, leaves the outputs there. scratch: TINY_RESIDUAL_SCRATCH_BYTES,
 * or NULL where that is 0. */
void tiny_residual_run(tiny_residual_arena_t *arena, int8_t *scratch);

#endif
