#include "fml_text.h"

#include "fml_port.h"

void fml_text_put(const char *text) {
    for (; *text != 0; text++) {
        fml_port_send((uint8_t)*text);
    }
}

void fml_text_number(uint32_t value) {
    uint8_t digits[10], n = 0;
    do {
        digits[n++] = (uint8_t)('0' + value % 10u);
        value /= 10u;
    } while (value != 0);
    while (n > 0) {
        fml_port_send(digits[--n]);
    }
}
