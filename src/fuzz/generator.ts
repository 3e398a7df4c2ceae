/** Random code over the whole table. */

import type { Row } from "../isa/row.ts";
import { FCSRS, FORBIDDEN, READ, WRITTEN } from "./csrs.ts";
import { isKept, type Registers, randomOp } from "./operands.ts";
import type { DataKind, Mode, Node, Op, Paging } from "./program.ts";
import { chance, choose, type Random } from "./random.ts";
import { type RowClass, rowsOf } from "./rows.ts";

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

  /** An instruction of four bytes that computes. */
  word(): Op {
    for (;;) {
      const op = this.#any("integer");
      if (!op.name.startsWith("c.")) return op;
    }
  }

  /** What computes, loads or stores by pointers. */
  plain(): Op {
    const name = choose(this.random, ["memory", "memory", "integer", "floating"] as const);
    return this.#any(name, name === "memory" ? this.registers.pointers : []);
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
        return { kind: "patch", op: this.word(), by: this.word(), registers };
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
