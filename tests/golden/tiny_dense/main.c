/* made by a test */
/* Host program: int8 input codes on standard input, one sample after the other; output bytes on standard output. */
#include <stdio.h>

#include "fml_hal_host.h"
#include "tiny_dense.h"

static tiny_dense_nvm_t nvm;
static union {
    int8_t bytes[TINY_DENSE_SRAM_BYTES];
    uint32_t align;
} sram;
static int8_t input_0[6];
static const int8_t *const inputs[1] = {
    input_0,
};

static int read_inputs(void)
{
    if (fread(input_0, 1, 6, stdin) != 6) {
        return 0;
    }
    return 1;
}

/* The bytes of all outputs to standard output. */
static int write_outputs(const fml_ram_t *ram)
{
    int8_t bytes[64];
    for (uint16_t i = 0; i < tiny_dense_model.n_outputs; i++) {
        const uint32_t n_bytes = tiny_dense_model.outputs[i].n_bytes;
        for (uint32_t first = 0, n; first < n_bytes; first += n) {
            n = n_bytes - first < sizeof bytes ? n_bytes - first : (uint32_t)sizeof bytes;
            if (fml_read_output(ram, i, first, n, bytes) != FML_OK || fwrite(bytes, 1, n, stdout) != n) {
                return 0;
            }
        }
    }
    return 1;
}

int main(void)
{
    fml_ram_t ram;
    fml_host_set_inputs(inputs);
    fml_boot(&ram, &tiny_dense_model, nvm.bytes, sram.bytes);
    while (read_inputs()) {
        if (fml_infer(&ram) != FML_PUBLISHED || !write_outputs(&ram)) {
            return 1;
        }
    }
    return 0;
}
