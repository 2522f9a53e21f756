#include "fml_exit_head.h"

#include "fml_dot.h"
#include "fml_exit_requant.h"

void fml_exit_head_i32(const fml_exit_head_t *l, const int8_t *x, const int32_t *before, int32_t *y, uint32_t first,
                       uint32_t n) {
    for (uint16_t o = (uint16_t)first; n > 0; n--, o++) {
        fml_dot_row_t row = fml_dot_row(l->w, l->n_in, l->n_out, 0, o, 0);
        const int32_t acc = fml_dot_next(&row, x, l->n_in, l->bias[o]);
        *y = fml_exit_requant(acc, l->mult[o], l->shift[o]);
        if (before != NULL) {
            *y += fml_exit_carried(before[o], l->carry_mult, l->carry_shift);
        }
        y++;
    }
}
