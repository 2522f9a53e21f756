/* made by a test */
#ifndef TINY_CNN_H
#define TINY_CNN_H

#include "fml_model.h"

/* Bytes of SRAM or NVM that the caller provides. */
#define TINY_CNN_ARENA_BYTES 144u
#define TINY_CNN_SCRATCH_BYTES 9u
/* Bytes of constant tables: weights, biases, requantisation and lookup tables. */
#define TINY_CNN_WEIGHTS_BYTES 184u

/* input in0: [6, 6, 1] */
#define TINY_CNN_INPUT_IN0_OFFSET_BYTES 108u
#define TINY_CNN_INPUT_IN0_ELEMS 36u
#define TINY_CNN_INPUT_IN0_SCALE 0.1f
#define TINY_CNN_INPUT_IN0_ZERO_POINT (3)

/* output v3: [4] */
#define TINY_CNN_OUTPUT_V3_OFFSET_BYTES 27u
#define TINY_CNN_OUTPUT_V3_ELEMS 4u
#define TINY_CNN_OUTPUT_V3_SCALE 0.1f
#define TINY_CNN_OUTPUT_V3_ZERO_POINT (3)

/* An arena of the right size and alignment. */
typedef union {
    int8_t bytes[TINY_CNN_ARENA_BYTES];
    int32_t align;
} tiny_cnn_arena_t;

extern const fml_info_t tiny_cnn_info;

/* One inference: reads the inputs from the arena, leaves the outputs there. scratch: TINY_CNN_SCRATCH_BYTES,
 * or NULL where that is 0. */
void tiny_cnn_run(tiny_cnn_arena_t *arena, int8_t *scratch);

#endif
