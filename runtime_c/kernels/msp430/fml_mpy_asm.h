/* Pieces of assembler that the routines in SRAM share. Code that runs from FRAM pays a wait cycle for every four words, and
 * evicts the data from the four lines of the FRAM's cache; a start-up code copies these routines with the initial data.
 *
 * All pointers but those to weights are below 64 KiB, in every memory model. */
#ifndef FML_MPY_ASM_H
#define FML_MPY_ASM_H

/* Where the routines run. SRAM costs them once in memory; with FML_ROUTINES_IN_FRAM they stay with the other code,
 * which must then lie below 64 KiB, and a product takes about two cycles more. */
#ifdef FML_ROUTINES_IN_FRAM
#define FML_SECTION(name) ".section .text." name ",\"ax\",@progbits\n"
#else
#define FML_SECTION(name) ".section .lower.data." name ",\"awx\",@progbits\n"
#endif
#define FML_ROUTINE(name) \
    FML_SECTION(name) \
    ".balign 2\n" \
    ".global " name "\n" name ":\n"

#ifdef __MSP430X_LARGE__
#define FML_CALL "calla #"
#define FML_RET "reta\n"
#else
#define FML_CALL "call #"
#define FML_RET "ret\n"
#endif

/* Offsets in the block that a routine gets in R11. */
#define FML_LO "0"
#define FML_HI "2"
#define FML_ZP "4"

/* From the accumulator in RES to the byte at R8, as fml_requant_i8 does it for 18 <= shift <= 32; R6 and R7 walk along mult
 * and shift. Any other shift goes to `slow`. (acc * mult) >> 16 takes 32 bits; multiplied by 2^(32 - shift), 16 bits further
 * up lies the result, with the bit that rounds below it. lo and hi are without the zero point: the sum with it may need more
 * than 16 bits. `fill` is an instruction that leaves the multiplier alone. Clobbers R14, R15. */
#define FML_REQUANT_MPY(powers, slow, fill) \
    "mov.b @r7+, r15\n" \
    "sub #18, r15\n" \
    "cmp #15, r15\n" \
    "jhs " slow "\n" \
    "mov &0x4ca, &0x4d4\n" /* RESLO to MPYS32L */ \
    "mov &0x4cc, &0x4d6\n" \
    ".word 0x46b2, 0x04e0\n" /* mov @r6+, &OP2L */ \
    "mov #0, &0x4e2\n"       /* mult is unsigned */ \
    "add r15, r15\n"         /* with the next, also the two cycles that RES2 needs before OP1 may change */ \
    fill "\n" \
    "mov &0x4e6, &0x4d4\n" \
    "mov &0x4e8, &0x4d6\n" \
    "mov " powers "(r15), &0x4c8\n" \
    "mov &0x4e4, r14\n" \
    "rla r14\n" /* the bit that rounds, to carry */ \
    "mov &0x4e6, r14\n" \
    "mov &0x4e8, r15\n" \
    "adc r14\n" \
    "adc r15\n" \
    "bit #0x8000, r14\n" /* the sign, to carry */ \
    "adc r15\n" /* 0: R15 was only the sign of R14 */ \
    "jnz 6f\n" \
    "cmp " FML_LO "(r11), r14\n" \
    "jl 7f\n" \
    "cmp " FML_HI "(r11), r14\n" \
    "jl 9f\n" \
    "8: mov " FML_HI "(r11), r14\n" \
    "9: add " FML_ZP "(r11), r14\n" \
    "mov.b r14, 0(r8)\n" \
    "inc r8\n"

/* Behind the end of the routine: the rare ways. */
#define FML_REQUANT_MPY_CLAMP \
    "6: jge 8b\n" \
    "7: mov " FML_LO "(r11), r14\n" \
    "jmp 9b\n"

#define FML_POWERS \
    ".word 0x4000, 0x2000, 0x1000, 0x800, 0x400, 0x200, 0x100, 0x80, 0x40, 0x20, 0x10, 8, 4, 2, 1\n"

#endif
