/* What the STM32 families have in common: registers of GPIO and USART, and waiting for a bit. The family's
 * fml_stm32_parts.h says where its peripherals are and which pins the board uses. */
#ifndef FML_STM32_H
#define FML_STM32_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define FML_REGISTER(address) (*(volatile uint32_t *)(uintptr_t)(address))
#define FML_BYTE_REGISTER(address) (*(volatile uint8_t *)(uintptr_t)(address))

/* More than the slowest oscillator, regulator or conversion takes: about 50 ms at 16 MHz. */
#define FML_STM32_TRIES 100000u

#define FML_GPIO_MODER 0x00u
#define FML_GPIO_OSPEEDR 0x08u
#define FML_GPIO_BSRR 0x18u
#define FML_GPIO_AFRL 0x20u

/* Until (register & mask) == value. A wait without an end is a fault. */
void fml_stm32_wait(uint32_t address, uint32_t mask, uint32_t value);

/* Bits of a register become as said. */
void fml_stm32_set(uint32_t address, uint32_t mask, uint32_t value);

/* A pin of the port at `gpio`: for a peripheral, or an output that is high. */
void fml_stm32_function(uint32_t gpio, uint32_t pin, uint32_t function);
void fml_stm32_output(uint32_t gpio, uint32_t pin);

void fml_stm32_uart_start(void);

#ifdef __cplusplus
}
#endif

#endif
