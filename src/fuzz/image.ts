/** A batch of programs as one memory image, and where in it what comes of them lies. */

import { type Emitted, emit } from "./emit.ts";
import {
  DESCRIPTOR_FIELDS,
  DESCRIPTOR_SIZE,
  type Descriptor,
  descriptorsOf,
  type HarnessOptions,
  harness,
  LOG_ENTRY,
  MAX_HARTS,
  MAX_PROGRAMS,
  RAM_BASE,
  RESULT_SIZE,
} from "./harness.ts";
import { A as ACCESSED, AddressSpace, D as DIRTY, dataBits, mapSpan, R, randomBase, U, V, W, X } from "./paging.ts";
import { CODE_PAGES, DATA_PAGES, INPUT_REGISTERS, PAGE, type Program, runsOf } from "./program.ts";
import { seeded } from "./random.ts";

export { MAX_PROGRAMS };
export const MAX_RUNS = 16;
const LOG_PAGES = 1;
const MODES = { U: 0n, S: 1n, M: 3n };
const TABLES = RAM_BASE + 0x4_0000;
const SLOTS = RAM_BASE + 0x20_0000;
/** Virtual addresses of a program: from its own base, with nothing mapped around. */
const STRIDE = 0x4_0000n;
const CODE_AT = 0x1_0000n;
const DATA_AT = 0x2_0000n;

/** Where one program and its traces are, physically. */
export interface Slot {
  readonly code: readonly number[];
  readonly data: readonly number[];
  readonly log: number;
  readonly inputs: number;
  readonly results: number;
  /** All of it: [from, to). */
  readonly from: number;
  readonly to: number;
  /** Addresses that the program sees. */
  readonly codeBase: bigint;
  readonly dataBase: bigint;
  readonly emitted: Emitted;
}

export interface Image {
  /** RAM from RAM_BASE. */
  readonly bytes: Uint8Array;
  readonly programs: readonly Program[];
  readonly slots: readonly Slot[];
}

const pages = (bytes: number): number => Math.ceil(bytes / PAGE);

/**
 * Lays the programs out. Of several harts each runs all of them, in the same memory.
 * @throws RangeError when they are more than MAX_PROGRAMS, or one has too many runs
 */
export function buildImage(programs: readonly Program[], options: Omit<HarnessOptions, "remap"> = {}): Image {
  const harts = options.harts ?? 1;
  if (harts > MAX_HARTS) throw new RangeError(`An image is for at most ${MAX_HARTS} harts.`);
  if (programs.length > MAX_PROGRAMS) throw new RangeError(`An image holds at most ${MAX_PROGRAMS} programs.`);
  const sizes = programs.map((program) => {
    const runs = runsOf(program);
    if (runs > MAX_RUNS) throw new RangeError(`A program has at most ${MAX_RUNS} runs.`);
    const traces = LOG_PAGES + pages(runs * RESULT_SIZE);
    return ownPages(program) + pages(runs * INPUT_REGISTERS * 8) + harts * traces;
  });
  const total = sizes.reduce((sum, size) => sum + size, 0);
  const builder = new Builder(SLOTS - RAM_BASE + total * PAGE);
  const remap = programs.some((program) => program.remap !== undefined);
  builder.put(RAM_BASE, harness(programs.length, { ...options, remap }).bytes());
  let next = SLOTS;
  const slots = programs.map((program, i) => {
    const slot = builder.place(program, i, next, harts);
    next += sizes[i]! * PAGE;
    return slot;
  });
  return { bytes: builder.bytes, programs, slots };
}

/** Pages of code and data, and the other copy of one that is remapped. */
const ownPages = (program: Program): number => CODE_PAGES + DATA_PAGES + (program.remap === undefined ? 0 : 1);

class Builder {
  readonly bytes: Uint8Array;
  readonly #view: DataView;
  #tables = TABLES;
  /** Address spaces by mode and levels, each for up to all programs. */
  readonly #spaces = new Map<string, { space: AddressSpace; base: bigint; used: number }>();

  constructor(size: number) {
    this.bytes = new Uint8Array(size);
    this.#view = new DataView(this.bytes.buffer);
  }

  put(address: number, bytes: Uint8Array): void {
    this.bytes.set(bytes, address - RAM_BASE);
  }

