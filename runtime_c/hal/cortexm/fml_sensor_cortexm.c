/* Where samples come from, chosen by -DFML_SENSOR=...: the window in RAM, samples in the firmware, or the UART. */
#include "fml_hal_cortexm.h"

#define FML_SENSOR_WINDOW 0
#define FML_SENSOR_REPLAY 1
#define FML_SENSOR_UART 2

#ifndef FML_SENSOR
#define FML_SENSOR FML_SENSOR_WINDOW
#endif

#if FML_SENSOR == FML_SENSOR_WINDOW

int fml_hal_sample(uint16_t input, uint32_t first, uint32_t n, int8_t *dst) {
    return fml_window_sample(input, first, n, dst);
}

#elif FML_SENSOR == FML_SENSOR_REPLAY

#include "samples.h" /* freeml/codegen/samples.py writes it */

/* The number of the newest result says which sample is next: it outlives a power loss, and a capture that is repeated gets
 * the same sample. */
int fml_hal_sample(uint16_t input, uint32_t first, uint32_t n, int8_t *dst) {
    fml_result_t newest;
    const uint32_t done = fml_board_result(&newest) == FML_OK ? newest.sequence : 0;
    const uint32_t sample = done % FML_REPLAY_SAMPLES;
    const int8_t *from = fml_replay[input] + sample * fml_replay_bytes[input] + first;
    for (uint32_t i = 0; i < n; i++) {
        dst[i] = from[i];
    }
    return 0;
}

#else

#include "fml_port.h"
#include "fml_text.h"

/* The board asks, "freeml want input=I first=F bytes=N", and gets N codes as they are. Asking for each chunk leaves time to
 * write the one before to NVM. No answer: no sample, the runtime asks again. */
int fml_hal_sample(uint16_t input, uint32_t first, uint32_t n, int8_t *dst) {
    fml_port_drain();
    fml_text_put("freeml want input=");
    fml_text_number(input);
    fml_text_put(" first=");
    fml_text_number(first);
    fml_text_put(" bytes=");
    fml_text_number(n);
    fml_text_put("\n");
    for (uint32_t i = 0; i < n; i++) {
        const int code = fml_port_receive();
        if (code < 0) {
            return FML_NO_SAMPLE;
        }
        dst[i] = (int8_t)(uint8_t)code;
    }
    return 0;
}

#endif
