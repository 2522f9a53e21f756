/* Weights that a pointer may not reach. Firmware for an MSP430 board is built with FML_FAR_WEIGHTS: whatever the compiler's
 * memory model, C names weights by a 20-bit number, and only kernels of runtime_c/kernels/msp430 read them. Everywhere else
 * they are ordinary constants, and fml_weights_t is a pointer. */
#ifndef FML_FAR_H
#define FML_FAR_H

#include <stdint.h>

#ifdef FML_FAR_WEIGHTS

typedef uint32_t fml_weights_t; /* address */

#else

typedef const int8_t *fml_weights_t;

#endif

/* Where a table begins at a multiple of 4, for kernels that read words. */
#if defined(__GNUC__)
#define FML_ALIGNED4 __attribute__((aligned(4)))
#else
#define FML_ALIGNED4
#endif

#endif
