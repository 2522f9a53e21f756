"""What hangs on the bus of the boards that freeml has drivers for: registers and pins, as manuals and schematics say.

Only what drivers use is here. The tables are the model's, not the drivers': a driver that sets another pin or another
bit is caught by them, and so is one that forgets a clock.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from freeml.sim.cortexm.bus import ALL, Part, Reg

# --- STM32 -----------------------------------------------------------------------------------------------------------


def _gpio(name: str, base: int, moder: int, gate: tuple[str, int]) -> dict[str, Reg]:
    return {
        f"{name}_MODER": Reg(base, reset=moder, gate=gate),
        f"{name}_OSPEEDR": Reg(base + 0x08, gate=gate),
        f"{name}_ODR": Reg(base + 0x14, "pins", gate=gate),
        f"{name}_BSRR": Reg(base + 0x18, "pins_bsrr", follow=(f"{name}_ODR", 0, 0), gate=gate),
        f"{name}_AFRL": Reg(base + 0x20, gate=gate),
        f"{name}_AFRH": Reg(base + 0x24, gate=gate),
    }


def _usart(base: int, gate: tuple[str, int]) -> dict[str, Reg]:
    return {
        "USART_CR1": Reg(base, writable=0x0D, gate=gate),
        "USART_BRR": Reg(base + 0x0C, writable=0xFFFF, gate=gate),
        "USART_ISR": Reg(base + 0x1C, "uart_status", reset=0xC0, writable=0, receive=0x20, gate=gate),
        "USART_ICR": Reg(base + 0x20, "flags", gate=gate),
        "USART_RDR": Reg(base + 0x24, "uart_receive", gate=gate),
        "USART_TDR": Reg(base + 0x28, "uart_send", gate=gate),
    }


def _spi1(base: int, gate: tuple[str, int]) -> dict[str, Reg]:
    """The SPI of L4 and L0: SR and DR. CR2's reset value, frames of 8 bits, is that of L4."""
    return {
        "SPI_CR1": Reg(base, writable=0xB7F, gate=gate),
        "SPI_SR": Reg(base + 0x08, "spi_status", receive=0x01, transmit=0x02, busy=0x80, gate=gate),
        "SPI_DR": Reg(base + 0x0C, "spi_data", gate=gate),
    }


def _functions(port: str, pins: Sequence[int], function: int) -> list[tuple[str, int, int]]:
    """Alternate function mode and number of pins."""
    rules = []
    for pin in pins:
        rules.append((f"{port}_MODER", 3 << 2 * pin, 2 << 2 * pin))
        shift = 4 * (pin % 8)
        rules.append((f"{port}_AFR{'L' if pin < 8 else 'H'}", 15 << shift, function << shift))
    return rules


def _adc(base: int, gate: tuple[str, int], select: tuple[str, int, int, int], ready: int = 0) -> dict[str, Reg]:
    """ADRDY follows ADEN; calibration and conversions end at once.

    select  the channel's register, its offset, mask, shift
    ready   flags that are always set
    """
    name, offset, mask, shift = select
    return {
        "ADC_ISR": Reg(base, "flags", reset=0x4 | ready, follow=("ADC_CR", 1, 0), gate=gate),
        "ADC_CR": Reg(base + 0x08, "adc_control", writable=0xB000_0007, transmit=0x4, busy=0x8000_0006, gate=gate),
        name: Reg(base + offset, writable=mask, gate=gate),
        "ADC_DR": Reg(base + 0x40, "adc_result", follow=(name, mask, shift), gate=gate),
        "ADC_CCR": Reg(base + 0x308, writable=0x0043_0000, gate=gate),
    }


