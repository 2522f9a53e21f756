/* What is outside sees of a board's firmware, and the report of a result: the same on every board. Windows lie in RAM
 * that start-up does not touch; the generated main.c has those of inputs and outputs, fml_window_inputs and
 * fml_window_outputs: the bytes of all of them, one after the other. */
#ifndef FML_BOARD_WINDOW_H
#define FML_BOARD_WINDOW_H

#include "fml_board.h"
#include "fml_hal.h"
#include "fml_runtime.h"

#ifdef __cplusplus
extern "C" {
#endif

/* GCC's large model of an MSP430 takes an object in a section of one's own for one beyond 64 KB, and every access for a
 * long one. */
#if defined(__MSP430X_LARGE__) && !defined(__clang__)
#define FML_SECTION(name) __attribute__((section(name), lower))
#else
#define FML_SECTION(name) __attribute__((section(name)))
#endif

/* The model that the windows belong to. */
extern const fml_model_t *const fml_board_model;

/* The sample window: the codes of each input, in memory order. Whoever samples (a DMA channel, an interrupt, an emulator)
 * puts them there while the window is not valid, all of them, then says that it is: word, then check. The capture that has
 * taken the last code says that it is not. RAM comes up with garbage, which is no sample: word and check have 32 bits. */
extern const volatile int8_t *const fml_board_inputs[];
typedef struct {
    uint16_t word;  /* FML_WINDOW_VALID: the codes of all inputs are there */
    uint16_t check; /* its complement */
} fml_window_valid_t;
#define FML_WINDOW_VALID 0x5ac3u
extern volatile fml_window_valid_t fml_window_valid;

/* fml_hal_sample() from the window; FML_NO_SAMPLE while it is not valid. */
int fml_window_sample(uint16_t input, uint32_t first, uint32_t n, int8_t *dst);

/* The newest result, or FML_NO_RESULT: its sequence number tells a sensor which sample is next, also after a loss. */
fml_status_t fml_board_result(fml_result_t *result);

/* The result that is reported. */
extern fml_result_t fml_window_result;

/* 1: the window holds the outputs of the result that waits for its report. main.c sets it, the report clears it. */
extern uint8_t fml_board_shown;

/* Of a firmware that took an exception it has no handler for, or whose hardware does not answer; below every
 * fml_status_t. */
#define FML_BOARD_FAULT (-100)

/* Says that the result in the window is there (FML_PUBLISHED), or what went wrong. Emulators and debuggers know a report
 * by a call of this function, a real one in every firmware, with the status as its argument. */
void fml_board_report(int status);

/* The same of a result that is in no window: a line alone, where the board has a place for it. */
void fml_board_tell(const fml_result_t *result);

#ifdef __cplusplus
}
#endif

#endif
