/** What two machines made of the same image, doubleword by doubleword. */

import { decode } from "../isa/decode.ts";
import { disassemble } from "../isa/disassemble.ts";
import type { Outcome } from "./engines.ts";
import { LOG_ENTRY, LOG_NAMES, RAM_BASE, RESULT_NAMES, RESULT_SIZE } from "./harness.ts";
import type { Image, Slot } from "./image.ts";
import { PAGE } from "./program.ts";
import { type TrapEntry, WAIVERS } from "./waivers.ts";

/** A program that ended otherwise on the oracle. */
export interface Difference {
  /** Of the program in its image. */
  readonly index: number;
  /** In words: what should be and what is. The first are the ones that matter. */
  readonly lines: readonly string[];
}

const MAX_LINES = 12;

/** @returns the programs that differ, in order; none after one that doesn't end */
export function compare(image: Image, ours: Outcome, theirs: Outcome): Difference[] {
  const end = Math.min(ours.stuck ?? image.slots.length, theirs.stuck ?? image.slots.length);
  const found: Difference[] = [];
  for (let index = 0; index < end; index++) {
    const slot = image.slots[index]!;
    const lines = sameBytes(slot, ours, theirs) ? [] : slotDifferences(slot, ours.ram, theirs.ram);
    if (lines.length) found.push({ index, lines });
  }
  if (ours.stuck !== theirs.stuck && end < image.slots.length) {
    const who = ours.stuck === end ? "Wardian" : "QEMU";
    found.push({ index: end, lines: [`the program doesn't come to its end on ${who}`] });
  }
  return found;
}

function sameBytes(slot: Slot, ours: Outcome, theirs: Outcome): boolean {
  const part = ({ ram }: Outcome) =>
    Buffer.from(ram.buffer, ram.byteOffset + slot.from - RAM_BASE, slot.to - slot.from);
  return part(ours).equals(part(theirs));
}

const u64 = (ram: Uint8Array, address: number): bigint =>
  new DataView(ram.buffer, ram.byteOffset).getBigUint64(address - RAM_BASE, true);
const hex = (value: bigint): string => `0x${value.toString(16)}`;

function slotDifferences(slot: Slot, ours: Uint8Array, theirs: Uint8Array): string[] {
  const lines = logDifferences(slot, ours, theirs);
  const line = (what: string, at: number) => {
    const [our, their] = [u64(ours, at), u64(theirs, at)];
    if (our !== their) lines.push(`${what} should be ${hex(their)}, is ${hex(our)}`);
  };
  for (let at = slot.results; at < slot.to; at += 8) {
    const name = RESULT_NAMES[((at - slot.results) % RESULT_SIZE) / 8]!;
    line(`run ${Math.floor((at - slot.results) / RESULT_SIZE)}: ${name}`, at);
  }
  for (const [name, pages] of [
    ["data", slot.data],
    ["code", slot.code],
  ] as const) {
    pages.forEach((page, i) => {
      for (let at = 0; at < PAGE; at += 8) line(`${name}+0x${(i * PAGE + at).toString(16)}`, page + at);
    });
  }
  for (let at = slot.inputs; at < slot.results; at += 8) line(`input ${(at - slot.inputs) / 8}`, at);
  return lines.slice(0, MAX_LINES);
}

/** The first entry that differs and isn't waived, since those after it are its consequence. */
function logDifferences(slot: Slot, ours: Uint8Array, theirs: Uint8Array): string[] {
  for (let at = slot.log; at < slot.inputs; at += LOG_ENTRY) {
    const [our, their] = [entry(ours, at), entry(theirs, at)];
    const wrong = LOG_NAMES.filter((name) => our[name] !== their[name]);
    if (!wrong.length) continue;
    const waived = wrong.join() === "mtval" && WAIVERS.some((waiver) => waiver.covers(our, their));
    if (waived) continue;
    const number = (at - slot.log) / LOG_ENTRY;
    const values = wrong.map((name) => `${name} should be ${hex(their[name])}, is ${hex(our[name])}`);
    const places = [...new Set([their.mepc, our.mepc])].map((pc) => instructionAt(slot, ours, pc));
    return [`trap ${number}: ${values.join("; ")} (${places.join(" / ")})`];
  }
  return [];
}

function entry(ram: Uint8Array, at: number): TrapEntry {
  return Object.fromEntries(LOG_NAMES.map((name, i) => [name, u64(ram, at + i * 8)])) as unknown as TrapEntry;
}

function instructionAt(slot: Slot, ram: Uint8Array, pc: bigint): string {
  const offset = Number(pc - slot.codeBase);
  if (offset < 0 || offset >= slot.code.length * PAGE - 2) return "outside of the program";
  const view = new DataView(ram.buffer, ram.byteOffset);
  const half = (at: number) => view.getUint16(slot.code[Math.floor(at / PAGE)]! - RAM_BASE + (at % PAGE), true);
  return disassemble((half(offset) | (half(offset + 2) << 16)) >>> 0, pc).replace("\t", " ");
}

/** The program's code as text, one instruction a line. */
export function listing(slot: Slot): string[] {
  const { bytes, origin } = slot.emitted;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const lines: string[] = [];
  for (let at = 0; at < bytes.length; ) {
    const low = view.getUint16(at, true);
    const size = (low & 3) === 3 ? 4 : 2;
    const raw = size === 4 && at + 4 <= bytes.length ? view.getUint32(at, true) : low;
    const pc = slot.codeBase + BigInt(origin + at);
    const digits = raw
      .toString(16)
      .padStart(size * 2, "0")
      .padEnd(8);
    lines.push(`${hex(pc)}  ${digits}  ${disassemble(raw, pc).replace("\t", " ")}${decode(raw) ? "" : "  (illegal)"}`);
    at += size;
  }
  return lines;
}
