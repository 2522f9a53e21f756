/* Weights that a pointer may not reach. Firmware for an MSP430 board is built with FML_FAR_WEIGHTS: whatever the compiler's
 * memory model, C names weights by a 20-bit number, and only kernels of runtime_c/kernels/msp430 read them. Everywhere else
 * they are ordinary constants, and fml_weights_t is a pointer. */
#ifndef FML_FAR_H
#define FML_FAR_H

#include <stdint.h>

#ifdef FML_FAR_WEIGHTS

typedef uint32_t fml_weights_t; /* address */

/* The generated tables: an array is cut into slices that a 16-bit size can count, each in a section of its own, which the
 * generated linker script puts one after the other at `address`. Nothing refers to a slice by name. */
#define FML_FAR(table, address) (address)
#define FML_FAR_BEGIN(table, n)
#define FML_FAR_SLICE(table, k, n) \
    extern const int8_t table##_##k[n]; \
    const int8_t table##_##k[n] __attribute__((used, section(".far." #table "." #k))) = {
#define FML_FAR_SLICE_END \
    } \
    ;
#define FML_FAR_END

#else

typedef const int8_t *fml_weights_t;

#define FML_FAR(table, address) (table)
#define FML_FAR_BEGIN(table, n) static const int8_t table[n] = {
#define FML_FAR_SLICE(table, k, n)
#define FML_FAR_SLICE_END
#define FML_FAR_END \
    } \
    ;

#endif

/* Where a table begins at a multiple of 4, for kernels that read words. */
#if defined(__GNUC__)
#define FML_ALIGNED4 __attribute__((aligned(4)))
#else
#define FML_ALIGNED4
#endif

#endif
