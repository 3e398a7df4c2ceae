/**
 * libkmod's index files (modules.*.bin): tries by which modprobe and udev find
 * what they look for without reading the text files. The format is known from
 * kmod's source alone (libkmod/libkmod-index.h): all numbers are big-endian; a
 * node is [prefix NUL] [first, last, (last − first + 1) offsets of children]
 * [number of values, (priority, text NUL)…], and which of the three it has is in
 * the top bits of the offsets that lead to it.
 */

const MAGIC = 0xb007f457;
const VERSION = 0x0002_0001;
const PREFIX = 0x8000_0000;
const VALUES = 0x4000_0000;
const CHILDREN = 0x2000_0000;

interface Node {
  prefix: string;
  children: Map<number, Node>;
  values: { priority: number; text: string }[];
}

/** An index that is being made. Keys and values are ASCII. */
export class ModuleIndex {
  readonly #root: Node = node("");

  /** Of a key's values those with the lower priority come first. */
  add(key: string, text: string, priority: number): void {
    let at = this.#root;
    let rest = key;
    for (;;) {
      let same = 0;
      while (same < at.prefix.length && at.prefix[same] === rest[same]) same++;
      if (same < at.prefix.length) {
        // The part that they share becomes a node of its own above it.
        const lower: Node = { ...at, prefix: at.prefix.slice(same + 1) };
        const char = at.prefix.charCodeAt(same);
        at.prefix = at.prefix.slice(0, same);
        at.values = [];
        at.children = new Map([[char, lower]]);
      }
      rest = rest.slice(same);
      if (rest === "") break;
      const char = rest.charCodeAt(0);
      rest = rest.slice(1);
      let child = at.children.get(char);
      if (child === undefined) {
        child = node(rest);
        at.children.set(char, child);
      }
      at = child;
    }
    const behind = at.values.findIndex((value) => value.priority >= priority);
    at.values.splice(behind < 0 ? at.values.length : behind, 0, { priority, text });
  }

  bytes(): Uint8Array {
    const output: Uint8Array[] = [];
    let length = 12;
    const put = (bytes: Uint8Array): void => {
      output.push(bytes);
      length += bytes.length;
    };
    const write = (at: Node): number => {
      const keys = [...at.children.keys()];
      const first = Math.min(...keys);
      const last = Math.max(...keys);
      const offsets = Buffer.alloc(keys.length === 0 ? 0 : 2 + 4 * (last - first + 1));
      // Children come before their parent, in their order.
      for (const char of keys.sort((a, b) => a - b)) {
        offsets.writeUInt32BE(write(at.children.get(char)!), 2 + 4 * (char - first));
      }
      let offset = length;
      if (at.prefix !== "") {
        offset += PREFIX;
        put(Buffer.from(`${at.prefix}\0`, "latin1"));
      }
      if (keys.length > 0) {
        offset += CHILDREN;
        offsets.set([first, last]);
        put(offsets);
      }
      if (at.values.length > 0) {
        offset += VALUES;
        put(word(at.values.length));
        for (const { priority, text } of at.values)
          put(Buffer.concat([word(priority), Buffer.from(`${text}\0`, "latin1")]));
      }
      return offset;
    };
    const root = write(this.#root);
    return Buffer.concat([word(MAGIC), word(VERSION), word(root), ...output]);
  }
}

const node = (prefix: string): Node => ({ prefix, children: new Map(), values: [] });

function word(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}
