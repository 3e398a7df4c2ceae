# Entry of a bare-metal guest in M-mode: a0 = hart id, a1 = device tree.
# Hart 0 clears .bss, turns the FPU on and calls main(hart, dtb); the others wait.
# What main returns is the machine's exit code.

  .section .text.start, "ax"
  .globl _start, trap_entry
_start:
  .option push
  .option norelax
  la gp, __global_pointer$
  .option pop
  csrw mie, zero
  la t0, trap_entry
  csrw mtvec, t0
  bnez a0, park
  la sp, _stack_top
  la t0, _bss
  la t1, _ebss
1:
  bgeu t0, t1, 2f
  sd zero, 0(t0)
  addi t0, t0, 8
  j 1b
2:
  li t0, 1 << 13            # mstatus.FS = initial
  csrs mstatus, t0
  call main
  call machine_exit

park:
  wfi
  j park

# A trap in M-mode. trap_resume, when set, is where a probe wants to continue;
# the cause and value are left for it. Otherwise the trap is fatal.
  .align 2
trap_entry:
  csrw mscratch, t0
  la t0, trap_resume
  ld t0, 0(t0)
  beqz t0, fatal
  csrw mepc, t0
  la t0, trap_resume
  sd zero, 0(t0)
  csrr t0, mcause
  sd t0, trap_cause, t1
  csrr t0, mtval
  sd t0, trap_value, t1
  li t0, 3 << 11            # continue in M-mode, whatever mode trapped
  csrs mstatus, t0
  li t0, 1 << 17            # and with its own loads and stores: mret leaves MPRV
  csrc mstatus, t0
  csrr t0, mscratch
  mret

fatal:
  la sp, _stack_top
  csrr a0, mcause
  csrr a1, mepc
  csrr a2, mtval
  call trap_fatal
  j park

  .section .bss
  .balign 8
  .globl trap_resume, trap_cause, trap_value
trap_resume: .dword 0
trap_cause:  .dword 0
trap_value:  .dword 0
