/* The board interface of a Cortex-M whose NVM is on the bus, for emulators: without a debugger the breakpoint in the report
 * is a fault. */
#include "fml_hal_cortexm.h"

void fml_hal_nvm_write(void *dst, const void *src, size_t n) {
    const uint8_t *from = src;
    volatile uint8_t *to = dst;
    if (n == 2 && ((uintptr_t)dst & 1u) == 0) {
        *(volatile uint16_t *)dst = (uint16_t)(from[0] | from[1] << 8);
        return;
    }
    for (; n > 0 && ((uintptr_t)to & 3u) != 0; n--) {
        *to++ = *from++;
    }
    if (((uintptr_t)from & 3u) == 0) { /* ARMv6-M faults on words at other addresses */
        for (; n >= 4; n -= 4, to += 4, from += 4) {
            *(volatile uint32_t *)(volatile void *)to = *(const uint32_t *)(const void *)from;
        }
    }
    for (; n >= 4; n -= 4, to += 4, from += 4) {
        *(volatile uint32_t *)(volatile void *)to =
            from[0] | (uint32_t)from[1] << 8 | (uint32_t)from[2] << 16 | (uint32_t)from[3] << 24;
    }
    for (; n > 0; n--) {
        *to++ = *from++;
    }
}

void fml_hal_nvm_read(void *dst, const void *src, size_t n) {
    const uint8_t *from = src;
    uint8_t *to = dst;
    for (; n > 0; n--) {
        *to++ = *from++;
    }
}

void fml_hal_nvm_barrier(void) {
    __asm__ volatile("dsb" ::: "memory"); /* stores have left the write buffer */
}

/* An emulated board has no capacitor: power goes when the emulator takes it, and the emulator says here what is left. */
volatile uint32_t fml_emulated_energy_uj FML_SECTION(".noinit");

uint32_t fml_hal_energy_uj(void) {
    return fml_emulated_energy_uj;
}

void fml_board_start(void) {
}

void fml_board_tell(const fml_result_t *result) {
    (void)result; /* there is no UART */
}

/* Semihosting's SYS_EXIT_EXTENDED with the status. QEMU ends with it as exit code; who goes on gets the next report. */
__attribute__((noinline)) void fml_board_report(int status) {
    if (status == FML_BOARD_PIECE) {
        return;
    }
    const uint32_t block[2] = {0x20026u, (uint32_t)status}; /* ADP_Stopped_ApplicationExit */
    register uint32_t operation __asm__("r0") = 0x20u;      /* SYS_EXIT_EXTENDED */
    register const uint32_t *argument __asm__("r1") = block;
    __asm__ volatile("bkpt 0xab" : "+r"(operation) : "r"(argument) : "memory");
}
