# The reset vector: what every hart runs first. It passes on what board virt's
# firmware expects, a0 = hart id, a1 = device tree, a2 = the fw_dynamic_info of
# OpenSBI's FW_DYNAMIC (OpenSBI, docs/firmware/fw_dynamic.md), and jumps.
# It runs wherever it lies. The machine fills the four words marked "set".

  .set ENTRY, 24
  .set TREE, 32
  .set INFO, 40

  .section .text.start, "ax"
  .option norvc
  .globl _start
_start:
  auipc t0, 0
  addi a2, t0, INFO
  csrr a0, mhartid
  ld a1, TREE(t0)
  ld t0, ENTRY(t0)
  jr t0

  .org _start + ENTRY
  .dword 0x80000000             # set: where to jump, the start of RAM unless told
  .org _start + TREE
  .dword 0                      # set: the device tree's address
  .org _start + INFO
  .dword 0x4942534f             # "OSBI"
  .dword 2                      # version
  .dword 0                      # set: what the firmware starts next, or 0
  .dword 1                      # in S-mode
  .dword 0                      # set: options of the firmware
  .dword -1                     # boot hart: any
