/* made by a test */
/* Firmware: infer on what the sensors show, for ever; report each result. */
#include "fml_hal_cortexm.h"
#include "tiny_residual.h"

static tiny_residual_nvm_t nvm __attribute__((section(".nvm")));
static union {
    int8_t bytes[TINY_RESIDUAL_SRAM_BYTES];
    uint32_t align;
} sram __attribute__((section(".noinit")));

/* What is outside sees: codes of all inputs, and of the outputs from one report to the next, one after the other. */
struct {
    volatile int8_t input_0[32];
} fml_window_inputs __attribute__((section(".window")));
struct {
    int8_t output_0[3];
} fml_window_outputs __attribute__((section(".window")));

const volatile int8_t *const fml_board_inputs[1] = {
    fml_window_inputs.input_0,
};
static int8_t *const outputs[1] = {
    fml_window_outputs.output_0,
};

fml_result_t fml_board_result;

int main(void)
{
    fml_ram_t ram;
    fml_board_start();
    fml_boot(&ram, &tiny_residual_model, nvm.bytes, sram.bytes);
    for (;;) {
        fml_result(&tiny_residual_model, nvm.bytes, &fml_board_result);
        const fml_status_t status = fml_infer(&ram);
        if (status == FML_NO_SAMPLE) {
            continue;
        }
        for (uint16_t i = 0; status == FML_PUBLISHED && i < tiny_residual_model.n_outputs; i++) {
            fml_read_output(&ram, i, 0, tiny_residual_model.outputs[i].n_bytes, outputs[i]);
        }
        fml_result(&tiny_residual_model, nvm.bytes, &fml_board_result);
        fml_board_report(status);
    }
}
