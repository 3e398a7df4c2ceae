/**
 * What is said on a VM's control socket, all of it: one request by each
 * connection, and what comes of it.
 *
 * Both directions are frames: the payload's length (4 bytes, big-endian), a byte
 * for the channel, the payload. Channel 0 has messages, as JSON; the others have
 * bytes as they are.
 */

export const SOCKET = "control.sock";
/** Changes whenever older programs would misunderstand. */
export const PROTOCOL = 1;

export const MESSAGES = 0;
/** Of "console": both ways. */
export const CONSOLE = 1;
/** Of "exec": what the command writes. */
export const STDOUT = 2;
export const STDERR = 3;

/** A frame's payload has no more bytes. */
export const MAX_FRAME = 1 << 20;
const HEAD = 5;

export interface ConsoleSize {
  readonly columns: number;
  readonly rows: number;
}

/** The first frame of whoever connects; the next ones, of "console" only, are typed bytes and Resize. */
export type Request = { readonly protocol: typeof PROTOCOL } & (
  | { readonly type: "status" }
  /** Shows the console's last lines and what comes from now on, and types at it. */
  | { readonly type: "console"; readonly size?: ConsoleSize }
  | { readonly type: "exec"; readonly command: string }
  /** Makes a disk larger, by its number from 0; bytes. */
  | { readonly type: "resize-disk"; readonly disk: number; readonly size: number }
  /** Writes what the overlay of a disk, by its number from 0, holds to its backing file. */
  | { readonly type: "commit-disk"; readonly disk: number }
  /** The memory balloon is to have so many bytes. */
  | { readonly type: "balloon"; readonly bytes: number }
  /** Ends the machine: asks the guest to power off, and pulls its plug after `timeout` ms, or at once. */
  | { readonly type: "stop"; readonly timeout: number; readonly force: boolean }
);

/** The terminal that shows the console has another size. */
export interface Resize {
  readonly type: "resize";
  readonly size: ConsoleSize;
}

export type Report =
  | { readonly type: "status"; readonly status: VmStatus }
  /** Whether there is a balloon, and it has its new size to reach. */
  | { readonly type: "balloon"; readonly there: boolean }
  /** The command has ended. */
  | { readonly type: "exit"; readonly status: number }
  /** The disk has the size. */
  | { readonly type: "resized" }
  /** The backing file has what the overlay had. */
  | { readonly type: "committed" }
  /** The guest was asked to power off, and is waited for. */
  | { readonly type: "asked" }
  /** The machine has ended; the connection is closed next. */
  | { readonly type: "ended"; readonly how: string; readonly forced: boolean }
  /** What was asked for can't be done; one sentence. */
  | { readonly type: "error"; readonly message: string };

/** A running VM. */
export interface VmStatus {
  readonly pid: number;
  /** When the machine was started, ms since 1970. */
  readonly started: number;
  readonly paused: boolean;
  /** Has the guest's agent answered, so that commands can be run in it? */
  readonly agent: boolean;
  /** How many show the console now. */
  readonly watchers: number;
  /** Bytes of guest RAM, and the resident size of the process. */
  readonly memory: number;
  readonly resident: number;
  readonly harts: number;
  readonly instructions: number;
  readonly cpuSeconds: number;
  /** Of a VM with a memory balloon: bytes that it is to have, and that it has. */
  readonly balloon?: { readonly target: number; readonly actual: number };
}

/** The other end doesn't speak this protocol. */
export class ProtocolError extends Error {
  override readonly name = "ProtocolError";
}

export function encodeFrame(channel: number, payload: Uint8Array): Uint8Array {
  const frame = new Uint8Array(HEAD + payload.length);
  new DataView(frame.buffer).setUint32(0, payload.length);
  frame[4] = channel;
  frame.set(payload, HEAD);
  return frame;
}

export function encodeMessage(message: Request | Resize | Report): Uint8Array {
  return encodeFrame(MESSAGES, new TextEncoder().encode(JSON.stringify(message)));
}

export interface Frame {
  readonly channel: number;
  readonly payload: Uint8Array;
}

/** Puts frames together from what arrives. */
export class FrameReader {
  #rest: Uint8Array = new Uint8Array(0);

  /** @throws ProtocolError for a frame that is too long */
  take(bytes: Uint8Array): Frame[] {
    const all = new Uint8Array(this.#rest.length + bytes.length);
    all.set(this.#rest);
    all.set(bytes, this.#rest.length);
    const view = new DataView(all.buffer);
    const frames: Frame[] = [];
    let at = 0;
    while (all.length - at >= HEAD) {
      const length = view.getUint32(at);
      if (length > MAX_FRAME) throw new ProtocolError(`A frame has ${length} bytes, more than ${MAX_FRAME}.`);
      if (all.length - at - HEAD < length) break;
      frames.push({ channel: all[at + 4]!, payload: all.slice(at + HEAD, at + HEAD + length) });
      at += HEAD + length;
    }
    this.#rest = all.slice(at);
    return frames;
  }
}

function parseMessage(payload: Uint8Array): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(new TextDecoder().decode(payload));
    if (typeof value === "object" && value !== null) return value as Record<string, unknown>;
  } catch {
    // Told below.
  }
  throw new ProtocolError("A message is no JSON object.");
}

/** @throws ProtocolError */
export function decodeRequest({ channel, payload }: Frame): Request {
  const value = parseMessage(payload);
  const { protocol, type, command, timeout, force, size, disk, bytes } = value;
  if (channel !== MESSAGES) throw new ProtocolError("A request is expected first.");
  if (protocol !== PROTOCOL)
    throw new ProtocolError(
      "The VM is run by another version of Wardian; use that one, or stop the VM by its process.",
    );
  const known =
    type === "status" ||
    (type === "console" && (size === undefined || isSize(size))) ||
    (type === "exec" && typeof command === "string") ||
    (type === "resize-disk" && [disk, size].every(isCount)) ||
    (type === "commit-disk" && isCount(disk)) ||
    (type === "balloon" && Number.isSafeInteger(bytes)) ||
    (type === "stop" && Number.isFinite(timeout) && (timeout as number) >= 0 && typeof force === "boolean");
  if (!known) throw new ProtocolError(`A request ${JSON.stringify(type)} is not known, or lacks something.`);
  return value as unknown as Request;
}

/** @throws ProtocolError */
export function decodeResize({ payload }: Frame): Resize {
  const value = parseMessage(payload);
  if (value.type !== "resize" || !isSize(value.size)) throw new ProtocolError("Only sizes may follow.");
  return value as unknown as Resize;
}

function isCount(value: unknown): boolean {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function isSize(value: unknown): boolean {
  const { columns, rows } = (value ?? {}) as Partial<ConsoleSize>;
  return [columns, rows].every((n) => Number.isInteger(n) && n! > 0 && n! < 65536);
}

/** @throws ProtocolError */
export function decodeReport({ payload }: Frame): Report {
  const value = parseMessage(payload);
  if (typeof value.type !== "string") throw new ProtocolError("A report has no type.");
  return value as unknown as Report;
}
