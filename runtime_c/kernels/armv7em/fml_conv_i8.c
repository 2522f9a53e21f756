/* Any convolution: gather the taps of two pixels into two columns of 16 bits, then multiply both with two rows of weights at
 * a time, so that each load and each expansion serves twice. The columns are interleaved, for the sake of one pointer: four
 * products of the first pixel, bytes 0 and 2, then bytes 1 and 3, as fml_even and fml_odd give them for the weights; then
 * those of the second pixel.
 *
 * Scratch, at a multiple of 4: 4 * row_bytes, and another row_bytes where channels / groups is no multiple of 4. */
#include "fml_kernels.h"
#include "fml_packed.h"
#include "fml_requant.h"
#include "fml_simd.h"
#include "fml_window.h"

/* What all pixels of a layer share. A row is one of a group: the weights of one output channel. */
typedef struct {
    const fml_conv_t *l;
    size_t row_bytes;
    uint16_t channels, rows;
    uint8_t wide; /* runs of taps are whole words: they are expanded as they are gathered */
} layer_t;

#define STEP_BYTES 16 /* of four products of two pixels */

/* Bytes, a multiple of 4, to a column of 16 bits. */
static void expand(int8_t *to, const int8_t *from, size_t n_bytes) {
    for (const int8_t *end = from + n_bytes; from != end; from += 4, to += STEP_BYTES) {
        const uint32_t word = fml_load4(from);
        fml_store_word(to, fml_even(word));
        fml_store_word(to + 4, fml_odd(word));
    }
}

static void put(int8_t *to, const int8_t *from, size_t n_bytes, uint8_t wide) {
    if (wide) {
        expand(to, from, n_bytes);
        return;
    }
    for (const int8_t *end = from + n_bytes; from != end;) {
        *to++ = *from++;
    }
}

static void fill(int8_t *to, int8_t value, size_t n_bytes, uint8_t wide) {
    const uint32_t pair = (uint16_t)value * 0x10001u;
    for (; wide && n_bytes > 0; n_bytes -= 4, to += STEP_BYTES) {
        fml_store_word(to, pair);
        fml_store_word(to + 4, pair);
    }
    for (; n_bytes > 0; n_bytes--) {
        *to++ = value;
    }
}

/* The window whose first tap lies at (row, col), x_zp in the padding, as bytes or wide. x points to the first channel of the
 * group. */
static void gather(const layer_t *layer, const int8_t *x, int32_t row, int32_t col, int8_t *to) {
    const fml_conv_t *l = layer->l;
    const uint8_t wide = layer->wide, growth = wide ? STEP_BYTES / 4 : 1;
    const fml_range_t rows = fml_taps_inside(row, l->k_h, l->dil_h, 0, l->in_h);
    const fml_range_t cols = fml_taps_inside(col, l->k_w, l->dil_w, 0, l->in_w);
    const size_t n_rows = (size_t)(rows.end - rows.begin), n_cols = (size_t)(cols.end - cols.begin);
    const size_t row_bytes = (size_t)l->k_w * layer->channels;
    if (n_rows < l->k_h || n_cols < l->k_w) {
        fill(to, l->x_zp, l->k_h * row_bytes, wide);
        if (n_rows == 0 || n_cols == 0) {
            return;
        }
    }
    const size_t in_row = (size_t)(row + (int32_t)rows.begin * l->dil_h);
    const size_t in_col = (size_t)(col + (int32_t)cols.begin * l->dil_w);
    const size_t tap_step = (size_t)l->dil_w * l->in_c, row_step = (size_t)l->dil_h * l->in_w * l->in_c;
    const uint8_t one_run = tap_step == layer->channels; /* neighbouring taps are neighbours in memory */
    const size_t run_bytes = one_run ? n_cols * tap_step : layer->channels, n_runs = one_run ? 1 : n_cols;
    x += (in_row * l->in_w + in_col) * l->in_c;
    to += (rows.begin * row_bytes + (size_t)cols.begin * layer->channels) * growth;
    for (size_t i = 0; i < n_rows; i++, x += row_step, to += row_bytes * growth) {
        const int8_t *run = x;
        int8_t *run_to = to;
        for (size_t j = 0; j < n_runs; j++, run += tap_step, run_to += run_bytes * growth) {
            put(run_to, run, run_bytes, wide);
        }
    }
}

/* One of the two columns. */
static void column(const layer_t *layer, const int8_t *x, uint32_t pixel, uint8_t which, int8_t *scratch) {
    const fml_conv_t *l = layer->l;
    const int32_t row = (int32_t)(pixel / l->out_w) * l->stride_h - l->pad_t;
    const int32_t col = (int32_t)(pixel % l->out_w) * l->stride_w - l->pad_l;
    int8_t *to = scratch + 8 * which, *bytes = scratch + 4 * layer->row_bytes;
    gather(layer, x, row, col, layer->wide ? to : bytes);
    if (!layer->wide) {
        expand(to, bytes, layer->row_bytes);
    }
}

