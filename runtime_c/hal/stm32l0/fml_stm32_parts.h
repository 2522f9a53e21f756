/* STM32L0x3 (RM0367) and the pins of a NUCLEO-64 with it. */
#ifndef FML_STM32_PARTS_H
#define FML_STM32_PARTS_H

#define FML_GPIOA 0x50000000u
#define FML_GPIOB 0x50000400u
#define FML_USART_BASE 0x40004400u /* USART2 */
#define FML_SPI_BASE 0x40003800u   /* SPI2: the board's LED is on the clock of SPI1 */
#define FML_SELECT_PORT FML_GPIOB
#define FML_SELECT_PIN 12u

#endif
