/* made by a test */
/* Host program: int8 input codes on standard input, one sample after the other; output bytes on standard output. */
#include <stdio.h>

#include "tiny_dense.h"

static tiny_dense_arena_t arena;
static int8_t scratch[TINY_DENSE_SCRATCH_BYTES + 1u];

static int read_inputs(void)
{
    for (uint16_t i = 0; i < tiny_dense_info.n_inputs; i++) {
        const fml_port_t port = tiny_dense_info.inputs[i];
        if (fread(arena.bytes + port.offset_bytes, 1, port.n_bytes, stdin) != port.n_bytes) {
            return 0;
        }
    }
    return 1;
}

int main(void)
{
    while (read_inputs()) {
        tiny_dense_run(&arena, scratch);
        for (uint16_t i = 0; i < tiny_dense_info.n_outputs; i++) {
            const fml_port_t port = tiny_dense_info.outputs[i];
            if (fwrite(arena.bytes + port.offset_bytes, 1, port.n_bytes, stdout) != port.n_bytes) {
                return 1;
            }
        }
    }
    return 0;
}
