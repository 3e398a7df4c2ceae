/**
 * Flattened device trees, version 17 (Devicetree Specification 0.4, chapter 5):
 * a writer, and a reader that believes nothing it reads.
 */

const MAGIC = 0xd00dfeed;
const VERSION = 17;
const COMPATIBLE = 16;
const HEADER = 40;
const BEGIN_NODE = 1;
const END_NODE = 2;
const PROP = 3;
const NOP = 4;
const END = 9;

/** What Linux accepts of a tree's size (`MAX_FDT_SIZE`), bytes. */
export const MAX_DTB_SIZE = 0x20_0000;
const MAX_DEPTH = 64;
const MAX_NAME = 255;
const MAX_RESERVATIONS = 4096;

/** A device tree that can't be read; the message says why. */
export class DtbError extends Error {
  override name = "DtbError";
}

/** A node; property values are the bytes of the flattened tree (big-endian cells). */
export interface DtNode {
  /** Name with unit address; "" for the root. */
  name: string;
  properties: Map<string, Uint8Array>;
  children: DtNode[];
}

/** A range that the guest must not use, in bytes. */
export interface DtReservation {
  address: bigint;
  size: bigint;
}

export interface DeviceTree {
  root: DtNode;
  reservations: DtReservation[];
  /** Hart id that boots. */
  bootCpu: number;
}

// ---- Values --------------------------------------------------------------------

/** 32-bit cells, big-endian. */
export function cells(...values: number[]): Uint8Array {
  const out = new Uint8Array(values.length * 4);
  const view = new DataView(out.buffer);
  values.forEach((v, i) => {
    view.setUint32(i * 4, v >>> 0);
  });
  return out;
}

/** Pairs of cells: a 64-bit number each, from safe integers. */
export function cells64(...values: number[]): Uint8Array {
  return cells(...values.flatMap((v) => [Math.floor(v / 2 ** 32), v % 2 ** 32]));
}

/** NUL-terminated strings, one after another. */
export function strings(...values: string[]): Uint8Array {
  return new TextEncoder().encode(values.map((v) => `${v}\0`).join(""));
}

/** The strings of a property, or undefined when it isn't a list of strings. */
export function readStrings(value: Uint8Array): string[] | undefined {
  if (value.length === 0 || value[value.length - 1] !== 0) return undefined;
  return new TextDecoder().decode(value.subarray(0, -1)).split("\0");
}

/** The 32-bit cells of a property, or undefined when its length isn't a multiple of 4. */
export function readCells(value: Uint8Array): number[] | undefined {
  if (value.length % 4 !== 0) return undefined;
  const view = new DataView(value.buffer, value.byteOffset, value.byteLength);
  return Array.from({ length: value.length / 4 }, (_, i) => view.getUint32(i * 4));
}

/** A node from plain objects. */
export function node(name: string, properties: Record<string, Uint8Array>, children: DtNode[] = []): DtNode {
  return { name, properties: new Map(Object.entries(properties)), children };
}

/** The node at a path such as "/soc/serial@10000000"; "/" is the root. */
export function findNode(root: DtNode, path: string): DtNode | undefined {
  let at: DtNode | undefined = root;
  for (const name of path.split("/")) {
    if (name === "") continue;
    at = at?.children.find((child) => child.name === name);
  }
  return at;
}

// ---- Writer --------------------------------------------------------------------

const align = (n: number, to: number): number => Math.ceil(n / to) * to;

/** Flattens a tree. @throws DtbError when it is larger than MAX_DTB_SIZE */
export function writeDtb(tree: DeviceTree): Uint8Array {
  const encoder = new TextEncoder();
  const names = new Map<string, number>();
  let namesSize = 0;
  const words: (number | Uint8Array)[] = [];
  const visit = (n: DtNode): void => {
    words.push(BEGIN_NODE, encoder.encode(`${n.name}\0`));
    for (const [name, value] of n.properties) {
      let at = names.get(name);
      if (at === undefined) {
        at = namesSize;
        names.set(name, at);
        namesSize += encoder.encode(name).length + 1;
      }
      words.push(PROP, value.length, at, value);
    }
    for (const child of n.children) visit(child);
    words.push(END_NODE);
  };
  visit(tree.root);
  words.push(END);

  const structAt = align(HEADER, 8) + (tree.reservations.length + 1) * 16;
  const structSize = words.reduce<number>((sum, w) => sum + (typeof w === "number" ? 4 : align(w.length, 4)), 0);
  const stringsAt = structAt + structSize;
  const size = align(stringsAt + namesSize, 8);
  if (size > MAX_DTB_SIZE) throw new DtbError(`The device tree takes ${size} bytes; the limit is ${MAX_DTB_SIZE}.`);

  const out = new Uint8Array(size);
  const view = new DataView(out.buffer);
  const header = [
    MAGIC,
    size,
    structAt,
    stringsAt,
    align(HEADER, 8),
    VERSION,
    COMPATIBLE,
    tree.bootCpu,
    namesSize,
    structSize,
  ];
  header.forEach((v, i) => {
    view.setUint32(i * 4, v >>> 0);
  });
  tree.reservations.forEach(({ address, size: length }, i) => {
    view.setBigUint64(align(HEADER, 8) + i * 16, address);
    view.setBigUint64(align(HEADER, 8) + i * 16 + 8, length);
  });
  let at = structAt;
  for (const w of words) {
    if (typeof w === "number") {
      view.setUint32(at, w >>> 0);
      at += 4;
    } else {
      out.set(w, at);
      at += align(w.length, 4);
    }
  }
  for (const [name, offset] of names) out.set(encoder.encode(name), stringsAt + offset);
  return out;
}

