/* Pins of STM32L4 on a NUCLEO-32, which has those of SPI1 alone. */
#ifndef FML_STM32_PARTS_H
#define FML_STM32_PARTS_H

#include "fml_board.h"
#include "fml_stm32l4.h"

#define FML_SPI_BASE 0x40013000u
#define FML_SPI_ENABLE 0x40021060u /* RCC_APB2ENR */
#define FML_SPI_ENABLE_BIT (1u << 12)
#define FML_SPI_PORT FML_GPIOA
#define FML_SPI_FIRST_PIN 5u /* PA5 SCK, PA6 MISO, PA7 MOSI */
#define FML_SELECT_PORT FML_GPIOA
#define FML_SELECT_PIN 4u
#define FML_UART_RX_PIN 15u
#define FML_HAS_ANALOG_SWITCH 0 /* L47x, L48x: between a pin and the ADC */
#define FML_UART_RX_FUNCTION 3u

#endif
