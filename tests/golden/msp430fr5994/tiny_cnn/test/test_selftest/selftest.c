/* made by a test */
/* Self-test: the linker puts these two functions between the runtime and the board (--wrap). The sensors show one sample
 * after the other, whatever the board has, and each answer is compared with that of freeml's interpreter. */
#include "fml_board_window.h"
#include "tiny_cnn.h"

#define SAMPLES 8u
#define INPUT_BYTES 36u
#define OUTPUT_BYTES 4u
#define DIFFERS (-120) /* status of a result that is not the expected one; below every fml_status_t */

int __wrap_fml_hal_sample(uint16_t input, uint32_t first, uint32_t n, int8_t *dst);
void __wrap_fml_board_report(int status);
void __real_fml_board_report(int status);
extern const int8_t fml_selftest_inputs[SAMPLES][INPUT_BYTES];
extern const int8_t fml_selftest_outputs[SAMPLES][OUTPUT_BYTES];

const int8_t fml_selftest_inputs[SAMPLES][INPUT_BYTES] = {
    { -33, 2, 66, 89, 79, 107, -113, 35, -95, 87, 89, 2, 120, 61, -112, -59, 56, 104, 77, -50, 41, -67, -3, -118,
     -99, 112, -62, -109, 54, -89, -69, -124, -69, -47, 94, -84 },
    { -8, -6, -78, 80, -50, -100, -64, 38, -7, -39, 42, 105, -1, 50, 109, 0, -15, -5, -52, 27, -59, 26, 2, 120,
     -33, -55, 64, 58, 63, -1, 92, 33, 103, -127, -85, 11 },
    { 109, 63, -42, 15, -121, 104, -32, 111, -52, -73, -128, -57, -51, 71, 91, 80, 48, 16, 62, 43, -24, -8, 51, -128,
     112, 117, 102, -28, 63, 88, -2, 91, -97, 21, 103, 13 },
    { -13, -112, 25, -120, -7, 83, 79, 67, -121, 51, 74, 58, 38, -89, 57, 88, -55, 68, 119, -84, -114, -1, 91, -106,
     -70, -53, 121, 92, -82, -7, 40, -123, 89, -77, 29, 10 },
    { -72, -110, 21, -108, -96, 107, 57, -52, 113, 86, -90, -5, 79, -70, -75, -20, -116, 35, -70, -25, -67, 117, -65, -121,
     -24, 74, -34, -127, -32, -121, 81, -97, 40, 107, -98, -126 },
    { 41, -118, 46, 43, 59, 98, 14, 6, -70, -74, 46, 37, -79, -26, 94, -63, 112, 96, 9, 29, -27, -102, 25, 67,
     -77, 49, -72, -30, -102, 117, 126, -11, -3, -90, -55, 127 },
    { -65, 69, -109, 78, -42, -122, -104, 123, -83, -15, -88, -31, 115, 45, -1, 47, -66, 70, -71, 115, 70, -1, 4, 38,
     60, 37, -98, 87, 0, -117, -66, 48, 47, -23, -71, 52 },
    { 60, -38, 16, -29, 58, -69, -118, 96, -66, 47, 21, -94, -107, -124, -77, 20, 57, -11, 51, 56, -69, -22, -15, 88,
     113, 30, -3, 6, -104, -50, -101, -32, 117, -126, -20, -49 },
};
const int8_t fml_selftest_outputs[SAMPLES][OUTPUT_BYTES] = {
    { -1, 31, 121, -49 },
    { 81, 8, 122, 40 },
    { 65, 4, 123, 63 },
    { 112, -15, 127, 60 },
    { -3, 7, 127, -31 },
    { 38, 12, 127, 19 },
    { 109, -4, 118, 81 },
    { 117, 30, 127, 27 },
};
static const uint32_t offsets_bytes[1] = { 0 };
static uint16_t sample;
static uint8_t is_mine; /* the inference: its sample was taken since the board was switched on */

int __wrap_fml_hal_sample(uint16_t input, uint32_t first, uint32_t n, int8_t *dst)
{
    const int8_t *from = fml_selftest_inputs[sample] + offsets_bytes[input] + first;
    for (uint32_t i = 0; i < n; i++) {
        dst[i] = from[i];
    }
    is_mine = 1;
    return 0;
}

/* Whether the outputs in the window, all or a piece of them, are not the expected ones. */
static uint8_t differs(void)
{
#if FML_WINDOW_PIECES
    const int8_t *expected = fml_selftest_outputs[sample] + fml_window_outputs_first;
    uint32_t n = OUTPUT_BYTES - fml_window_outputs_first;
    n = n < fml_window_size.output_bytes ? n : fml_window_size.output_bytes;
#else
    const int8_t *expected = fml_selftest_outputs[sample];
    const uint32_t n = OUTPUT_BYTES;
#endif
    for (uint32_t i = 0; i < n; i++) {
        if (fml_window_outputs[i] != expected[i]) {
            return 1;
        }
    }
    return 0;
}

void __wrap_fml_board_report(int status)
{
    static uint8_t is_wrong, is_later; /* is_later: than the first piece */
    if (status > 0 && !is_mine) {
        return; /* what NVM still held of an earlier run */
    }
    if (status > 0) {
        is_wrong = (uint8_t)(differs() | (is_wrong & is_later));
        is_later = status == FML_BOARD_PIECE;
    }
    if (status == FML_BOARD_PIECE) {
        return;
    }
    is_mine = 0;
    if (status == FML_PUBLISHED && is_wrong) {
        status = DIFFERS;
    }
    sample = (uint16_t)((sample + 1u) % SAMPLES);
    __real_fml_board_report(status);
}
