/* Clocks, pins, SPI, UART and ADC of nRF52840 (its product specification) on nRF52840 DK. The core runs at 64 MHz from the
 * internal oscillator, as after reset. The peripherals without DMA serve: a byte on the wire is a byte that was read. */
#include "fml_hal_cortexm.h"
#include "fml_port.h"

#if FML_BOARD_CLOCK_HZ != 64000000u
#error "this start-up makes 64 MHz: clock_hz of the board file must say so"
#endif

#define FML_REGISTER(address) (*(volatile uint32_t *)(uintptr_t)(address))
#define TRIES 1000000u /* 100 ms: more than anything takes */

#define ICACHECNF 0x4001e540u
#define DCDCEN 0x40000578u
#define P0_OUTSET 0x50000508u
#define P0_DIRSET 0x50000518u
#define P0_PIN_CNF(pin) (0x50000700u + 4u * (pin))
#define P1_OUTSET 0x50000808u
#define P1_OUTCLR 0x5000080cu
#define P1_DIRSET 0x50000818u
#define P1_PIN_CNF(pin) (0x50000a00u + 4u * (pin))
#define OF_PORT_1 32u

#define SELECT_PIN 12u /* P1.12 to P1.15: D10 to D13 */
#define MOSI_PIN 13u
#define MISO_PIN 14u
#define SCK_PIN 15u
#define TXD_PIN 6u /* P0.06, P0.08: the debugger's virtual COM port */
#define RXD_PIN 8u

#define SPI 0x40003000u
#define SPI_READY (SPI + 0x108u)
#define SPI_ENABLE (SPI + 0x500u)
#define SPI_PSEL_SCK (SPI + 0x508u)
#define SPI_PSEL_MOSI (SPI + 0x50cu)
#define SPI_PSEL_MISO (SPI + 0x510u)
#define SPI_RXD (SPI + 0x518u)
#define SPI_TXD (SPI + 0x51cu)
#define SPI_FREQUENCY (SPI + 0x524u)
#define SPI_CONFIG (SPI + 0x554u)
#define AT_8_MHZ 0x80000000u

#define UART 0x40002000u
#define UART_STARTRX (UART + 0x000u)
#define UART_STARTTX (UART + 0x008u)
#define UART_RXDRDY (UART + 0x108u)
#define UART_TXDRDY (UART + 0x11cu)
#define UART_ENABLE (UART + 0x500u)
#define UART_PSEL_TXD (UART + 0x50cu)
#define UART_PSEL_RXD (UART + 0x514u)
#define UART_RXD (UART + 0x518u)
#define UART_TXD (UART + 0x51cu)
#define UART_BAUDRATE (UART + 0x524u)
#define AT_115200 0x01d7e000u
#define UART_ON 4u

#define SAADC 0x40007000u
#define SAADC_START (SAADC + 0x000u)
#define SAADC_SAMPLE (SAADC + 0x004u)
#define SAADC_STOP (SAADC + 0x008u)
#define SAADC_STARTED (SAADC + 0x100u)
#define SAADC_END (SAADC + 0x104u)
#define SAADC_STOPPED (SAADC + 0x114u)
#define SAADC_ENABLE (SAADC + 0x500u)
#define SAADC_PSELP (SAADC + 0x510u)
#define SAADC_CONFIG (SAADC + 0x518u)
#define SAADC_RESOLUTION (SAADC + 0x5f0u)
#define SAADC_RESULT_PTR (SAADC + 0x62cu)
#define SAADC_RESULT_MAXCNT (SAADC + 0x630u)
#define AIN1 2u /* P0.03: A0 */
#define SIXTH_AND_40_US (5u << 16)
#define TWELVE_BITS 2u
#define FULL_SCALE_MV 3600u /* the internal 0.6 V and a gain of 1/6 */

static void wait_for(uint32_t event) {
    for (uint32_t left = TRIES; FML_REGISTER(event) == 0;) {
        if (--left == 0) {
            fml_board_fault();
        }
    }
    FML_REGISTER(event) = 0;
}

