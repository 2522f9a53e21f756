/* made by a test */
#ifndef TINY_DENSE_H
#define TINY_DENSE_H

#include "fml_runtime.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What the caller provides: NVM that keeps its bytes without power, and SRAM for one tile. */
#define TINY_DENSE_NVM_BYTES 114u
#define TINY_DENSE_SRAM_BYTES 4u
/* Of the NVM, activations; of the SRAM, the outputs of a tile and the scratch of a kernel. */
#define TINY_DENSE_ARENA_BYTES 10u
#define TINY_DENSE_TILE_BYTES 4u
#define TINY_DENSE_SCRATCH_BYTES 0u
/* Bytes of constant tables: weights, biases, requantisation and lookup tables. */
#define TINY_DENSE_WEIGHTS_BYTES 85u

/* input in0: [6] */
#define TINY_DENSE_INPUT_IN0_ELEMS 6u
#define TINY_DENSE_INPUT_IN0_SCALE 0.1f
#define TINY_DENSE_INPUT_IN0_ZERO_POINT (3)

/* output v1: [3] */
#define TINY_DENSE_OUTPUT_V1_ELEMS 3u
#define TINY_DENSE_OUTPUT_V1_SCALE 0.1f
#define TINY_DENSE_OUTPUT_V1_ZERO_POINT (3)

/* NVM of the right size and alignment. */
typedef union {
    uint8_t bytes[TINY_DENSE_NVM_BYTES];
    uint32_t align;
} tiny_dense_nvm_t;

/* For fml_boot() and all that follows: see fml_runtime.h. */
extern const fml_model_t tiny_dense_model;

#ifdef __cplusplus
}
#endif

#endif