// ---- Reader --------------------------------------------------------------------

/** Reads a flattened tree. Values are copies. @throws DtbError */
export function readDtb(bytes: Uint8Array): DeviceTree {
  return new Reader(bytes).read();
}

class Reader {
  private readonly view: DataView;
  private readonly total: number;
  private at = 0;
  private end = 0;
  private strings = { at: 0, end: 0 };

  constructor(private readonly bytes: Uint8Array) {
    if (bytes.length < HEADER) throw new DtbError("The file is too short for a device tree (.dtb).");
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    if (this.view.getUint32(0) !== MAGIC)
      throw new DtbError("The file is not a flattened device tree (.dtb); compile sources with dtc first.");
    this.total = this.view.getUint32(4);
    if (this.total > bytes.length)
      throw new DtbError(`The device tree is truncated: it says ${this.total} bytes and the file has ${bytes.length}.`);
    if (this.total > MAX_DTB_SIZE)
      throw new DtbError(`The device tree takes ${this.total} bytes; the limit is ${MAX_DTB_SIZE}.`);
    if (this.total < HEADER || this.view.getUint32(20) < VERSION || this.view.getUint32(24) > VERSION)
      throw new DtbError("The device tree's version is not supported; version 17 is needed.");
  }

  read(): DeviceTree {
    const reservations = this.readReservations(this.view.getUint32(16));
    this.strings = this.block(this.view.getUint32(12), this.view.getUint32(32), "strings");
    const struct = this.block(this.view.getUint32(8), this.view.getUint32(36), "structure");
    if (struct.at % 4 !== 0) throw new DtbError("The device tree's structure block is not aligned.");
    this.at = struct.at;
    this.end = struct.end;
    if (this.token() !== BEGIN_NODE) throw new DtbError("The device tree has no root node.");
    const root = this.readNode(0);
    if (this.token() !== END) throw new DtbError("The device tree does not end after its root node.");
    return { root, reservations, bootCpu: this.view.getUint32(28) };
  }

  private block(at: number, size: number, what: string): { at: number; end: number } {
    if (at < HEADER || at + size > this.total)
      throw new DtbError(`The device tree's ${what} block lies outside the file.`);
    return { at, end: at + size };
  }

  private readReservations(at: number): DtReservation[] {
    const out: DtReservation[] = [];
    for (; ; at += 16) {
      if (at < HEADER || at % 8 !== 0 || at + 16 > this.total || out.length > MAX_RESERVATIONS)
        throw new DtbError("The device tree's list of memory reservations does not end inside the file.");
      const entry = { address: this.view.getBigUint64(at), size: this.view.getBigUint64(at + 8) };
      if (entry.address === 0n && entry.size === 0n) return out;
      out.push(entry);
    }
  }

  private word(): number {
    if (this.at + 4 > this.end) throw new DtbError("The device tree's structure block ends too early.");
    const v = this.view.getUint32(this.at);
    this.at += 4;
    return v;
  }

  private token(): number {
    for (;;) {
      const token = this.word();
      if (token !== NOP) return token;
    }
  }

  private text(at: number, end: number, what: string): { text: string; length: number } {
    const limit = Math.min(end, at + MAX_NAME + 1);
    let stop = at;
    while (stop < limit && this.bytes[stop] !== 0) stop++;
    if (stop >= limit) throw new DtbError(`The device tree holds a ${what} name that does not end.`);
    return { text: new TextDecoder().decode(this.bytes.subarray(at, stop)), length: stop - at };
  }

  private readNode(depth: number): DtNode {
    if (depth >= MAX_DEPTH) throw new DtbError(`The device tree is more than ${MAX_DEPTH} levels deep.`);
    const { text, length } = this.text(this.at, this.end, "node");
    this.at += align(length + 1, 4);
    const out: DtNode = { name: text, properties: new Map(), children: [] };
    const seen = new Set<string>();
    for (;;) {
      const token = this.token();
      if (token === END_NODE) return out;
      if (token === BEGIN_NODE) {
        const child = this.readNode(depth + 1);
        if (seen.has(child.name))
          throw new DtbError(`The device tree has two nodes named "${child.name}" in one place.`);
        seen.add(child.name);
        out.children.push(child);
      } else if (token === PROP) {
        this.readProperty(out);
      } else {
        throw new DtbError(`The device tree holds an unknown token (${token}).`);
      }
    }
  }

  private readProperty(owner: DtNode): void {
    const size = this.word();
    const nameAt = this.word();
    if (size > this.end - this.at) throw new DtbError("The device tree holds a property longer than the tree.");
    if (nameAt >= this.strings.end - this.strings.at)
      throw new DtbError("The device tree holds a property without a name.");
    const { text } = this.text(this.strings.at + nameAt, this.strings.end, "property");
    if (owner.properties.has(text))
      throw new DtbError(`The device tree's node "${owner.name}" has the property "${text}" twice.`);
    owner.properties.set(text, this.bytes.slice(this.at, this.at + size));
    this.at += align(size, 4);
  }
}
