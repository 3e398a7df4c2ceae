/** Machine code of a program. */

import { encode } from "../isa/encode.ts";
import { Assembler } from "./assembler.ts";
import type { Node, Op, Program } from "./program.ts";

const [SEPC, MEPC, SSTATUS, MSTATUS] = [0x141, 0x341, 0x100, 0x300];
const SPP = 1n << 8n;
const MPP = 3n << 11n;

/** Of a program and where it lies: its code, and the address of the ecall that ends it. */
export interface Emitted {
  readonly origin: number;
  readonly bytes: Uint8Array;
  readonly exit: number;
  readonly instructions: number;
}

/** @param origin  address of the first instruction, an offset from the code's base that fits 53 bits */
export function emit(program: Program, origin: number): Emitted {
  const out = new Assembler(origin);
  const emitter = new Emitter(out);
  emitter.all(program.body);
  out.label("exit").op("ecall");
  return { origin, bytes: out.bytes(), exit: out.addressOf("exit"), instructions: emitter.instructions };
}

class Emitter {
  instructions = 1;
  #labels = 0;
  readonly #out: Assembler;

  constructor(out: Assembler) {
    this.#out = out;
  }

  all(nodes: readonly Node[]): void {
    for (const node of nodes) this.#one(node);
  }

  #op({ name, operands }: Op): void {
    this.instructions++;
    this.#out.op(name, operands);
  }

  #one(node: Node): void {
    const out = this.#out;
    const label = `n${this.#labels++}`;
    switch (node.kind) {
      case "op":
        this.#op(node);
        return;
      case "raw":
        this.instructions++;
        out.raw(node.bits, node.size);
        return;
      case "group":
        for (const op of node.ops) this.#op(op);
        return;
      case "skip":
        this.instructions++;
        out.to(label, node.op.name, node.op.operands);
        this.all(node.body);
        out.label(label);
        return;
      case "indirect":
        out.la(node.register, label);
        this.instructions += 2;
        this.#op(node.op);
        this.all(node.body);
        out.label(label);
        return;
      case "return":
        this.#return(node.mode, label);
        this.all(node.body);
        out.label(label);
        return;
      case "loop":
        out.op("addi", { rd: node.register, rs1: 0, imm: node.count }).label(label);
        this.all(node.body);
        out.op("addi", { rd: node.register, rs1: node.register, imm: -1 });
        out.to(label, "bne", { rs1: node.register, rs2: 0 });
        this.instructions += 3;
        return;
      case "patch": {
        const [at, value] = node.registers;
        out.la(at, label).li(value, encode(node.by.name, node.by.operands) | 0);
        out.op("sw", { rs1: at, rs2: value, imm: 0 }).op("fence.i").label(label);
        this.instructions += 6;
        this.#op(node.op);
      }
    }
  }

  /** Sets the previous privilege to the present one, and returns to `label`. */
  #return(mode: "M" | "S" | "U", label: string): void {
    const out = this.#out;
    const [epc, status, bits, name] = mode === "M" ? [MEPC, MSTATUS, MPP, "mret"] : [SEPC, SSTATUS, SPP, "sret"];
    out.la(5, label).op("csrrw", { rd: 0, rs1: 5, csr: epc });
    out.li(5, bits).op("csrrs", { rd: 6, rs1: 5, csr: status }).op(name);
    this.instructions += 7;
  }
}
