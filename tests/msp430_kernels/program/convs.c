/* As main.c, of convolutions whose constants are stored in another form: a firmware of their own, as memory below 64 KiB does not
 * hold all kernels. */
#include "fml_decoded_conv.h"
#include "fml_decoded_slice.h"

#define CONV(number, name) case number: fml_##name##_i8(l, x, y, CALL->scratch, first, n); break;

#define PARTS(number, name) \
    case number: CALL->result = fml_##name##_part_i8(l, x, first, CALL->k0, n); break; \
    case number + 1: CALL->result = fml_##name##_finish_i8(l, first, CALL->result); break;

/* k0: the first channel, and in its upper half how many. */
#define SLICE(number, name) \
    case number: \
        fml_##name##_i8(l, x, y, CALL->scratch, (uint16_t)CALL->k0, (uint16_t)(CALL->k0 >> 16), first, n); \
        break;

typedef struct {
    uint16_t kernel;
    const void *layer;
    const int8_t *a, *b;
    int8_t *y, *scratch;
    uint32_t first, n, k0;
    int32_t result;
} call_t;

#define CALL ((volatile call_t *)0xB800)

int main(void);
int main(void) {
    const void *l = CALL->layer;
    const int8_t *x = CALL->a;
    int8_t *y = CALL->y;
    const uint32_t first = CALL->first, n = CALL->n;
    switch (CALL->kernel) {
    case 0: break;
#ifndef DECODED
    CONV(1, coded_conv_depthwise)
    CONV(2, coded_conv_gaps)
    PARTS(3, coded_conv_gaps)
    CONV(5, coded_conv_plain)
    PARTS(6, coded_conv_plain)
#else
    CONV(8, decoded_conv_depthwise)
    CONV(9, decoded_conv_codebook)
    PARTS(10, decoded_conv_codebook)
    CONV(15, decoded_conv_ans)
    PARTS(16, decoded_conv_ans)
    CONV(12, decoded_conv_ternary)
    PARTS(13, decoded_conv_ternary)
    SLICE(18, decoded_slice_ans)
    SLICE(19, decoded_slice_codebook)
    SLICE(20, decoded_slice_ternary)
#endif
    default: for (;;) { }
    }
    return 0;
}
