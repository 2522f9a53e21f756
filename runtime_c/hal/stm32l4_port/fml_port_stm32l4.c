/* Clocks, pins and ADC of STM32L4. The core runs on HSI16: no crystal, no PLL, no flash wait states, ready in
 * microseconds. */
#include "fml_hal_cortexm.h"
#include "fml_port.h"
#include "fml_stm32.h"
#include "fml_stm32_parts.h"

#if FML_BOARD_CLOCK_HZ != 16000000u
#error "this start-up makes 16 MHz: clock_hz of the board file must say so"
#endif

#define RCC_CR 0x40021000u
#define RCC_CFGR 0x40021008u
#define RCC_AHB2ENR 0x4002104cu
#define RCC_APB1ENR1 0x40021058u
#define HSION (1u << 8)
#define HSIRDY (1u << 10)
#define SW_HSI 1u
#define SWS_HSI (1u << 2)
#define GPIOAEN (1u << 0)
#define GPIOBEN (1u << 1)
#define ADCEN (1u << 13)
#define USART2EN (1u << 17)

#define SPI_CR1 (FML_SPI_BASE + 0x00u)
#define SPI_CR2 (FML_SPI_BASE + 0x04u)
#define MASTER_MODE_0 (1u << 2 | 1u << 8 | 1u << 9) /* MSTR, SSI, SSM; clock / 2: 8 MHz */
#define SPE (1u << 6)
#define EIGHT_BITS (7u << 8 | 1u << 12) /* DS, FRXTH */

#define GPIOA_ASCR (FML_GPIOA + 0x2cu)
#define ADC_ISR 0x50040000u
#define ADC_CR 0x50040008u
#define ADC_SMPR1 0x50040014u
#define ADC_SQR1 0x50040030u
#define ADC_DR 0x50040040u
#define ADC_CCR 0x50040308u
#define ADRDY (1u << 0)
#define EOC (1u << 2)
#define ADEN (1u << 0)
#define ADDIS (1u << 1)
#define ADSTART (1u << 2)
#define ADVREGEN (1u << 28)
#define DEEPPWD (1u << 29)
#define ADCAL (1u << 31)
#define CLOCK_OF_BUS (1u << 16)
#define VREFEN (1u << 22)
#define LONGEST_SAMPLING (7u << 0 | 7u << 15) /* inputs 0 and 5: 640 cycles */
#define REFERENCE_INPUT 0u
#define REFERENCE_MV 1212u /* VREFINT, typical: within 2.5 % */
#define CAPACITOR_INPUT 5u /* PA0 */

void fml_port_start(void) {
    fml_stm32_set(RCC_CR, HSION, HSION);
    fml_stm32_wait(RCC_CR, HSIRDY, HSIRDY);
    fml_stm32_set(RCC_CFGR, 3u, SW_HSI);
    fml_stm32_wait(RCC_CFGR, SWS_HSI, SWS_HSI);
    fml_stm32_set(RCC_AHB2ENR, GPIOAEN | GPIOBEN, GPIOAEN | GPIOBEN);
    fml_stm32_set(RCC_APB1ENR1, USART2EN, USART2EN);
    fml_stm32_set(FML_SPI_ENABLE, FML_SPI_ENABLE_BIT, FML_SPI_ENABLE_BIT);
    fml_stm32_output(FML_SELECT_PORT, FML_SELECT_PIN);
    for (uint32_t pin = FML_SPI_FIRST_PIN; pin < FML_SPI_FIRST_PIN + 3u; pin++) {
        fml_stm32_function(FML_SPI_PORT, pin, 5u);
    }
    FML_REGISTER(SPI_CR2) = EIGHT_BITS;
    FML_REGISTER(SPI_CR1) = MASTER_MODE_0;
    FML_REGISTER(SPI_CR1) = MASTER_MODE_0 | SPE;
    fml_stm32_function(FML_GPIOA, 2u, 7u);
    fml_stm32_function(FML_GPIOA, FML_UART_RX_PIN, FML_UART_RX_FUNCTION);
    fml_stm32_uart_start();
}

static uint32_t convert(uint32_t input) {
    FML_REGISTER(ADC_SQR1) = input << 6;
    fml_stm32_set(ADC_CR, ADSTART, ADSTART);
    fml_stm32_wait(ADC_ISR, EOC, EOC);
    return FML_REGISTER(ADC_DR);
}

/* The supply may fall with the capacitor: the ratio to the internal reference does not depend on it. */
uint32_t fml_port_capacitor_mv(void) {
    fml_stm32_set(RCC_AHB2ENR, ADCEN, ADCEN);
#if FML_HAS_ANALOG_SWITCH
    fml_stm32_set(GPIOA_ASCR, 1u, 1u); /* L47x and L48x: connects the pin to the ADC */
#endif
    FML_REGISTER(ADC_CCR) = CLOCK_OF_BUS | VREFEN;
    FML_REGISTER(ADC_CR) = 0;
    FML_REGISTER(ADC_CR) = ADVREGEN;
    for (volatile uint32_t left = 100; left > 0;) {
        left = left - 1u; /* 20 us for the regulator, 12 us for the reference */
    }
    fml_stm32_set(ADC_CR, ADCAL, ADCAL);
    fml_stm32_wait(ADC_CR, ADCAL, 0);
    for (volatile uint32_t left = 4; left > 0;) {
        left = left - 1u; /* ADEN is not taken in the first four cycles after calibration */
    }
    fml_stm32_set(ADC_CR, ADEN, ADEN);
    fml_stm32_wait(ADC_ISR, ADRDY, ADRDY);
    FML_REGISTER(ADC_SMPR1) = LONGEST_SAMPLING;
    const uint32_t reference = convert(REFERENCE_INPUT), divided = convert(CAPACITOR_INPUT);
    fml_stm32_set(ADC_CR, ADDIS, ADDIS);
    fml_stm32_wait(ADC_CR, ADDIS, 0);
    FML_REGISTER(ADC_CR) = DEEPPWD;
    fml_stm32_set(RCC_AHB2ENR, ADCEN, 0);
    return reference == 0 ? 0 : 2u * REFERENCE_MV * divided / reference;
}
