import { ImageError } from "./errors.ts";

/** A regular file of an archive. `path` has no leading "./" or "/". */
export interface TarFile {
  path: string;
  data: Uint8Array;
}

const BLOCK = 512;
/** Longest name record read: PATH_MAX is 4096, and a pax record holds a few values. */
const MAX_NAME_RECORD = 64 * 1024;

/**
 * The regular files that `wanted` picks, as they come by (POSIX pax "ustar
 * Interchange Format", with GNU's and pax's long names). Nothing else is kept:
 * links, devices and owners are passed over.
 *
 * @param chunks the archive, in pieces of any size
 * @throws ImageError bad-package, if it is cut short or a header is damaged
 */
export async function* readTar(
  chunks: AsyncIterable<Uint8Array>,
  wanted: (path: string) => boolean,
): AsyncGenerator<TarFile> {
  const input = new Reader(chunks);
  let longName: string | undefined;
  for (;;) {
    const header = await input.take(BLOCK);
    if (header === undefined) return;
    if (header.every((byte) => byte === 0)) return input.drain(); // the end, then padding
    const { name, size, type } = parseHeader(header);
    const padded = Math.ceil(size / BLOCK) * BLOCK;
    if (type === "L" || type === "x") {
      if (size > MAX_NAME_RECORD) throw damaged("a name is too long");
      const record = (await input.need(padded)).subarray(0, size);
      longName = type === "L" ? text(record) : (paxPath(record) ?? longName);
      continue;
    }
    const path = (longName ?? name).replace(/^(\.?\/)+/, "");
    longName = undefined;
    if ((type === "0" || type === "\0") && wanted(path)) {
      yield { path, data: (await input.need(padded)).slice(0, size) };
    } else {
      await input.skip(padded);
    }
  }
}

function damaged(how: string): ImageError {
  return new ImageError("bad-package", `The package's archive is damaged (${how}); remove the image and try again.`);
}

// Field offsets of the ustar header: name 0, size 124, checksum 148, typeflag 156, prefix 345.
function parseHeader(header: Uint8Array): { name: string; size: number; type: string } {
  const sum = header.reduce((total, byte, at) => total + (at >= 148 && at < 156 ? 0x20 : byte), 0);
  if (sum !== octal(header.subarray(148, 156))) throw damaged("a checksum is wrong");
  const prefix = text(header.subarray(345, 500));
  const name = text(header.subarray(0, 100));
  const isUstar = text(header.subarray(257, 263)) === "ustar";
  return {
    name: isUstar && prefix !== "" ? `${prefix}/${name}` : name,
    size: octal(header.subarray(124, 136)),
    type: String.fromCharCode(header[156]!),
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

/** The path of a pax extended header: records of "length key=value\n". */
function paxPath(record: Uint8Array): string | undefined {
  return /(?:^|\n)\d+ path=([^\n]*)\n/.exec(Buffer.from(record).toString("utf8"))?.[1];
}

/** Takes runs of bytes from a stream of chunks. */
class Reader {
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
