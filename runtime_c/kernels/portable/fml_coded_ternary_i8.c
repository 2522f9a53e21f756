/* Rows of weights that are one value, its negative or zero, five in a byte: freeml/ir/stored_ternary.py says what is stored.
 * A byte is a fraction of 256: three times that, the whole part is the next digit. Nothing is multiplied but the sum. */
#include "fml_coded_rows.h"
#include "fml_stream.h"

static int32_t sum(const fml_coded_t *l, const int8_t *x, uint32_t o, uint32_t k0, uint32_t n, int32_t acc) {
    const uint16_t byte = (uint16_t)((uint16_t)k0 / 5);
    fml_stream_t w = fml_stream(l->w, o * l->per_row + byte);
    uint8_t skip = (uint8_t)(k0 - byte * 5u);
    int32_t total = 0;
    x += (size_t)k0;
    while (n > 0) {
        uint16_t rest = fml_stream_next(&w);
        uint8_t here = (uint8_t)(5 - skip);
        for (; skip > 0; skip--) {
            rest = (uint16_t)((rest + rest + rest) & 255);
        }
        here = n < here ? (uint8_t)n : here;
        n -= here;
        for (; here > 0; here--, x++) {
            rest = (uint16_t)(rest + rest + rest);
            if (rest < 256) {
                total -= *x;
            } else if (rest >= 512) {
                total += *x;
            }
            rest &= 255;
        }
    }
    return acc + total * l->value;
}

FML_CODED_FIXED(ternary)
