/**
 * A program as the generator makes it and the shrinker takes it apart: a tree
 * whose every subtree can go and leave a program that still comes to an end.
 */

import type { Operands } from "../isa/decode.ts";

/** One instruction of the table. */
export interface Op {
  readonly kind: "op";
  readonly name: string;
  readonly operands: Operands;
}

export type Node =
  | Op
  /** Bits that need not be an instruction. */
  | { readonly kind: "raw"; readonly bits: number; readonly size: 2 | 4 }
  /** Instructions that only make sense together, such as lr and sc. */
  | { readonly kind: "group"; readonly ops: readonly Op[] }
  /** A branch or jump to the end of `body`. */
  | { readonly kind: "skip"; readonly op: Op; readonly body: readonly Node[] }
  /** A jump to the end of `body` through a register that is loaded before it. */
  | { readonly kind: "indirect"; readonly op: Op; readonly register: number; readonly body: readonly Node[] }
  /** mret or sret to the end of `body`, staying in the mode. */
  | { readonly kind: "return"; readonly mode: Mode; readonly body: readonly Node[] }
  | Loop
  | Tangle
  | Rare
  | Recursion
  /** A call of one of the program's functions; by jalr if there is a register for its address. */
  | { readonly kind: "call"; readonly callee: number; readonly register?: number }
  /** A jump through a table, of jumps or (`loaded`) of distances, to one of the places between `body`'s nodes. */
  | {
      readonly kind: "table";
      readonly registers: readonly [at: number, index: number];
      readonly from: number;
      readonly loaded: boolean;
      readonly body: readonly Node[];
    }
  /** A doubleword among the code, that an instruction at `register` accesses. */
  | { readonly kind: "datum"; readonly op: Op; readonly register: number }
  /** Stores `by` over the instruction `op`, or with a third register each of the two over the other; then comes to it. */
  | {
      readonly kind: "patch";
      readonly op: Op;
      readonly by: Op;
      readonly registers: readonly [at: number, value: number, old?: number];
    };

/** `body`, `count` times; `register` counts down. */
export interface Loop {
  readonly kind: "loop";
  readonly register: number;
  readonly count: number;
  readonly body: readonly Node[];
  /** The first time round begins before this node of `body`. */
  readonly into?: number;
  /** A pointer moves by so much each time round, and back afterwards: −2048 ≤ by × count < 2048; `from` is added before. */
  readonly stride?: { readonly register: number; readonly by: number; readonly from?: number };
}

/** Blocks that branch to each other in any order, `count` blocks in all. */
export interface Tangle {
  readonly kind: "tangle";
  readonly register: number;
  readonly count: number;
  readonly blocks: readonly Block[];
}

export interface Block {
  readonly body: readonly Node[];
  /** A branch, to block `to`; what doesn't branch goes to block `next`. */
  readonly op: Op;
  readonly to: number;
  readonly next: number;
}

/** `body`, when the low bits of `register` under `mask` are zero. */
export interface Rare {
  readonly kind: "rare";
  readonly register: number;
  readonly mask: number;
  readonly temporary: number;
  readonly body: readonly Node[];
}

/** A function that runs `body` and calls itself, `count` deep; then it returns as often. */
export interface Recursion {
  readonly kind: "recursion";
  readonly depth: number;
  readonly link: number;
  readonly temporary: number;
  readonly count: number;
  readonly body: readonly Node[];
}

export interface Callee {
  /** Holds the address to return to. */
  readonly link: number;
  /** Bytes left free before it. */
  readonly gap: number;
  readonly body: readonly Node[];
}

export type Mode = "M" | "S" | "U";

/** What stands in a page of the data area, where there is paging. */
export const DATA_KINDS = ["rw", "r", "x", "clean", "old", "absent", "other", "uncached", "reserved"] as const;
export type DataKind = (typeof DATA_KINDS)[number];

export const DATA_PAGES = 4;
/** Pages of code that a program may fill. */
export const CODE_PAGES = 3;
export const PAGE = 4096;
export const DATA_SIZE = DATA_PAGES * PAGE;
/** Registers that a run starts from: x0 (unused) … x31, f0 … f31. */
export const INPUT_REGISTERS = 64;

/**
 * The pages that a program's memory is mapped by: 4 KiB each for itself; 64 KiB
 * (Svnapot), 2 MiB or 1 GiB, which hold all programs and so only plain data.
 */
export const SPANS = ["page", "napot", "mega", "giga"] as const;
export type Span = (typeof SPANS)[number];

export interface Paging {
  readonly span: Span;
  /** Levels of page tables: 3 for Sv39, 4 for Sv48, 5 for Sv57. */
  readonly levels: 3 | 4 | 5;
  /** What the pages of data are to this program. */
  readonly data: readonly DataKind[];
  /** Bits R and W of the pages of code, as letters; they always have X. */
  readonly code: "" | "r" | "rw";
}

export interface Program {
  /** Names it in reports. */
  readonly seed: number;
  readonly mode: Mode;
  /** M-mode has none. */
  readonly paging: Paging | undefined;
  /** Bits of mstatus beside MPP: FS, SUM, MXR, TVM, TW, TSR. */
  readonly status: bigint;
  readonly menvcfg: bigint;
  readonly senvcfg: bigint;
  /** Bytes from the start of the code area to the first instruction. */
  readonly start: number;
  readonly body: readonly Node[];
  /** What `body` calls. Each calls only those after it. */
  readonly functions?: readonly Callee[];
  /** A page of the code that the harness maps to another copy, with other instructions, at each trap. */
  readonly remap?: number;
  /** INPUT_REGISTERS for each run, pointers as offsets into the data area. */
  readonly inputs: BigUint64Array;
  /** Registers that hold pointers into the data area, in every run. */
  readonly pointers: readonly number[];
  /** What the data area holds before the first run. */
  readonly data: BigUint64Array;
}

/** Runs of a program. */
export const runsOf = (program: Program): number => program.inputs.length / INPUT_REGISTERS;
