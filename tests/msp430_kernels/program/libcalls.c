/* What clang calls and no library brings: products on the multiplier, division, shifts. */
#include <stddef.h>
#include <stdint.h>

#define REG(address) (*(volatile uint16_t *)(address))

uint16_t __mspabi_mpyi_f5hw(uint16_t a, uint16_t b);
uint16_t __mspabi_mpyi_f5hw(uint16_t a, uint16_t b) {
    REG(0x4C0) = a;
    REG(0x4C8) = b;
    return REG(0x4CA);
}

uint32_t __mspabi_mpyl_f5hw(uint32_t a, uint32_t b);
uint32_t __mspabi_mpyl_f5hw(uint32_t a, uint32_t b) {
    REG(0x4D0) = (uint16_t)a;
    REG(0x4D2) = (uint16_t)(a >> 16);
    REG(0x4E0) = (uint16_t)b;
    REG(0x4E2) = (uint16_t)(b >> 16);
    const uint16_t low = REG(0x4E4);
    return (uint32_t)REG(0x4E6) << 16 | low;
}

uint32_t __mspabi_divul(uint32_t a, uint32_t b);
uint32_t __mspabi_remul(uint32_t a, uint32_t b);
uint16_t __mspabi_divu(uint16_t a, uint16_t b);
uint16_t __mspabi_remu(uint16_t a, uint16_t b);

static uint32_t divide(uint32_t a, uint32_t b, uint32_t *rest) {
    uint32_t quotient = 0, left = 0;
    for (uint8_t i = 0; i < 32; i++) {
        left = left << 1 | (a & 0x80000000 ? 1 : 0);
        a <<= 1;
        quotient <<= 1;
        if (left >= b) {
            left -= b;
            quotient |= 1;
        }
    }
    *rest = left;
    return quotient;
}

uint32_t __mspabi_divul(uint32_t a, uint32_t b) {
    uint32_t rest;
    return divide(a, b, &rest);
}

uint32_t __mspabi_remul(uint32_t a, uint32_t b) {
    uint32_t rest;
    (void)divide(a, b, &rest);
    return rest;
}

uint16_t __mspabi_divu(uint16_t a, uint16_t b) {
    uint32_t rest;
    return (uint16_t)divide(a, b, &rest);
}

uint16_t __mspabi_remu(uint16_t a, uint16_t b) {
    uint32_t rest;
    (void)divide(a, b, &rest);
    return (uint16_t)rest;
}

uint32_t __mspabi_slll(uint32_t a, uint16_t n);
uint32_t __mspabi_slll(uint32_t a, uint16_t n) {
    for (; n > 0; n--) {
        a <<= 1;
    }
    return a;
}

int32_t __mspabi_sral(int32_t a, uint16_t n);
int32_t __mspabi_sral(int32_t a, uint16_t n) {
    for (; n > 0; n--) {
        a >>= 1;
    }
    return a;
}

uint32_t __mspabi_srll(uint32_t a, uint16_t n);
uint32_t __mspabi_srll(uint32_t a, uint16_t n) {
    for (; n > 0; n--) {
        a >>= 1;
    }
    return a;
}

void *memcpy(void *to, const void *from, size_t n);
void *memcpy(void *to, const void *from, size_t n) {
    for (size_t i = 0; i < n; i++) {
        ((volatile char *)to)[i] = ((const char *)from)[i];
    }
    return to;
}

void *memset(void *to, int value, size_t n);
void *memset(void *to, int value, size_t n) {
    for (size_t i = 0; i < n; i++) {
        ((volatile char *)to)[i] = (char)value;
    }
    return to;
}
