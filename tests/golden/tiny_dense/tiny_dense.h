/* made by a test */
#ifndef TINY_DENSE_H
#define TINY_DENSE_H

#include "fml_model.h"

/* Bytes of SRAM or NVM that the caller provides. */
#define TINY_DENSE_ARENA_BYTES 10u
#define TINY_DENSE_SCRATCH_BYTES 0u
/* Bytes of constant tables: weights, biases, requantisation and lookup tables. */
#define TINY_DENSE_WEIGHTS_BYTES 85u

/* input in0: [6] */
#define TINY_DENSE_INPUT_IN0_OFFSET_BYTES 0u
#define TINY_DENSE_INPUT_IN0_ELEMS 6u
#define TINY_DENSE_INPUT_IN0_SCALE 0.1f
#define TINY_DENSE_INPUT_IN0_ZERO_POINT (3)

/* output v1: [3] */
#define TINY_DENSE_OUTPUT_V1_OFFSET_BYTES 0u
#define TINY_DENSE_OUTPUT_V1_ELEMS 3u
#define TINY_DENSE_OUTPUT_V1_SCALE 0.1f
#define TINY_DENSE_OUTPUT_V1_ZERO_POINT (3)

/* An arena of the right size and alignment. */
typedef union {
    int8_t bytes[TINY_DENSE_ARENA_BYTES];
    int32_t align;
} tiny_dense_arena_t;

extern const fml_info_t tiny_dense_info;

/* One inference: reads the inputs from the arena, leaves the outputs there. scratch: TINY_DENSE_SCRATCH_BYTES,
 * or NULL where that is 0. */
void tiny_dense_run(tiny_dense_arena_t *arena, int8_t *scratch);

#endif
