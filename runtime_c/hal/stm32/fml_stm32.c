/* GPIO and USART of the STM32 families L0, L4 and U5: the same registers in all of them. */
#include "fml_stm32.h"

#include "fml_hal_cortexm.h"
#include "fml_port.h"
#include "fml_stm32_parts.h"

#define USART_CR1 (FML_USART_BASE + 0x00u)
#define USART_BRR (FML_USART_BASE + 0x0cu)
#define USART_ISR (FML_USART_BASE + 0x1cu)
#define USART_ICR (FML_USART_BASE + 0x20u)
#define USART_RDR (FML_USART_BASE + 0x24u)
#define USART_TDR (FML_USART_BASE + 0x28u)
#define UE (1u << 0)
#define RE (1u << 2)
#define TE (1u << 3)
#define RXNE (1u << 5)
#define TXE (1u << 7)
#define ORECF (1u << 3)

void fml_stm32_wait(uint32_t address, uint32_t mask, uint32_t value) {
    for (uint32_t left = FML_STM32_TRIES; (FML_REGISTER(address) & mask) != value;) {
        if (--left == 0) {
            fml_board_fault();
        }
    }
}

void fml_stm32_set(uint32_t address, uint32_t mask, uint32_t value) {
    FML_REGISTER(address) = (FML_REGISTER(address) & ~mask) | value;
    (void)FML_REGISTER(address); /* a peripheral answers two cycles after its clock was switched on */
}

/* 0 input, 1 output, 2 function of a peripheral, 3 analog */
static void set_mode(uint32_t gpio, uint32_t pin, uint32_t mode) {
    fml_stm32_set(gpio + FML_GPIO_MODER, 3u << 2u * pin, mode << 2u * pin);
}

void fml_stm32_function(uint32_t gpio, uint32_t pin, uint32_t function) {
    const uint32_t shift = 4u * (pin % 8u);
    fml_stm32_set(gpio + FML_GPIO_AFRL + 4u * (pin / 8u), 15u << shift, function << shift);
    fml_stm32_set(gpio + FML_GPIO_OSPEEDR, 3u << 2u * pin, 2u << 2u * pin); /* enough for 8 MHz in every family */
    set_mode(gpio, pin, 2u);
}

void fml_stm32_output(uint32_t gpio, uint32_t pin) {
    FML_REGISTER(gpio + FML_GPIO_BSRR) = 1u << pin;
    set_mode(gpio, pin, 1u);
}

void fml_stm32_uart_start(void) {
    FML_REGISTER(USART_BRR) = (FML_BOARD_CLOCK_HZ + FML_UART_BAUD / 2u) / FML_UART_BAUD;
    FML_REGISTER(USART_CR1) = UE | RE | TE;
}

void fml_port_send(uint8_t byte) {
    if ((FML_REGISTER(USART_CR1) & TE) == 0) {
        return; /* a fault before the UART was set up */
    }
    for (uint32_t left = FML_STM32_TRIES; (FML_REGISTER(USART_ISR) & TXE) == 0;) {
        if (--left == 0) {
            return;
        }
    }
    FML_REGISTER(USART_TDR) = byte;
}

int fml_port_receive(void) {
    for (uint32_t left = FML_BOARD_CLOCK_HZ / 8u; (FML_REGISTER(USART_ISR) & RXNE) == 0;) {
        if (--left == 0) {
            return -1;
        }
    }
    return (int)(FML_REGISTER(USART_RDR) & 0xffu);
}

void fml_port_drain(void) {
    (void)FML_REGISTER(USART_RDR);
    FML_REGISTER(USART_ICR) = ORECF;
}
