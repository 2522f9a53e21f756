/* eUSCI_A0 at 115200 baud by polling, and the line that tells a result. */
#include "fml_hal_msp430.h"
#include "fml_msp430.h"

/* Divider, first and second modulation for 115200 baud with 16-fold oversampling: SLAU367, recommended settings. */
#if FML_CLOCK_HZ == 16000000
#define DIVIDER 8u
#define MODULATION 0xf7a1u
#else
#define DIVIDER 4u
#define MODULATION 0x5551u
#endif

void fml_uart_start(void) {
    if (UCA0CTLW0 == UCA0CTLW0_RUNS) {
        return;
    }
    UCA0CTLW0 = UCA0CTLW0_HELD;
    UCA0BRW = DIVIDER;
    UCA0MCTLW = MODULATION;
    P2SEL0 = (uint8_t)(P2SEL0 & ~P2_UART_PINS);
    P2SEL1 = (uint8_t)(P2SEL1 | P2_UART_PINS);
    UCA0CTLW0 = UCA0CTLW0_RUNS;
}

void fml_uart_text(const char *text) {
    while (*text != 0) {
        while ((UCA0IFG & UCA0IFG_TX) == 0) {
        }
        UCA0TXBUF = (uint8_t)*text++;
    }
}

void fml_uart_number(uint32_t number) {
    char digits[11];
    char *at = digits + sizeof digits - 1;
    *at = 0;
    do {
        *--at = (char)('0' + (char)(number % 10u));
        number /= 10u;
    } while (number > 0);
    fml_uart_text(at);
}

uint8_t fml_uart_byte(void) {
    while ((UCA0IFG & UCA0IFG_RX) == 0) {
    }
    return (uint8_t)UCA0RXBUF;
}

void fml_uart_forget(void) {
    while ((UCA0IFG & UCA0IFG_RX) != 0) {
        (void)UCA0RXBUF;
    }
}

/* "freeml seq=1 class=7 confidence=203 depth=1\n" */
void fml_board_tell(const fml_result_t *result) {
#if FML_REPORT_UART
    fml_uart_start();
    fml_uart_text("freeml seq=");
    fml_uart_number(result->sequence);
    fml_uart_text(" class=");
    fml_uart_number(result->class_index);
    fml_uart_text(" confidence=");
    fml_uart_number(result->confidence);
    fml_uart_text(" depth=");
    fml_uart_number(result->depth);
    fml_uart_text("\n");
#else
    (void)result;
#endif
}

/* An emulator or debugger waits at the first instruction. */
__attribute__((noinline)) void fml_board_report(int status) {
    if (status == FML_PUBLISHED) {
        fml_board_tell(&fml_window_result);
    }
}
