/* The board interface of an MSP430 whose NVM is its FRAM: stores happen at once and in order. */
#include "fml_hal_msp430.h"

typedef uint16_t __attribute__((may_alias)) word_t;

void fml_hal_nvm_write(void *dst, const void *src, size_t n) {
    const uint8_t *from = src;
    volatile uint8_t *to = dst;
    if (n > 0 && ((uintptr_t)to & 1u) != 0) {
        *to++ = *from++;
        n--;
    }
    if (((uintptr_t)from & 1u) == 0) {
        for (; n >= 2; n -= 2, to += 2, from += 2) {
            *(volatile word_t *)(volatile void *)to = *(const word_t *)(const void *)from;
        }
    } else { /* a word access at an odd address ignores the last bit */
        for (; n >= 2; n -= 2, to += 2, from += 2) {
            *(volatile word_t *)(volatile void *)to = (uint16_t)(from[0] | (uint16_t)from[1] << 8);
        }
    }
    if (n > 0) {
        *to = *from;
    }
}

void fml_hal_nvm_read(void *dst, const void *src, size_t n) {
    const uint8_t *from = src;
    uint8_t *to = dst;
    if ((((uintptr_t)to | (uintptr_t)from) & 1u) == 0) {
        for (; n >= 2; n -= 2, to += 2, from += 2) {
            *(word_t *)(void *)to = *(const word_t *)(const void *)from;
        }
    }
    for (; n > 0; n--) {
        *to++ = *from++;
    }
}

void fml_hal_nvm_barrier(void) {
    __asm__ volatile("" ::: "memory"); /* a store is in FRAM when the next instruction starts */
}
