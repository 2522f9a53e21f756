/* Runs of bytes over an SPI whose driver moves one at a time. A driver defines `exchange`, inlined for the speed of the
 * bus, and includes this once behind it: not a header of declarations. */
#ifndef FML_PORT_BYTES_H
#define FML_PORT_BYTES_H

#include "fml_port.h"

void fml_port_put(const uint8_t *from, size_t n) {
    for (; n > 0; n--) {
        exchange(*from++);
    }
}

void fml_port_get(uint8_t *to, size_t n) {
    for (; n > 0; n--) {
        *to++ = exchange(0);
    }
}

#endif
