/* Start-up of an MSP430FR58xx/59xx firmware, without vendor files: watchdog, clock, pins, .data, .bss, main. */
#include "fml_hal_msp430.h"
#include "fml_msp430.h"

/* As small as assembly gets: everything else can be C once there is a stack. Interrupts are off and stay so; the only
 * vector is that of the reset. */
__asm__("\t.section .crt0,\"ax\",@progbits\n"
        "\t.global fml_reset\n"
        "fml_reset:\n"
        "\tmov.w #0x5a80, &0x015c\n" /* hold the watchdog */
        "\tmov.w #fml_stack_top, r1\n"
        "\tbr #fml_start\n"
        "\t.section .resetvec,\"a\",@progbits\n"
        "\t.word fml_reset\n"
#ifdef __MSP430X_LARGE__
        "\t.global fml_large_model\n" /* for an emulator: return addresses have 20 bits */
        "fml_large_model = 1\n"
#endif
        "\t.text\n");

extern uint16_t fml_data_load[], fml_data_start[], fml_data_end[], fml_bss_start[], fml_bss_end[];

int main(void);
void fml_start(void);

/* Wait states come before the clock that needs them: an FR5994 would block FRAM writes without, an FR5969 reset. */
static void start_clock(void) {
#if FML_CLOCK_HZ == 16000000
    FRCTL0 = FRCTL0_PASSWORD | FRCTL0_NWAITS(1u);
    const uint16_t frequency = CSCTL1_16_MHZ;
#elif FML_CLOCK_HZ == 8000000
    FRCTL0 = FRCTL0_PASSWORD;
    const uint16_t frequency = CSCTL1_8_MHZ;
#else
#error "clock_hz of the board must be 8 or 16 MHz"
#endif
    FRCTL0_H = 0;
    CSCTL0 = CSCTL0_PASSWORD;
    CSCTL3 = CSCTL3_QUARTER; /* erratum CS12: the DCO overshoots when it changes */
    CSCTL1 = frequency;
    for (volatile uint8_t i = 0; i < 10; i++) { /* 10 us at 4 MHz at most */
    }
    CSCTL3 = CSCTL3_FULL;
    CSCTL0_H = 0;
}

/* GCC calls it where it believes that it cannot be reached. */
void abort(void);

void abort(void) {
    for (;;) {
    }
}

/* All of it was done before main(). */
void fml_board_start(void) {
}

__attribute__((used)) void fml_start(void) {
    start_clock();
    PM5CTL0 = 0;
    const uint16_t *from = fml_data_load;
    for (uint16_t *to = fml_data_start; to < fml_data_end;) {
        *to++ = *from++;
    }
    for (uint16_t *to = fml_bss_start; to < fml_bss_end;) {
        *to++ = 0;
    }
    main();
    for (;;) {
    }
}
