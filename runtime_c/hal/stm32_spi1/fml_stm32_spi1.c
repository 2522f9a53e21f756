/* SPI of the STM32 families L0 and L4, byte by byte: no DMA, so that a byte on the wire is a byte that was read. */
#include "fml_hal_cortexm.h"
#include "fml_port.h"
#include "fml_stm32.h"
#include "fml_stm32_parts.h"

#define SPI_SR (FML_SPI_BASE + 0x08u)
#define SPI_DR (FML_SPI_BASE + 0x0cu)
#define RXNE (1u << 0)
#define BSY (1u << 7)

static inline uint8_t exchange(uint8_t byte) {
    FML_BYTE_REGISTER(SPI_DR) = byte;
    for (uint32_t left = FML_STM32_TRIES; (FML_REGISTER(SPI_SR) & RXNE) == 0;) {
        if (--left == 0) {
            fml_board_fault();
        }
    }
    return FML_BYTE_REGISTER(SPI_DR);
}

#include "fml_port_bytes.h"

void fml_port_select(uint8_t selected) {
    if (!selected) {
        fml_stm32_wait(SPI_SR, BSY, 0);
    }
    FML_REGISTER(FML_SELECT_PORT + FML_GPIO_BSRR) = 1u << (selected ? FML_SELECT_PIN + 16u : FML_SELECT_PIN);
}
