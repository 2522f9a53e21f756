/* Start-up of a Cortex-M firmware: vector table, .data, .bss, main. No vendor header, the same on every core: what it
 * needs of the linker script are the seven symbols below. */
#include "fml_hal_cortexm.h"

extern uint32_t fml_stack_top[], fml_data_load[], fml_data_start[], fml_data_end[], fml_bss_start[], fml_bss_end[];

int main(void);
void fml_reset(void);

void fml_board_fault(void) {
    for (;;) {
        fml_board_report(FML_BOARD_FAULT);
    }
}

/* Two exceptions that a program of one's own may want: it defines a function of the same name. */
__attribute__((weak, noreturn, alias("fml_board_fault"))) void fml_pendsv(void);
__attribute__((weak, noreturn, alias("fml_board_fault"))) void fml_systick(void);

/* The exceptions of the architecture. No interrupt is ever enabled here; handlers of a device's own, from its interrupt 0
 * on, are an array of functions in a section ".vectors.interrupts". */
typedef struct {
    uint32_t *stack;
    void (*handler[15])(void);
} fml_vectors_t;

__attribute__((used, section(".vectors"))) const fml_vectors_t fml_vectors = {
    fml_stack_top,
    {fml_reset, fml_board_fault, fml_board_fault, fml_board_fault, fml_board_fault, fml_board_fault, fml_board_fault,
     fml_board_fault, fml_board_fault, fml_board_fault, fml_board_fault, fml_board_fault, fml_board_fault, fml_pendsv,
     fml_systick},
};

FML_SMALL void fml_reset(void) {
    const uint32_t *from = fml_data_load;
    for (uint32_t *to = fml_data_start; to < fml_data_end;) {
        *to++ = *from++;
    }
    for (uint32_t *to = fml_bss_start; to < fml_bss_end;) {
        *to++ = 0;
    }
    main();
    fml_board_fault();
}
