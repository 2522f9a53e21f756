/* Interrupts beside an inference.
 *
 * The kernels keep 20-bit addresses in registers, in both memory models, and sums in the multiplier. A handler must leave
 * both as they were:
 * - Registers. GCC's large model saves all 20 bits: __attribute__((interrupt(number))) will do there. clang's small model
 *   saves 16 and clears the rest, also in the functions that a handler calls. FML_INTERRUPT saves all, with any compiler.
 * - Multiplier. fml_result() does not multiply, and no handler may: not x * 10, nor an index into an array of structures
 *   of 12 bytes, unless its file is compiled without the multiplier (-mhwmult=none). Leave such work to the main program.
 * - Stack. A handler that asks for the result takes 126 bytes (clang) or 162 (GCC's large model), the registers included,
 *   on a Cortex-M up to 248 (python -m benchmarks.interrupts shows what program and handler take). The linker keeps
 *   stack_bytes of the board file free, which is for the program alone: a firmware with handlers wants so much more.
 */
#ifndef FML_INTERRUPT_MSP430_H
#define FML_INTERRUPT_MSP430_H

#ifdef __cplusplus
#define FML_HANDLER extern "C"
#else
#define FML_HANDLER
#endif

#ifdef __MSP430X_LARGE__
#define FML_CALL_HANDLER "calla #"
#else
#define FML_CALL_HANDLER "call #"
#endif

/* Makes void handler(void), which is not static, the one of the interrupt with this number: as TI's header of the part
 * has it. They differ: WDT_VECTOR, at 0xfff2, is 49 in msp430fr5994.h and 50 in msp430fr5969.h. It costs 52 bytes of
 * stack beside the handler's own. */
#define FML_INTERRUPT(number, handler) \
    FML_HANDLER void handler(void); \
    __asm__("\t.section .text.fml_interrupt_" #handler ",\"ax\",@progbits\n" \
            "\t.balign 2\n" \
            "fml_interrupt_" #handler ":\n" \
            "\t.word 0x14bf\n" /* pushm.a #12, r15 */ \
            "\t" FML_CALL_HANDLER #handler "\n" \
            "\t.word 0x16b4\n" /* popm.a #12, r15 */ \
            "\treti\n" \
            "\t.section __interrupt_vector_" #number ",\"a\",@progbits\n" \
            "\t.word fml_interrupt_" #handler "\n" \
            "\t.text\n")

#endif
