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

#endif
