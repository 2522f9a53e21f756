/* Any convolution with weights by gaps: of each row only what is not zero, entry by entry through the multiplier. */
#include "fml_stream.h" /* first: that of the variant */

#include "fml_coded_conv.h"
#include "fml_coded_conv_inner.h"
#include "fml_coded_conv_part.h"
#include "fml_move.h"
#include "fml_read_gaps.h"
#include "fml_window.h"

/* Rows of entries, prepared once and run on many columns: what the routine reads, at offsets it knows; the first six fields are
 * those of fml_mpy_asm.h. */
typedef struct {
    int16_t lo, hi, zp;         /* bounds without the zero point */
    uint16_t n_left;            /* rows; on return, those not done */
    uint16_t acc_low, acc_high; /* on return with rows left: the sum of the next */
    uint16_t x, y, bias, mult, shift;
    uint16_t w_low, w_high, index_low, index_high;
    uint16_t n_skip;            /* rows of the streams before the first */
    uint16_t placed;            /* the first row that this is for */
    const fml_coded_t *l;
    const int32_t *biases; /* of all output channels, as the next two */
    const uint16_t *mults;
    const uint8_t *shifts;
} rows_t;

#ifdef FML_MPY32
#include "fml_mpy_asm.h"

/* The entries of a row to R14: a byte, or 255 and two bytes. */
#define FML_GAPS_COUNT \
    "mov.b @r13+, r14\n" \
    "cmp.b #-1, r14\n" \
    "jne 9f\n" \
    "mov.b @r13+, r14\n" \
    "mov.b @r13+, r15\n" \
    "swpb r15\n" \
    "bis r15, r14\n" \
    "9:\n"

/* Rows until one has a shift out of the ordinary. R5 bias, R6 mult, R7 shift, R8 y, R9 in w, R10 rows left, R11 block, R12
 * position in the column, R13 in the index: rows follow one another, so R9 and R13 only ever rise; R14 entries or rounds of
 * four of them, R15 a gap. */
__asm__(
    FML_ROUTINE("fml_gaps_mpy")
    "mov 14(r11), r8\n"
    "mov 16(r11), r5\n"
    "mov 18(r11), r6\n"
    "mov 20(r11), r7\n"
    "mov 24(r11), r15\n"
    "mov 22(r11), r14\n"
    "push r15\n"
    "push r14\n"
    ".word 0x1609\n" /* popm.a #1, r9 */
    "mov 28(r11), r15\n"
    "mov 26(r11), r14\n"
    "push r15\n"
    "push r14\n"
    ".word 0x160d\n" /* popm.a #1, r13 */
    "mov 30(r11), r10\n"
    "tst r10\n"
    "jz fml_gaps_begin\n"
    "fml_gaps_skip:\n"
    FML_GAPS_COUNT
    ".word 0x0ee9\n" /* adda r14, r9 */
    "tst r14\n"
    "jz 2f\n"
    "1: mov.b @r13+, r15\n"
    "cmp.b #-1, r15\n"
    "jeq 1b\n"
    "dec r14\n"
    "jnz 1b\n"
    "2: dec r10\n"
    "jnz fml_gaps_skip\n"
    "fml_gaps_begin:\n"
    "mov 6(r11), r10\n"
    "2: .word 0x45b2, 0x04ca\n" /* mov @r5+, &RESLO */
    ".word 0x45b2, 0x04cc\n" /* mov @r5+, &RESHI */
    "mov 12(r11), r12\n"
    FML_GAPS_COUNT
    "clr r15\n"
    "sub r14, r15\n"
    "jz fml_gaps_end\n"
    "and #3, r15\n"
    "add r15, r15\n"
    "add #3, r14\n"
    "clrc\n"
    "rrc r14\n"
    "rra r14\n"
    "br fml_gaps_entry(r15)\n"
    "fml_gaps_loop:\n"
    ".rept 4\n"
    "1: mov.b @r13+, r15\n"
    "add r15, r12\n"
    "cmp.b #-1, r15\n"
    "jeq 1b\n"
    ".word 0x4cf2, 0x04c6\n" /* mov.b @r12+, &MACS */
    ".word 0x49f2, 0x04c8\n" /* mov.b @r9+, &OP2 */
    ".endr\n"
    "dec r14\n"
    "jnz fml_gaps_loop\n"
    "fml_gaps_end:\n"
    FML_REQUANT_MPY("4f", "3f", "nop")
    "dec r10\n"
    "jnz 2b\n"
    "5: mov r10, 6(r11)\n"
    FML_RET
    FML_REQUANT_MPY_CLAMP
    "3: mov &0x4ca, 8(r11)\n"
    "mov &0x4cc, 10(r11)\n"
    "jmp 5b\n"
    "fml_gaps_entry: .word fml_gaps_loop, fml_gaps_loop + 16, fml_gaps_loop + 32, fml_gaps_loop + 48\n" /* 16 bytes of code */
    "4: " FML_POWERS
    ".text\n");

