/* 16 MHz with one wait state, initial data, main. */
  .section .crt0,"ax",@progbits
  .global _start
_start:
  mov #0x5A80, &0x015C
  mov #0xA510, &0x0140
  mov #0xA500, &0x0160
  mov #0x0048, &0x0162
  mov #0x0000, &0x0166
  mov #0x2C00, r1
  mov #__data_start, r12
  mov #__data_load, r13
1: cmp #__data_end, r12
  jhs 2f
  mov @r13+, r14
  mov r14, 0(r12)
  incd r12
  jmp 1b
2:
#ifdef __MSP430X_LARGE__
  calla #main
#else
  call #main
#endif
  bis #0xF0, r2
  .section .resetvec,"a",@progbits
  .word _start
