/* STM32U575 (RM0456), without TrustZone, and the pins of NUCLEO-U575ZI-Q. */
#ifndef FML_STM32_PARTS_H
#define FML_STM32_PARTS_H

#define FML_GPIOA 0x42020000u
#define FML_GPIOD 0x42020c00u
#define FML_USART_BASE 0x40013800u /* USART1 */
#define FML_SPI_BASE 0x40013000u   /* SPI1 */
#define FML_SELECT_PORT FML_GPIOD
#define FML_SELECT_PIN 14u

#endif
