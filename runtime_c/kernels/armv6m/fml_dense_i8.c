/* Fully connected layer, and the inner loop of every convolution but the depthwise one. Weights are bytes w + 128:
 * sum x * w = sum x * (w + 128) - 128 * sum x. Four rows share each x and one pointer to the weights; with their sums this
 * takes all eight registers that ARMv6-M multiplies and loads with. */
#include "fml_kernels.h"
#include "fml_packed.h"
#include "fml_requant.h"

static int32_t sum_of(const int8_t *x, size_t n) {
    int32_t sum = 0;
    for (const int8_t *end = x + n; x != end; x++) {
        sum += *x;
    }
    return sum;
}

static int32_t one_row(fml_packed_row_t row, const int8_t *x, size_t n_in) {
    int32_t acc = 0;
    for (const int8_t *end = x + n_in; x != end; x++, row.w += row.step) {
        acc += *x * *row.w;
    }
    return acc;
}

/* Compilers would move loads up and spill. */
#if defined(__GNUC__) && defined(__thumb__)
#define IN_REGISTERS(a, b, c, d, e, f) __asm__ volatile("" : "+l"(a), "+l"(b), "+l"(c), "+l"(d), "+l"(e), "+l"(f))
#define AS_BYTE(value) __asm__("" : "+l"(value)) /* loaded at a constant offset, then extended */
#else
#define IN_REGISTERS(a, b, c, d, e, f) ((void)0)
#define AS_BYTE(value) ((void)0)
#endif

#define FOUR_PRODUCTS(k)                              \
    do {                                              \
        uint32_t byte = (uint8_t)x[k];                \
        AS_BYTE(byte);                                \
        const int32_t xk = (int8_t)(uint8_t)byte;     \
        acc0 += xk * w[4 * (k)];                      \
        acc1 += xk * w[4 * (k) + 1];                  \
        acc2 += xk * w[4 * (k) + 2];                  \
        acc3 += xk * w[4 * (k) + 3];                  \
        IN_REGISTERS(acc0, acc1, acc2, acc3, w, x);   \
    } while (0)

FML_NOINLINE static void four_rows(const uint8_t *w, const int8_t *x, size_t n_in, int32_t acc[4]) {
    int32_t acc0 = 0, acc1 = 0, acc2 = 0, acc3 = 0;
    const int8_t *end = x + (n_in & ~(size_t)3);
    for (; x != end; x += 4, w += 16) {
        FOUR_PRODUCTS(0);
        FOUR_PRODUCTS(1);
        FOUR_PRODUCTS(2);
        FOUR_PRODUCTS(3);
    }
    for (end += n_in & 3u; x != end; x++, w += 4) {
        FOUR_PRODUCTS(0);
    }
    acc[0] = acc0;
    acc[1] = acc1;
    acc[2] = acc2;
    acc[3] = acc3;
}

void fml_dense_i8(const fml_dense_t *l, const int8_t *x, int8_t *y, uint32_t first, uint32_t n) {
    const size_t n_in = l->n_in;
    const int32_t raised = n > 0 ? 128 * sum_of(x, n_in) : 0;
    uint16_t o = (uint16_t)first;
    while (n > 0) {
        const fml_packed_row_t row = fml_packed_row(l->w, n_in, l->n_out, o);
        int32_t acc[4];
        uint8_t rows = 1;
        if (n >= 4 && (o & 3u) == 0) {
            four_rows(row.w, x, n_in, acc);
            rows = 4;
        } else {
            acc[0] = one_row(row, x, n_in);
        }
        for (uint8_t i = 0; i < rows; i++, o++) {
            *y++ = fml_requant_i8(l->bias[o] + (acc[i] - raised), l->mult[o], l->shift[o], l->y_zp, l->lo, l->hi);
        }
        n -= rows;
    }
}
