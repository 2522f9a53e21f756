/* Where peripherals of the family STM32L4 are (RM0351, RM0394). */
#ifndef FML_STM32L4_H
#define FML_STM32L4_H

#define FML_GPIOA 0x48000000u
#define FML_GPIOB 0x48000400u
#define FML_USART_BASE 0x40004400u /* USART2 */

#endif
