/* Pins of STM32L4 on a NUCLEO-64, which has its LED on the clock of SPI1: SPI2 it is. */
#ifndef FML_STM32_PARTS_H
#define FML_STM32_PARTS_H

#include "fml_board.h"
#include "fml_stm32l4.h"

#define FML_SPI_BASE 0x40003800u
#define FML_SPI_ENABLE 0x40021058u /* RCC_APB1ENR1 */
#define FML_SPI_ENABLE_BIT (1u << 14)
#define FML_SPI_PORT FML_GPIOB
#define FML_SPI_FIRST_PIN 13u /* PB13 SCK, PB14 MISO, PB15 MOSI */
#define FML_SELECT_PORT FML_GPIOB
#define FML_SELECT_PIN 12u
#define FML_UART_RX_PIN 3u
#define FML_HAS_ANALOG_SWITCH 1 /* L47x, L48x: between a pin and the ADC */
#define FML_UART_RX_FUNCTION 7u

#endif
