/* Any convolution: gather the taps of a pixel into a column, then it is a dense layer. */
#include "fml_move.h"
#include "fml_rows.h"
#include "fml_window.h"

/* What does not change from pixel to pixel. */
typedef struct {
    const fml_conv_t *l;
    uint16_t channels;               /* of one group */
    size_t row_bytes, in_row_bytes;  /* of the column, of the input */
    size_t tap_step, row_step;       /* of the input: to the next tap of a row, to the row of the next taps */
    size_t filled_bytes;             /* of the whole column */
    int32_t last_w;                  /* from the first tap of a row to the last */
    uint32_t n_inside;               /* columns at which a window begins that does not leave the input at the sides */
} plan_t;

/* The window with its first column at `col`, which is `at` bytes into a row; x points to the first channel of the group in
 * its first row inside. Products take a call and 70 cycles here, so what can be kept from pixel to pixel is. */
static void gather(const plan_t *plan, const int8_t *x, fml_range_t rows, int32_t col, size_t at, int8_t *to) {
    const fml_conv_t *l = plan->l;
    fml_range_t cols = {0, l->k_w};
    if ((uint32_t)col >= plan->n_inside) { /* fml_taps_inside, without its product */
        const int32_t last = col + plan->last_w;
        for (; cols.begin < cols.end && col < 0; col += l->dil_w) {
            cols.begin++;
        }
        for (col = last; cols.begin < cols.end && col >= l->in_w; col -= l->dil_w) {
            cols.end--;
        }
    }
    uint16_t n_rows = (uint16_t)(rows.end - rows.begin);
    const uint16_t n_cols = (uint16_t)(cols.end - cols.begin);
    size_t row_bytes = plan->row_bytes;
    if (n_rows < l->k_h || n_cols < l->k_w) {
        fml_fill(to, l->x_zp, plan->filled_bytes);
        if (n_rows == 0 || n_cols == 0) {
            return;
        }
        to += rows.begin * plan->row_bytes + (size_t)cols.begin * plan->channels;
        at += cols.begin * plan->tap_step;
        row_bytes = (size_t)n_cols * plan->channels;
    }
    x += at;
    if (plan->tap_step == plan->channels) { /* neighbouring taps are neighbours in memory */
        fml_copy_rows(to, plan->row_bytes - row_bytes, x, plan->row_step - row_bytes, n_rows, row_bytes);
        return;
    }
    for (; n_rows > 0; n_rows--, x += plan->row_step, to += plan->row_bytes) {
        fml_copy_rows(to, 0, x, plan->tap_step - plan->channels, n_cols, plan->channels);
    }
}

static void start(const fml_conv_t *l, plan_t *plan, fml_dense_t *dense) {
    plan->l = l;
    plan->channels = l->in_c / l->groups;
    plan->row_bytes = (size_t)l->k_w * plan->channels;
    plan->in_row_bytes = (size_t)l->in_w * l->in_c;
    plan->tap_step = (size_t)l->dil_w * l->in_c;
    plan->row_step = l->dil_h * plan->in_row_bytes;
    plan->filled_bytes = l->k_h * plan->row_bytes;
    plan->last_w = ((int32_t)l->k_w - 1) * l->dil_w;
    plan->n_inside = plan->last_w < l->in_w ? (uint32_t)(l->in_w - plan->last_w) : 0;
    dense->n_in = (uint16_t)plan->filled_bytes;
    dense->n_out = l->out_c / l->groups;
    dense->y_zp = l->y_zp;
    dense->lo = l->lo;
    dense->hi = l->hi;
}

/* Constants of a group. */
static void choose(const fml_conv_t *l, fml_dense_t *dense, uint16_t group) {
    const uint16_t o = (uint16_t)(group * dense->n_out);
    dense->w = l->w;
    if (o > 0) {
        dense->w += (uint32_t)o * dense->n_in;
    }
    dense->bias = l->bias + o;
    dense->mult = l->mult + o;
    dense->shift = l->shift + o;
}

void fml_conv_i8(const fml_conv_t *l, const int8_t *x, int8_t *y, int8_t *scratch, uint32_t first, uint32_t n) {
    plan_t plan;
    fml_dense_t dense;
    fml_rows_t all;
    start(l, &plan, &dense);
    choose(l, &dense, 0);
    fml_rows_start(&all, &dense, 0, dense.n_out);

    uint16_t o, out_col; /* o: the first output channel of the pixel that is wanted */
    const uint32_t pixel = fml_divide(first, l->out_c, &o);
    uint16_t out_row = (uint16_t)fml_divide(pixel, l->out_w, &out_col);
    const size_t step = (size_t)l->stride_w * l->in_c;
    for (; n > 0; out_row++, out_col = 0) {
        const int32_t row = (int32_t)out_row * l->stride_h - l->pad_t;
        int32_t col = (int32_t)out_col * l->stride_w - l->pad_l;
        size_t at = (size_t)col * l->in_c; /* wraps where the window begins in the padding */
        const fml_range_t rows = fml_taps_inside(row, l->k_h, l->dil_h, 0, l->in_h);
        const int8_t *x_row = x;
        if (rows.begin < rows.end) {
            x_row += (size_t)(row + (int32_t)rows.begin * l->dil_h) * plan.in_row_bytes;
        }
        for (; n > 0 && out_col < l->out_w; out_col++, col += l->stride_w, at += step) {
            if (l->groups == 1 && o == 0 && n >= l->out_c) {
                gather(&plan, x_row, rows, col, at, scratch);
                fml_rows_run(&all, scratch, y);
                y += l->out_c;
                n -= l->out_c;
                continue;
            }
            for (uint16_t group = o / dense.n_out; group < l->groups && n > 0; group++) {
                const uint16_t begin = (uint16_t)(o - group * dense.n_out);
                const uint32_t left = (uint32_t)dense.n_out - begin, take = n < left ? n : left;
                choose(l, &dense, group);
                gather(&plan, x_row + (size_t)group * plan.channels, rows, col, at, scratch);
                fml_dense_i8(&dense, scratch, y, begin, take);
                y += take;
                n -= take;
                o = (uint16_t)(o + take);
            }
            o = 0;
        }
    }
}
