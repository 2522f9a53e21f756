/* made by a test */
/* Host program: int8 input codes on standard input, one sample after the other; output bytes on standard output. */
#include <stdio.h>

#include "tiny_cnn.h"

static tiny_cnn_arena_t arena;
static int8_t scratch[TINY_CNN_SCRATCH_BYTES + 1u];

static int read_inputs(void)
{
    for (uint16_t i = 0; i < tiny_cnn_info.n_inputs; i++) {
        const fml_port_t port = tiny_cnn_info.inputs[i];
        if (fread(arena.bytes + port.offset_bytes, 1, port.n_bytes, stdin) != port.n_bytes) {
            return 0;
        }
    }
    return 1;
}

int main(void)
{
    while (read_inputs()) {
        tiny_cnn_run(&arena, scratch);
        for (uint16_t i = 0; i < tiny_cnn_info.n_outputs; i++) {
            const fml_port_t port = tiny_cnn_info.outputs[i];
            if (fwrite(arena.bytes + port.offset_bytes, 1, port.n_bytes, stdout) != port.n_bytes) {
                return 1;
            }
        }
    }
    return 0;
}
