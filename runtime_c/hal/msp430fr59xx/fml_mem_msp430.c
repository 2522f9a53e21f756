/* The functions that a compiler may call although nobody wrote a call: struct copies, zeroed arrays, and abort() where
 * GCC believes that it cannot be reached. */
#include <stddef.h>
#include <stdint.h>

void *memcpy(void *dst, const void *src, size_t n);
void *memmove(void *dst, const void *src, size_t n);
void *memset(void *dst, int value, size_t n);
void abort(void);

void *memcpy(void *dst, const void *src, size_t n) {
    uint8_t *to = dst;
    const uint8_t *from = src;
    for (; n > 0; n--) {
        *to++ = *from++;
    }
    return dst;
}

void *memmove(void *dst, const void *src, size_t n) {
    uint8_t *to = dst;
    const uint8_t *from = src;
    if (to <= from) {
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

void abort(void) {
    for (;;) {
    }
}
