/**
 * A snapshot as bytes: magic, version, the length of the header, the header
 * (JSON), the numbers of the pages that aren't zero, then those pages. Numbers
 * are little-endian u32. Whoever reads one distrusts all of it.
 */

import type { DeviceState, StateValue } from "../devices/device.ts";
import { FLASH } from "../machine/memory-map.ts";

export const PAGE = 4096;
const MAGIC = "WARDIAN1";
const FORMAT = 2;
const FIXED = MAGIC.length + 12;
/** Far more than any header; a longer one isn't ours. */
const MAX_HEADER = 64 * 1024 * 1024;

/** A snapshot that can't be read or doesn't fit; `message` is one sentence. */
export class SnapshotError extends Error {
  override readonly name = "SnapshotError";
}

export interface SnapshotHeader {
  readonly memoryBytes: number;
  readonly harts: number;
  readonly sbi: boolean;
  readonly deterministic: boolean;
  /** It has flash chips, whose pages come behind those of RAM. */
  readonly flash: boolean;
  /** Milliseconds of real guest time; 0 in counted mode, where harts know. */
  readonly clock: number;
  /** The guest's agent had said that it listens. */
  readonly agentReady: boolean;
  readonly machine: DeviceState;
  readonly hartStates: readonly DeviceState[];
  /** By the device's name. */
  readonly devices: Readonly<Record<string, DeviceState>>;
  readonly rom: Uint8Array;
}

export interface Snapshot {
  readonly header: SnapshotHeader;
  /** Page numbers in RAM, then in flash, ascending; then their bytes in the same order. */
  readonly numbers: Uint32Array;
  readonly pages: Uint8Array;
}

export function encodeSnapshot({ header, numbers, pages }: Snapshot): Uint8Array<ArrayBuffer> {
  const text = new TextEncoder().encode(JSON.stringify(header, write));
  const padding = (4 - ((FIXED + text.length) & 3)) & 3;
  const at = FIXED + text.length + padding;
  const out = new Uint8Array(at + numbers.length * 4 + pages.length);
  const view = new DataView(out.buffer);
  out.set(new TextEncoder().encode(MAGIC));
  view.setUint32(MAGIC.length, FORMAT, true);
  view.setUint32(MAGIC.length + 4, text.length, true);
  view.setUint32(MAGIC.length + 8, numbers.length, true);
  out.set(text, FIXED);
  numbers.forEach((n, i) => {
    view.setUint32(at + i * 4, n, true);
  });
  out.set(pages, at + numbers.length * 4);
  return out;
}

/** @throws SnapshotError */
export function decodeSnapshot(bytes: Uint8Array): Snapshot {
  if (bytes.length < FIXED || new TextDecoder().decode(bytes.subarray(0, MAGIC.length)) !== MAGIC)
    throw new SnapshotError("This is not a snapshot of a Wardian machine; give a file that `snapshot save` has made.");
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const format = view.getUint32(MAGIC.length, true);
  if (format !== FORMAT)
    throw new SnapshotError(`The snapshot has format ${format} and this Wardian reads ${FORMAT}; make it again.`);
  const length = view.getUint32(MAGIC.length + 4, true);
  const count = view.getUint32(MAGIC.length + 8, true);
  const at = FIXED + length + ((4 - ((FIXED + length) & 3)) & 3);
  if (length > MAX_HEADER || at + count * (4 + PAGE) !== bytes.length) throw damaged("its length is wrong");
  const header = checkHeader(parse(bytes.subarray(FIXED, FIXED + length)));
  const limit = (header.memoryBytes + (header.flash ? FLASH.size : 0)) / PAGE;
  const numbers = new Uint32Array(count);
  for (let i = 0; i < count; i++) {
    const n = view.getUint32(at + i * 4, true);
    if (n >= limit || (i > 0 && n <= numbers[i - 1]!)) throw damaged("its pages are out of order");
    numbers[i] = n;
  }
  return { header, numbers, pages: bytes.subarray(at + count * 4) };
}

export function damaged(why: string): SnapshotError {
  return new SnapshotError(`The snapshot is damaged: ${why}; use another copy, or make it again.`);
}

/** Big numbers and bytes, which JSON lacks. */
function write(_key: string, value: unknown): unknown {
  if (typeof value === "bigint") return { $n: value.toString(16) };
  if (value instanceof Uint8Array) return { $b: Array.from(value, (b) => b.toString(16).padStart(2, "0")).join("") };
  return value;
}

function read(_key: string, value: unknown): unknown {
  if (typeof value !== "object" || value === null) return value;
  const { $n, $b } = value as { $n?: unknown; $b?: unknown };
  if (typeof $n === "string" && /^[0-9a-f]{1,32}$/.test($n)) return BigInt(`0x${$n}`);
  if (typeof $b === "string" && /^([0-9a-f]{2})*$/.test($b))
    return Uint8Array.from({ length: $b.length / 2 }, (_, i) => Number.parseInt($b.slice(i * 2, i * 2 + 2), 16));
  return value;
}

function parse(text: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(text), read);
  } catch {
    throw damaged("its header can't be read");
  }
}

/** What the machine is made from; the states check themselves when they are loaded. */
function checkHeader(value: unknown): SnapshotHeader {
  const header = record(value);
  const { memoryBytes, harts, sbi, deterministic, clock, agentReady, hartStates, rom } = header;
  const sound =
    Number.isSafeInteger(memoryBytes) &&
    (memoryBytes as number) > 0 &&
    (memoryBytes as number) % PAGE === 0 &&
    Number.isInteger(harts) &&
    typeof sbi === "boolean" &&
    typeof deterministic === "boolean" &&
    typeof header.flash === "boolean" &&
    typeof agentReady === "boolean" &&
    typeof clock === "number" &&
    clock >= 0 &&
    Number.isFinite(clock) &&
    rom instanceof Uint8Array &&
    Array.isArray(hartStates) &&
    hartStates.length === harts;
  if (!sound) throw damaged("its header has values that can't be");
  record(header.machine);
  record(header.devices);
  return header as unknown as SnapshotHeader;
}

function record(value: unknown): Record<string, StateValue> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw damaged("its header lacks a part");
  return value as Record<string, StateValue>;
}
