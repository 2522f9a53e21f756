/* The three functions that a compiler may call although nobody wrote a call: struct copies, zeroed arrays. */
#include <stddef.h>
#include <stdint.h>

void *memcpy(void *dst, const void *src, size_t n);
void *memmove(void *dst, const void *src, size_t n);
void *memset(void *dst, int value, size_t n);

void *memcpy(void *dst, const void *src, size_t n) {
    uint8_t *to = dst;
    const uint8_t *from = src;
#ifndef __MSP430__ /* where words are no faster */
    if ((((uintptr_t)to | (uintptr_t)from) & 3u) == 0) {
        for (; n >= 4; n -= 4, to += 4, from += 4) {
            *(uint32_t *)(void *)to = *(const uint32_t *)(const void *)from;
        }
    }
#endif
    for (; n > 0; n--) {
        *to++ = *from++;
    }
    return dst;
}

void *memmove(void *dst, const void *src, size_t n) {
    uint8_t *to = dst;
    const uint8_t *from = src;
    if ((uintptr_t)to - (uintptr_t)from >= n) { /* also where dst lies below src: the difference wraps */
        return memcpy(dst, src, n);
    }
    while (n > 0) {
        n--;
        to[n] = from[n];
    }
    return dst;
}

void *memset(void *dst, int value, size_t n) {
    uint8_t *to = dst;
    for (; n > 0; n--) {
        *to++ = (uint8_t)value;
    }
    return dst;
}
