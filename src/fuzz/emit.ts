/** Machine code of a program. */

import { encode } from "../isa/encode.ts";
import { Assembler } from "./assembler.ts";
import type { Loop, Node, Op, Program, Recursion, Tangle } from "./program.ts";

const [SEPC, MEPC, SSTATUS, MSTATUS] = [0x141, 0x341, 0x100, 0x300];
const SPP = 1n << 8n;
const MPP = 3n << 11n;

/** Entries of a table of jumps, a power of two. */
const TABLE = 4;

/** Of a program and where it lies: its code, and the address of the ecall that ends it. */
export interface Emitted {
  readonly origin: number;
  readonly bytes: Uint8Array;
  readonly exit: number;
}

/**
 * @param origin  address of the first instruction, an offset from the code's base that fits 53 bits
 * @param patched  with every patch in place already: code of the same size
 */
export function emit(program: Program, origin: number, patched = false): Emitted {
  const out = new Assembler(origin);
  const emitter = new Emitter(out, program, patched);
  emitter.all(program.body);
  out.label("exit").op("ecall");
  emitter.functions();
  return { origin, bytes: out.bytes(), exit: out.addressOf("exit") };
}

class Emitter {
  #labels = 0;
  readonly #out: Assembler;
  readonly #program: Program;
  readonly #patched: boolean;

  constructor(out: Assembler, program: Program, patched: boolean) {
    this.#out = out;
    this.#program = program;
    this.#patched = patched;
  }

