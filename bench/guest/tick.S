# The machine timer's tick, every 10 ms while the kernel runs in S-mode: sets the
# next one and flushes the TLB, as a system that switches processes would.
# Emulators that size their TLB at flushes are measured as they are in real use.

  .set MTIMECMP, 0x2004000
  .set MTIME, 0x200bff8
  .set PERIOD, 100000           # 10 ms at 10 MHz

  .text
  .align 2
  .globl tick_entry
tick_entry:
  csrw mscratch, t0
  csrr t0, mcause
  bltz t0, 1f
  csrr t0, mscratch             # an exception: the runtime reports it
  j trap_entry
1:
  la t0, saved
  sd t1, 0(t0)
  sd t2, 8(t0)
  li t0, MTIME
  ld t1, 0(t0)
  li t2, PERIOD
  add t1, t1, t2
  li t0, MTIMECMP
  sd t1, 0(t0)
  sfence.vma
  la t0, saved
  ld t1, 0(t0)
  ld t2, 8(t0)
  csrr t0, mscratch
  mret

  .section .bss
  .balign 8
saved: .skip 16
