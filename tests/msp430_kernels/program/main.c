/* One call of one kernel, as a block of numbers at a fixed address tells: what the tests write before each run. */
#include "fml_coded.h"
#include "fml_exit_head.h"
#include "fml_kernels.h"

/* A stored format: its kernel, its part, and what becomes of the sum. */
#define CODED(number, name) \
    case number: fml_coded_##name##_i8(l, a, y, first, n); break; \
    case number + 1: CALL->result = fml_coded_##name##_part_i8(l, a, first, CALL->k0, n); break; \
    case number + 2: CALL->result = fml_coded_##name##_finish_i8(l, first, CALL->result); break;

#define WORDS(at) ((const int32_t *)(const void *)(at))

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
    const int8_t *a = CALL->a;
    int8_t *y = CALL->y;
    const uint32_t first = CALL->first, n = CALL->n;
    switch (CALL->kernel) {
    case 0: break;
#ifdef STORED_FORMATS /* a firmware of their own: memory below 64 KiB does not hold all kernels */
    CODED(1, gaps)
    CODED(4, gap_codes)
    CODED(7, rice)
    CODED(10, codes4)
    CODED(13, codes3)
    CODED(16, codes2)
    CODED(19, ternary)
    CODED(22, blocks)
    CODED(25, ans)
#else
    case 1: fml_conv_i8(l, a, y, CALL->scratch, first, n); break;
    case 2: fml_pointwise_i8(l, a, y, first, n); break;
    case 3: fml_depthwise_i8(l, a, y, first, n); break;
    case 4: fml_dense_i8(l, a, y, first, n); break;
    case 5: fml_maxpool_i8(l, a, y, first, n); break;
    case 6: fml_avgpool_i8(l, a, y, first, n); break;
    case 7: fml_add_i8(l, a, CALL->b, y, first, n); break;
    case 8: fml_mul_i8(l, a, CALL->b, y, first, n); break;
    case 9: fml_lut_i8(l, a, y, first, n); break;
    case 10: fml_softmax_i8(l, a, y, first, n); break;
    case 11: fml_copy_i8(l, a, y, first, n); break;
    case 12: fml_pad_i8(l, a, y, first, n); break;
    case 13: fml_transpose_i8(l, a, y, first, n); break;
    case 14: CALL->result = fml_conv_part_i8(l, a, first, CALL->k0, n); break;
    case 15: CALL->result = fml_conv_finish_i8(l, first, CALL->result); break;
    case 16: CALL->result = fml_dense_part_i8(l, a, first, CALL->k0, n); break;
    case 17: CALL->result = fml_dense_finish_i8(l, first, CALL->result); break;
    case 18: fml_conv_pool_i8(l, a, y, CALL->scratch, first, n); break;
    case 19: fml_pointwise_pool_i8(l, a, y, CALL->scratch, first, n); break;
    case 20: fml_depthwise_pool_i8(l, a, y, CALL->scratch, first, n); break;
    case 21: fml_exit_head_i32(l, a, WORDS(CALL->b), (int32_t *)(void *)y, first, n); break;
    case 22: fml_exit_mix_i32(l, WORDS(a), WORDS(CALL->b), (int32_t *)(void *)y, first, n); break;
#endif
    default: for (;;) { }
    }
    return 0;
}
