/* Boots a model and runs inferences: what callgrind counts, with and without FML_NO_COMMIT.
 * Compile with -DFML_BENCH_MODEL=<name>_model; the argument is the number of inferences. */
#include <stdio.h>
#include <stdlib.h>

#include "fml_hal_host.h"
#include "fml_runtime.h"

extern const fml_model_t FML_BENCH_MODEL;

int main(int argc, char **argv) {
    const fml_model_t *model = &FML_BENCH_MODEL;
    const int8_t **inputs = calloc(model->n_inputs, sizeof *inputs);
    void *nvm = calloc(model->nvm_bytes, 1), *sram = malloc(model->sram_bytes + 4u);
    uint32_t seed = 1, sum = 0;
    if (argc != 2 || inputs == NULL || nvm == NULL || sram == NULL) {
        return 2;
    }
    for (uint16_t i = 0; i < model->n_inputs; i++) {
        int8_t *codes = malloc(model->inputs[i].n_bytes);
        if (codes == NULL) {
            return 2;
        }
        for (uint32_t k = 0; k < model->inputs[i].n_bytes; k++) {
            seed = seed * 1664525u + 1013904223u;
            codes[k] = (int8_t)(seed >> 24);
        }
        inputs[i] = codes;
    }
    fml_host_set_inputs(inputs);
    fml_ram_t ram;
    fml_boot(&ram, model, nvm, sram);
    for (long i = atol(argv[1]); i > 0; i--) {
        if (fml_infer(&ram) != FML_PUBLISHED) {
            return 1;
        }
        uint8_t code;
        fml_read_output(&ram, model->result_output, 0, 1, &code);
        sum = sum * 31u + code;
    }
    printf("%lu\n", (unsigned long)sum);
    return 0;
}
