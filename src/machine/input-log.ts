/** What came in from outside during a run, and when: enough to run it again. */
import type { BalloonInput } from "../devices/virtio/balloon/balloon.ts";
import type { PortInput } from "../devices/virtio/console/port.ts";
import type { VsockInput } from "../devices/virtio/vsock/vsock.ts";

/** `device` tells devices of one kind apart: the number of its slot. Arrays belong to the event. */
export type InputEvent =
  /** Typed at the machine's console. */
  | { readonly kind: "terminal"; readonly bytes: Uint8Array }
  /** For a port of a virtio console. */
  | (PortInput & { readonly device: number })
  | { readonly kind: "entropy"; readonly device: number; readonly bytes: Uint8Array }
  /** A disk request has completed; `error` is 0 or the device's own code. */
  | {
      readonly kind: "disk";
      readonly device: number;
      readonly request: number;
      readonly error: number;
      readonly bytes: Uint8Array;
    }
  /** A disk has another size, in bytes. */
  | { readonly kind: "disk-size"; readonly device: number; readonly size: number }
  /** An operation on a shared tree of files has completed; `error` is 0 or a Linux errno. */
  | {
      readonly kind: "files";
      readonly device: number;
      readonly request: number;
      readonly error: number;
      readonly bytes: Uint8Array;
    }
  | { readonly kind: "packet"; readonly device: number; readonly bytes: Uint8Array }
  /** For a connection of a socket device. */
  | (VsockInput & { readonly device: number })
  | (BalloonInput & { readonly device: number })
  /** The clocks: mtime in ticks, and nanoseconds since 1970. Both unsigned, 64 bits. */
  | { readonly kind: "clock"; readonly ticks: bigint; readonly wall: bigint };

export interface InputEntry {
  /** Instructions that the guest had retired when it got the event. */
  readonly at: bigint;
  readonly event: InputEvent;
}

/** An input that can't be recorded or replayed; the message says what to do. */
export class InputError extends Error {
  override readonly name = "InputError";
}

const MAGIC = [0x57, 0x44, 0x49, 0x4e]; // "WDIN"
const VERSION = 1;
const KINDS = [
  "terminal",
  "port",
  "port-credit",
  "port-open",
  "entropy",
  "disk",
  "packet",
  "clock",
  "files",
  "port-size",
  "vsock",
  "vsock-connect",
  "vsock-open",
  "vsock-end",
  "vsock-credit",
  "vsock-reset",
  "balloon-target",
  "balloon-poll",
  "balloon-more",
  "disk-size",
] as const;

/** Events in the order in which the guest got them, up to a moment of its run. */
export class InputLog {
  readonly entries: readonly InputEntry[];
  /** Instructions retired when the recording ended: what came later isn't known. */
  readonly end: bigint;

  constructor(entries: readonly InputEntry[], end: bigint) {
    this.entries = entries;
    this.end = end;
  }

  /**
   * The log as bytes: "WDIN", version, then unsigned LEB128 numbers: the end, the
   * number of entries, and for each the instructions since the one before, its
   * kind, and its fields (byte strings with their length before them).
   */
  serialize(): Uint8Array {
    const out = new Writer();
    for (const byte of MAGIC) out.byte(byte);
    out.byte(VERSION);
    out.number(this.end);
    out.number(this.entries.length);
    let last = 0n;
    for (const { at, event } of this.entries) {
      out.number(at - last);
      last = at;
      out.byte(KINDS.indexOf(event.kind));
      writeEvent(out, event);
    }
    return out.take();
  }

  /** @throws InputError if `bytes` isn't a log that this version wrote */
  static parse(bytes: Uint8Array): InputLog {
    const from = new Reader(bytes);
    if (MAGIC.some((byte) => from.byte() !== byte)) from.fail("doesn't begin as one");
    const version = from.byte();
    if (version !== VERSION) from.fail(`has version ${version}, and only ${VERSION} can be read`);
    const end = from.bigint();
    const count = from.number();
    const entries: InputEntry[] = [];
    let at = 0n;
    // Each entry takes bytes, so a count that lies ends at the end of the bytes.
    for (let i = 0; i < count; i++) {
      at += from.bigint();
      entries.push({ at, event: readEvent(from) });
    }
    if (at > end) from.fail("ends before its last event");
    if (!from.done) from.fail("has bytes after its end");
    return new InputLog(entries, end);
  }
}

