/** A small assembler: instructions by the table, labels, constants. */

import type { Operands } from "../isa/decode.ts";
import { encode, rowOf } from "../isa/encode.ts";

interface Fixup {
  readonly at: number;
  readonly label: string;
  readonly name: string;
  readonly operands: Operands;
}

export class Assembler {
  readonly origin: number;
  #bytes: number[] = [];
  readonly #labels = new Map<string, number>();
  readonly #fixups: Fixup[] = [];
  readonly #words: { at: number; label: string }[] = [];
  readonly #distances: { at: number; from: string; to: string }[] = [];

  /** @param origin  address of the first byte */
  constructor(origin = 0x8000_0000) {
    this.origin = origin;
  }

  /** Address of what comes next. */
  get here(): number {
    return this.origin + this.#bytes.length;
  }

  op(name: string, operands: Operands = {}): this {
    return this.raw(encode(name, operands), rowOf(name)?.size ?? 4);
  }

  /** The low `size` bytes of a value, at any alignment. */
  raw(value: number, size: number): this {
    for (let i = 0; i < size; i++) this.#bytes.push(Math.floor(value / 2 ** (8 * i)) & 0xff);
    return this;
  }

  u64(value: bigint): this {
    for (let i = 0n; i < 8n; i++) this.#bytes.push(Number((value >> (8n * i)) & 0xffn));
    return this;
  }

  /** A doubleword that holds a label's address. */
  address(label: string): this {
    this.#words.push({ at: this.#bytes.length, label });
    return this.u64(0n);
  }

  /** A word that holds the distance from one label to another. */
  distance(from: string, to: string): this {
    this.#distances.push({ at: this.#bytes.length, from, to });
    return this.raw(0, 4);
  }

  label(name: string): this {
    if (this.#labels.has(name)) throw new Error(`label ${name} is defined twice`);
    this.#labels.set(name, this.#bytes.length);
    return this;
  }

  /** A branch or jump to a label; the operand `target` is filled in. */
  to(label: string, name: string, operands: Operands = {}): this {
    this.#fixups.push({ at: this.#bytes.length, label, name, operands });
    return this.raw(0, rowOf(name)?.size ?? 4);
  }

  align(size: number): this {
    while (this.#bytes.length % size) this.#bytes.push(0);
    return this;
  }

  /** Zeros up to `address`. */
  org(address: number): this {
    if (address < this.here) throw new Error("org goes back");
    while (this.here < address) this.#bytes.push(0);
    return this;
  }

  /** Any 64-bit constant, signed or not. */
  li(rd: number, value: bigint | number): this {
    const v = BigInt.asIntN(64, BigInt(value));
    const low = BigInt.asIntN(12, v);
    if (v === low) return this.op("addi", { rd, rs1: 0, imm: Number(v) });
    if (v === BigInt.asIntN(32, v)) {
      this.op("lui", { rd, upper: Number(BigInt.asIntN(32, v - low)) });
      return low === 0n ? this : this.op("addiw", { rd, rs1: rd, imm: Number(low) });
    }
    let rest = (v - low) >> 12n;
    let shift = 12;
    while ((rest & 1n) === 0n) {
      rest >>= 1n;
      shift++;
    }
    this.li(rd, BigInt.asIntN(64 - shift, rest)).op("slli", { rd, rs1: rd, shamt: shift });
    return low === 0n ? this : this.op("addi", { rd, rs1: rd, imm: Number(low) });
  }

  /** The address of a label that lies within ±2 GiB. */
  la(rd: number, label: string): this {
    this.#fixups.push({ at: this.#bytes.length, label, name: "la", operands: { rd } });
    return this.raw(0, 8);
  }

  /** csr = constant, by way of register `temp`. */
  csrSet(csr: number, value: bigint | number, temp = 31): this {
    return this.li(temp, value).op("csrrw", { rd: 0, rs1: temp, csr });
  }

  csrGet(rd: number, csr: number): this {
    return this.op("csrrs", { rd, rs1: 0, csr });
  }

  addressOf(label: string): number {
    const at = this.#labels.get(label);
    if (at === undefined) throw new Error(`no label ${label}`);
    return this.origin + at;
  }

  bytes(): Uint8Array {
    const out = Uint8Array.from(this.#bytes);
    const view = new DataView(out.buffer);
    for (const { at, label } of this.#words) view.setBigUint64(at, BigInt(this.addressOf(label)), true);
    for (const { at, from, to } of this.#distances) view.setInt32(at, this.addressOf(to) - this.addressOf(from), true);
    for (const { at, label, name, operands } of this.#fixups) {
      const target = this.addressOf(label) - this.origin - at;
      if (name === "la") {
        const low = (target << 20) >> 20;
        view.setUint32(at, encode("auipc", { rd: operands.rd!, upper: (target - low) | 0 }), true);
        view.setUint32(at + 4, encode("addi", { rd: operands.rd!, rs1: operands.rd!, imm: low }), true);
      } else {
        const raw = encode(name, { ...operands, target });
        if (rowOf(name)?.size === 2) view.setUint16(at, raw, true);
        else view.setUint32(at, raw, true);
      }
    }
    return out;
  }
}
