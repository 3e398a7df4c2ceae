/** Writes tar archives: ustar (POSIX pax, "ustar Interchange Format") with GNU's records for long names. */

import type { TarEntry, TarKind } from "./tar.ts";

/** An entry to write; what isn't said is root's, and of the epoch. */
export type TarItem = Pick<TarEntry, "path" | "kind"> & Partial<TarEntry>;

const BLOCK = 512;
const TYPES: Record<TarKind, string> = {
  file: "0",
  link: "1",
  symlink: "2",
  character: "3",
  block: "4",
  directory: "5",
  fifo: "6",
};
/** What of a name, or of a link's target, fits into its field. */
const MAX_NAME = 100;
/** GNU's: an entry whose data is the name, or the target, of the one behind it. */
const LONG_NAME = "L";
const LONG_TARGET = "K";

/** The end of an archive: two blocks of zeroes. */
export const TAR_END = new Uint8Array(2 * BLOCK);

/** An entry as it is in an archive: whole blocks. The same entry gives the same bytes. */
export function tarBlocks(entry: TarItem): Uint8Array {
  const parts: Uint8Array[] = [];
  const path = entry.kind === "directory" ? `./${entry.path}${entry.path === "" ? "" : "/"}` : `./${entry.path}`;
  const target = entry.kind === "link" ? `./${entry.target ?? ""}` : (entry.target ?? "");
  for (const [type, name] of [
    [LONG_TARGET, target],
    [LONG_NAME, path],
  ] as const) {
    const data = Buffer.from(`${name}\0`);
    if (data.length > MAX_NAME) parts.push(header("././@LongLink", "", type, data.length, {}), padded(data));
  }
  const data = entry.kind === "file" ? (entry.data ?? new Uint8Array(0)) : new Uint8Array(0);
  parts.push(header(path, target, TYPES[entry.kind], data.length, entry), padded(data));
  return Buffer.concat(parts);
}

function header(path: string, target: string, type: string, size: number, entry: Partial<TarEntry>): Uint8Array {
  const block = Buffer.alloc(BLOCK);
  const bytes = (at: number, length: number, value: string): void => {
    block.set(Buffer.from(value).subarray(0, length), at);
  };
  const octal = (at: number, length: number, value: number): void => {
    bytes(at, length, value.toString(8).padStart(length - 1, "0"));
  };
  bytes(0, 100, path);
  octal(100, 8, entry.mode ?? (type === TYPES.directory ? 0o755 : 0o644));
  octal(108, 8, entry.uid ?? 0);
  octal(116, 8, entry.gid ?? 0);
  octal(124, 12, size);
  octal(136, 12, entry.mtime ?? 0);
  bytes(156, 1, type);
  bytes(157, 100, target);
  bytes(257, 8, "ustar\0".concat("00"));
  octal(329, 8, entry.major ?? 0);
  octal(337, 8, entry.minor ?? 0);
  // The sum of all bytes, those of its own field as spaces.
  bytes(148, 8, " ".repeat(8));
  const sum = block.reduce((total, byte) => total + byte, 0);
  bytes(148, 8, `${sum.toString(8).padStart(6, "0")}\0 `);
  return block;
}

function padded(data: Uint8Array): Uint8Array {
  const length = Math.ceil(data.length / BLOCK) * BLOCK;
  if (length === data.length) return data;
  const whole = new Uint8Array(length);
  whole.set(data);
  return whole;
}
