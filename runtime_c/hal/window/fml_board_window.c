#include "fml_board_window.h"

volatile fml_window_valid_t fml_window_valid FML_SECTION(".window");
fml_result_t fml_window_result FML_SECTION(".window");
uint8_t fml_board_shown;

static size_t taken; /* of the codes in the window */

__attribute__((noinline)) FML_SMALL uint8_t fml_window_ready(uint16_t which) {
    const uint16_t word = (uint16_t)(FML_WINDOW_VALID + (FML_WINDOW_PIECES ? which : 0u)), check = (uint16_t)~word;
    return fml_window_valid.word == word && fml_window_valid.check == check;
}

void fml_window_empty(void) {
    fml_window_valid.word = 0;
    fml_window_valid.check = 0;
}

/* Of a sample that is longer than what the window was made for: it would be waited for without end. */
static int too_long(void) {
    fml_board_report(FML_BOARD_FAULT);
    return FML_BOARD_FAULT;
}

/* Two of them, as most firmware has room for everything, and bytes to spare for nothing else. */
#if !FML_WINDOW_PIECES

static void release(void) {
    taken = 0;
    fml_window_empty();
}

/* Chunks come one behind the other. The window is free once its last code is in the tile buffer: a loss before that is
 * committed takes both. Several models of one firmware: a window as long as the longest sample, of which a shorter one
 * leaves codes; the next capture, which begins at the first code, frees it then. */
FML_SMALL int fml_window_sample(uint16_t input, uint32_t first, uint32_t n, int8_t *dst) {
    if ((input | first) == 0 && taken > 0) {
        release();
    }
    if (taken + (size_t)n > FML_BOARD_INPUT_BYTES) {
        return too_long();
    }
    if (!fml_window_ready(0)) {
        return FML_NO_SAMPLE;
    }
    for (size_t left = (size_t)n; left > 0; left--) {
        *dst++ = fml_window_inputs[taken++];
    }
    if (taken == FML_BOARD_INPUT_BYTES) {
        release();
    }
    return FML_OK;
}

#else

uint32_t fml_window_outputs_first FML_SECTION(".window");
static uint16_t piece; /* the one that is taken */

/* Windows, inputs and outputs lie within reach of a pointer, so size_t counts them. */
static size_t less(size_t a, size_t b) {
    return b < a ? b : a;
}

static void release(void) {
    taken = 0;
    piece++;
    fml_window_empty();
}

FML_SMALL int fml_window_sample(uint16_t input, uint32_t first, uint32_t n, int8_t *dst) {
    const size_t most = (size_t)fml_window_size.input_bytes;
    if ((input | first) == 0) {
        if (taken > 0) {
            release(); /* a shorter sample, of another model of the same firmware, was in it */
        }
        piece = 0;
    }
    if ((uint32_t)piece * fml_window_size.input_bytes + taken + n > fml_window_size.inputs_bytes) {
        return too_long();
    }
    for (size_t left = (size_t)n; left > 0;) {
        if (taken == 0 && !fml_window_ready(piece)) {
            if (piece == 0) {
                return FML_NO_SAMPLE;
            }
            continue; /* a sample that has begun goes on in this power cycle */
        }
        const volatile int8_t *from = fml_window_inputs + taken;
        size_t run = less(most - taken, left);
        left -= run;
        taken += run;
        for (; run > 0; run--) {
            *dst++ = *from++;
        }
        if (taken == most) {
            release();
        }
    }
    if (taken > 0 && (uint32_t)piece * fml_window_size.input_bytes + taken == fml_window_size.inputs_bytes) {
        release(); /* the last piece is shorter than the window */
    }
    return FML_OK;
}

FML_SMALL fml_status_t fml_window_show(const fml_ram_t *ram) {
    const size_t most = (size_t)fml_window_size.output_bytes;
    size_t at = 0;
    fml_window_outputs_first = 0;
    for (uint16_t i = 0; i < fml_board_model->n_outputs; i++) {
        const size_t n_bytes = (size_t)fml_board_model->outputs[i].n_bytes;
        for (size_t first = 0, run; first < n_bytes; first += run, at += run) {
            if (at == most) {
                fml_board_report(FML_BOARD_PIECE);
                fml_window_outputs_first += most;
                at = 0;
            }
            run = less(most - at, n_bytes - first);
            const fml_status_t status = fml_read_output(ram, i, first, run, fml_window_outputs + at);
            if (status != FML_OK) {
                return status;
            }
        }
    }
    return FML_OK;
}

#endif

/* After a loss the window holds garbage: main.c fills it and the runtime asks again. Results of other models of the same
 * firmware have no window. */
FML_SMALL int fml_hal_report(const fml_model_t *model, const fml_result_t *result) {
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