def _stm32l4(spi_base: int, spi_gate: tuple[str, int], port: str, pins: Sequence[int], select: int, rx: int) -> Part:
    """RM0351 (L476) and RM0394 (L432): HSI16, ADC1 with PA0 as input 5, results on PA2; rx: where the UART receives."""
    gpio_a, gpio_b, adc = ("RCC_AHB2ENR", 1), ("RCC_AHB2ENR", 2), ("RCC_AHB2ENR", 1 << 13)
    registers = {
        # MSI at 4 MHz after reset; HSIRDY follows HSION, SWS follows SW.
        "RCC_CR": Reg(0x4002_1000, reset=0x63, writable=0x500, follow=("RCC_CR", 0x100, 2)),
        "RCC_CFGR": Reg(0x4002_1008, writable=0xF, follow=("RCC_CFGR", 0x3, 2)),
        "RCC_AHB2ENR": Reg(0x4002_104C, writable=0x2003),
        "RCC_APB1ENR1": Reg(0x4002_1058, reset=0x400, writable=0x2_4000),
        "RCC_APB2ENR": Reg(0x4002_1060, writable=0x1000),
        **_gpio("GPIOA", 0x4800_0000, 0xABFF_FFFF, gpio_a),
        **_gpio("GPIOB", 0x4800_0400, 0xFFFF_FEBF, gpio_b),
        "GPIOA_ASCR": Reg(0x4800_002C, writable=0x1, gate=gpio_a),
        **_usart(0x4000_4400, ("RCC_APB1ENR1", 1 << 17)),
        **_spi1(spi_base, spi_gate),
        "SPI_CR2": Reg(spi_base + 0x04, reset=0x700, writable=0x1F00, gate=spi_gate),
        **_adc(0x5004_0000, adc, ("ADC_SQR1", 0x30, 0x7C0, -6)),
        "ADC_SMPR1": Reg(0x5004_0014, writable=0x3FFF_FFFF, gate=adc),
    }
    registers["ADC_CR"] = replace(registers["ADC_CR"], reset=0x2000_0000)  # deep power-down
    return Part(
        registers,
        required=(
            ("SPI_CR1", 0x3C7, 0x344),  # SPE, MSTR, SSM, SSI, mode 0, most significant bit first
            ("SPI_CR2", 0x1F00, 0x1700),  # 8 bits, RXNE after one byte
            (f"{port}_MODER", 3 << 2 * select, 1 << 2 * select),
            *_functions(port, pins, 5),
            *_functions("GPIOA", (2,), 7),
            *_functions("GPIOA", (rx,), 7 if rx == 3 else 3),
        ),
        select=(f"{port}_ODR", select),
        divider=("SPI_CR1", 3),
        channels=(5, 0),
        reference_mv=1212,
    )


def _stm32l0() -> Part:
    """RM0367 (L073): HSI16 in voltage range 1, SPI2, ADC with PA0 as input 0, the reference as input 17."""
    gpio_a, gpio_b = ("RCC_IOPENR", 1), ("RCC_IOPENR", 2)
    power, spi = ("RCC_APB1ENR", 1 << 28), ("RCC_APB1ENR", 1 << 14)
    adc, syscfg = ("RCC_APB2ENR", 1 << 9), ("RCC_APB2ENR", 1)
    registers = {
        "PWR_CR": Reg(0x4000_7000, reset=0x1000, writable=0x1800, gate=power),
        "PWR_CSR": Reg(0x4000_7004, "flags", gate=power),  # VOSF clear: the regulator is there
        "RCC_CR": Reg(0x4002_1000, reset=0x300, writable=0x5, follow=("RCC_CR", 0x1, 2)),
        "RCC_CFGR": Reg(0x4002_100C, writable=0xF, follow=("RCC_CFGR", 0x3, 2)),
        "RCC_IOPENR": Reg(0x4002_102C, writable=0x3),
        "RCC_APB2ENR": Reg(0x4002_1034, writable=0x201),
        "RCC_APB1ENR": Reg(0x4002_1038, writable=0x1002_4000),
        "SYSCFG_CFGR3": Reg(0x4001_0020, writable=0x4000_0101, follow=("SYSCFG_CFGR3", 0x1, 30), gate=syscfg),
        **_gpio("GPIOA", 0x5000_0000, 0xEBFF_FCFF, gpio_a),
        **_gpio("GPIOB", 0x5000_0400, 0xFFFF_FFFF, gpio_b),
        **_usart(0x4000_4400, ("RCC_APB1ENR", 1 << 17)),
        **_spi1(0x4000_3800, spi),
        **_adc(0x4001_2400, adc, ("ADC_CHSELR", 0x28, 0x7_FFFF, 0)),
        "ADC_CFGR2": Reg(0x4001_2410, writable=0xC000_0000, gate=adc),
        "ADC_SMPR": Reg(0x4001_2414, writable=0x7, gate=adc),
    }
    return Part(
        registers,
        required=(
            ("PWR_CR", 0x1800, 0x0800),  # range 1: 16 MHz without wait states
            ("SPI_CR1", 0xBC7, 0x344),
            ("GPIOB_MODER", 3 << 24, 1 << 24),
            *_functions("GPIOB", (13, 14, 15), 0),
            *_functions("GPIOA", (2, 3), 4),
        ),
        select=("GPIOB_ODR", 12),
        divider=("SPI_CR1", 3),
        channels=(1 << 0, 1 << 17),
        reference_mv=1224,
    )


