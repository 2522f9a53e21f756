/* Rows of blocks of 1 << index_bits weights, each with as many entries: freeml/ir/stored_blocks.py says what is stored. */
#include "fml_coded_rows.h"
#include "fml_stream.h"

/* The products of one row with x, of inputs [k0, k0 + n). */
static int32_t sum(const fml_coded_t *l, const int8_t *x, uint32_t o, uint32_t k0, uint32_t n, int32_t acc) {
    const uint8_t bits = l->index_bits;
    const uint32_t block = k0 >> bits, skipped = block * l->per_block, bit = skipped * bits;
    const uint32_t row_bytes = ((uint32_t)l->per_row * bits + 7) >> 3;
    const uint32_t end = k0 + n;
    fml_stream_t w = fml_stream(l->w, o * l->per_row + skipped);
    fml_stream_t index = fml_stream(l->index, o * row_bytes + (bit >> 3));
    const uint8_t mask = (uint8_t)((1u << bits) - 1);
    uint8_t places = 0, left = (uint8_t)(8 - (bit & 7));
    if (left < 8) {
        places = (uint8_t)(fml_stream_next(&index) >> (bit & 7));
    }
    for (uint32_t base = block << bits; base < end; base += 1u << bits) {
        for (uint8_t k = l->per_block; k > 0; k--) {
            if (left == 8) {
                places = fml_stream_next(&index);
            }
            const uint32_t i = base + (places & mask);
            const int8_t v = (int8_t)fml_stream_next(&w);
            places = (uint8_t)(places >> bits);
            left = (uint8_t)(left == bits ? 8 : left - bits);
            if (i >= k0 && i < end) {
                acc = fml_product(acc, x[(size_t)i], v);
            }
        }
    }
    return acc;
}

FML_CODED_FIXED(blocks)
