/* What a generated model tells about itself: where its inputs and outputs lie, and how to run it.
 *
 * A model keeps all activations in one arena and needs some scratch for the time of a call. The caller provides both:
 * the model has no mutable state of its own, so two models, or two copies of one, never disturb each other. */
#ifndef FML_MODEL_H
#define FML_MODEL_H

#include <stddef.h>
#include <stdint.h>

/* Compilation stops where a condition does not hold. C99 has no static_assert. */
#define FML_STATIC_ASSERT(condition, name) typedef char fml_assert_##name[(condition) ? 1 : -1]

/* One input or output: its bytes in the arena. Codes are int8, real = scale * (code - zero_point) with the scale and
 * zero point of the model's header; an index (ArgMax) is an int32 in the byte order of the machine. */
typedef struct {
    uint32_t offset_bytes;
    uint32_t n_bytes;
} fml_port_t;

typedef struct {
    const fml_port_t *inputs;
    const fml_port_t *outputs;
    uint16_t n_inputs, n_outputs;
    uint16_t n_steps;
    uint32_t arena_bytes;
    uint32_t scratch_bytes; /* 0: scratch may be NULL */
    /* Compute one layer, 0 to n_steps - 1. Inputs must be in the arena before step 0; their bytes may be used again once
     * the last layer that reads them is done. Crash behaviour: pure, all results are in the arena. */
    void (*step)(uint16_t step, int8_t *arena, int8_t *scratch);
} fml_info_t;

#endif