static void run(rows_t *rows) {
    register uint16_t at __asm__("r11") = (uint16_t)(uintptr_t)rows;
    __asm__ volatile(FML_CALL "fml_gaps_mpy"
                     : "+r"(at)
                     :
                     : "r5", "r6", "r7", "r8", "r9", "r10", "r12", "r13", "r14", "r15", "memory");
}

/* Streams begin at a restart point, n_skip rows before row o. */
static void place(rows_t *rows, uint16_t o) {
    const fml_coded_t *l = rows->l;
    uint32_t w, index;
    rows->n_skip = (uint16_t)(o - fml_coded_restart(l, o, &w, &index));
    w += l->w;
    index += l->index;
    rows->bias = (uint16_t)(uintptr_t)(rows->biases + o);
    rows->mult = (uint16_t)(uintptr_t)(rows->mults + o);
    rows->shift = (uint16_t)(uintptr_t)(rows->shifts + o);
    rows->w_low = (uint16_t)w;
    rows->w_high = (uint16_t)(w >> 16);
    rows->index_low = (uint16_t)index;
    rows->index_high = (uint16_t)(index >> 16);
    rows->placed = o;
}

/* The row of the next restart point: there may be bytes that fill the streams up before it. */
static uint16_t next_point(const fml_coded_t *l, uint16_t o) {
    const uint32_t next = ((uint32_t)o / l->rows + 1) * l->rows;
    return next < UINT16_MAX ? (uint16_t)next : UINT16_MAX;
}

/* Output channels [o, end) of one pixel, whose column is at x. */
static void rows_of(rows_t *rows, uint16_t o, uint16_t end, const int8_t *x, int8_t *y) {
    rows->x = (uint16_t)(uintptr_t)x;
    while (o < end) {
        const uint16_t until = rows->l->unit > 0 ? next_point(rows->l, o) : end, stop = until < end ? until : end;
        const uint16_t n = (uint16_t)(stop - o);
        if (rows->placed != o) {
            place(rows, o);
        }
        rows->y = (uint16_t)(uintptr_t)y;
        rows->n_left = n;
        run(rows);
        y += n - rows->n_left;
        o = (uint16_t)(stop - rows->n_left);
        if (o < stop) { /* a shift that the routine leaves */
            *y++ = fml_coded_finish(rows->l, o, (int32_t)((uint32_t)rows->acc_high << 16 | rows->acc_low));
            o++;
        }
    }
}

#else

static void rows_of(rows_t *rows, uint16_t o, uint16_t end, const int8_t *x, int8_t *y) {
    fml_gaps_t at = fml_gaps_row(rows->l, o);
    for (; o < end; o++) {
        if (rows->l->unit > 0 && o % rows->l->rows == 0) {
            at = fml_gaps_row(rows->l, o);
        }
        int32_t acc = rows->biases[o];
        const int8_t *xi = x;
        for (uint16_t n = fml_gap_entries(&at.index); n > 0; n--) {
            xi += fml_gap_zeros(&at.index);
            acc = fml_product(acc, *xi++, (int8_t)fml_stream_next(&at.w));
        }
        *y++ = fml_coded_finish(rows->l, o, acc);
    }
}

#endif

/* Biases and scales as the routine reads them, of the channels that n units from channel o on have. */
static void widen(rows_t *rows, int8_t *scratch, uint16_t o, uint32_t n) {
    const fml_coded_t *l = rows->l;
    if (l->narrow == 0) {
        rows->biases = l->bias;
        rows->mults = l->mult;
        rows->shifts = l->shift;
        return;
    }
    const fml_wide_t wide = fml_wide_at(scratch, l->n_out);
    rows->biases = wide.bias;
    rows->mults = wide.mult;
    rows->shifts = wide.shift;
    fml_widen_run(l, wide, o, n);
}

/* Windows as columns; products take a call and 70 cycles here, so what does not change from pixel to pixel is kept. */
typedef struct {
    const fml_coded_conv_t *c;
    uint16_t channels;          /* of a group */
    size_t row_bytes, tap_step; /* of the column; of the input, from tap to tap */
    size_t x_row, next_row;     /* of the input: bytes of a row, and from a row of taps to the next */
    int32_t reach;              /* from the first column of a window to the last */
} windows_t;