  functions(): void {
    this.#program.functions?.forEach(({ link, gap, body }, i) => {
      for (let at = 0; at < gap; at += 2) this.#out.raw(0, 2);
      this.#out.label(`f${i}`);
      this.all(body);
      this.#out.op("jalr", { rd: 0, rs1: link, imm: 0 });
    });
  }

  all(nodes: readonly Node[]): void {
    for (const node of nodes) this.#one(node);
  }

  #op({ name, operands }: Op): void {
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
        out.raw(node.bits, node.size);
        return;
      case "group":
        for (const op of node.ops) this.#op(op);
        return;
      case "skip":
        out.to(label, node.op.name, node.op.operands);
        this.all(node.body);
        out.label(label);
        return;
      case "indirect":
        out.la(node.register, label);
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
        this.#loop(node, label);
        return;
      case "tangle":
        this.#tangle(node, label);
        return;
      case "recursion":
        this.#recursion(node, label);
        return;
      case "rare":
        out.op("andi", { rd: node.temporary, rs1: node.register, imm: node.mask });
        out.to(label, "bne", { rs1: node.temporary, rs2: 0 });
        this.all(node.body);
        out.label(label);
        return;
      case "call": {
        const rd = this.#program.functions![node.callee]!.link;
        if (node.register === undefined) out.to(`f${node.callee}`, "jal", { rd });
        else out.la(node.register, `f${node.callee}`).op("jalr", { rd, rs1: node.register, imm: 0 });
        return;
      }
      case "table":
        this.#table(node, label);
        return;
      case "datum":
        out.to(label, "jal", { rd: 0 }).label(`${label}d`).u64(0x0123_4567_89ab_cdefn).label(label);
        out.la(node.register, `${label}d`);
        this.#op(node.op);
        return;
      case "patch": {
        const [at, value, old] = node.registers;
        const by = encode(node.by.name, node.by.operands);
        out.la(at, label);
        if (old === undefined) out.li(value, by | 0);
        else {
          out.li(value, by ^ encode(node.op.name, node.op.operands)).op("lw", { rd: old, rs1: at, imm: 0 });
          out.op("xor", { rd: value, rs1: value, rs2: old });
        }
        out.op("sw", { rs1: at, rs2: value, imm: 0 }).op("fence.i").label(label);
        this.#op(this.#patched ? node.by : node.op);
      }
    }
  }

  #loop({ register, count, body, into, stride }: Loop, label: string): void {
    const out = this.#out;
    out.op("addi", { rd: register, rs1: 0, imm: count });
    if (stride?.from) out.op("addi", { rd: stride.register, rs1: stride.register, imm: stride.from });
    if (into !== undefined) out.to(`${label}i`, "jal", { rd: 0 });
    out.label(label);
    this.all(body.slice(0, into ?? 0));
    if (into !== undefined) out.label(`${label}i`);
    this.all(body.slice(into ?? 0));
    if (stride) out.op("addi", { rd: stride.register, rs1: stride.register, imm: stride.by });
    out.op("addi", { rd: register, rs1: register, imm: -1 });
    out.to(label, "bne", { rs1: register, rs2: 0 });
    if (!stride) return;
    out.op("addi", { rd: stride.register, rs1: stride.register, imm: -stride.by * count - (stride.from ?? 0) });
  }

  #tangle({ register, count, blocks }: Tangle, label: string): void {
    const out = this.#out;
    out.op("addi", { rd: register, rs1: 0, imm: count });
    blocks.forEach(({ body, op, to, next }, i) => {
      out.label(`${label}b${i}`);
      this.all(body);
      out.op("addi", { rd: register, rs1: register, imm: -1 }).to(label, "beq", { rs1: register, rs2: 0 });
      out.to(`${label}b${to}`, op.name, op.operands);
      if (next !== i + 1) out.to(`${label}b${next}`, "jal", { rd: 0 });
    });
    out.label(label);
  }

  /** A call on the way down keeps nothing, since all return to the same place. */
  #recursion({ depth, link, temporary, count, body }: Recursion, label: string): void {
    const out = this.#out;
    out.op("addi", { rd: depth, rs1: 0, imm: count }).label(label);
    this.all(body);
    out.op("addi", { rd: depth, rs1: depth, imm: -1 }).to(`${label}u`, "beq", { rs1: depth, rs2: 0 });
    out.to(label, "jal", { rd: link });
    out.op("addi", { rd: depth, rs1: depth, imm: 1 }).op("addi", { rd: temporary, rs1: depth, imm: 1 - count });
    out.to(`${label}o`, "beq", { rs1: temporary, rs2: 0 });
    out.label(`${label}u`).op("jalr", { rd: 0, rs1: link, imm: 0 }).label(`${label}o`);
  }

  #table({ registers, from, loaded, body }: Extract<Node, { kind: "table" }>, label: string): void {
    const out = this.#out;
    const [at, index] = registers;
    const places = Array.from({ length: TABLE }, (_, i) => Math.ceil((i * body.length) / (TABLE - 1)));
    out.op("andi", { rd: index, rs1: from, imm: TABLE - 1 }).op("slli", { rd: index, rs1: index, shamt: 2 });
    out.la(at, `${label}t`).op("add", { rd: index, rs1: index, rs2: at });
    if (loaded) {
      out.op("lw", { rd: index, rs1: index, imm: 0 }).op("add", { rd: at, rs1: at, rs2: index });
      out.op("jalr", { rd: 0, rs1: at, imm: 0 });
    } else out.op("jalr", { rd: 0, rs1: index, imm: 0 });
    out.label(`${label}t`);
    for (const place of places) {
      if (loaded) out.distance(`${label}t`, `${label}p${place}`);
      else out.to(`${label}p${place}`, "jal", { rd: 0 });
    }
    for (let i = 0; i <= body.length; i++) {
      if (places.includes(i)) out.label(`${label}p${i}`);
      this.all(body.slice(i, i + 1));
    }
  }

  /** Sets the previous privilege to the present one, and returns to `label`. */
  #return(mode: "M" | "S" | "U", label: string): void {
    const out = this.#out;
    const [epc, status, bits, name] = mode === "M" ? [MEPC, MSTATUS, MPP, "mret"] : [SEPC, SSTATUS, SPP, "sret"];
    out.la(5, label).op("csrrw", { rd: 0, rs1: 5, csr: epc });
    out.li(5, bits).op("csrrs", { rd: 6, rs1: 5, csr: status }).op(name);
  }
}
