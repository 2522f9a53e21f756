/* Depthwise convolution. The taps of one output lie apart in memory, and few: on an MSP430 a list of runs of taps, built for
 * a pixel and kept while the next has the same padding, sends a routine through code for one, two, ... taps. */
#include "fml_mpy.h"
#include "fml_requant.h"
#include "fml_window.h"

/* The taps of one pixel that lie inside the input. */
typedef struct {
    fml_range_t rows, cols;
    const int8_t *x; /* the first of them, channel 0 */
    size_t x_row, x_tap;
} window_t;

/* Any output, slowly; taps in the padding contribute x_zp. */
static int8_t one_output(const fml_conv_t *l, const window_t *at, uint16_t c, uint16_t o) {
    const int8_t *x_row = at->x + c;
    fml_weights_t w = l->w + o;
    int32_t acc = l->bias[o];
    for (uint16_t i = 0; i < l->k_h; i++) {
        const uint8_t row_inside = i >= at->rows.begin && i < at->rows.end;
        const int8_t *x = x_row;
        for (uint16_t j = 0; j < l->k_w; j++, w += l->out_c) {
            if (row_inside && j >= at->cols.begin && j < at->cols.end) {
                acc += *x * fml_weight_i8(w);
                x += at->x_tap;
            } else {
                acc += l->x_zp * fml_weight_i8(w);
            }
        }
        if (row_inside) {
            x_row += at->x_row;
        }
    }
    return fml_requant_i8(acc, l->mult[o], l->shift[o], l->y_zp, l->lo, l->hi);
}

#ifdef FML_MPY32
#include "fml_mpy_asm.h"

#define LIST_WORDS 64
#define TAPS 5 /* unrolled */
#define PADS 9
#define TAP_BYTES 12 /* of code */
#define PAD_BYTES 6

/* What the routine reads, at offsets it knows; the first six fields are those of fml_mpy_asm.h. */
typedef struct {
    int16_t lo, hi, zp;
    uint16_t spare, acc_low, acc_high; /* on return before y_end: the sum of the output at y */
    uint16_t bias, w_step, list, y_end, x_step_channel;
    int16_t x_zp;
    uint16_t x, y, mult, shift, w_low, w_high, x_step_tap;
} block_t;

/* How the routine goes through the taps: offset from x and where to continue, or what a word of padding holds. */
typedef struct {
    fml_range_t rows, cols; /* what it was built for */
    uint8_t n;              /* words; 0: none, or more than there is room for */
    uint16_t words[LIST_WORDS];
} list_t;

/* Output by output, until one has a shift out of the ordinary. R5 x of the channel, R6 mult, R7 shift, R8 y, R9 w of the
 * channel, R10 step of x from tap to tap, R11 block, R12 in x, R13 in w, R14 in the list, R15 step of w. */
#define NEXT_RUN \
    "mov @r14+, r12\n" \
    "add r5, r12\n" \
    ".word 0x4e30\n" /* br @r14+ */
__asm__(
    FML_ROUTINE("fml_depthwise_mpy")
    "mov 24(r11), r5\n"
    "mov 26(r11), r8\n"
    "mov 28(r11), r6\n"
    "mov 30(r11), r7\n"
    "mov 36(r11), r10\n"
    "mov 34(r11), r15\n"
    "mov 32(r11), r14\n"
    "push r15\n"
    "push r14\n"
    ".word 0x1609\n" /* popm.a #1, r9 */
    "2: mov 12(r11), r15\n"
    ".word 0x4fb2, 0x04ca\n" /* mov @r15+, &RESLO */
    ".word 0x4fb2, 0x04cc\n" /* mov @r15+, &RESHI */
    "mov r15, 12(r11)\n"
    ".word 0x09cd\n"         /* mova r9, r13 */
    ".word 0x00a9, 0x0001\n" /* adda #1, r9 */
    "mov 14(r11), r15\n"
    "mov 16(r11), r14\n"
    NEXT_RUN
    ".global fml_depthwise_taps\n"
    "fml_depthwise_taps:\n"
    ".rept 5\n"
    ".word 0x4ce2, 0x04c6\n" /* mov.b @r12, &MACS */
    "add r10, r12\n"
    ".word 0x4de2, 0x04c8\n" /* mov.b @r13, &OP2 */
    ".word 0x0fed\n"         /* adda r15, r13 */
    ".endr\n"
    NEXT_RUN
    ".global fml_depthwise_pads\n"
    "fml_depthwise_pads:\n"
    "mov.b 22(r11), &0x4c6\n" /* MACS keeps it */
    ".word 0x4e30\n"
    ".rept 9\n"
    ".word 0x4de2, 0x04c8\n"
    ".word 0x0fed\n"
    ".endr\n"
    NEXT_RUN
    ".global fml_depthwise_sum\n"
    "fml_depthwise_sum:\n"
    FML_REQUANT_MPY("4f", "3f", "add 20(r11), r5")
    "cmp 18(r11), r8\n"
    "jnz 2b\n"
    "5: mov r8, 26(r11)\n"
    FML_RET
    FML_REQUANT_MPY_CLAMP
    "3: mov &0x4ca, 8(r11)\n"
    "mov &0x4cc, 10(r11)\n"
    "jmp 5b\n"
    "4: " FML_POWERS
    ".text\n");

