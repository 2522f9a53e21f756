/* made by a test */
#ifndef TINY_PACKINGS_H
#define TINY_PACKINGS_H

#include "fml_runtime.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What the caller provides: NVM that keeps its bytes without power, and SRAM for one tile. */
#define TINY_PACKINGS_NVM_BYTES 232u
#define TINY_PACKINGS_SRAM_BYTES 268u
/* Of the NVM, activations; of the SRAM, the outputs and inputs of a tile and the scratch of a kernel. */
#define TINY_PACKINGS_ARENA_BYTES 128u
#define TINY_PACKINGS_TILE_BYTES 128u
#define TINY_PACKINGS_SCRATCH_BYTES 140u
/* Bytes of constant tables: weights, biases, requantisation and lookup tables. */
#define TINY_PACKINGS_WEIGHTS_BYTES 598u

/* input in0: [4, 4, 3] */
#define TINY_PACKINGS_INPUT_IN0_ELEMS 48u
#define TINY_PACKINGS_INPUT_IN0_SCALE 0.1f
#define TINY_PACKINGS_INPUT_IN0_ZERO_POINT (3)

/* output v5: [3] */
#define TINY_PACKINGS_OUTPUT_V5_ELEMS 3u
#define TINY_PACKINGS_OUTPUT_V5_SCALE 0.1f
#define TINY_PACKINGS_OUTPUT_V5_ZERO_POINT (3)

/* NVM of the right size and alignment. */
typedef union {
    uint8_t bytes[TINY_PACKINGS_NVM_BYTES];
    uint32_t align;
} tiny_packings_nvm_t;

/* For fml_boot() and all that follows: see fml_runtime.h. */
extern const fml_model_t tiny_packings_model;

#ifdef __cplusplus
}
#endif

#endif
