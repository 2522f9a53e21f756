/* What clang calls for 16- and 32-bit products, quotients and shifts (MSP430 EABI, section 6.3). Its own library does not
 * build for this target; GCC has one. No interrupt handler may use the multiplier: fml_interrupt_msp430.h. */
#if defined(__clang__) && defined(__MSP430__)

#include <stdint.h>

#define FUNCTION(name) "\t.section .text." #name ",\"ax\",@progbits\n\t.global " #name "\n" #name ":\n"

/* Products: the multiplier has the result when the instruction after the last operand reads it. */
__asm__(FUNCTION(__mspabi_mpyi_f5hw) /* r12 * r13 */
        "\tmov r12, &0x4c0\n"
        "\tmov r13, &0x4c8\n"
        "\tmov &0x4ca, r12\n"
        "\tret\n"

        FUNCTION(__mspabi_mpyl_f5hw) /* r13:r12 * r15:r14 */
        "\tmov r12, &0x4d0\n"
        "\tmov r13, &0x4d2\n"
        "\tmov r14, &0x4e0\n"
        "\tmov r15, &0x4e2\n"
        "\tmov &0x4e4, r12\n"
        "\tmov &0x4e6, r13\n"
        "\tret\n"

        /* r15:r12 times four words on the stack: both mixed products, of which 32 bits count, and that of the low halves
         * in 64 bits. */
        FUNCTION(__mspabi_mpyll_f5hw)
        "\tmov r14, &0x4d0\n"
        "\tmov r15, &0x4d2\n"
        "\tmov 2(r1), &0x4e0\n"
        "\tmov 4(r1), &0x4e2\n"
        "\tmov &0x4e4, r14\n"
        "\tmov &0x4e6, r15\n"
        "\tmov r12, &0x4d0\n"
        "\tmov r13, &0x4d2\n"
        "\tmov 6(r1), &0x4e0\n"
        "\tmov 8(r1), &0x4e2\n"
        "\tadd &0x4e4, r14\n"
        "\taddc &0x4e6, r15\n"
        "\tmov 2(r1), &0x4e0\n" /* the first operand stays */
        "\tmov 4(r1), &0x4e2\n"
        "\tmov &0x4e4, r12\n"
        "\tmov &0x4e6, r13\n"
        "\tadd &0x4e8, r14\n"
        "\taddc &0x4ea, r15\n"
        "\tret\n");

/* Shifts of r13:r12 or r12 by r14 or r13, below the width. */
__asm__(FUNCTION(__mspabi_sral)
        "\tcmp.b #16, r14\n"
        "\tjlo 1f\n"
        "\tmov r13, r12\n"
        "\tadd r13, r13\n"
        "\tsubc r13, r13\n"
        "\tinv r13\n" /* all bits as the sign was */
        "\tsub.b #16, r14\n"
        "1:\ttst.b r14\n"
        "\tjz 3f\n"
        "2:\trra r13\n"
        "\trrc r12\n"
        "\tdec.b r14\n"
        "\tjnz 2b\n"
        "3:\tret\n"

        FUNCTION(__mspabi_srll)
        "\tcmp.b #16, r14\n"
        "\tjlo 1f\n"
        "\tmov r13, r12\n"
        "\tclr r13\n"
        "\tsub.b #16, r14\n"
        "1:\ttst.b r14\n"
        "\tjz 3f\n"
        "2:\tclrc\n"
        "\trrc r13\n"
        "\trrc r12\n"
        "\tdec.b r14\n"
        "\tjnz 2b\n"
        "3:\tret\n"

        FUNCTION(__mspabi_slll)
        "\tcmp.b #16, r14\n"
        "\tjlo 1f\n"
        "\tmov r12, r13\n"
        "\tclr r12\n"
        "\tsub.b #16, r14\n"
        "1:\ttst.b r14\n"
        "\tjz 3f\n"
        "2:\tadd r12, r12\n"
        "\taddc r13, r13\n"
        "\tdec.b r14\n"
        "\tjnz 2b\n"
        "3:\tret\n"

        FUNCTION(__mspabi_srai)
        "\ttst.b r13\n"
        "\tjz 2f\n"
        "1:\trra r12\n"
        "\tdec.b r13\n"
        "\tjnz 1b\n"
        "2:\tret\n"

        FUNCTION(__mspabi_srli)
        "\ttst.b r13\n"
        "\tjz 2f\n"
        "1:\tclrc\n"
        "\trrc r12\n"
        "\tdec.b r13\n"
        "\tjnz 1b\n"
        "2:\tret\n"

        FUNCTION(__mspabi_slli)
        "\ttst.b r13\n"
        "\tjz 2f\n"
        "1:\tadd r12, r12\n"
        "\tdec.b r13\n"
        "\tjnz 1b\n"
        "2:\tret\n");

