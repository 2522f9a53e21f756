/* Rows of 3-bit codes, eight in three bytes: their high bits in one, their lower two in the others, the first in the lowest
 * bits. freeml/ir/stored_codes.py says what is stored. */
#include "fml_coded_rows.h"
#include "fml_stream.h"

static int32_t sum(const fml_coded_t *l, const int8_t *x, uint32_t o, uint32_t k0, uint32_t n, int32_t acc) {
    const int8_t *book = l->codebook;
    fml_stream_t w = fml_stream(l->w, o * l->per_row + (k0 >> 3) * 3);
    uint8_t skip = (uint8_t)(k0 & 7);
    x += (size_t)k0;
    while (n > 0) {
        uint8_t high = fml_stream_next(&w), here = (uint8_t)(8 - skip);
        const uint8_t low = fml_stream_next(&w);
        uint16_t lower = (uint16_t)(fml_stream_next(&w) << 8 | low);
        for (; skip > 0; skip--) {
            high >>= 1;
            lower >>= 2;
        }
        here = n < here ? (uint8_t)n : here;
        n -= here;
        for (; here > 0; here--) {
            acc = fml_product(acc, *x++, book[(lower & 3) + (high & 1 ? 4 : 0)]);
            high >>= 1;
            lower >>= 2;
        }
    }
    return acc;
}

FML_CODED_FIXED(codes3)