void fml_port_start(void) {
    FML_REGISTER(ICACHECNF) = 1;
    FML_REGISTER(DCDCEN) = 1; /* the kit has the coil */
    FML_REGISTER(P1_OUTSET) = 1u << SELECT_PIN;
    FML_REGISTER(P1_DIRSET) = 1u << SELECT_PIN | 1u << SCK_PIN | 1u << MOSI_PIN;
    FML_REGISTER(P1_PIN_CNF(SCK_PIN)) = 1;  /* an output, its input connected: the SPI samples by what the pin shows */
    FML_REGISTER(P1_PIN_CNF(MISO_PIN)) = 0; /* an input, connected */
    FML_REGISTER(SPI_PSEL_SCK) = OF_PORT_1 + SCK_PIN;
    FML_REGISTER(SPI_PSEL_MOSI) = OF_PORT_1 + MOSI_PIN;
    FML_REGISTER(SPI_PSEL_MISO) = OF_PORT_1 + MISO_PIN;
    FML_REGISTER(SPI_FREQUENCY) = AT_8_MHZ;
    FML_REGISTER(SPI_CONFIG) = 0; /* mode 0, most significant bit first */
    FML_REGISTER(SPI_ENABLE) = 1;
    FML_REGISTER(P0_OUTSET) = 1u << TXD_PIN;
    FML_REGISTER(P0_DIRSET) = 1u << TXD_PIN;
    FML_REGISTER(P0_PIN_CNF(RXD_PIN)) = 0;
    FML_REGISTER(UART_PSEL_TXD) = TXD_PIN;
    FML_REGISTER(UART_PSEL_RXD) = RXD_PIN;
    FML_REGISTER(UART_BAUDRATE) = AT_115200;
    FML_REGISTER(UART_ENABLE) = UART_ON;
    FML_REGISTER(UART_STARTTX) = 1;
    FML_REGISTER(UART_STARTRX) = 1;
}

static inline uint8_t exchange(uint8_t byte) {
    FML_REGISTER(SPI_TXD) = byte;
    for (uint32_t left = TRIES; FML_REGISTER(SPI_READY) == 0;) {
        if (--left == 0) {
            fml_board_fault();
        }
    }
    FML_REGISTER(SPI_READY) = 0;
    return (uint8_t)FML_REGISTER(SPI_RXD);
}

#include "fml_port_bytes.h"

void fml_port_select(uint8_t selected) {
    FML_REGISTER(selected ? P1_OUTCLR : P1_OUTSET) = 1u << SELECT_PIN;
}

void fml_port_send(uint8_t byte) {
    if (FML_REGISTER(UART_ENABLE) != UART_ON) {
        return; /* a fault before the UART was set up */
    }
    FML_REGISTER(UART_TXDRDY) = 0;
    FML_REGISTER(UART_TXD) = byte;
    for (uint32_t left = TRIES; FML_REGISTER(UART_TXDRDY) == 0;) {
        if (--left == 0) {
            return;
        }
    }
}

int fml_port_receive(void) {
    for (uint32_t left = FML_BOARD_CLOCK_HZ / 8u; FML_REGISTER(UART_RXDRDY) == 0;) {
        if (--left == 0) {
            return -1;
        }
    }
    FML_REGISTER(UART_RXDRDY) = 0;
    return (int)(FML_REGISTER(UART_RXD) & 0xffu);
}

void fml_port_drain(void) {
    for (uint32_t left = 8; left > 0 && FML_REGISTER(UART_RXDRDY) != 0; left--) { /* its FIFO has six bytes */
        FML_REGISTER(UART_RXDRDY) = 0;
        (void)FML_REGISTER(UART_RXD);
    }
}

/* Against the internal reference: the supply does not matter. */
uint32_t fml_port_capacitor_mv(void) {
    volatile int16_t code = 0;
    FML_REGISTER(SAADC_ENABLE) = 1;
    FML_REGISTER(SAADC_PSELP) = AIN1;
    FML_REGISTER(SAADC_CONFIG) = SIXTH_AND_40_US;
    FML_REGISTER(SAADC_RESOLUTION) = TWELVE_BITS;
    FML_REGISTER(SAADC_RESULT_PTR) = (uint32_t)(uintptr_t)&code;
    FML_REGISTER(SAADC_RESULT_MAXCNT) = 1;
    FML_REGISTER(SAADC_START) = 1;
    wait_for(SAADC_STARTED);
    FML_REGISTER(SAADC_SAMPLE) = 1;
    wait_for(SAADC_END);
    FML_REGISTER(SAADC_STOP) = 1;
    wait_for(SAADC_STOPPED);
    FML_REGISTER(SAADC_PSELP) = 0;
    FML_REGISTER(SAADC_ENABLE) = 0;
    return code <= 0 ? 0 : 2u * FULL_SCALE_MV * (uint32_t)code / 4096u;
}
