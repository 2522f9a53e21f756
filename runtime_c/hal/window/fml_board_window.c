#include "fml_board_window.h"

volatile fml_window_valid_t fml_window_valid FML_SECTION(".window");
fml_result_t fml_window_result FML_SECTION(".window");
uint8_t fml_board_shown;

/* The window is free once its last code is in the tile buffer: a loss before that is committed takes both. */
int fml_window_sample(uint16_t input, uint32_t first, uint32_t n, int8_t *dst) {
    const volatile int8_t *from = fml_board_inputs[input] + (size_t)first;
    if (fml_window_valid.word != FML_WINDOW_VALID || fml_window_valid.check != (uint16_t)~FML_WINDOW_VALID) {
        return FML_NO_SAMPLE;
    }
    for (size_t left = (size_t)n; left > 0; left--) {
        *dst++ = *from++;
    }
    if (input + 1u == fml_board_model->n_inputs && first + n == fml_board_model->inputs[input].n_bytes) {
        fml_window_valid.word = 0;
    }
    return FML_OK;
}

/* After a loss the window holds garbage: main.c fills it and the runtime asks again. Results of other models of the same
 * firmware have no window. */
int fml_hal_report(const fml_model_t *model, const fml_result_t *result) {
    if (model != fml_board_model) {
        fml_board_tell(result);
        return FML_OK;
    }
    if (!fml_board_shown) {
        return FML_NOT_REPORTED;
    }
    fml_board_shown = 0;
    fml_window_result = *result;
    fml_board_report(FML_PUBLISHED);
    return FML_OK;
}
