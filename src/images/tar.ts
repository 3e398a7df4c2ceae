import { ImageError } from "./errors.ts";

/** A regular file of an archive. `path` has no leading "./" or "/". */
export interface TarFile {
  path: string;
  data: Uint8Array;
}

/** What something in an archive is. A "link" is a further name of a file that came before. */
export type TarKind = "file" | "link" | "symlink" | "character" | "block" | "directory" | "fifo";

/** Anything in an archive. Of the path, and of a hard link's target, leading "./" or "/" and a trailing "/" are taken off. */
export interface TarEntry extends TarFile {
  kind: TarKind;
  /** Permission bits, with set-uid, set-gid and sticky. */
  mode: number;
  uid: number;
  gid: number;
  /** Seconds since 1970. */
  mtime: number;
  /** Of both kinds of link. */
  target: string;
  /** Of devices. */
  major: number;
  minor: number;
}

const BLOCK = 512;
/** Longest name record read: PATH_MAX is 4096, and a pax record holds a few values. */
const MAX_NAME_RECORD = 64 * 1024;

/**
 * Types of entries by their typeflag, in the order of the digits from 0
 * (POSIX pax, "ustar Interchange Format"); old archives have NUL for a file.
 */
const KINDS: readonly TarKind[] = ["file", "link", "symlink", "character", "block", "directory", "fifo"];

/**
 * The regular files that `wanted` picks, as they come by. Nothing else is kept:
 * links, devices and owners are passed over.
 *
 * @param chunks the archive, in pieces of any size
 * @throws ImageError bad-package, if it is cut short or a header is damaged
 */
export async function* readTar(
  chunks: AsyncIterable<Uint8Array>,
  wanted: (path: string) => boolean,
): AsyncGenerator<TarFile> {
  for await (const { path, data } of readEntries(chunks, (path, kind) => kind === "file" && wanted(path))) {
    yield { path, data };
  }
}

/**
 * What `wanted` picks, as it comes by (POSIX pax "ustar Interchange Format",
 * with GNU's and pax's long names). Other pax records are passed over.
 *
 * @param chunks the archive, in pieces of any size
 * @throws ImageError bad-package, if it is cut short or a header is damaged
 */
export async function* readEntries(
  chunks: AsyncIterable<Uint8Array>,
  wanted: (path: string, kind: TarKind) => boolean = () => true,
): AsyncGenerator<TarEntry> {
  const input = new Reader(chunks);
  let longName: string | undefined;
  let longTarget: string | undefined;
  for (;;) {
    const header = await input.take(BLOCK);
    if (header === undefined) return;
    if (header.every((byte) => byte === 0)) return input.drain(); // the end, then padding
    const { size, type, ...fields } = parseHeader(header);
    const padded = Math.ceil(size / BLOCK) * BLOCK;
    if (type === "L" || type === "K" || type === "x") {
      if (size > MAX_NAME_RECORD) throw damaged("a name is too long");
      const record = (await input.need(padded)).subarray(0, size);
      if (type === "L") longName = text(record);
      else if (type === "K") longTarget = text(record);
      else {
        longName = paxValue(record, "path") ?? longName;
        longTarget = paxValue(record, "linkpath") ?? longTarget;
      }
      continue;
    }
    const kind = type === "\0" ? "file" : KINDS[Number.parseInt(type, 10)];
    const path = relative(longName ?? fields.path);
    const target = longTarget ?? fields.target;
    longName = undefined;
    longTarget = undefined;
    if (kind !== undefined && wanted(path, kind)) {
      const data = (await input.need(padded)).slice(0, size);
      yield { ...fields, path, kind, target: kind === "link" ? relative(target) : target, data };
    } else {
      await input.skip(padded);
    }
  }
}

const relative = (path: string): string => path.replace(/^(\.?\/)+/, "").replace(/\/+$/, "");

function damaged(how: string): ImageError {
  return new ImageError("bad-package", `The package's archive is damaged (${how}); remove the image and try again.`);
}

