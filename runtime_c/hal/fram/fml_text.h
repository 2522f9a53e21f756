/* Text to the UART. */
#ifndef FML_TEXT_H
#define FML_TEXT_H

#include <stdint.h>

void fml_text_put(const char *text);
void fml_text_number(uint32_t value);

#endif
