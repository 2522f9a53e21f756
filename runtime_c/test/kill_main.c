/* Inference on NVM in a mapped file, to be killed at any moment and started again. Sample and reading depend on the number
 * of the result alone, so that each number has one right answer.
 *
 *   kill_main FILE         run for ever, after telling on standard output the newest result that NVM holds
 *   kill_main FILE COUNT   run until so many inferences are done, telling each result */
#define _POSIX_C_SOURCE 200112L
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fml_hal_host.h"
#include "fml_runtime.h"

extern const fml_model_t probe_model;

enum { SAMPLES = 16 };

static void tell(const fml_result_t *result) {
    printf("%lu %u %u %u\n", (unsigned long)result->sequence, result->class_index, result->confidence, result->depth);
}

/* Whether the newest result is of the inference that goes on. */
static uint8_t has_answer(const fml_ram_t *ram) {
    const fml_layer_t *row = &probe_model.layers[ram->layer], *before = probe_model.layers;
    while (before != row && before->kind != FML_DECIDE) {
        before++;
    }
    return before != row && row->kind != FML_REPORT;
}

int main(int argc, char **argv) {
    static int8_t samples[SAMPLES][8];
    const int8_t *inputs[1];
    const int file = argc >= 2 ? open(argv[1], O_RDWR | O_CREAT, 0600) : -1;
    if (file < 0 || ftruncate(file, (off_t)probe_model.nvm_bytes) != 0) {
        return 2;
    }
    void *nvm = mmap(NULL, probe_model.nvm_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    uint32_t seed = 7, sram[64];
    if (nvm == MAP_FAILED || probe_model.sram_bytes > sizeof sram) {
        return 2;
    }
    for (int i = 0; i < SAMPLES * 8; i++) {
        seed = seed * 1664525u + 1013904223u;
        samples[i / 8][i % 8] = (int8_t)(seed >> 24);
    }
    fml_ram_t ram;
    fml_result_t result = {0, 0, 0, 0};
    if (fml_result(&probe_model, nvm, &result) == FML_OK && argc == 2) {
        tell(&result);
        fflush(stdout);
    }
    fml_boot(&ram, &probe_model, nvm, sram);
    while (argc == 2 || result.sequence < (uint32_t)atol(argv[2])) {
        const uint32_t before = ram.sequence - has_answer(&ram);
        inputs[0] = samples[before % SAMPLES];
        fml_host_set_inputs(inputs);
        fml_host_set_energy_uj(before % 3 == 0 ? 10 : 100000);
        fml_status_t status;
        do { /* to the end of the inference */
            status = fml_step(&ram);
            if (status < 0 || (status != FML_OK && fml_result(&probe_model, nvm, &result) != FML_OK)) {
                return 1;
            }
            if (argc > 2 && status != FML_OK) {
                tell(&result);
            }
        } while (status != FML_PUBLISHED);
    }
    return 0;
}