extern const uint8_t fml_depthwise_taps[], fml_depthwise_pads[], fml_depthwise_sum[];
#define PADS_AT 8 /* where the padding's first word of code stands */

static inline void run(block_t *block) {
    register uint16_t at __asm__("r11") = (uint16_t)(uintptr_t)block;
    __asm__ volatile(FML_CALL "fml_depthwise_mpy"
                     : "+r"(at)
                     :
                     : "r5", "r6", "r7", "r8", "r9", "r10", "r12", "r13", "r14", "r15", "memory");
}

static uint16_t address(const uint8_t *code, uint16_t skip_bytes) {
    return (uint16_t)((uint16_t)(uintptr_t)code + skip_bytes);
}

/* A list that is full drops what comes. */
static void push(list_t *list, uint16_t word) {
    if (list->n < LIST_WORDS) {
        list->words[list->n++] = word;
    }
}

static void push_taps(list_t *list, uint16_t n, uint16_t offset, uint16_t step) {
    while (n > 0) {
        const uint16_t take = n < TAPS ? n : TAPS;
        push(list, offset);
        push(list, address(fml_depthwise_taps, (uint16_t)((TAPS - take) * TAP_BYTES)));
        offset = (uint16_t)(offset + take * step);
        n = (uint16_t)(n - take);
    }
}

static void push_pads(list_t *list, uint32_t n) {
    while (n > 0 && list->n < LIST_WORDS) {
        const uint16_t take = n < PADS ? (uint16_t)n : PADS;
        push(list, 0);
        push(list, address(fml_depthwise_pads, 0));
        push(list, address(fml_depthwise_pads, (uint16_t)(PADS_AT + (PADS - take) * PAD_BYTES)));
        n -= take;
    }
}

/* Rows of k_w taps, of which the window's lie inside. A column is listed as a row. */
static void build(const fml_conv_t *l, const window_t *at, list_t *list) {
    const uint8_t column = l->k_w == 1;
    const fml_range_t rows = column ? at->cols : at->rows, cols = column ? at->rows : at->cols;
    const uint16_t k_h = column ? 1 : l->k_h, k_w = column ? l->k_h : l->k_w;
    const uint16_t step = (uint16_t)(column ? at->x_row : at->x_tap), n_inside = (uint16_t)(cols.end - cols.begin);
    uint32_t pads = 0;
    uint16_t offset = 0;
    list->rows = at->rows;
    list->cols = at->cols;
    list->n = 0;
    for (uint16_t i = 0; i < k_h && list->n < LIST_WORDS; i++) {
        if (i < rows.begin || i >= rows.end || n_inside == 0) {
            pads += k_w;
            continue;
        }
        push_pads(list, pads + cols.begin);
        push_taps(list, n_inside, offset, step);
        pads = (uint32_t)k_w - cols.end;
        offset = (uint16_t)(offset + at->x_row);
    }
    push_pads(list, pads);
    push(list, 0);
    push(list, address(fml_depthwise_sum, 0));
    if (list->n == LIST_WORDS) {
        list->n = 0;
    }
}

static uint8_t same(fml_range_t a, fml_range_t b) {
    return a.begin == b.begin && a.end == b.end;
}

/* Output channels [o, end): all read channel c, or with as many inputs as outputs each its own, from c on. */
static void run_channels(const fml_conv_t *l, const window_t *at, block_t *block, int8_t *y, uint16_t c, uint16_t o,
                         uint16_t end) {
    const int8_t *y_end = y + (end - o);
    block->y_end = (uint16_t)(uintptr_t)y_end;
    while (y < y_end) {
        const fml_weights_t w = l->w + o;
        block->bias = (uint16_t)(uintptr_t)(l->bias + o);
        block->mult = (uint16_t)(uintptr_t)(l->mult + o);
        block->shift = (uint16_t)(uintptr_t)(l->shift + o);
        block->w_low = (uint16_t)w;
        block->w_high = (uint16_t)(w >> 16);
        block->x = (uint16_t)((uint16_t)(uintptr_t)at->x + c);
        block->y = (uint16_t)(uintptr_t)y;
        run(block);
        const uint16_t done = (uint16_t)(block->y - (uint16_t)(uintptr_t)y);
        y += done;
        if (y < y_end) { /* the shift that the routine leaves to others */
            const int32_t acc = (int32_t)((uint32_t)block->acc_high << 16 | block->acc_low);
            o = (uint16_t)(o + done);
            *y++ = fml_requant_i8(acc, l->mult[o], l->shift[o], l->y_zp, l->lo, l->hi);
            o++;
            c = (uint16_t)(c + (block->x_step_channel ? done + 1 : 0));
        }
    }
}

