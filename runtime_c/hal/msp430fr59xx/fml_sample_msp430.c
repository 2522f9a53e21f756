/* Where samples come from: FML_SENSOR chooses. */
#include "fml_hal_msp430.h"

#if FML_SENSOR == FML_SENSOR_WINDOW

int fml_hal_sample(uint16_t input, uint32_t first, uint32_t n, int8_t *dst) {
    return fml_window_sample(input, first, n, dst);
}

#elif FML_SENSOR == FML_SENSOR_REPLAY

#include "samples.h" /* FML_REPLAY_SAMPLES, fml_replay[], fml_replay_bytes[] */

/* Which sample is next follows from the number of results: a power loss does not skip one. */
int fml_hal_sample(uint16_t input, uint32_t first, uint32_t n, int8_t *dst) {
    fml_result_t result;
    const uint32_t done = fml_board_result(&result) == FML_OK ? result.sequence : 0;
    const int8_t *from = fml_replay[input] + (uint16_t)(done % FML_REPLAY_SAMPLES) * fml_replay_bytes[input];
    from += (uint16_t)first;
    for (uint16_t left = (uint16_t)n; left > 0; left--) {
        *dst++ = *from++;
    }
    return FML_OK;
}

#elif FML_SENSOR == FML_SENSOR_UART

int fml_hal_sample(uint16_t input, uint32_t first, uint32_t n, int8_t *dst) {
    fml_uart_start();
    fml_uart_forget(); /* the rest of an answer that a power loss cut off */
    fml_uart_text("freeml sample input=");
    fml_uart_number(input);
    fml_uart_text(" first=");
    fml_uart_number(first);
    fml_uart_text(" n=");
    fml_uart_number(n);
    fml_uart_text("\n");
    for (uint16_t left = (uint16_t)n; left > 0; left--) {
        *dst++ = (int8_t)fml_uart_byte();
    }
    return FML_OK;
}

#else
#error "FML_SENSOR is none of FML_SENSOR_WINDOW, FML_SENSOR_REPLAY, FML_SENSOR_UART"
#endif
