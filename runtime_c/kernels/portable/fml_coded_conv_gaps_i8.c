/* Any convolution with weights by gaps: of each row only what is not zero. Entries of a row are read one after the other;
 * neighbouring pixels share each of them, as their columns lie side by side, byte by byte. */
#include "fml_stream.h" /* first: that of the variant */

#include "fml_coded_conv.h"
#include "fml_coded_conv_part.h"
#include "fml_coded_conv_pixels.h"
#include "fml_read_gaps.h"
#include "fml_window.h"

/* Bytes of one of the columns that lie side by side. */
static int8_t *put(int8_t *to, const int8_t *from, size_t n_bytes) {
    for (; n_bytes >= 4; n_bytes -= 4, from += 4, to += 4 * FML_PIXELS) {
        to[0] = from[0];
        to[FML_PIXELS] = from[1];
        to[2 * FML_PIXELS] = from[2];
        to[3 * FML_PIXELS] = from[3];
    }
    for (; n_bytes > 0; n_bytes--, to += FML_PIXELS) {
        *to = *from++;
    }
    return to;
}

static int8_t *fill(int8_t *to, int8_t value, size_t n_bytes) {
    for (; n_bytes > 0; n_bytes--, to += FML_PIXELS) {
        *to = value;
    }
    return to;
}

/* The window of a pixel, channels of one group, x_zp in the padding. */
static void gather(const fml_coded_conv_t *l, const int8_t *x, uint16_t channels, uint32_t pixel, int8_t *to) {
    const int32_t row = (int32_t)(pixel / l->out_w) * l->stride_h - l->pad_t;
    const int32_t col = (int32_t)(pixel % l->out_w) * l->stride_w - l->pad_l;
    const fml_range_t rows = fml_taps_inside(row, l->k_h, l->dil_h, 0, l->in_h);
    const fml_range_t cols = fml_taps_inside(col, l->k_w, l->dil_w, 0, l->in_w);
    const size_t tap_step = (size_t)l->dil_w * l->in_c, row_bytes = (size_t)l->k_w * channels;
    for (uint16_t i = 0; i < l->k_h; i++) {
        if (i < rows.begin || i >= rows.end || cols.begin >= cols.end) {
            to = fill(to, l->x_zp, row_bytes);
            continue;
        }
        const size_t in_row = (size_t)(row + (int32_t)i * l->dil_h);
        const size_t in_col = (size_t)(col + (int32_t)cols.begin * l->dil_w);
        const int8_t *tap = x + (in_row * l->in_w + in_col) * l->in_c;
        to = fill(to, l->x_zp, (size_t)cols.begin * channels);
        const size_t n_cols = (size_t)(cols.end - cols.begin), runs = tap_step == channels ? 1 : n_cols;
        for (size_t j = 0; j < runs; j++, tap += tap_step) { /* neighbouring taps may be neighbours in memory */
            to = put(to, tap, runs == 1 ? n_cols * channels : channels);
        }
        to = fill(to, l->x_zp, (size_t)(l->k_w - cols.end) * channels);
    }
}

/* A row with one column, or with several. */
static int32_t one_sum(fml_gaps_t *at, const int8_t *x) {
    int32_t sum = 0;
    for (uint16_t n = fml_gap_entries(&at->index); n > 0;) {
        const uint8_t gap = fml_stream_next(&at->index);
        x += (size_t)gap * FML_PIXELS;
        if (gap < FML_GAP_ESCAPE) {
            sum = fml_product(sum, *x, (int8_t)fml_stream_next(&at->w));
            x += FML_PIXELS;
            n--;
        }
    }
    return sum;
}

FML_NOINLINE static void all_sums(fml_gaps_t *at, const int8_t *x, int32_t sums[FML_PIXELS]) {
    fml_gaps_t here = *at;
    fml_pixels_t all = {0};
    for (uint16_t n = fml_gap_entries(&here.index); n > 0;) {
        const uint8_t gap = fml_stream_next(&here.index);
        x += (size_t)gap * FML_PIXELS;
        if (gap < FML_GAP_ESCAPE) {
            all = fml_pixels_mac(all, x, (int8_t)fml_stream_next(&here.w));
            x += FML_PIXELS;
            n--;
        }
    }
    *at = here;
    fml_pixels_store(all, sums);
}

/* Output channels [o, end), which are of one group, of so many pixels, whose columns are there. y: the first of them. */
static void rows_of(const fml_coded_t *l, fml_gaps_t *at, uint16_t o, uint16_t end, uint8_t pixels, const int8_t *columns,
                    int8_t *y) {
    for (; o < end; o++, y++) {
        const int32_t bias = fml_coded_bias(l, o);
        if (l->unit > 0 && o % l->rows == 0) { /* there may be bytes that fill the streams up before a restart point */
            *at = fml_gaps_row(l, o);
        }
        int32_t sums[FML_PIXELS];
        if (pixels == 1) {
            sums[0] = one_sum(at, columns);
        } else {
            all_sums(at, columns, sums);
        }
        int8_t *to = y;
        for (uint8_t p = 0; p < pixels; p++, to += l->n_out) {
            *to = fml_coded_finish(l, o, bias + sums[p]);
        }
    }
}

void fml_coded_conv_gaps_i8(const fml_coded_conv_t *l, const int8_t *x, int8_t *y, int8_t *scratch, uint32_t first,
                            uint32_t n) {
    const uint16_t out_c = l->rows.n_out, channels = l->in_c / l->groups, group_rows = out_c / l->groups;
    uint32_t pixel = first / out_c;
    uint16_t o = (uint16_t)(first % out_c); /* the first output channel of the pixel that is wanted */
    while (n > 0) {
        const uint32_t whole = o == 0 ? n / out_c : 0;
        const uint8_t pixels = whole > FML_PIXELS ? FML_PIXELS : whole > 1 ? (uint8_t)whole : 1;
        const uint16_t end = n < (uint32_t)(out_c - o) ? (uint16_t)(o + n) : out_c;
        uint16_t begin = o;
        fml_gaps_t at = fml_gaps_row(&l->rows, o);
        for (uint16_t group = o / group_rows; begin < end; group++) {
            const uint16_t last = (uint16_t)((group + 1) * group_rows), until = last < end ? last : end;
            for (uint8_t p = 0; p < pixels; p++) {
                gather(l, x + (size_t)group * channels, channels, pixel + p, scratch + p);
            }
            rows_of(&l->rows, &at, begin, until, pixels, scratch, y + (begin - o));
            begin = until;
        }
        const uint32_t done = (uint32_t)(pixels - 1) * out_c + (uint32_t)(end - o);
        y += done;
        n -= done;
        pixel += pixels;
        o = 0;
    }
}

FML_CODED_CONV_PART(fml_coded_conv_gaps, gaps)
