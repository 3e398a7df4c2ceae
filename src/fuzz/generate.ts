/** Random programs over the whole table. */

import type { Row } from "../isa/row.ts";
import { FCSRS, FORBIDDEN, READ, WRITTEN } from "./csrs.ts";
import { type Hot, hotCode, RESERVED } from "./hot.ts";
import { isKept, type Registers, randomOp, randomRegisters } from "./operands.ts";
import {
  DATA_PAGES,
  DATA_SIZE,
  type DataKind,
  INPUT_REGISTERS,
  type Mode,
  type Node,
  type Op,
  PAGE,
  type Paging,
  type Program,
  SPANS,
} from "./program.ts";
import { chance, choose, type Random, seeded } from "./random.ts";
import { type RowClass, rowsOf } from "./rows.ts";
import { EDGES, edge } from "./values.ts";

export interface Options {
  /** Instructions in the body, about. */
  readonly length: number;
  /** Times that it is run, each with other values in its registers. */
  readonly runs: number;
  /** Extensions and instructions to leave out, because the oracle lacks them. */
  readonly without: ReadonlySet<string>;
  readonly modes: readonly Mode[];
  /** What pages of data may be. */
  readonly data: readonly DataKind[];
  /** Code that is worth translating: loops of many rounds, calls, tables of jumps. Default: none. */
  readonly hot?: boolean;
}

const bit = (n: number): bigint => 1n << BigInt(n);
const [SUM, MXR, TVM, TW, TSR, PBMTE] = [bit(18), bit(19), bit(20), bit(21), bit(22), bit(62)];
/** Off, or dirty from the beginning: when else FS becomes dirty is the implementation's choice (3.1.6.6). */
const FS_DIRTY = 3n << 13n;
const MPIE = bit(7);

/** How often each kind of thing comes, in a body of a mode that allows it. */
const WEIGHTS: readonly (readonly [RowClass | "raw" | "patch", number])[] = [
  ["integer", 40],
  ["floating", 34],
  ["memory", 24],
  ["atomic", 5],
  ["reserved", 2],
  ["csr", 6],
  ["order", 2],
  ["block", 2],
  ["trap", 2],
  ["raw", 1],
  ["patch", 1],
  ["stack", 1],
  ["translation", 1],
];
const WHEEL = WEIGHTS.flatMap(([name, weight]) => Array<typeof name>(weight).fill(name));

/** The program of a seed. */
export function generate(seed: number, options: Options): Program {
  const random = seeded(seed);
  const registers = randomRegisters(random, options.hot ? RESERVED : 0);
  const mode = choose(random, options.modes);
  const paging = mode === "M" ? undefined : randomPaging(random, options.data);
  const generator = new Generator(random, registers, mode, options, paging);
  const code: Hot = options.hot ? hotCode(generator) : { body: generator.body() };
  return {
    seed,
    mode,
    paging,
    ...code,
    status: randomStatus(random) | (generator.interruptible && mode === "M" ? MPIE : 0n),
    menvcfg: randomEnvironment(random) | (chance(random, 2) ? PBMTE : 0n),
    senvcfg: randomEnvironment(random),
    // Most programs cross from one page to the next somewhere.
    start: chance(random, 4) ? random() & 0xffe : PAGE - 2 * (random() % (options.length * 2)),
    pointers: registers.pointers,
    inputs: randomInputs(random, registers, options.runs, paging),
    data: randomData(random),
  };
}

function randomPaging(random: Random, kinds: readonly DataKind[]): Paging {
  const data = Array.from({ length: DATA_PAGES }, (): DataKind => (chance(random, 3) ? choose(random, kinds) : "rw"));
  data[random() % DATA_PAGES] = "rw";
  const span = chance(random, 3) ? choose(random, SPANS) : "page";
  if (span !== "page") return { span, levels: choose(random, [3, 4, 5] as const), data: data.fill("rw"), code: "rw" };
  return { span, levels: choose(random, [3, 4, 5] as const), data, code: choose(random, ["", "r", "rw"] as const) };
}

function randomStatus(random: Random): bigint {
  let status = chance(random, 20) ? 0n : FS_DIRTY;
  for (const [mask, one] of [
    [SUM, 2],
    [MXR, 3],
    [TVM, 10],
    [TW, 10],
    [TSR, 10],
  ] as const) {
    if (chance(random, one)) status |= mask;
  }
  return status;
}

/** FIOM and the fields of cache blocks; CBIE = 2 is reserved. */
function randomEnvironment(random: Random): bigint {
  if (!chance(random, 3)) return 0xf1n;
  return BigInt((random() & 0xc1) | choose(random, [0x00, 0x10, 0x30]));
}