def _stm32u5() -> Part:
    """RM0456 (U575): HSI16 in voltage range 3, the later SPI, ADC4 with PC0 as input 1."""
    gpio_a, gpio_d = ("RCC_AHB2ENR1", 1), ("RCC_AHB2ENR1", 8)
    power, adc = ("RCC_AHB3ENR", 1 << 2), ("RCC_AHB3ENR", 1 << 5)
    spi, base = ("RCC_APB2ENR", 1 << 12), 0x4001_3000
    registers = {
        "FLASH_ACR": Reg(0x4002_2000, writable=0xF),
        "ICACHE_CR": Reg(0x4003_0400, reset=0x4, writable=0x1),
        "PWR_VOSR": Reg(0x4602_080C, reset=0x8000, writable=0x3_0000, gate=power),  # VOSRDY: at once
        "PWR_SVMCR": Reg(0x4602_0810, writable=0x4000_0000, gate=power),
        "RCC_CR": Reg(0x4602_0C00, reset=0x35, writable=0x500, follow=("RCC_CR", 0x100, 2)),
        "RCC_CFGR1": Reg(0x4602_0C1C, writable=0xF, follow=("RCC_CFGR1", 0x3, 2)),
        "RCC_AHB2ENR1": Reg(0x4602_0C8C, reset=0xC000_0000, writable=0x9),
        "RCC_AHB3ENR": Reg(0x4602_0C94, reset=0x8000_0000, writable=0x24),
        "RCC_APB2ENR": Reg(0x4602_0CA4, writable=0x5000),
        **_gpio("GPIOA", 0x4202_0000, 0xABFF_FFFF, gpio_a),
        **_gpio("GPIOD", 0x4202_0C00, 0xFFFF_FFFF, gpio_d),
        **_usart(0x4001_3800, ("RCC_APB2ENR", 1 << 14)),
        "SPI_CR1": Reg(base, writable=0x1201, gate=spi),
        "SPI_CFG1": Reg(base + 0x08, reset=0x0007_0007, gate=spi),
        "SPI_CFG2": Reg(base + 0x0C, gate=spi),
        "SPI_SR": Reg(base + 0x14, "spi_status", receive=0x1, transmit=0x1002, gate=spi),
        "SPI_TXDR": Reg(base + 0x20, "spi_send", gate=spi),
        "SPI_RXDR": Reg(base + 0x30, "spi_receive", gate=spi),
        **_adc(0x4602_1000, adc, ("ADC_CHSELR", 0x28, 0xFF_FFFF, 0), ready=0x3000),
        "ADC_SMPR": Reg(0x4602_1014, writable=0x77, gate=adc),
    }
    return Part(
        registers,
        required=(
            ("FLASH_ACR", 0xF, 0x1),
            ("PWR_VOSR", 0x3_0000, 0x1_0000),  # range 3: 16 MHz with one wait state
            ("SPI_CR1", 0x1201, 0x1201),  # SPE, CSTART, SSI
            ("SPI_CFG1", 0x8000_03FF, 0x7),  # 8 bits, one in a packet
            ("SPI_CFG2", 0x0780_0000 | 1 << 22, 1 << 26 | 1 << 22),  # SSM, MASTER, mode 0, most significant bit first
            ("GPIOD_MODER", 3 << 28, 1 << 28),
            *_functions("GPIOA", (5, 6, 7), 5),
            *_functions("GPIOA", (9, 10), 7),
        ),
        select=("GPIOD_ODR", 14),
        divider=("SPI_CFG1", 28),
        channels=(1 << 1, 1 << 0),
        reference_mv=1215,
    )


def _nrf_event(address: int, task: str) -> Reg:
    return Reg(address, "event", follow=(task, 0, 0))


