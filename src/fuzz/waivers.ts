/**
 * Where QEMU and we differ and the manual allows it, or is on our side. The
 * first list holds for what is compared; the second says what the generator and
 * the harness leave out, and why.
 */

import type { LOG_NAMES } from "./harness.ts";

/** An entry of the log of traps. */
export type TrapEntry = Readonly<Record<(typeof LOG_NAMES)[number], bigint>>;

export interface Waiver {
  readonly what: string;
  /** What the manual says, and where. */
  readonly manual: string;
  /** @param ours, theirs  two entries in the same place that differ in mtval only */
  covers(ours: TrapEntry, theirs: TrapEntry): boolean;
}

const [ILLEGAL, BREAKPOINT] = [2n, 3n];

export const WAIVERS: readonly Waiver[] = [
  {
    what: "QEMU leaves mtval zero where a cache-block instruction is illegal for want of a bit in menvcfg or senvcfg, and 7.2 also where one of Svinval is.",
    manual:
      'Privileged, Machine Trap Value: "The mtval register can optionally also be used to return the faulting instruction bits on an illegal-instruction exception". Else it is zero.',
    covers: (ours, theirs) =>
      ours.mcause === ILLEGAL && theirs.mtval === 0n && (isCacheBlock(ours.mtval) || isSvinval(ours.mtval)),
  },
  {
    what: "QEMU 7.2 leaves mtval zero at a breakpoint, QEMU 10 gives the address as we do.",
    manual:
      'Privileged, Machine Trap Value: "If mtval is written with a nonzero value when a breakpoint, address-misaligned, access-fault, page-fault, or hardware-error exception occurs on an instruction fetch, load, or store, then mtval will contain the faulting virtual address." It may be zero.',
    covers: (ours, theirs) => ours.mcause === BREAKPOINT && theirs.mtval === 0n && ours.mtval === ours.mepc,
  },
];

const isCacheBlock = (bits: bigint): boolean => (bits & 0x7fffn) === 0x200fn && bits >> 20n <= 4n;

const isSvinval = (bits: bigint): boolean =>
  (bits & 0x7fffn) === 0x73n && (bits >> 25n === 0x0bn || bits >> 25n === 0x0cn);

/** What programs don't do, each with its reason. */
export const LEFT_OUT: readonly { readonly what: string; readonly manual: string }[] = [
  {
    what: "sc where no lr of the same address and size stands before it, or where that lr trapped: QEMU fails it without looking at the address, and we trap where the address does",
    manual:
      'Unprivileged, Zalrsc: "An SC may succeed only if no store from another hart to the reservation set can be observed to have occurred between the LR and the SC, and if there is no other SC between the LR and itself in program order." Whether one that must fail traps is not said.',
  },
  {
    what: "sfence.w.inval and sfence.inval.ir in U-mode, which QEMU 10.0 executes",
    manual:
      'Privileged, Svinval: "Attempting to execute SFENCE.W.INVAL or SFENCE.INVAL.IR in U-mode raises an illegal-instruction exception."',
  },
  {
    what: "odd values in mepc and sepc, whose lowest bit QEMU 10.0 keeps",
    manual:
      'Privileged, Supervisor Exception Program Counter: "The low bit of sepc (sepc[0]) is always zero." Of mepc it says the same.',
  },
  {
    what: "mstatus.FS initial or clean at the start",
    manual:
      'Privileged, Extension Context Status in mstatus: "Implementations may choose to track the dirtiness of the floating-point register state imprecisely by reporting the state to be dirty even when it has not been modified."',
  },
  {
    what: "CBIE = 2 in menvcfg and senvcfg",
    manual:
      "Unprivileged, CMO: that encoding is reserved; what such a write leaves is the implementation's choice (WARL).",
  },
  {
    what: "stores over code without a fence.i behind them",
    manual:
      "Unprivileged, Zifencei: stores needn't be visible to instruction fetches until a fence.i; QEMU finishes the block it is in.",
  },
  {
    what: "wfi, which has no end without interrupts, and counters, whose values are each machine's own",
    manual: "Privileged, Wait for Interrupt and Hardware Performance Monitor.",
  },
];
