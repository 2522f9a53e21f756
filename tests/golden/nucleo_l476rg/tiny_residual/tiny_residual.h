/* made by a test */
#ifndef TINY_RESIDUAL_H
#define TINY_RESIDUAL_H

#include "fml_runtime.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What the caller provides: NVM that keeps its bytes without power, and SRAM for one tile. */
#define TINY_RESIDUAL_NVM_BYTES 304u
#define TINY_RESIDUAL_SRAM_BYTES 204u
/* Of the NVM, activations; of the SRAM, the outputs and inputs of a tile and the scratch of a kernel. */
#define TINY_RESIDUAL_ARENA_BYTES 200u
#define TINY_RESIDUAL_TILE_BYTES 104u
#define TINY_RESIDUAL_SCRATCH_BYTES 100u
/* Bytes of constant tables: weights, biases, requantisation and lookup tables. */
#define TINY_RESIDUAL_WEIGHTS_BYTES 894u

/* input in0: [4, 4, 2] */
#define TINY_RESIDUAL_INPUT_IN0_ELEMS 32u
#define TINY_RESIDUAL_INPUT_IN0_SCALE 0.1f
#define TINY_RESIDUAL_INPUT_IN0_ZERO_POINT (3)

/* output v11: [3] */
#define TINY_RESIDUAL_OUTPUT_V11_ELEMS 3u
#define TINY_RESIDUAL_OUTPUT_V11_SCALE 0.1f
#define TINY_RESIDUAL_OUTPUT_V11_ZERO_POINT (3)

/* NVM of the right size and alignment. */
typedef union {
    uint8_t bytes[TINY_RESIDUAL_NVM_BYTES];
    uint32_t align;
} tiny_residual_nvm_t;

/* For fml_boot() and all that follows: see fml_runtime.h. */
extern const fml_model_t tiny_residual_model;

#ifdef __cplusplus
}
#endif

#endif
