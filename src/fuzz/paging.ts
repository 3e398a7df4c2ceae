/** Page tables for programs (Privileged, 12.3 to 12.6), made by the host in the image. */

import type { DataKind, Mode, Paging, Span } from "./program.ts";
import { choose, type Random } from "./random.ts";

export const [V, R, W, X, U, G, A, D] = [1, 2, 4, 8, 16, 32, 64, 128] as const;
const PAGE = 4096;
const NAPOT = 1 << 16;
const N = 1n << 63n;
const PBMT_NC = 1n << 61n;

/** Physical pages for tables, and how their words are written. */
export interface TableMemory {
  /** Guest physical address of a fresh page of zeros. */
  page(): number;
  read(address: number): bigint;
  write(address: number, value: bigint): void;
}

export class AddressSpace {
  readonly root: number;
  readonly levels: Paging["levels"];
  readonly #memory: TableMemory;

  constructor(memory: TableMemory, levels: Paging["levels"]) {
    this.#memory = memory;
    this.levels = levels;
    this.root = memory.page();
  }

  get satp(): bigint {
    return (BigInt(this.levels + 5) << 60n) | BigInt(this.root / PAGE);
  }

  /**
   * One page, or at a higher level a superpage; the entry's bits are given.
   * @returns the physical address of the entry
   */
  map(virtual: bigint, physical: number, bits: bigint, leaf = 0): number {
    let table = this.root;
    for (let level = this.levels - 1; ; level--) {
      const index = Number((virtual >> BigInt(12 + 9 * level)) & 511n);
      const at = table + index * 8;
      if (level === leaf) {
        this.#memory.write(at, (BigInt(physical / PAGE) << 10n) | bits);
        return at;
      }
      const entry = this.#memory.read(at);
      if (entry) table = Number(entry >> 10n) * PAGE;
      else {
        table = this.#memory.page();
        this.#memory.write(at, (BigInt(table / PAGE) << 10n) | BigInt(V));
      }
    }
  }
}

/** Maps `size` bytes by pages of one span; both addresses are multiples of 1 GiB. */
export function mapSpan(
  space: AddressSpace,
  span: Span,
  virtual: bigint,
  physical: number,
  size: number,
  mode: Mode,
): void {
  const bits = BigInt(V | R | W | X | A | D | userBit(mode));
  const [step, level] = { page: [PAGE, 0], napot: [PAGE, 0], mega: [1 << 21, 1], giga: [1 << 30, 2] }[span] as [
    number,
    number,
  ];
  for (let at = 0; at < size; at += step) {
    // Svnapot: sixteen equal entries, whose lowest bits of the page number say 64 KiB.
    const frame = span === "napot" ? at - (at % NAPOT) + NAPOT / 2 : at;
    space.map(virtual + BigInt(at), physical + frame, bits | (span === "napot" ? N : 0n), level);
  }
}

const userBit = (mode: Mode): number => (mode === "U" ? U : 0);

/** The bits of a page of data. */
export function dataBits(kind: DataKind, mode: Mode): bigint {
  return BigInt(flagsOf(kind, mode)) | (kind === "uncached" ? PBMT_NC : 0n);
}

function flagsOf(kind: DataKind, mode: Mode): number {
  const user = userBit(mode);
  const all = V | R | W | A | D | user;
  switch (kind) {
    case "rw":
    case "uncached": // Svpbmt: a fault without menvcfg.PBMTE, else plain memory
      return all;
    case "reserved":
      return all & ~R;
    case "r":
      return all & ~W;
    case "x":
      return V | X | A | D | user;
    case "clean":
      return all & ~D;
    case "old":
      return all & ~(A | D);
    case "absent":
      return all & ~V;
    case "other":
      return all ^ U;
  }
}

/** A canonical address, a multiple of 1 GiB, in either half. */
export function randomBase(random: Random, levels: Paging["levels"]): bigint {
  const bits = 9 * levels + 12;
  const noise = (BigInt(random()) << 30n) & ((1n << BigInt(bits)) - 1n);
  const ends = [1n << 30n, (1n << BigInt(bits - 1)) - (1n << 30n), 1n << BigInt(bits - 1), -(1n << 30n)];
  const base = random() & 1 ? noise : choose(random, ends);
  return BigInt.asUintN(64, BigInt.asIntN(bits, base));
}
