/* STM32L4 (RM0351, RM0394) and the pins of its boards. */
#ifndef FML_STM32_PARTS_H
#define FML_STM32_PARTS_H

#include "fml_board.h"

#define FML_GPIOA 0x48000000u
#define FML_GPIOB 0x48000400u
#define FML_USART_BASE 0x40004400u /* USART2 */

/* SPI1 is on the pins of NUCLEO-L432KC. A NUCLEO-64 has its LED on SPI1's clock: it gets SPI2, and so does any other
 * board of this support. */
#ifdef FML_BOARD_NUCLEO_L432KC
#define FML_SPI_BASE 0x40013000u
#define FML_SPI_PORT FML_GPIOA
#define FML_SPI_FIRST_PIN 5u /* PA5 SCK, PA6 MISO, PA7 MOSI */
#define FML_SELECT_PORT FML_GPIOA
#define FML_SELECT_PIN 4u
#define FML_UART_RX_PIN 15u
#define FML_UART_RX_FUNCTION 3u
#else
#define FML_SPI_BASE 0x40003800u
#define FML_SPI_PORT FML_GPIOB
#define FML_SPI_FIRST_PIN 13u /* PB13 SCK, PB14 MISO, PB15 MOSI */
#define FML_SELECT_PORT FML_GPIOB
#define FML_SELECT_PIN 12u
#define FML_UART_RX_PIN 3u
#define FML_UART_RX_FUNCTION 7u
#endif

#endif