/* Quotients, bit by bit. fml_divide_16: r12 / r13, remainder in r14. fml_divide_32: r13:r12 / r15:r14, remainder in
 * r15:r14; numbers of 16 bits take the short way, as most do. */
__asm__(FUNCTION(fml_divide_16)
        "\tclr r14\n"
        "\tmov #16, r15\n"
        "1:\tadd r12, r12\n"
        "\taddc r14, r14\n"
        "\tjc 2f\n"
        "\tcmp r13, r14\n"
        "\tjlo 3f\n"
        "2:\tsub r13, r14\n"
        "\tinc r12\n"
        "3:\tdec r15\n"
        "\tjnz 1b\n"
        "\tret\n"

        FUNCTION(fml_divide_32)
        "\tmov r13, r11\n"
        "\tbis r15, r11\n"
        "\ttst r11\n"
        "\tjnz 1f\n"
        "\tmov r14, r13\n"
        "\tcall #fml_divide_16\n"
        "\tclr r13\n" /* r15 is 0 already: it counted down */
        "\tret\n"
        "1:\tpush r9\n"
        "\tpush r10\n"
        "\tclr r9\n"
        "\tclr r10\n"
        "\tmov #32, r11\n"
        "2:\tadd r12, r12\n"
        "\taddc r13, r13\n"
        "\taddc r9, r9\n"
        "\taddc r10, r10\n"
        "\tjc 3f\n"
        "\tcmp r15, r10\n"
        "\tjlo 4f\n"
        "\tjne 3f\n"
        "\tcmp r14, r9\n"
        "\tjlo 4f\n"
        "3:\tsub r14, r9\n"
        "\tsubc r15, r10\n"
        "\tinc r12\n"
        "4:\tdec r11\n"
        "\tjnz 2b\n"
        "\tmov r9, r14\n"
        "\tmov r10, r15\n"
        "\tpop r10\n"
        "\tpop r9\n"
        "\tret\n"

        FUNCTION(__mspabi_divu)
        "\tbr #fml_divide_16\n"

        FUNCTION(__mspabi_remu)
        "\tcall #fml_divide_16\n"
        "\tmov r14, r12\n"
        "\tret\n"

        FUNCTION(__mspabi_divul)
        "\tbr #fml_divide_32\n"

        FUNCTION(__mspabi_remul)
        "\tcall #fml_divide_32\n"
        "\tmov r14, r12\n"
        "\tmov r15, r13\n"
        "\tret\n"
        "\t.text\n");

int16_t __mspabi_divi(int16_t a, int16_t b);
int16_t __mspabi_remi(int16_t a, int16_t b);
int32_t __mspabi_divli(int32_t a, int32_t b);
int32_t __mspabi_remli(int32_t a, int32_t b);

static uint16_t size_16(int16_t a) {
    return a < 0 ? 0u - (uint16_t)a : (uint16_t)a;
}

static uint32_t size_32(int32_t a) {
    return a < 0 ? 0ul - (uint32_t)a : (uint32_t)a;
}

int16_t __mspabi_divi(int16_t a, int16_t b) {
    const uint16_t size = size_16(a) / size_16(b);
    return (int16_t)((a ^ b) < 0 ? 0u - size : size);
}

int16_t __mspabi_remi(int16_t a, int16_t b) {
    const uint16_t size = size_16(a) % size_16(b);
    return (int16_t)(a < 0 ? 0u - size : size);
}

int32_t __mspabi_divli(int32_t a, int32_t b) {
    const uint32_t size = size_32(a) / size_32(b);
    return (int32_t)((a ^ b) < 0 ? 0ul - size : size);
}

int32_t __mspabi_remli(int32_t a, int32_t b) {
    const uint32_t size = size_32(a) % size_32(b);
    return (int32_t)(a < 0 ? 0ul - size : size);
}

#else
typedef int fml_libcalls_are_the_compilers; /* C wants a file to hold something */
#endif
