/* made by a test */
/* Firmware: infer on what the sensors show, for ever; report each result. */
#include "fml_board_window.h"
#include "tiny_residual.h"

static tiny_residual_nvm_t nvm FML_SECTION(".nvm");
static union {
    int8_t bytes[TINY_RESIDUAL_SRAM_BYTES];
    uint32_t align;
} sram FML_SECTION(".noinit");

/* What is outside sees: codes of all inputs, and the outputs from one report to the next, one after the other. */
volatile int8_t fml_window_inputs[FML_BOARD_INPUT_BYTES] FML_SECTION(".window");
int8_t fml_window_outputs[3] FML_SECTION(".window");
static int8_t *const outputs[1] = {
    fml_window_outputs + 0,
};

const fml_model_t *const fml_board_model = &tiny_residual_model;

fml_status_t fml_board_result(fml_result_t *result)
{
    return fml_result(&tiny_residual_model, nvm.bytes, result);
}

int main(void)
{
    fml_ram_t ram;
    fml_board_start();
    fml_window_empty();
    fml_boot(&ram, &tiny_residual_model, nvm.bytes, sram.bytes);
    for (;;) {
        const fml_status_t status = fml_infer(&ram);
        fml_status_t shown = FML_OK;
        for (uint16_t i = 0; shown == FML_OK && i < tiny_residual_model.n_outputs; i++) {
            shown = fml_read_output(&ram, i, 0, tiny_residual_model.outputs[i].n_bytes, outputs[i]);
        }
        /* The next step reports; where a decision published, there are no outputs to show. */
        fml_board_shown = status == FML_PUBLISHED || status == FML_NOT_REPORTED;
        if (status < FML_NOT_REPORTED) {
            fml_board_report(status);
        }
    }
}
