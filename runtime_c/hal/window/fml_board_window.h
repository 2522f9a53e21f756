/* What is outside sees of a board's firmware, and the report of a result: the same on every board. Windows lie in RAM
 * that start-up does not touch. */
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

/* Windows of inputs and outputs, from main.c: the bytes of all of them, one after the other. */
extern volatile int8_t fml_window_inputs[] FML_SECTION(".window");
extern int8_t fml_window_outputs[] FML_SECTION(".window");

/* fml_board.h says 1 where RAM does not hold them: then a window has pieces of them in turn, all but the last as long as the
 * window, and main.c has the lengths. */
#ifndef FML_WINDOW_PIECES
#define FML_WINDOW_PIECES 0
#endif
#if FML_WINDOW_PIECES
typedef struct {
    uint32_t inputs_bytes, outputs_bytes; /* of all inputs, all outputs */
    uint32_t input_bytes, output_bytes;   /* of the windows */
} fml_window_size_t;
extern const fml_window_size_t fml_window_size;
extern uint32_t fml_window_outputs_first; /* of all output bytes, the number of the first one in the window */

/* The outputs of the published result into their window; each piece but the last is reported as FML_BOARD_PIECE. Returns
 * what fml_read_output() does where there is no such result. */
fml_status_t fml_window_show(const fml_ram_t *ram);
#endif

/* The sample window: the codes of each input, in memory order. Whoever samples (a DMA channel, an interrupt, an emulator)
 * puts them there while the window is not valid, all of a piece, then says that piece k of the sample is there: word, then
 * check. Who has taken the last code of a piece says that the window is free (word 0), and waits for the next piece, with
 * which who samples does not tarry: a sample is taken within one power cycle, after a loss from piece 0 on. RAM comes up
 * with garbage, which is no sample: word and check have 32 bits. */
typedef struct {
    uint16_t word;  /* FML_WINDOW_VALID + k: the codes of piece k are there */
    uint16_t check; /* its complement */
} fml_window_valid_t;
#define FML_WINDOW_VALID 0x5ac3u
extern volatile fml_window_valid_t fml_window_valid;

/* Whether a piece of the inputs is in the window. An emulator knows by a call of this function that codes are wanted. */
uint8_t fml_window_ready(uint16_t which);

/* The window has no piece. main() calls it after every reset, as RAM may have kept a valid word through a loss, and codes that
 * went on changing; who samples fills the window again. */
void fml_window_empty(void);

/* fml_hal_sample() from the window; FML_NO_SAMPLE while there is no piece 0. Where a firmware has several models, each takes
 * the first codes of the window, or of its pieces: they must be made for the longest sample (FML_BOARD_INPUT_BYTES, or
 * fml_window_size in main.c). A longer one than that is FML_BOARD_FAULT, reported and returned. */
int fml_window_sample(uint16_t input, uint32_t first, uint32_t n, int8_t *dst);

/* The newest result, or FML_NO_RESULT: its sequence number tells a sensor which sample is next, also after a loss. */
fml_status_t fml_board_result(fml_result_t *result);

/* The result that is reported. */
extern fml_result_t fml_window_result;

/* 1: the window holds the outputs, or the last piece, of the result that waits for its report. main.c sets it, the report
 * clears it. */
extern uint8_t fml_board_shown;

/* Of a firmware that took an exception it has no handler for, or whose hardware does not answer; below every
 * fml_status_t. */
#define FML_BOARD_FAULT (-100)

/* A piece of the outputs lies in the window: take it before fml_board_report() returns. Above every fml_status_t. */
#define FML_BOARD_PIECE 100

/* Before anything else that touches the hardware: clocks, pins, NVM. */
void fml_board_start(void);

/* Says that the result in the window is there (FML_PUBLISHED), a piece of its outputs, or what went wrong. Emulators and debuggers know a report
 * by a call of this function, a real one in every firmware, with the status as its argument. */
void fml_board_report(int status);

/* The same of a result that is in no window: a line alone, where the board has a place for it. */
void fml_board_tell(const fml_result_t *result);

#ifdef __cplusplus
}
#endif

#endif