def _nrf52() -> Part:
    """nRF52840 product specification: SPI0 and UART0 without DMA, SAADC with P0.03 as AIN1; FRAM on P1.12 to P1.15."""
    spi, uart, adc = 0x4000_3000, 0x4000_2000, 0x4000_7000
    registers = {
        "ICACHECNF": Reg(0x4001_E540, writable=0x101),
        "DCDCEN": Reg(0x4000_0578, writable=0x1),
        "P0_OUT": Reg(0x5000_0504, "pins"),
        "P0_OUTSET": Reg(0x5000_0508, "pins_set", follow=("P0_OUT", 0, 0)),
        "P0_DIR": Reg(0x5000_0514, "pins"),
        "P0_DIRSET": Reg(0x5000_0518, "pins_set", follow=("P0_DIR", 0, 0)),
        "P0_PIN_CNF8": Reg(0x5000_0720, reset=0x2),
        "P1_OUT": Reg(0x5000_0804, "pins"),
        "P1_OUTSET": Reg(0x5000_0808, "pins_set", follow=("P1_OUT", 0, 0)),
        "P1_OUTCLR": Reg(0x5000_080C, "pins_clear", follow=("P1_OUT", 0, 0)),
        "P1_DIR": Reg(0x5000_0814, "pins"),
        "P1_DIRSET": Reg(0x5000_0818, "pins_set", follow=("P1_DIR", 0, 0)),
        "P1_PIN_CNF14": Reg(0x5000_0A38, reset=0x2),
        "P1_PIN_CNF15": Reg(0x5000_0A3C, reset=0x2),
        "SPI_READY": Reg(spi + 0x108, "spi_event"),
        "SPI_ENABLE": Reg(spi + 0x500, writable=0xF),
        "SPI_PSEL_SCK": Reg(spi + 0x508, reset=ALL),
        "SPI_PSEL_MOSI": Reg(spi + 0x50C, reset=ALL),
        "SPI_PSEL_MISO": Reg(spi + 0x510, reset=ALL),
        "SPI_RXD": Reg(spi + 0x518, "spi_receive"),
        "SPI_TXD": Reg(spi + 0x51C, "spi_send"),
        "SPI_FREQUENCY": Reg(spi + 0x524, reset=0x0400_0000),
        "SPI_CONFIG": Reg(spi + 0x554, writable=0x7),
        "UART_STARTRX": Reg(uart),
        "UART_STARTTX": Reg(uart + 0x008),
        "UART_RXDRDY": Reg(uart + 0x108, "uart_status", receive=0x1),
        "UART_TXDRDY": _nrf_event(uart + 0x11C, "UART_TXD"),
        "UART_ENABLE": Reg(uart + 0x500, writable=0xF),
        "UART_PSEL_TXD": Reg(uart + 0x50C, reset=ALL),
        "UART_PSEL_RXD": Reg(uart + 0x514, reset=ALL),
        "UART_RXD": Reg(uart + 0x518, "uart_receive"),
        "UART_TXD": Reg(uart + 0x51C, "uart_send"),
        "UART_BAUDRATE": Reg(uart + 0x524, reset=0x0400_0000),
        "SAADC_START": Reg(adc),
        "SAADC_SAMPLE": Reg(adc + 0x004, "saadc_sample", follow=("SAADC_PSELP", ALL, 0), pointer="SAADC_RESULT_PTR"),
        "SAADC_STOP": Reg(adc + 0x008),
        "SAADC_STARTED": _nrf_event(adc + 0x100, "SAADC_START"),
        "SAADC_END": _nrf_event(adc + 0x104, "SAADC_SAMPLE"),
        "SAADC_STOPPED": _nrf_event(adc + 0x114, "SAADC_STOP"),
        "SAADC_ENABLE": Reg(adc + 0x500, writable=0x1),
        "SAADC_PSELP": Reg(adc + 0x510, writable=0x1F),
        "SAADC_CONFIG": Reg(adc + 0x518, reset=0x2_0000),
        "SAADC_RESOLUTION": Reg(adc + 0x5F0, reset=0x1, writable=0x7),
        "SAADC_RESULT_PTR": Reg(adc + 0x62C),
        "SAADC_RESULT_MAXCNT": Reg(adc + 0x630, writable=0x7FFF),
    }
    return Part(
        registers,
        required=(
            ("P1_DIR", 0xF000, 0xB000),
            ("P1_PIN_CNF14", 0x3, 0x0),
            ("P1_PIN_CNF15", 0x3, 0x1),  # SCK: its input buffer must be connected
            ("SPI_ENABLE", 0xF, 0x1),
            ("SPI_PSEL_SCK", ALL, 47),
            ("SPI_PSEL_MOSI", ALL, 45),
            ("SPI_PSEL_MISO", ALL, 46),
            ("SPI_FREQUENCY", ALL, 0x8000_0000),
            ("SPI_CONFIG", 0x7, 0x0),
            ("UART_PSEL_TXD", ALL, 6),
            ("UART_BAUDRATE", ALL, 0x01D7_E000),
        ),
        select=("P1_OUT", 12),
        byte_cycles=64,  # 8 bits at 8 MHz
        channels=(2, 1000),
        reference_mv=0,
        adc_most=4096,
        full_scale_mv=3600,
    )


PARTS: dict[str, Part] = {
    "stm32l4": _stm32l4(0x4000_3800, ("RCC_APB1ENR1", 1 << 14), "GPIOB", (13, 14, 15), 12, 3),
    "stm32l4_nucleo32": _stm32l4(0x4001_3000, ("RCC_APB2ENR", 1 << 12), "GPIOA", (5, 6, 7), 4, 15),
    "stm32l0": _stm32l0(),
    "stm32u5": _stm32u5(),
    "nrf52": _nrf52(),
}
"""By support of the board file."""
