# Each hart with a stack of its own, in M-mode with the FPU on.
  .section .text.start, "ax"
  .globl _start
_start:
  li t0, 1 << 13
  csrs mstatus, t0
  csrr a0, mhartid
  la sp, stacks
  addi t1, a0, 1
  slli t1, t1, 12
  add sp, sp, t1
  call main
1:
  wfi
  j 1b

  .section .bss
  .balign 16
stacks:
  .space 2 << 12
