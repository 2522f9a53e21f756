/* Rows of 2-bit codes, the first of a byte in its lowest bits: freeml/ir/stored_codes.py says what is stored. */
#include "fml_coded_rows.h"
#include "fml_stream.h"

static int32_t sum(const fml_coded_t *l, const int8_t *x, uint32_t o, uint32_t k0, uint32_t n, int32_t acc) {
    const int8_t *book = l->codebook;
    fml_stream_t w = fml_stream(l->w, o * l->per_row + (k0 >> 2));
    uint8_t skip = (uint8_t)(k0 & 3);
    x += (size_t)k0;
    while (n > 0) {
        uint8_t four = fml_stream_next(&w);
        uint8_t here = (uint8_t)(4 - skip);
        for (; skip > 0; skip--) {
            four >>= 2;
        }
        here = n < here ? (uint8_t)n : here;
        n -= here;
        for (; here > 0; here--) {
            acc = fml_product(acc, *x++, book[four & 3]);
            four >>= 2;
        }
    }
    return acc;
}

FML_CODED_FIXED(codes2)
