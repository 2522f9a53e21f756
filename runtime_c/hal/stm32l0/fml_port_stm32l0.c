/* Clocks, pins and ADC of STM32L0. The core runs on HSI16, in voltage range 1: no crystal, no PLL, no flash wait states. */
#include "fml_hal_cortexm.h"
#include "fml_port.h"
#include "fml_stm32.h"
#include "fml_stm32_parts.h"

#if FML_BOARD_CLOCK_HZ != 16000000u
#error "this start-up makes 16 MHz: clock_hz of the board file must say so"
#endif

#define PWR_CR 0x40007000u
#define PWR_CSR 0x40007004u
#define VOS_MASK (3u << 11)
#define VOS_RANGE_1 (1u << 11)
#define VOSF (1u << 4)

#define RCC_CR 0x40021000u
#define RCC_CFGR 0x4002100cu
#define RCC_IOPENR 0x4002102cu
#define RCC_APB2ENR 0x40021034u
#define RCC_APB1ENR 0x40021038u
#define HSI16ON (1u << 0)
#define HSI16RDYF (1u << 2)
#define SW_HSI 1u
#define SWS_HSI (1u << 2)
#define GPIOA_AND_GPIOB 3u
#define SYSCFGEN (1u << 0)
#define ADCEN (1u << 9)
#define SPI2EN (1u << 14)
#define USART2EN (1u << 17)
#define PWREN (1u << 28)

#define SPI_CR1 (FML_SPI_BASE + 0x00u)
#define MASTER_MODE_0 (1u << 2 | 1u << 8 | 1u << 9) /* MSTR, SSI, SSM; 8 bits; clock / 2: 8 MHz */
#define SPE (1u << 6)

#define SYSCFG_CFGR3 0x40010020u
#define EN_VREFINT (1u << 0)
#define ENBUF_VREFINT_ADC (1u << 8)
#define VREFINT_RDYF (1u << 30)
#define ADC_ISR 0x40012400u
#define ADC_CR 0x40012408u
#define ADC_CFGR2 0x40012410u
#define ADC_SMPR 0x40012414u
#define ADC_CHSELR 0x40012428u
#define ADC_DR 0x40012440u
#define ADC_CCR 0x40012708u
#define ADRDY (1u << 0)
#define EOC (1u << 2)
#define ADEN (1u << 0)
#define ADDIS (1u << 1)
#define ADSTART (1u << 2)
#define ADCAL (1u << 31)
#define HALF_BUS_CLOCK (1u << 30)
#define VREFEN (1u << 22)
#define LONGEST_SAMPLING 7u /* 160 cycles of 8 MHz: the reference needs 10 us */
#define REFERENCE_INPUT 17u
#define REFERENCE_MV 1224u /* VREFINT, typical: within 2 % */
#define CAPACITOR_INPUT 0u /* PA0 */

void fml_port_start(void) {
    fml_stm32_set(RCC_APB1ENR, PWREN | SPI2EN | USART2EN, PWREN | SPI2EN | USART2EN);
    fml_stm32_wait(PWR_CSR, VOSF, 0);
    fml_stm32_set(PWR_CR, VOS_MASK, VOS_RANGE_1);
    fml_stm32_wait(PWR_CSR, VOSF, 0);
    fml_stm32_set(RCC_CR, HSI16ON, HSI16ON);
    fml_stm32_wait(RCC_CR, HSI16RDYF, HSI16RDYF);
    fml_stm32_set(RCC_CFGR, 3u, SW_HSI);
    fml_stm32_wait(RCC_CFGR, 3u << 2, SWS_HSI);
    fml_stm32_set(RCC_IOPENR, GPIOA_AND_GPIOB, GPIOA_AND_GPIOB);
    fml_stm32_output(FML_SELECT_PORT, FML_SELECT_PIN);
    for (uint32_t pin = 13; pin <= 15; pin++) { /* PB13 SCK, PB14 MISO, PB15 MOSI */
        fml_stm32_function(FML_GPIOB, pin, 0);
    }
    FML_REGISTER(SPI_CR1) = MASTER_MODE_0;
    FML_REGISTER(SPI_CR1) = MASTER_MODE_0 | SPE;
    fml_stm32_function(FML_GPIOA, 2u, 4u);
    fml_stm32_function(FML_GPIOA, 3u, 4u);
    fml_stm32_uart_start();
}

static uint32_t convert(uint32_t input) {
    FML_REGISTER(ADC_CHSELR) = 1u << input;
    fml_stm32_set(ADC_CR, ADSTART, ADSTART);
    fml_stm32_wait(ADC_ISR, EOC, EOC);
    return FML_REGISTER(ADC_DR);
}

/* The supply may fall with the capacitor: the ratio to the internal reference does not depend on it. */
uint32_t fml_port_capacitor_mv(void) {
    fml_stm32_set(RCC_APB2ENR, ADCEN | SYSCFGEN, ADCEN | SYSCFGEN);
    fml_stm32_set(SYSCFG_CFGR3, EN_VREFINT | ENBUF_VREFINT_ADC, EN_VREFINT | ENBUF_VREFINT_ADC);
    fml_stm32_wait(SYSCFG_CFGR3, VREFINT_RDYF, VREFINT_RDYF);
    FML_REGISTER(ADC_CFGR2) = HALF_BUS_CLOCK;
    FML_REGISTER(ADC_CCR) = VREFEN;
    fml_stm32_set(ADC_CR, ADCAL, ADCAL);
    fml_stm32_wait(ADC_CR, ADCAL, 0);
    fml_stm32_set(ADC_CR, ADEN, ADEN);
    fml_stm32_wait(ADC_ISR, ADRDY, ADRDY);
    FML_REGISTER(ADC_SMPR) = LONGEST_SAMPLING;
    const uint32_t reference = convert(REFERENCE_INPUT), divided = convert(CAPACITOR_INPUT);
    fml_stm32_set(ADC_CR, ADDIS, ADDIS);
    fml_stm32_wait(ADC_CR, ADDIS, 0);
    FML_REGISTER(ADC_CR) = 0; /* the regulator off */
    FML_REGISTER(ADC_CCR) = 0;
    fml_stm32_set(SYSCFG_CFGR3, EN_VREFINT | ENBUF_VREFINT_ADC, 0);
    fml_stm32_set(RCC_APB2ENR, ADCEN | SYSCFGEN, 0);
    return reference == 0 ? 0 : 2u * REFERENCE_MV * divided / reference;
}
