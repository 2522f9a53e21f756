/* Text to the UART. */
#ifndef FML_TEXT_H
#define FML_TEXT_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

void fml_text_put(const char *text);
void fml_text_number(uint32_t value);

#ifdef __cplusplus
}
#endif

#endif
