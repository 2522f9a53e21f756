/* Clocks, pins, SPI and ADC of STM32U5. The core runs on HSI16 in voltage range 3, with one flash wait state that the
 * instruction cache hides: no crystal, no PLL, no booster. */
#include "fml_hal_cortexm.h"
#include "fml_port.h"
#include "fml_stm32.h"
#include "fml_stm32_parts.h"

#if FML_BOARD_CLOCK_HZ != 16000000u
#error "this start-up makes 16 MHz: clock_hz of the board file must say so"
#endif

#define FLASH_ACR 0x40022000u
#define LATENCY_MASK 15u
#define ICACHE_CR 0x40030400u
#define CACHE_ON (1u << 0)
#define PWR_VOSR 0x4602080cu
#define PWR_SVMCR 0x46020810u
#define VOS_MASK (3u << 16)
#define VOS_RANGE_3 (1u << 16)
#define VOSRDY (1u << 15)
#define ASV (1u << 30) /* the analog supply is there */

#define RCC_CR 0x46020c00u
#define RCC_CFGR1 0x46020c1cu
#define RCC_AHB2ENR1 0x46020c8cu
#define RCC_AHB3ENR 0x46020c94u
#define RCC_APB2ENR 0x46020ca4u
#define HSION (1u << 8)
#define HSIRDY (1u << 10)
#define SW_HSI 1u
#define SWS_HSI (1u << 2)
#define GPIOS (1u << 0 | 1u << 3) /* A and D */
#define PWREN (1u << 2)
#define ADC4EN (1u << 5)
#define SPI1EN (1u << 12)
#define USART1EN (1u << 14)

#define SPI_CR1 (FML_SPI_BASE + 0x00u)
#define SPI_CFG1 (FML_SPI_BASE + 0x08u)
#define SPI_CFG2 (FML_SPI_BASE + 0x0cu)
#define SPI_SR (FML_SPI_BASE + 0x14u)
#define SPI_TXDR (FML_SPI_BASE + 0x20u)
#define SPI_RXDR (FML_SPI_BASE + 0x30u)
#define SPE (1u << 0)
#define CSTART (1u << 9)
#define SSI (1u << 12)
#define EIGHT_BITS 7u                               /* packets of one byte; clock / 2: 8 MHz */
#define MASTER_MODE_0 (1u << 22 | 1u << 26 | 1u << 31) /* MASTER, SSM, AFCNTR: the pins stay driven */
#define RXP (1u << 0)
#define TXC (1u << 12)

#define ADC_ISR 0x46021000u
#define ADC_CR 0x46021008u
#define ADC_SMPR 0x46021014u
#define ADC_CHSELR 0x46021028u
#define ADC_DR 0x46021040u
#define ADC_CCR 0x46021308u
#define ADRDY (1u << 0)
#define EOC (1u << 2)
#define LDORDY (1u << 12)
#define CCRDY (1u << 13)
#define ADEN (1u << 0)
#define ADDIS (1u << 1)
#define ADSTART (1u << 2)
#define ADVREGEN (1u << 28)
#define ADCAL (1u << 31)
#define VREFEN (1u << 22)
#define LONGEST_SAMPLING 7u /* 814 cycles */
#define REFERENCE_INPUT 0u
#define REFERENCE_MV 1215u /* VREFINT, typical: within 3 % */
#define CAPACITOR_INPUT 1u /* PC0, which is analog after reset */