typedef struct {
    block_t block;
    list_t list;
    uint16_t multiplier; /* outputs of each input channel */
} state_t;

static void start(const fml_conv_t *l, const window_t *at, state_t *state) {
    block_t *block = &state->block;
    block->lo = (int16_t)(l->lo - l->y_zp);
    block->hi = (int16_t)(l->hi - l->y_zp);
    block->zp = l->y_zp;
    block->x_zp = l->x_zp;
    block->w_step = l->out_c;
    block->x_step_tap = (uint16_t)(l->k_w == 1 ? at->x_row : at->x_tap);
    block->x_step_channel = l->out_c == l->in_c;
    state->multiplier = l->out_c / l->in_c;
    block->list = (uint16_t)(uintptr_t)state->list.words;
    state->list.n = 0;
}

/* Output channels [o, end) of one pixel. */
static void one_pixel(const fml_conv_t *l, const window_t *at, state_t *state, int8_t *y, uint16_t o, uint16_t end) {
    const uint16_t multiplier = state->multiplier;
    list_t *list = &state->list;
    if (list->n == 0 || !same(list->rows, at->rows) || !same(list->cols, at->cols)) {
        build(l, at, list);
    }
    if (list->n > 0 && multiplier == 1) {
        run_channels(l, at, &state->block, y, o, o, end);
        return;
    }
    while (o < end) {
        const uint16_t c = o / multiplier, next = (uint16_t)((c + 1) * multiplier), stop = next < end ? next : end;
        if (list->n > 0) {
            run_channels(l, at, &state->block, y, c, o, stop);
            y += stop - o;
            o = stop;
        } else {
            *y++ = one_output(l, at, c, o++);
        }
    }
}

#else

typedef uint8_t state_t;

static void start(const fml_conv_t *l, const window_t *at, state_t *state) {
    (void)l;
    (void)at;
    *state = 0;
}

static void one_pixel(const fml_conv_t *l, const window_t *at, state_t *state, int8_t *y, uint16_t o, uint16_t end) {
    const uint16_t multiplier = l->out_c / l->in_c;
    (void)state;
    for (; o < end; o++) {
        *y++ = one_output(l, at, o / multiplier, o);
    }
}

#endif

void fml_depthwise_i8(const fml_conv_t *l, const int8_t *x, int8_t *y, uint32_t first, uint32_t n) {
    const int32_t extent_w = ((int32_t)l->k_w - 1) * l->dil_w + 1;
    const size_t in_row_bytes = (size_t)l->in_w * l->in_c;
    window_t at;
    state_t state;
    at.x_row = l->dil_h * in_row_bytes;
    at.x_tap = (size_t)l->dil_w * l->in_c;
    start(l, &at, &state);
    uint16_t o, out_col; /* o: the first output channel of the pixel that is wanted */
    const uint32_t pixel = fml_divide(first, l->out_c, &o);
    uint16_t out_row = (uint16_t)fml_divide(pixel, l->out_w, &out_col);
    for (; n > 0; out_row++, out_col = 0) {
        const int32_t row = (int32_t)out_row * l->stride_h - l->pad_t;
        int32_t col = (int32_t)out_col * l->stride_w - l->pad_l;
        const fml_range_t rows = fml_taps_inside(row, l->k_h, l->dil_h, 0, l->in_h);
        const int8_t *x_row = x;
        if (rows.begin < rows.end) {
            x_row += (size_t)(row + (int32_t)rows.begin * l->dil_h) * in_row_bytes;
        }
        for (; n > 0 && out_col < l->out_w; out_col++, col += l->stride_w) {
            at.rows = rows;
            at.cols.begin = 0;
            at.cols.end = l->k_w;
            if (col < 0 || col + extent_w > l->in_w) {
                at.cols = fml_taps_inside(col, l->k_w, l->dil_w, 0, l->in_w);
            }
            at.x = x;
            if (rows.begin < rows.end && at.cols.begin < at.cols.end) {
                at.x = x_row + (size_t)(col + (int32_t)at.cols.begin * l->dil_w) * l->in_c;
            } else {
                at.rows.end = at.rows.begin; /* nothing inside: no pointer may be formed */
            }
            const uint32_t left = (uint32_t)l->out_c - o, take = n < left ? n : left;
            one_pixel(l, &at, &state, y, o, (uint16_t)(o + take));
            y += take;
            n -= take;
            o = 0;
        }
    }
}