static windows_t windows_of(const fml_coded_conv_t *c) {
    windows_t w;
    w.c = c;
    w.channels = c->in_c / c->groups;
    w.row_bytes = (size_t)c->k_w * w.channels;
    w.tap_step = (size_t)c->dil_w * c->in_c;
    w.x_row = (size_t)c->in_w * c->in_c;
    w.next_row = c->dil_h * w.x_row;
    w.reach = ((int32_t)c->k_w - 1) * c->dil_w;
    return w;
}

/* The window whose rows of taps are those at x, of one group, and whose first column is `col`, `at` bytes into a row. */
static void gather(const windows_t *w, const int8_t *x, fml_range_t rows, int32_t col, size_t at, int8_t *to) {
    const fml_coded_conv_t *c = w->c;
    const uint16_t n_rows = (uint16_t)(rows.end - rows.begin);
    fml_range_t cols = {0, c->k_w};
    if (col < 0 || col + w->reach >= c->in_w) {
        cols = fml_taps_inside(col, c->k_w, c->dil_w, 0, c->in_w);
    }
    const uint16_t n_cols = cols.end > cols.begin ? (uint16_t)(cols.end - cols.begin) : 0;
    if (n_rows < c->k_h || n_cols < c->k_w) {
        fml_fill(to, c->x_zp, c->rows.n_in);
    }
    if (n_rows == 0 || n_cols == 0) {
        return;
    }
    x += at + (cols.begin == 0 ? 0 : cols.begin * w->tap_step);
    to += (size_t)rows.begin * w->row_bytes + (size_t)cols.begin * w->channels;
    if (w->tap_step == w->channels) { /* taps of a row are one run of bytes */
        const size_t run = (size_t)n_cols * w->channels;
        fml_copy_rows(to, w->row_bytes - run, x, w->next_row - run, n_rows, run);
        return;
    }
    for (uint16_t i = 0; i < n_rows; i++) {
        fml_copy_rows(to, 0, x, w->tap_step - w->channels, n_cols, w->channels);
        x += w->next_row;
        to += w->row_bytes;
    }
}

static void start(rows_t *rows, const fml_coded_t *l, int8_t *scratch, uint16_t o, uint32_t n) {
    rows->l = l;
    rows->lo = (int16_t)(l->lo - l->y_zp);
    rows->hi = (int16_t)(l->hi - l->y_zp);
    rows->zp = l->y_zp;
    rows->placed = UINT16_MAX;
    widen(rows, scratch, o, n);
}

void fml_coded_conv_gaps_i8(const fml_coded_conv_t *c, const int8_t *x, int8_t *y, int8_t *scratch, uint32_t first,
                            uint32_t n) {
    const windows_t windows = windows_of(c);
    const uint16_t out_c = c->rows.n_out, group_rows = out_c / c->groups;
    const size_t step = (size_t)c->stride_w * c->in_c;
    rows_t rows;
    uint16_t o, out_col; /* o: the first output channel of the pixel that is wanted */
    const uint32_t pixel = fml_divide(first, out_c, &o);
    uint16_t out_row = (uint16_t)fml_divide(pixel, c->out_w, &out_col);
    start(&rows, &c->rows, scratch + ((c->rows.n_in + 3u) & ~(size_t)3), o, n);
    while (n > 0) {
        const int32_t row = (int32_t)out_row * c->stride_h - c->pad_t;
        const fml_range_t taps = fml_taps_inside(row, c->k_h, c->dil_h, 0, c->in_h);
        const size_t above = taps.begin < taps.end ? (size_t)(row + (int32_t)taps.begin * c->dil_h) * windows.x_row : 0;
        int32_t col = (int32_t)out_col * c->stride_w - c->pad_l;
        for (size_t at = (size_t)col * c->in_c; n > 0 && out_col < c->out_w; out_col++) { /* wraps in the padding */
            const uint16_t end = n < (uint32_t)(out_c - o) ? (uint16_t)(o + n) : out_c;
            n -= (uint16_t)(end - o);
            for (uint16_t group = c->groups == 1 ? 0 : o / group_rows; o < end; group++) {
                const uint16_t last = (uint16_t)((group + 1) * group_rows), until = last < end ? last : end;
                gather(&windows, x + above + (size_t)group * windows.channels, taps, col, at, scratch);
                rows_of(&rows, o, until, scratch, y);
                y += until - o;
                o = until;
            }
            o = 0;
            col += c->stride_w;
            at += step;
        }
        out_col = 0;
        out_row++;
    }
}

FML_CODED_CONV_PART(fml_coded_conv_gaps, gaps)
