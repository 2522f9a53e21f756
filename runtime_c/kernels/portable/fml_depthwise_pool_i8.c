#include "fml_largest.h" /* first: that of the variant */

#include "fml_conv_pool.h"

static void convolve(const fml_conv_t *l, const int8_t *x, int8_t *y, int8_t *scratch, uint32_t first, uint32_t n) {
    (void)scratch;
    fml_depthwise_i8(l, x, y, first, n);
}

void fml_depthwise_pool_i8(const fml_conv_pool_t *l, const int8_t *x, int8_t *y, int8_t *scratch, uint32_t first,
                           uint32_t n) {
    fml_pool_units(l, convolve, x, y, scratch, first, n);
}
