/* Inputs of a tile in SRAM, for models whose NVM is no memory that a pointer can read: generated code calls this before
 * the kernels. Kernels read no byte of an input outside of what is staged. */
#ifndef FML_STAGE_H
#define FML_STAGE_H

#include "fml_runtime.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Copies what units [first, first + n) of a layer read, n > 0, behind the place of the tile's outputs. operands: two, as
 * the kernel takes them; x[k]: where operand k would begin if all of it were there, for the kernel to index as ever.
 * tile: as compute() gets it. Crash behaviour: pure. */
void fml_stage(const fml_layer_t *layer, const fml_read_t *operands, const int8_t *arena, int8_t *tile, uint32_t first,
               uint32_t n, const int8_t *x[2]);

/* The same for products [k0, k0 + n) of one output element of a layer in parts. */
const int8_t *fml_stage_part(const fml_read_t *operand, const int8_t *arena, int8_t *tile, uint32_t element, uint32_t k0,
                             uint32_t n);

#ifdef __cplusplus
}
#endif

#endif
