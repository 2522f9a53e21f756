/* Any range of outputs, pixel by pixel, of a convolution whose rows are decoded first: all of them, or block by block. */
#ifndef FML_DECODED_CONV_UNITS_H
#define FML_DECODED_CONV_UNITS_H

#include "fml_decoded_conv_rows.h"

/* Channels [o, end) of pixels that all want them, a block after the other. y: channel o of the first. */
static void fml_decoded_pixels(fml_decoded_t *d, const int8_t *x, int8_t *y, uint32_t pixel, uint32_t n_pixels, uint16_t o,
                               uint16_t end) {
    const uint16_t out_c = d->c->rows.n_out, run = d->c->run;
    fml_conv_t l = fml_decoded_inner(d);
    for (uint16_t rows; o < end; o = (uint16_t)(o + rows), y += rows) {
        rows = (uint16_t)(end - o) < d->c->block_rows ? (uint16_t)(end - o) : d->c->block_rows;
        for (uint16_t at = 0; at < rows; at++) {
            fml_decoded_row(d, (uint16_t)(o + at), at, rows);
        }
        l.out_c = rows;
        int8_t *to = y;
        for (uint32_t done = 0; done < n_pixels;) {
            const uint16_t some = n_pixels - done < run ? (uint16_t)(n_pixels - done) : run;
            const int8_t *from = d->outputs;
            fml_conv_i8(&l, x, d->outputs, d->columns, (pixel + done) * rows, (uint32_t)some * rows);
            for (uint16_t p = 0; p < some; p++, to += out_c) {
                for (uint16_t r = 0; r < rows; r++) {
                    to[r] = *from++;
                }
            }
            done += some;
        }
    }
}

static void fml_decoded_units(const fml_coded_conv_t *c, fml_decode_row_t decode, const int8_t *x, int8_t *y, int8_t *scratch,
                              uint32_t first, uint32_t n) {
    fml_decoded_t d = fml_decoded_start(c, decode, scratch);
    const uint16_t out_c = c->rows.n_out;
    uint16_t o = (uint16_t)(first % out_c); /* the first output channel of the pixel that is wanted */
    if (c->block_rows == out_c) {
        const fml_conv_t l = fml_decoded_inner(&d);
        for (uint16_t left = n < out_c ? (uint16_t)n : out_c; left > 0; left--) {
            fml_decoded_row(&d, o, o, out_c);
            o = o + 1u < out_c ? (uint16_t)(o + 1) : 0;
        }
        fml_conv_i8(&l, x, y, d.columns, first, n);
        return;
    }
    for (uint32_t pixel = first / out_c, pixels; n > 0; pixel += pixels, o = 0) {
        const uint16_t end = n < (uint32_t)(out_c - o) ? (uint16_t)(o + n) : out_c;
        pixels = o == 0 && n >= out_c ? n / out_c : 1;
        fml_decoded_pixels(&d, x, y, pixel, pixels, o, end);
        y += pixels * (uint32_t)(end - o);
        n -= pixels * (uint32_t)(end - o);
    }
}

#endif
