/* made by a test */
#ifndef TINY_CNN_H
#define TINY_CNN_H

#include "fml_runtime.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What the caller provides: NVM that keeps its bytes without power, and SRAM for one tile. */
#define TINY_CNN_NVM_BYTES 248u
#define TINY_CNN_SRAM_BYTES 204u
/* Of the NVM, activations; of the SRAM, the outputs and inputs of a tile and the scratch of a kernel. */
#define TINY_CNN_ARENA_BYTES 144u
#define TINY_CNN_TILE_BYTES 144u
#define TINY_CNN_SCRATCH_BYTES 60u
/* Bytes of constant tables: weights, biases, requantisation and lookup tables. */
#define TINY_CNN_WEIGHTS_BYTES 209u

/* input in0: [6, 6, 1] */
#define TINY_CNN_INPUT_IN0_ELEMS 36u
#define TINY_CNN_INPUT_IN0_SCALE 0.1f
#define TINY_CNN_INPUT_IN0_ZERO_POINT (3)

/* output v3: [4] */
#define TINY_CNN_OUTPUT_V3_ELEMS 4u
#define TINY_CNN_OUTPUT_V3_SCALE 0.1f
#define TINY_CNN_OUTPUT_V3_ZERO_POINT (3)

/* NVM of the right size and alignment. */
typedef union {
    uint8_t bytes[TINY_CNN_NVM_BYTES];
    uint32_t align;
} tiny_cnn_nvm_t;

/* For fml_boot() and all that follows: see fml_runtime.h. */
extern const fml_model_t tiny_cnn_model;

#ifdef __cplusplus
}
#endif

#endif
