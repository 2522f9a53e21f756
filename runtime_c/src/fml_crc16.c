#include "fml_runtime.h"

uint16_t fml_crc16(const void *data, size_t n) {
    const uint8_t *from = data;
    uint16_t crc = 0xffffu;
    for (; n > 0; n--) { /* a byte at a time, without a table */
        uint16_t x = (uint16_t)((crc >> 8) ^ *from++);
        x = (uint16_t)(x ^ (x >> 4));
        crc = (uint16_t)((crc << 8) ^ (x << 12) ^ (x << 5) ^ x);
    }
    return crc;
}
