/** Reads the bytes of a WebAssembly module (Core Specification 5). */

/** The module isn't one that the translator could have written; `message` says where. */
export class WasmError extends Error {
  override readonly name = "WasmError";
}

export class Reader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly end: number;
  at: number;

  constructor(bytes: Uint8Array, from = 0, end = bytes.length) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    this.at = from;
    this.end = end;
  }

  get done(): boolean {
    return this.at >= this.end;
  }

  byte(): number {
    if (this.done) throw new WasmError(`the module ends early, at ${this.at}`);
    return this.#bytes[this.at++]!;
  }

  /** Unsigned LEB128 of 32 bits. */
  unsigned(): number {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const b = this.byte();
      value += (b & 0x7f) * 2 ** shift;
      if (b < 0x80) return value;
      if (shift > 28) throw new WasmError(`a number is too long, at ${this.at}`);
    }
  }

  /** Signed LEB128 of up to 64 bits. */
  signed(): bigint {
    let value = 0n;
    for (let shift = 7n; ; shift += 7n) {
      const b = this.byte();
      value |= BigInt(b & 0x7f) << (shift - 7n);
      if (b < 0x80) return BigInt.asIntN(Number(shift), value);
      if (shift > 63n) throw new WasmError(`a number is too long, at ${this.at}`);
    }
  }

  float(bytes: 4 | 8): number {
    this.at += bytes;
    if (this.at > this.end) throw new WasmError(`the module ends early, at ${this.end}`);
    return bytes === 4 ? this.#view.getFloat32(this.at - 4, true) : this.#view.getFloat64(this.at - 8, true);
  }

  name(): string {
    const length = this.unsigned();
    const from = this.at;
    this.at += length;
    if (this.at > this.end) throw new WasmError(`the module ends early, at ${this.end}`);
    return new TextDecoder().decode(this.#bytes.subarray(from, this.at));
  }

  /** A list: its length, then that many. */
  list<T>(item: (i: number) => T): T[] {
    return Array.from({ length: this.unsigned() }, (_, i) => item(i));
  }

  /** What comes next, of so many bytes, to be read by itself. */
  part(length: number): Reader {
    const from = this.at;
    this.at += length;
    if (this.at > this.end) throw new WasmError(`a part is longer than the module, at ${from}`);
    return new Reader(this.#bytes, from, this.at);
  }
}
