#include "fml_board_window.h"

fml_result_t fml_window_result FML_SECTION(".window");
uint8_t fml_board_shown;

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