void fml_port_start(void) {
    fml_stm32_set(RCC_AHB3ENR, PWREN, PWREN);
    fml_stm32_set(PWR_VOSR, VOS_MASK, VOS_RANGE_3);
    fml_stm32_wait(PWR_VOSR, VOSRDY, VOSRDY);
    fml_stm32_set(FLASH_ACR, LATENCY_MASK, 1u);
    fml_stm32_wait(FLASH_ACR, LATENCY_MASK, 1u);
    fml_stm32_set(ICACHE_CR, CACHE_ON, CACHE_ON);
    fml_stm32_set(RCC_CR, HSION, HSION);
    fml_stm32_wait(RCC_CR, HSIRDY, HSIRDY);
    fml_stm32_set(RCC_CFGR1, 3u, SW_HSI);
    fml_stm32_wait(RCC_CFGR1, 3u << 2, SWS_HSI);
    fml_stm32_set(RCC_AHB2ENR1, GPIOS, GPIOS);
    fml_stm32_set(RCC_APB2ENR, SPI1EN | USART1EN, SPI1EN | USART1EN);
    fml_stm32_output(FML_SELECT_PORT, FML_SELECT_PIN);
    for (uint32_t pin = 5; pin <= 7; pin++) { /* PA5 SCK, PA6 MISO, PA7 MOSI */
        fml_stm32_function(FML_GPIOA, pin, 5u);
    }
    FML_REGISTER(SPI_CR1) = SSI;
    FML_REGISTER(SPI_CFG1) = EIGHT_BITS;
    FML_REGISTER(SPI_CFG2) = MASTER_MODE_0;
    FML_REGISTER(SPI_CR1) = SSI | SPE;
    FML_REGISTER(SPI_CR1) = SSI | SPE | CSTART; /* without an end: the clock pauses where there is nothing to send */
    fml_stm32_function(FML_GPIOA, 9u, 7u);
    fml_stm32_function(FML_GPIOA, 10u, 7u);
    fml_stm32_uart_start();
}

static inline uint8_t exchange(uint8_t byte) {
    FML_BYTE_REGISTER(SPI_TXDR) = byte;
    for (uint32_t left = FML_STM32_TRIES; (FML_REGISTER(SPI_SR) & RXP) == 0;) {
        if (--left == 0) {
            fml_board_fault();
        }
    }
    return FML_BYTE_REGISTER(SPI_RXDR);
}

#include "fml_port_bytes.h"

void fml_port_select(uint8_t selected) {
    if (!selected) {
        fml_stm32_wait(SPI_SR, TXC, TXC);
    }
    FML_REGISTER(FML_SELECT_PORT + FML_GPIO_BSRR) = 1u << (selected ? FML_SELECT_PIN + 16u : FML_SELECT_PIN);
}

static uint32_t convert(uint32_t input) {
    FML_REGISTER(ADC_ISR) = CCRDY | EOC;
    FML_REGISTER(ADC_CHSELR) = 1u << input;
    fml_stm32_wait(ADC_ISR, CCRDY, CCRDY);
    fml_stm32_set(ADC_CR, ADSTART, ADSTART);
    fml_stm32_wait(ADC_ISR, EOC, EOC);
    return FML_REGISTER(ADC_DR);
}

/* The supply may fall with the capacitor: the ratio to the internal reference does not depend on it. */
uint32_t fml_port_capacitor_mv(void) {
    fml_stm32_set(PWR_SVMCR, ASV, ASV);
    fml_stm32_set(RCC_AHB3ENR, ADC4EN, ADC4EN);
    FML_REGISTER(ADC_CCR) = VREFEN;
    FML_REGISTER(ADC_CR) = ADVREGEN;
    fml_stm32_wait(ADC_ISR, LDORDY, LDORDY);
    fml_stm32_set(ADC_CR, ADCAL, ADCAL);
    fml_stm32_wait(ADC_CR, ADCAL, 0);
    FML_REGISTER(ADC_SMPR) = LONGEST_SAMPLING;
    fml_stm32_set(ADC_CR, ADEN, ADEN);
    fml_stm32_wait(ADC_ISR, ADRDY, ADRDY);
    const uint32_t reference = convert(REFERENCE_INPUT), divided = convert(CAPACITOR_INPUT);
    fml_stm32_set(ADC_CR, ADDIS, ADDIS);
    fml_stm32_wait(ADC_CR, ADDIS, 0);
    FML_REGISTER(ADC_CR) = 0; /* the regulator off */
    FML_REGISTER(ADC_CCR) = 0;
    fml_stm32_set(RCC_AHB3ENR, ADC4EN, 0);
    return reference == 0 ? 0 : 2u * REFERENCE_MV * divided / reference;
}
