/* Stored weights and indices, read one after the other: bytes, and numbers of a few bits. Where weights may lie beyond the
 * reach of a pointer, the folder of the processor's kernels has a header of this name of its own. */
#ifndef FML_STREAM_H
#define FML_STREAM_H

#include "fml_kernels.h"

typedef struct {
    const int8_t *at;
} fml_stream_t;

static inline fml_stream_t fml_stream(fml_weights_t table, uint32_t offset) {
    fml_stream_t stream;
    stream.at = table + (size_t)offset;
    return stream;
}

static inline uint8_t fml_stream_next(fml_stream_t *stream) {
    return (uint8_t)*stream->at++;
}

/* acc + x * w. */
static inline int32_t fml_product(int32_t acc, int8_t x, int8_t w) {
    return acc + x * w;
}

/* The highest bit of a byte comes first. `window` has `left` bits that are not taken yet, above them what was. */
typedef struct {
    fml_stream_t bytes;
    uint32_t window;
    uint8_t left;
} fml_bits_t;

static inline fml_bits_t fml_bits(fml_weights_t table, uint32_t offset) {
    fml_bits_t bits;
    bits.bytes = fml_stream(table, offset);
    bits.window = 0;
    bits.left = 0;
    return bits;
}

/* The next n bits as a number; n is at most 16. */
static inline uint16_t fml_bits_take(fml_bits_t *bits, uint8_t n) {
    while (bits->left < n) {
        bits->window = bits->window << 8 | fml_stream_next(&bits->bytes);
        bits->left = (uint8_t)(bits->left + 8);
    }
    bits->left = (uint8_t)(bits->left - n);
    return (uint16_t)(bits->window >> bits->left & ((1UL << n) - 1));
}

/* How many zeros there are before the next one, which is taken, too. */
static inline uint16_t fml_bits_zeros(fml_bits_t *bits) {
    uint16_t n = 0;
    while (fml_bits_take(bits, 1) == 0) {
        n++;
    }
    return n;
}

#endif
