/* Rows of 4-bit codes, the first of a byte in its low half: freeml/ir/stored_codes.py says what is stored. */
#include "fml_coded_rows.h"
#include "fml_stream.h"

static int32_t sum(const fml_coded_t *l, const int8_t *x, uint32_t o, uint32_t k0, uint32_t n, int32_t acc) {
    const int8_t *book = l->codebook;
    fml_stream_t w = fml_stream(l->w, o * l->per_row + (k0 >> 1));
    x += (size_t)k0;
    if ((k0 & 1) && n > 0) {
        acc = fml_product(acc, *x++, book[fml_stream_next(&w) >> 4]);
        n--;
    }
    for (uint16_t pairs = (uint16_t)(n >> 1); pairs > 0; pairs--) {
        const uint8_t two = fml_stream_next(&w);
        acc = fml_product(acc, x[0], book[two & 15]);
        acc = fml_product(acc, x[1], book[two >> 4]);
        x += 2;
    }
    return n & 1 ? fml_product(acc, *x, book[fml_stream_next(&w) & 15]) : acc;
}

FML_CODED_FIXED(codes4)