function randomInputs(random: Random, registers: Registers, runs: number, paging: Paging | undefined): BigUint64Array {
  const fit = registers.storable ? ["rw"] : ["rw", "r", "clean"];
  const readable = (paging?.data ?? []).flatMap((kind, page) => (fit.includes(kind) ? [page] : []));
  const inputs = new BigUint64Array(runs * INPUT_REGISTERS);
  for (let run = 0; run < runs; run++) {
    const at = run * INPUT_REGISTERS;
    for (let i = 1; i < INPUT_REGISTERS; i++) inputs[at + i] = edge(random);
    for (const pointer of registers.pointers)
      inputs[at + pointer] = BigInt(randomOffset(random, paging?.span === "page"));
    const offset =
      paging?.span === "page" ? choose(random, readable) * PAGE + (random() & 0xff8) : 2056 + (random() & 0x1ff8);
    inputs[at + registers.safe] = BigInt(offset);
  }
  return inputs;
}

/** Near the border of two pages as a rule. Without pages of its own, all that an immediate reaches has to be data. */
function randomOffset(random: Random, paging: boolean): number {
  const border = PAGE * (paging ? random() % (DATA_PAGES + 1) : 1 + (random() % (DATA_PAGES - 1)));
  let offset = chance(random, 3) ? 2056 + (random() % (DATA_SIZE - 4400)) : border - 64 + (random() % 72);
  if (!chance(random, 6)) offset &= ~7;
  return offset;
}

function randomData(random: Random): BigUint64Array {
  const data = new BigUint64Array(DATA_SIZE / 8);
  const part = 256;
  for (let at = 0; at < data.length; at += part) {
    const from = random() % (EDGES.length - part);
    data.set(EDGES.subarray(from, from + part), at);
  }
  return data;
}

export class Generator {
  readonly random: Random;
  readonly registers: Registers;
  readonly paging: Paging | undefined;
  /** A timer interrupt may come anywhere. */
  readonly interruptible: boolean;
  readonly #mode: Mode;
  readonly #options: Options;
  /** Code may be stored to: by patches, which fence, and so by nothing that goes astray. */
  readonly patches: boolean;
  #left: number;

  constructor(random: Random, registers: Registers, mode: Mode, options: Options, paging: Paging | undefined) {
    this.random = random;
    this.registers = registers;
    this.paging = paging;
    this.#mode = mode;
    // What c.jalr writes is another's then.
    this.#options = registers.reserved.includes(1)
      ? { ...options, without: new Set([...options.without, "c.jalr"]) }
      : options;
    this.patches = !paging || paging.code === "rw";
    // In M-mode the harness's handler and a return by mret would share mepc: it is one or the other.
    this.interruptible = options.hot === true && (mode !== "M" || chance(random, 2));
    this.#left = options.length;
  }

  /** Instructions asked for. */
  get length(): number {
    return this.#options.length;
  }

