/** Page tables for programs (Privileged, 12.3 to 12.6), made by the host in the image. */

import type { DataKind, Mode, Paging } from "./program.ts";
import { choose, type Random } from "./random.ts";

export const [V, R, W, X, U, G, A, D] = [1, 2, 4, 8, 16, 32, 64, 128] as const;
const PAGE = 4096;

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

  /** One page; the entry's bits are given. */
  map(virtual: bigint, physical: number, bits: number): void {
    let table = this.root;
    for (let level = this.levels - 1; ; level--) {
      const index = Number((virtual >> BigInt(12 + 9 * level)) & 511n);
      const at = table + index * 8;
      if (level === 0) {
        this.#memory.write(at, (BigInt(physical / PAGE) << 10n) | BigInt(bits));
        return;
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

/** The bits of a page of data. */
export function dataBits(kind: DataKind, mode: Mode): number {
  const user = mode === "U" ? U : 0;
  const all = V | R | W | A | D | user;
  switch (kind) {
    case "rw":
      return all;
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