/* The sums of two rows for both pixels. Not inlined, it keeps everything in registers. */
FML_NOINLINE static void two_by_two(const int8_t *w, const int8_t *w_end, const int8_t *x, int32_t sums[4]) {
    int32_t sum00 = 0, sum01 = 0, sum10 = 0, sum11 = 0;
    do {
        const uint32_t w0 = fml_load_word(w), w1 = fml_load_word(w + 4);
        const fml_pair_t even0 = fml_even(w0), odd0 = fml_odd(w0), even1 = fml_even(w1), odd1 = fml_odd(w1);
        const fml_pair_t x0_even = fml_load_word(x), x0_odd = fml_load_word(x + 4);
        sum00 = fml_dot2(even0, x0_even, sum00);
        sum10 = fml_dot2(even1, x0_even, sum10);
        sum00 = fml_dot2(odd0, x0_odd, sum00);
        sum10 = fml_dot2(odd1, x0_odd, sum10);
        FML_KEEP_ORDER();
        const fml_pair_t x1_even = fml_load_word(x + 8), x1_odd = fml_load_word(x + 12);
        sum01 = fml_dot2(even0, x1_even, sum01);
        sum11 = fml_dot2(even1, x1_even, sum11);
        sum01 = fml_dot2(odd0, x1_odd, sum01);
        sum11 = fml_dot2(odd1, x1_odd, sum11);
        w += 8;
        x += STEP_BYTES;
    } while (w != w_end);
    sums[0] = sum00;
    sums[1] = sum01;
    sums[2] = sum10;
    sums[3] = sum11;
}

/* Rows [row, end) of a group, whose weights are at w and whose first channel is o, for one or two pixels. y: the first of
 * them. Of a pair with one row to do, the other one is computed in vain. */
static void rows_of(const layer_t *layer, const int8_t *w, uint32_t o, uint32_t row, uint32_t end, uint8_t pixels,
                    const int8_t *columns, int8_t *y) {
    /* copies, which a store to y cannot change */
    const size_t pair_bytes = 2 * layer->row_bytes, second = pixels == 2 ? layer->l->out_c : 0;
    const int8_t y_zp = layer->l->y_zp, lo = layer->l->lo, hi = layer->l->hi;
    const int32_t *bias = layer->l->bias + o;
    const uint16_t *mult = layer->l->mult + o;
    const uint8_t *shift = layer->l->shift + o;
    for (w += row / 2 * pair_bytes; row < end; w += pair_bytes) {
        int32_t sums[4];
        const int32_t *sum = sums + (row & 1u) * 2, *last = sums + (row / 2 * 2 + 1 < end ? 2 : 0);
        two_by_two(w, w + pair_bytes, columns, sums);
        for (; sum <= last; sum += 2, row++, y++) {
            /* the second one first: with one pixel both go to the same place */
            y[second] = fml_requant_i8(bias[row] + sum[1], mult[row], shift[row], y_zp, lo, hi);
            y[0] = fml_requant_i8(bias[row] + sum[0], mult[row], shift[row], y_zp, lo, hi);
        }
    }
}

void fml_conv_i8(const fml_conv_t *l, const int8_t *x, int8_t *y, int8_t *scratch, uint32_t first, uint32_t n) {
    layer_t layer;
    layer.l = l;
    layer.channels = l->in_c / l->groups;
    layer.rows = l->out_c / l->groups;
    layer.wide = layer.channels % 4 == 0;
    layer.row_bytes = fml_packed_row_bytes((size_t)l->k_h * l->k_w * layer.channels);

    uint32_t pixel = first / l->out_c;
    uint16_t o = (uint16_t)(first % l->out_c); /* the first output channel of the pixel that is wanted */
    while (n > 0) {
        const uint8_t pixels = o == 0 && n / 2 >= l->out_c ? 2 : 1;
        const uint16_t end = n < (uint32_t)(l->out_c - o) ? (uint16_t)(o + n) : l->out_c;
        const int8_t *group_x = x, *w = l->w;
        for (uint16_t begin = 0; begin < end; begin = (uint16_t)(begin + layer.rows)) { /* channels of one group */
            if (o < begin + layer.rows) {
                const uint32_t from = o > begin ? (uint32_t)(o - begin) : 0, left = (uint32_t)(end - begin);
                const uint32_t to = left < layer.rows ? left : layer.rows;
                column(&layer, group_x, pixel, 0, scratch);
                if (pixels == 2) {
                    column(&layer, group_x, pixel + 1, 1, scratch);
                }
                rows_of(&layer, w, begin, from, to, pixels, scratch, y + (begin + from - o));
            }
            group_x += layer.channels;
            w += fml_packed_bytes(layer.rows, layer.row_bytes);
        }
        const uint32_t done = pixels == 2 ? 2 * (uint32_t)l->out_c : (uint32_t)(end - o);
        y += done;
        n -= done;
        pixel += pixels;
        o = 0;
    }
}
