/* What the tables of a generated model are made of: ports, and conditions that the compiler checks. */
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

#endif
