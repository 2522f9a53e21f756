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
volatile int8_t fml_window_inputs[32] FML_SECTION(".window");
int8_t fml_window_outputs[3] FML_SECTION(".window");

const fml_model_t *const fml_board_model = &tiny_residual_model;

fml_status_t fml_board_result(fml_result_t *result)
{
    return fml_result(&tiny_residual_model, nvm.bytes, result);
}

FML_SMALL int main(void)
{
    fml_ram_t ram;
    fml_board_start();
    fml_window_empty();
    fml_boot(&ram, &tiny_residual_model, nvm.bytes, sram.bytes);
    for (;;) {
        const fml_status_t status = fml_infer(&ram);
        (void)fml_window_show(&ram); /* if there is a result, the next step reports it */
        if (status < FML_NOT_REPORTED) {
            fml_board_report(status);
        }
    }
}
