/* What kernels share that decode the weights of a convolution first: where rows go in scratch (fml_decoded_conv.h), and when. */
#ifndef FML_DECODED_CONV_ROWS_H
#define FML_DECODED_CONV_ROWS_H

#include "fml_coded_conv_inner.h"
#include "fml_decoded_conv.h"
#include "fml_decoded_conv_block.h"

/* Row o of the weights to `to`, in the order of products. place: what decoding left behind row `next` - 1, for formats that are
 * read on from there. */
typedef struct {
    fml_stream_t bytes;
    uint16_t state, next;
} fml_place_t;

typedef void (*fml_decode_row_t)(const fml_coded_t *l, uint16_t o, int8_t *to, fml_place_t *place);

typedef struct {
    const fml_coded_conv_t *c;
    fml_decode_row_t decode;
    int8_t *block, *columns, *outputs;
    fml_wide_t wide;
    fml_place_t place;
} fml_decoded_t;

static inline size_t fml_decoded_align(size_t n_bytes) {
    return (n_bytes + 3) & ~(size_t)3;
}

static inline fml_decoded_t fml_decoded_start(const fml_coded_conv_t *c, fml_decode_row_t decode, int8_t *scratch) {
    fml_decoded_t d;
    d.c = c;
    d.decode = decode;
    d.block = scratch;
    d.place.next = UINT16_MAX;
    scratch += fml_decoded_align(c->groups * fml_block_bytes(c->rows.n_in, c->block_rows / c->groups));
    d.wide = fml_wide_at(scratch, c->block_rows);
    d.columns = scratch + fml_decoded_align(FML_WIDE_BYTES * (size_t)c->block_rows);
    d.outputs = d.columns + fml_decoded_align(c->conv_scratch_bytes);
    return d;
}

/* Row o to where row `at` of a block of so many rows is, in groups of as many as the layer has. */
static void fml_decoded_row(fml_decoded_t *d, uint16_t o, uint16_t at, uint16_t rows) {
    const size_t n_products = d->c->rows.n_in;
    const uint16_t group_rows = rows / d->c->groups, group = at / group_rows, row = (uint16_t)(at - group * group_rows);
    int8_t *const own = d->block + group * fml_block_bytes(n_products, group_rows);
    int8_t *const to = fml_block_row(own, n_products, row, d->columns);
    d->decode(&d->c->rows, o, to, &d->place);
    fml_block_keep(own, n_products, group_rows, row, to);
    fml_widen(&d->c->rows, d->wide, o, at);
}

static inline fml_conv_t fml_decoded_inner(const fml_decoded_t *d) {
    fml_conv_t l = fml_coded_conv_inner(d->c);
    l.w = FML_WEIGHTS_AT(d->block);
    l.bias = d->wide.bias;
    l.mult = d->wide.mult;
    l.shift = d->wide.shift;
    return l;
}

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
