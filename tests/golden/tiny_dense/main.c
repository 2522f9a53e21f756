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

int main(void)
{
    fml_ram_t ram;
    fml_host_set_inputs(inputs);
    fml_boot(&ram, &tiny_dense_model, nvm.bytes, sram.bytes);
    while (read_inputs()) {
        if (fml_infer(&ram) != FML_PUBLISHED) {
            return 1;
        }
        for (uint16_t i = 0; i < tiny_dense_model.n_outputs; i++) {
            const size_t n_bytes = tiny_dense_model.outputs[i].n_bytes;
            if (fwrite(fml_output(&ram, i), 1, n_bytes, stdout) != n_bytes) {
                return 1;
            }
        }
    }
    return 0;
}