function writeEvent(out: Writer, event: InputEvent): void {
  if (event.kind === "clock") {
    out.number(event.ticks);
    out.number(event.wall);
    return;
  }
  if (event.kind !== "terminal") out.number(event.device);
  switch (event.kind) {
    case "port":
      out.number(event.port);
      break;
    case "port-credit":
      out.number(event.port);
      out.number(event.count);
      return;
    case "port-open":
      out.number(event.port);
      out.byte(event.open ? 1 : 0);
      return;
    case "port-size":
      out.number(event.port);
      out.number(event.columns);
      out.number(event.rows);
      return;
    case "disk-size":
      out.number(event.size);
      return;
    case "disk":
    case "files":
      out.number(event.request);
      out.number(event.error);
      break;
    case "vsock":
      out.number(event.connection);
      break;
    case "vsock-connect":
      out.number(event.connection);
      out.number(event.port);
      return;
    case "vsock-credit":
      out.number(event.connection);
      out.number(event.count);
      return;
    case "vsock-open":
    case "vsock-end":
    case "vsock-reset":
      out.number(event.connection);
      return;
    case "balloon-target":
      out.number(event.pages);
      return;
    case "balloon-poll":
    case "balloon-more":
      return;
  }
  out.bytes(event.bytes);
}

function readEvent(from: Reader): InputEvent {
  const kind = KINDS[from.byte()];
  switch (kind) {
    case "terminal":
      return { kind, bytes: from.bytes() };
    case "port":
      return { kind, device: from.number(), port: from.number(), bytes: from.bytes() };
    case "port-credit":
      return { kind, device: from.number(), port: from.number(), count: from.number() };
    case "port-open":
      return { kind, device: from.number(), port: from.number(), open: from.byte() !== 0 };
    case "port-size":
      return { kind, device: from.number(), port: from.number(), columns: from.number(), rows: from.number() };
    case "disk-size":
      return { kind, device: from.number(), size: from.number() };
    case "entropy":
    case "packet":
      return { kind, device: from.number(), bytes: from.bytes() };
    case "disk":
    case "files":
      return { kind, device: from.number(), request: from.number(), error: from.number(), bytes: from.bytes() };
    case "vsock":
      return { kind, device: from.number(), connection: from.number(), bytes: from.bytes() };
    case "vsock-connect":
      return { kind, device: from.number(), connection: from.number(), port: from.number() };
    case "vsock-credit":
      return { kind, device: from.number(), connection: from.number(), count: from.number() };
    case "vsock-open":
    case "vsock-end":
    case "vsock-reset":
      return { kind, device: from.number(), connection: from.number() };
    case "balloon-target":
      return { kind, device: from.number(), pages: from.number() };
    case "balloon-poll":
    case "balloon-more":
      return { kind, device: from.number() };
    case "clock":
      return { kind, ticks: from.bigint(), wall: from.bigint() };
    default:
      return from.fail("has an event of an unknown kind");
  }
}

class Writer {
  #bytes = new Uint8Array(1024);
  #length = 0;

  byte(value: number): void {
    this.#room(1);
    this.#bytes[this.#length++] = value;
  }

  number(value: number | bigint): void {
    let rest = BigInt(value);
    do {
      const low = Number(rest & 0x7fn);
      rest >>= 7n;
      this.byte(rest ? low | 0x80 : low);
    } while (rest);
  }

  bytes(value: Uint8Array): void {
    this.number(value.length);
    this.#room(value.length);
    this.#bytes.set(value, this.#length);
    this.#length += value.length;
  }

  take(): Uint8Array {
    return this.#bytes.slice(0, this.#length);
  }

  #room(count: number): void {
    if (this.#length + count <= this.#bytes.length) return;
    const grown = new Uint8Array(Math.max(2 * this.#bytes.length, this.#length + count));
    grown.set(this.#bytes);
    this.#bytes = grown;
  }
}

class Reader {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get done(): boolean {
    return this.#at === this.#bytes.length;
  }

  byte(): number {
    const value = this.#bytes[this.#at++];
    return value === undefined ? this.fail("ends too early") : value;
  }

  bigint(): bigint {
    let value = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = this.byte();
      value |= BigInt(byte & 0x7f) << shift;
      if (byte & 0x80) continue;
      return BigInt.asUintN(64, value) === value ? value : this.fail("has a number beyond 64 bits");
    }
    return this.fail("has a number beyond 64 bits");
  }

  number(): number {
    const value = this.bigint();
    return value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : this.fail("has a number that is too large");
  }

  bytes(): Uint8Array {
    const length = this.number();
    if (length > this.#bytes.length - this.#at) this.fail("ends too early");
    this.#at += length;
    return this.#bytes.slice(this.#at - length, this.#at);
  }

  fail(what: string): never {
    throw new InputError(`This input log ${what}; record the run again.`);
  }
}