  #u64(address: number, value: bigint): void {
    this.#view.setBigUint64(address - RAM_BASE, value, true);
  }

  #page(): number {
    if (this.#tables >= SLOTS) throw new RangeError("The page tables are full.");
    this.#tables += PAGE;
    return this.#tables - PAGE;
  }

  place(program: Program, index: number, from: number, harts: number): Slot {
    const random = seeded(program.seed ^ 0x9a6e);
    const own = Array.from({ length: ownPages(program) }, (_, i) => from + i * PAGE);
    // Under paging neighbours are anywhere.
    if (program.paging?.span === "page") own.sort(() => (random() & 1) - 0.5);
    const code = own.slice(0, CODE_PAGES);
    const data = own.slice(CODE_PAGES, CODE_PAGES + DATA_PAGES);
    const log = from + own.length * PAGE;
    const inputs = log + LOG_PAGES * PAGE;
    const results = inputs + pages(program.inputs.byteLength) * PAGE;
    const resultPages = pages(runsOf(program) * RESULT_SIZE);
    const to = results + (resultPages + (harts - 1) * (LOG_PAGES + resultPages)) * PAGE;

    const emitted = emit(program, program.start);
    if (program.start + emitted.bytes.length > CODE_PAGES * PAGE)
      throw new RangeError(`Program ${program.seed} is too long.`);
    const { satp, codeBase, dataBase, entryAt } = this.#map(program, code, data);
    this.#scatter(code, program.start, emitted.bytes);
    const copy = own.at(-1)!;
    if (program.remap !== undefined) this.#copyPage(program, program.remap, copy);
    this.#scatter(data, 0, new Uint8Array(program.data.buffer, program.data.byteOffset, program.data.byteLength));
    program.inputs.forEach((value, i) => {
      const pointer = program.pointers.includes(i % INPUT_REGISTERS);
      this.#u64(inputs + i * 8, pointer ? BigInt.asUintN(64, dataBase + BigInt.asIntN(64, value)) : value);
    });
    const descriptor: Descriptor = {
      entry: codeBase + BigInt(program.start),
      exit: codeBase + BigInt(emitted.exit),
      satp,
      mstatus: program.status | (MODES[program.mode] << 11n),
      menvcfg: program.menvcfg,
      senvcfg: program.senvcfg,
      inputs: BigInt(inputs),
      runs: BigInt(runsOf(program)),
      log: BigInt(log),
      logEnd: BigInt(log + LOG_PAGES * PAGE - LOG_ENTRY),
      results: BigInt(results),
      entryAt: BigInt(entryAt),
      entryChange: entryAt ? BigInt(((code[program.remap!]! / PAGE) ^ (copy / PAGE)) * 1024) : 0n,
    };
    this.#describe(0, index, descriptor);
    for (let hart = 1; hart < harts; hart++) {
      // Logs and results of the other harts come after those of the first.
      const own = results + (resultPages + (hart - 1) * (LOG_PAGES + resultPages)) * PAGE;
      const log = { log: BigInt(own), logEnd: BigInt(own + LOG_PAGES * PAGE - LOG_ENTRY) };
      this.#describe(hart, index, { ...descriptor, ...log, results: BigInt(own + LOG_PAGES * PAGE) });
    }
    return { code, data, log, inputs, results, from, to, codeBase, dataBase, emitted };
  }

  #describe(hart: number, index: number, descriptor: Descriptor): void {
    DESCRIPTOR_FIELDS.forEach((name, i) => {
      this.#u64(descriptorsOf(hart) + index * DESCRIPTOR_SIZE + i * 8, descriptor[name]);
    });
  }

  /** The page as it is with all patches in place. */
  #copyPage(program: Program, page: number, to: number): void {
    const code = new Uint8Array(CODE_PAGES * PAGE);
    code.set(emit(program, program.start, true).bytes, program.start);
    this.put(to, code.subarray(page * PAGE, (page + 1) * PAGE));
  }

  /** Bytes into pages that need not be neighbours. */
  #scatter(to: readonly number[], offset: number, bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length; ) {
      const start = offset + at;
      const part = bytes.subarray(at, at + PAGE - (start % PAGE));
      this.put(to[Math.floor(start / PAGE)]! + (start % PAGE), part);
      at += part.length;
    }
  }

  #map(program: Program, code: readonly number[], data: readonly number[]) {
    const { mode, paging } = program;
    if (!paging) return { satp: 0n, codeBase: BigInt(code[0]!), dataBase: BigInt(data[0]!), entryAt: 0 };
    const random = seeded(program.seed ^ 0x7ab1);
    const { span, levels } = paging;
    const key = `${mode} ${levels} ${span}`;
    let entry = this.#spaces.get(key);
    if (!entry) {
      const memory = {
        page: () => this.#page(),
        read: (address: number) => this.#view.getBigUint64(address - RAM_BASE, true),
        write: (address: number, value: bigint) => this.#u64(address, value),
      };
      entry = {
        space: new AddressSpace(memory, paging.levels),
        base: randomBase(random, paging.levels),
        used: 0,
      };
      this.#spaces.set(key, entry);
      if (span !== "page") mapSpan(entry.space, span, entry.base, RAM_BASE, this.bytes.length, mode);
    }
    const { space } = entry;
    if (span !== "page") {
      const at = (physical: number) => entry.base + BigInt(physical - RAM_BASE);
      return { satp: space.satp, codeBase: at(code[0]!), dataBase: at(data[0]!), entryAt: 0 };
    }
    const base = BigInt.asUintN(64, entry.base + BigInt(entry.used++) * STRIDE);
    const user = mode === "U" ? U : 0;
    const rights = X | (paging.code.includes("r") ? R : 0) | (paging.code.includes("w") ? W : 0);
    const entries = code.map((physical, i) => {
      return space.map(base + CODE_AT + BigInt(i * PAGE), physical, BigInt(V | ACCESSED | DIRTY | rights | user));
    });
    data.forEach((physical, i) => {
      space.map(base + DATA_AT + BigInt(i * PAGE), physical, dataBits(paging.data[i]!, mode));
    });
    const entryAt = program.remap === undefined ? 0 : entries[program.remap]!;
    return { satp: space.satp, codeBase: base + CODE_AT, dataBase: base + DATA_AT, entryAt };
  }
}