type Header = Omit<TarEntry, "kind" | "data"> & { size: number; type: string };

// Field offsets of the ustar header: name 0, mode 100, uid 108, gid 116, size 124, mtime 136, checksum 148,
// typeflag 156, linkname 157, magic 257, devmajor 329, devminor 337, prefix 345.
function parseHeader(header: Uint8Array): Header {
  const sum = header.reduce((total, byte, at) => total + (at >= 148 && at < 156 ? 0x20 : byte), 0);
  if (sum !== octal(header.subarray(148, 156))) throw damaged("a checksum is wrong");
  const prefix = text(header.subarray(345, 500));
  const name = text(header.subarray(0, 100));
  const isUstar = text(header.subarray(257, 263)) === "ustar";
  const type = String.fromCharCode(header[156]!);
  const isDevice = type === "3" || type === "4";
  return {
    path: isUstar && prefix !== "" ? `${prefix}/${name}` : name,
    mode: octal(header.subarray(100, 108)) & 0o7777,
    uid: octal(header.subarray(108, 116)),
    gid: octal(header.subarray(116, 124)),
    size: octal(header.subarray(124, 136)),
    mtime: octal(header.subarray(136, 148)),
    type,
    target: text(header.subarray(157, 257)),
    major: isDevice ? octal(header.subarray(329, 337)) : 0,
    minor: isDevice ? octal(header.subarray(337, 345)) : 0,
  };
}

function text(bytes: Uint8Array): string {
  const end = bytes.indexOf(0);
  return Buffer.from(end < 0 ? bytes : bytes.subarray(0, end)).toString("utf8");
}

function octal(bytes: Uint8Array): number {
  const digits = text(bytes).trim();
  if (!/^[0-7]+$/.test(digits)) throw damaged("a number is not octal");
  return Number.parseInt(digits, 8);
}

/** A value of a pax extended header: records of "length key=value\n". */
function paxValue(record: Uint8Array, key: string): string | undefined {
  return new RegExp(`(?:^|\\n)\\d+ ${key}=([^\\n]*)\\n`).exec(Buffer.from(record).toString("utf8"))?.[1];
}
/** Takes runs of bytes from a stream of chunks. */
export class Reader {
  readonly #chunks: AsyncIterator<Uint8Array>;
  #rest: Uint8Array = new Uint8Array(0);

  constructor(chunks: AsyncIterable<Uint8Array>) {
    this.#chunks = chunks[Symbol.asyncIterator]();
  }

  /** The next `length` bytes, or nothing at a clean end. */
  async take(length: number): Promise<Uint8Array | undefined> {
    const parts: Uint8Array[] = [];
    let missing = length;
    while (missing > 0) {
      if (this.#rest.length === 0 && !(await this.#refill())) {
        if (missing === length) return undefined;
        throw damaged("it is cut short");
      }
      const part = this.#rest.subarray(0, missing);
      this.#rest = this.#rest.subarray(part.length);
      missing -= part.length;
      parts.push(part);
    }
    return parts.length === 1 ? parts[0]! : Buffer.concat(parts, length);
  }

  async need(length: number): Promise<Uint8Array> {
    const bytes = length === 0 ? new Uint8Array(0) : await this.take(length);
    if (bytes === undefined) throw damaged("it is cut short");
    return bytes;
  }

  async skip(length: number): Promise<void> {
    let missing = length;
    while (missing > 0) {
      if (this.#rest.length === 0 && !(await this.#refill())) throw damaged("it is cut short");
      const step = Math.min(missing, this.#rest.length);
      this.#rest = this.#rest.subarray(step);
      missing -= step;
    }
  }

  /** Reads on to the end, so that whoever writes can end. */
  async drain(): Promise<void> {
    while (await this.#refill()) this.#rest = new Uint8Array(0);
  }

  async #refill(): Promise<boolean> {
    const next = await this.#chunks.next();
    if (next.done === true) return false;
    this.#rest = next.value;
    return true;
  }
}
