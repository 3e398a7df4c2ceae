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
      'Privileged, 3.1.16: mtval "can optionally also be used to return the faulting instruction bits on an illegal-instruction exception".',
    covers: (ours, theirs) =>
      ours.mcause === ILLEGAL && theirs.mtval === 0n && (isCacheBlock(ours.mtval) || isSvinval(ours.mtval)),
  },
  {
    what: "QEMU 7.2 leaves mtval zero at a breakpoint, QEMU 10 gives the address as we do.",
    manual:
      'Privileged, 3.1.16: "If mtval is written with a nonzero value when a breakpoint ... exception occurs", it has the address; zero is allowed.',
    covers: (ours, theirs) => ours.mcause === BREAKPOINT && theirs.mtval === 0n && ours.mtval === ours.mepc,
  },
];

const isCacheBlock = (bits: bigint): boolean => (bits & 0x7fffn) === 0x200fn && bits >> 20n <= 4n;

const isSvinval = (bits: bigint): boolean =>
  (bits & 0x7fffn) === 0x73n && (bits >> 25n === 0x0bn || bits >> 25n === 0x0cn);

/** What programs don't do, each with its reason. */
export const LEFT_OUT: readonly { readonly what: string; readonly manual: string }[] = [
  {
    what: "sc where no lr of the same address and size stands before it, or where that lr trapped",
    manual:
      'Unprivileged, 13.2 (Zalrsc): an sc "may succeed only if" its reservation is valid and holds the bytes; when else it fails, and whether a failing one traps, is left open.',
  },
  {
    what: "sfence.w.inval and sfence.inval.ir in U-mode, which QEMU executes",
    manual:
      "Privileged, Svinval: these are S-mode instructions; their funct7 lies in the space that 2.1 and 3.3 reserve for supervisors, so U-mode has an illegal instruction.",
  },
  {
    what: "writes to mepc and sepc of odd values, of which QEMU 10 keeps the lowest bit until it returns",
    manual: 'Privileged, 3.1.14: "The low bit of mepc (mepc[0]) is always zero."; 12.1.7 says so of sepc.',
  },
  {
    what: "mstatus.FS initial or clean at the start: when an instruction makes it dirty may be imprecise",
    manual: 'Privileged, 3.1.6.6: "an implementation may choose to track the dirtiness ... imprecisely".',
  },
  {
    what: "wfi, which has no end without interrupts, and counters, whose values are each machine's own",
    manual: "Privileged, 3.1.10 and 3.3.3.",
  },
];