  body(): Node[] {
    const nodes: Node[] = [];
    while (this.#left > 0) nodes.push(...this.piece(true));
    return nodes;
  }

  #rows(name: RowClass): readonly Row[] {
    return rowsOf(name, this.#options.without);
  }

  #any(name: RowClass, base: readonly number[] = []): Op {
    return randomOp(choose(this.random, this.#rows(name)), this.random, this.registers, base);
  }

  /** Up to `most` − 1 pieces of straight code. */
  some(most: number): Node[] {
    return Array.from({ length: this.random() % most }, () => this.one());
  }

  /** Straight code, or something with a body. Loops stand in no loop: they share a counter. */
  piece(outer: boolean): Node[] {
    const random = this.random;
    switch (random() % 12) {
      case 0:
      case 1:
      case 2:
        return [this.#skip()];
      case 3: {
        if (!outer) break;
        const body: Node[] = [];
        for (let n = 1 + (random() % 3); n > 0; n--) body.push(...this.piece(false));
        return [{ kind: "loop", register: this.registers.counter, count: 2 + (random() % 8), body }];
      }
      case 4:
        return [this.#indirect()];
      case 5:
        if (this.#mode === "U" || !chance(random, 4) || !this.#free(5, 6)) break;
        if (this.#mode === "M" && this.interruptible) break;
        return [{ kind: "return", mode: this.#mode, body: this.some(3) }];
    }
    return [this.one(), ...this.some(8)];
  }

  #free(...registers: number[]): boolean {
    return registers.every((register) => !isKept(this.registers, register));
  }

  /** A register that may be written, other than x0 and `besides`. */
  scratch(besides = 0): number {
    for (;;) {
      const register = 1 + (this.random() % 31);
      if (register !== besides && this.#free(register)) return register;
    }
  }

  #skip(): Node {
    const op = this.#any("branch");
    const { target: _, ...operands } = op.operands;
    return { kind: "skip", op: { ...op, operands }, body: this.some(6) };
  }

  #indirect(): Node {
    const row = choose(this.random, this.#rows("indirect"));
    const register = this.scratch();
    const operands = row.name === "jalr" ? { rd: choose(this.random, [0, this.scratch()]), imm: 0 } : {};
    const op: Op = { kind: "op", name: row.name, operands: { ...operands, rs1: register } };
    return { kind: "indirect", op, register, body: this.some(4) };
  }

  one(): Node {
    this.#left--;
    const random = this.random;
    const name = choose(random, WHEEL);
    const { pointers } = this.registers;
    switch (name) {
      case "memory":
        return this.#any("memory", !this.patches && chance(random, 16) ? [] : pointers);
      case "atomic":
        return this.#any("atomic", pointers);
      case "translation":
        return this.#translation();
      case "block":
        return this.#rows("block").length ? this.#any("block", pointers) : this.#any("integer");
      case "reserved":
        return this.#reserved();
      case "csr":
        return this.#csr();
      case "trap":
        return this.#trap();
      case "raw":
        return this.#raw();
      case "patch": {
        if (!this.patches) return this.#any("integer");
        const at = this.scratch();
        const registers = [at, this.scratch(at)] as const;
        const word = () => {
          for (;;) {
            const op = this.#any("integer");
            if (!op.name.startsWith("c.")) return op;
          }
        };
        return { kind: "patch", op: word(), by: word(), registers };
      }
      case "stack": {
        const imm = choose(random, [-496, -256, -16, 16, 32, 256, 496]);
        const add = (imm: number): Op => ({ kind: "op", name: "c.addi16sp", operands: { imm } });
        const copy: Op = { kind: "op", name: "c.mv", operands: { rd: this.scratch(), rs2: 2 } };
        return { kind: "group", ops: [add(imm), copy, add(-imm)] };
      }
      default:
        return this.#any(name);
    }
  }

  /**
   * A load-reserved and its store-conditional, and at times one more. Where a
   * store-conditional has no load-reserved of its address and size before it,
   * whether it traps is the implementation's choice: so the load-reserved must
   * not trap, nor what comes after the first store-conditional.
   */
  #reserved(): Node {
    const random = this.random;
    const suffix = choose(random, ["w", "d"]);
    const rs1 = this.registers.safe;
    const order = () => ({ aq: random() & 1, rl: random() & 1 });
    const write = (): Op => {
      const operands = { rd: choose(random, [0, this.scratch()]), rs1, rs2: random() % 32, ...order() };
      return { kind: "op", name: `sc.${suffix}`, operands };
    };
    const read: Op = { kind: "op", name: `lr.${suffix}`, operands: { rd: this.scratch(), rs1, ...order() } };
    const between = chance(random, 2) ? [this.#any("integer")] : [];
    return { kind: "group", ops: [read, ...between, write(), ...(this.registers.storable ? [write()] : [])] };
  }

  /** QEMU lets U-mode execute what is illegal there: see the waivers. */
  #translation(): Op {
    const without =
      this.#mode === "U"
        ? new Set([...this.#options.without, "sfence.w.inval", "sfence.inval.ir"])
        : this.#options.without;
    return randomOp(choose(this.random, rowsOf("translation", without)), this.random, this.registers);
  }

  #csr(): Op {
    const random = this.random;
    const mode = this.#mode;
    const kind = random() % 8;
    // Rounding modes are legal as a rule, or all floating point that follows would trap.
    if (kind < 3) return { kind: "op", name: "csrrwi", operands: { rd: this.#rd(), zimm: random() % 5, csr: 2 } };
    if (kind === 3 && READ[mode].length) return this.#read(choose(random, READ[mode]));
    if (kind === 4) return this.#read(choose(random, FORBIDDEN[mode]));
    if (kind === 5 && WRITTEN[mode].length) {
      const op = this.#any("csr");
      return { ...op, operands: { ...op.operands, csr: choose(random, WRITTEN[mode]) } };
    }
    const op = this.#any("csr");
    // Of frm's fields, only flags take any value.
    const csr = chance(random, 10) ? choose(random, FCSRS) : 1;
    return { ...op, operands: { ...op.operands, csr } };
  }

  #rd(): number {
    return choose(this.random, [0, this.scratch(), this.scratch()]);
  }

  #read(csr: number): Op {
    return { kind: "op", name: choose(this.random, ["csrrs", "csrrc"]), operands: { rd: this.#rd(), rs1: 0, csr } };
  }

  #trap(): Node {
    const random = this.random;
    if (chance(random, 2)) return this.#any("trap");
    // Nothing answers in the first page.
    const name = choose(random, ["ld", "lbu", "lw", "lh"]);
    return { kind: "op", name, operands: { rd: this.#rd(), rs1: 0, imm: random() & 0x7f8 } };
  }

  #raw(): Node {
    const random = this.random;
    switch (random() % 4) {
      case 0:
        return { kind: "raw", bits: 0, size: 2 };
      case 1:
        return { kind: "raw", bits: 0xffff_ffff, size: 4 };
      default: // of the opcodes custom-0 and custom-1, nobody has an instruction
        return { kind: "raw", bits: ((random() & 0xffff_ff80) | choose(random, [0x0b, 0x2b])) >>> 0, size: 4 };
    }
  }
}
