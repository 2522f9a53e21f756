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

/* One operand of a layer, where NVM is no memory that a pointer can read: its place in the arena, and which bytes of it
 * units [first, first + n) read. Units come in groups that read the same bytes. With g0 and g1 the groups of the first
 * and the last of these units, that is
 *   [max(0, g0 * step_bytes - lead_bytes), min(n_bytes, g1 * step_bytes - lead_bytes + extent_bytes))
 * extent_bytes 0 says that the products of a unit are numbered as the bytes that they read: of a layer in parts,
 * products [k0, k0 + n) read the bytes [g0 * step_bytes + k0, g0 * step_bytes + k0 + n). */
typedef struct {
    uint32_t offset_bytes;
    uint32_t n_bytes;     /* of the whole value; 0: there is no such operand */
    uint32_t group_units; /* at least 1 */
    uint32_t step_bytes;
    uint32_t lead_bytes;
    uint32_t extent_bytes;
} fml_read_t;

#endif
