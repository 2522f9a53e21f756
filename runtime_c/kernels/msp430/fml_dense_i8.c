/* Fully connected layer, and the inner loop of every convolution but the depthwise one. */
#include "fml_requant.h"
#include "fml_rows.h"

#ifdef FML_MPY32
#include "fml_mpy_asm.h"

/* Rows of w until one has a shift out of the ordinary. R5 bias, R6 mult, R7 shift, R8 y, R9 x, R10 rows left, R11 block,
 * R12 position in x, R13 in w: rows follow one another, so it only ever rises. */
__asm__(
    FML_ROUTINE("fml_rows_mpy")
    "mov 6(r11), r10\n"
    "mov 16(r11), r9\n"
    "mov r9, r12\n"
    "mov 18(r11), r8\n"
    "mov 20(r11), r5\n"
    "mov 22(r11), r6\n"
    "mov 24(r11), r7\n"
    "mov 28(r11), r15\n"
    "mov 26(r11), r14\n"
    "push r15\n"
    "push r14\n"
    ".word 0x160d\n" /* popm.a #1, r13 */
    "2: .word 0x45b2, 0x04ca\n" /* mov @r5+, &RESLO */
    ".word 0x45b2, 0x04cc\n" /* mov @r5+, &RESHI */
    "mov 12(r11), r14\n"
    "br 14(r11)\n"
    ".global fml_rows_loop\n"
    "fml_rows_loop:\n"
    ".rept 8\n"
    ".word 0x4cf2, 0x04c6\n" /* mov.b @r12+, &MACS */
    ".word 0x4df2, 0x04c8\n" /* mov.b @r13+, &OP2 */
    ".endr\n"
    "dec r14\n"
    "jnz fml_rows_loop\n"
    FML_REQUANT_MPY("4f", "3f", "mov r9, r12")
    "dec r10\n"
    "jnz 2b\n"
    "5: mov r10, 6(r11)\n"
    FML_RET
    FML_REQUANT_MPY_CLAMP
    "3: mov &0x4ca, 8(r11)\n"
    "mov &0x4cc, 10(r11)\n"
    "jmp 5b\n"
    "4: " FML_POWERS
    ".text\n");

extern const uint8_t fml_rows_loop[];
#define PRODUCT_BYTES 8 /* of code */

static inline void run(fml_rows_t *rows) {
    register uint16_t at __asm__("r11") = (uint16_t)(uintptr_t)rows;
    __asm__ volatile(FML_CALL "fml_rows_mpy"
                     : "+r"(at)
                     :
                     : "r5", "r6", "r7", "r8", "r9", "r10", "r12", "r13", "r14", "r15", "memory");
}

static void place(fml_rows_t *rows, uint16_t first, uint16_t n) {
    const fml_dense_t *l = rows->l;
    fml_weights_t w = l->w;
    if (first > 0) {
        w += (uint32_t)first * l->n_in;
    }
    rows->first = first;
    rows->n = n;
    rows->bias = (uint16_t)(uintptr_t)(l->bias + first);
    rows->mult = (uint16_t)(uintptr_t)(l->mult + first);
    rows->shift = (uint16_t)(uintptr_t)(l->shift + first);
    rows->w_low = (uint16_t)w;
    rows->w_high = (uint16_t)(w >> 16);
}

void fml_rows_start(fml_rows_t *rows, const fml_dense_t *l, uint16_t first, uint16_t n) {
    rows->lo = (int16_t)(l->lo - l->y_zp);
    rows->hi = (int16_t)(l->hi - l->y_zp);
    rows->zp = l->y_zp;
    rows->loops = (uint16_t)((l->n_in >> 3) + ((l->n_in & 7) != 0));
    rows->entry = (uint16_t)((uint16_t)(uintptr_t)fml_rows_loop + (-l->n_in & 7) * PRODUCT_BYTES);
    rows->l = l;
    place(rows, first, n);
}

/* The row that the routine left, and all that follow. */
static void run_rest(const fml_rows_t *rows, int8_t *y) {
    fml_rows_t rest = *rows;
    const fml_dense_t *l = rest.l;
    while (rest.n_left > 0) {
        const int32_t acc = (int32_t)((uint32_t)rest.acc_high << 16 | rest.acc_low);
        const uint16_t done = (uint16_t)(rest.n - rest.n_left), row = (uint16_t)(rest.first + done);
        y += done;
        *y++ = fml_requant_i8(acc, l->mult[row], l->shift[row], l->y_zp, l->lo, l->hi);
        rest.n_left--;
        if (rest.n_left > 0) {
            place(&rest, (uint16_t)(row + 1), rest.n_left);
            rest.y = (uint16_t)(uintptr_t)y;
            run(&rest);
        }
    }
}

void fml_rows_run(fml_rows_t *rows, const int8_t *x, int8_t *y) {
    rows->x = (uint16_t)(uintptr_t)x;
    rows->y = (uint16_t)(uintptr_t)y;
    rows->n_left = rows->n;
    run(rows);
    if (rows->n_left > 0) {
        run_rest(rows, y);
    }
}

#else

void fml_rows_start(fml_rows_t *rows, const fml_dense_t *l, uint16_t first, uint16_t n) {
    rows->l = l;
    rows->first = first;
    rows->n = n;
}

void fml_rows_run(fml_rows_t *rows, const int8_t *x, int8_t *y) {
    const fml_dense_t *l = rows->l;
    for (size_t i = rows->first; i < (size_t)rows->first + rows->n; i++) {
        const int32_t acc = fml_dot_i8(x, l->w + i * l->n_in, l->n_in, l->bias[i]);
        *y++ = fml_requant_i8(acc, l->mult[i], l->shift[i], l->y_zp, l->lo, l->hi);
    }
}

#endif

void fml_dense_i8(const fml_dense_t *l, const int8_t *x, int8_t *y, uint32_t first, uint32_t n) {
    fml_rows_t rows;
    if (n > 0) {
        fml_rows_start(&rows, l, (uint16_t)first, (uint16_t)n);
        fml_rows_run(&rows, x, y);
    }
}
