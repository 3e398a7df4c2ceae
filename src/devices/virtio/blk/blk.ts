/**
 * virtio block device (VIRTIO 1.2 §5.2).
 *
 * Requests are taken from the ring as they come, submitted to the disk, many at
 * once, and returned in the order in which the disk completes them. A completion
 * comes by the input door, so what the guest sees of the disk can be recorded.
 */
import type { DiskRequest } from "../../../backends/disk.ts";
import { put16, put32, put64 } from "../bytes.ts";
import { type Chain, readFrom, writeTo } from "../chain.ts";
import { type Step, VirtioDevice } from "../device.ts";
import type { GuestMemory, Outcome } from "../guest-memory.ts";
import type { Apply, Fields, StateReader } from "../state.ts";
import {
  type BlockRequest,
  type DiskShape,
  HEADER,
  MAX_RANGE_SECTORS,
  MAX_RANGES,
  readRequest,
  S_IOERR,
  S_OK,
  SECTOR,
  type Status,
} from "./request.ts";

/** Feature bits (§5.2.3). */
export const F_SEG_MAX = 1n << 2n;
export const F_RO = 1n << 5n;
export const F_BLK_SIZE = 1n << 6n;
export const F_FLUSH = 1n << 9n;
export const F_TOPOLOGY = 1n << 10n;
export const F_CONFIG_WCE = 1n << 11n;
export const F_DISCARD = 1n << 13n;
export const F_WRITE_ZEROES = 1n << 14n;

const QUEUE_SIZE = 256;
/** Data segments that a driver may use: a queue's worth, less header and status. */
const SEG_MAX = QUEUE_SIZE - 2;
const CONFIG_SIZE = 60;
/** Of the configuration space: whether writes may stay in a cache until a flush. */
const WRITEBACK = 32;
const ID_LENGTH = 20;
/** Bytes of a request that are on their way at once; a longer one goes piece by piece. */
const PIECE = 1024 * 1024;
/** Requests wait in the ring while the taken ones have more than this on their way, or are as many. */
const MOST_BYTES = 64 * 1024 * 1024;
const MOST_REQUESTS = QUEUE_SIZE;

/** A completion that has come through the input door. */
export interface BlockCompletion {
  readonly request: number;
  /** A status of the device. */
  readonly error: number;
  /** What was read. */
  readonly bytes: Uint8Array;
}

/** A request that the device has taken. */
interface Taken {
  readonly head: number;
  readonly chain: Chain;
  readonly request: BlockRequest;
  /** The range that is being worked on, and the bytes of it that are done; and those on their way. */
  range: number;
  done: number;
  piece: number;
  /** All is written, and a flush is on its way, since the driver knows of no cache. */
  syncing: boolean;
}

/** What a request does next, with the progress that it then has. */
interface Next {
  readonly disk: DiskRequest;
  readonly range: number;
  readonly done: number;
  readonly piece: number;
}

export class BlockDevice extends VirtioDevice {
  override readonly name = "blk";
  override readonly id = 2;
  /** As the driver knows it. */
  #disk: DiskShape;
  readonly #serial: Uint8Array;
  readonly #submit: (id: number, request: DiskRequest) => void;
  readonly #config = new Uint8Array(CONFIG_SIZE);
  readonly #taken = new Map<number, Taken>();
  /** Requests of before a reset that the disk is still busy with: until they are over, none is taken, or old writes could undo new ones. */
  readonly #orphans = new Set<number>();
  /** Requests of a saved state that haven't been read again: id and head. */
  #saved: (readonly [number, number])[] = [];
  #nextId = 0;
  #bytes = 0;
  /** Whether requests were left in the ring for want of room. */
  #held = false;

  /**
   * @param serial what GET_ID gives, up to 20 bytes of it
   * @param submit starts a request of the disk; its completion comes by `accept`
   */
  constructor(
    memory: GuestMemory,
    disk: DiskShape,
    serial: string,
    submit: (id: number, request: DiskRequest) => void,
  ) {
    const changes = disk.readOnly ? F_RO : F_FLUSH | F_CONFIG_WCE | F_DISCARD | F_WRITE_ZEROES;
    super(memory, F_SEG_MAX | F_BLK_SIZE | F_TOPOLOGY | changes, [QUEUE_SIZE]);
    const { size, sectorSize, readOnly } = disk;
    this.#disk = { size, sectorSize, readOnly };
    this.#serial = new TextEncoder().encode(serial).slice(0, ID_LENGTH);
    this.#submit = submit;
    const config = this.#config;
    const physical = Math.max(4096, disk.sectorSize);
    put64(config, 0, Math.floor(disk.size / SECTOR));
    put32(config, 12, SEG_MAX);
    put32(config, 20, disk.sectorSize);
    config[24] = Math.log2(physical / disk.sectorSize);
    put16(config, 26, physical / disk.sectorSize); // the least that is worth doing, in blocks
    config[WRITEBACK] = 1;
    put16(config, 34, 1); // queues
    put32(config, 36, MAX_RANGE_SECTORS);
    put32(config, 40, MAX_RANGES);
    put32(config, 44, physical / SECTOR);
    put32(config, 48, MAX_RANGE_SECTORS);
    put32(config, 52, MAX_RANGES);
    config[56] = 1; // write-zeroes may unmap
  }

  /** Requests that the disk is busy with. */
  get inFlight(): number {
    return this.#taken.size + this.#orphans.size;
  }

  /** The disk has another size, in bytes, and the driver is told (§5.2.5.1). */
  resized(size: number): void {
    this.#disk = { ...this.#disk, size };
    put64(this.#config, 0, Math.floor(size / SECTOR));
    this.configChanged();
  }

  override config(): Uint8Array {
    return this.#config;
  }

  override configWrite(offset: number, bytes: Uint8Array): void {
    const value = bytes[WRITEBACK - offset];
    if (value !== undefined && this.negotiated(F_CONFIG_WCE)) this.#config[WRITEBACK] = value & 1;
  }

  /** A completion that has come through the input door. @returns false: memory isn't here yet, to be tried again */
  accept({ request: id, error, bytes }: BlockCompletion): boolean {
    const taken = this.#taken.get(id);
    if (!taken) {
      if (this.#orphans.delete(id) && this.#orphans.size === 0) this.notify(0);
      return true;
    }
    let status: Status = error === S_OK ? S_OK : S_IOERR;
    if (status === S_OK && taken.request.kind === "read") {
      const stored = bytes.length === taken.piece ? writeTo(this.memory, taken.chain, taken.done, bytes) : "fault";
      if (stored === "wait") return false;
      if (stored === "fault") status = S_IOERR;
    }
    const next = status === S_OK ? this.#next(taken) : undefined;
    if (next === "wait") return false;
    if (next === "fault") status = S_IOERR;
    else if (next) {
      this.#go(id, taken, next);
      return true;
    }
    const { chain, request, head } = taken;
    const read = request.kind === "read" && status === S_OK ? chain.writableLength - 1 : 0;
    const written = this.#answer(chain, read, status);
    if (written === "wait") return false;
    if (written === "fault") this.fail();
    else if (this.complete(0, head, written) === "wait") return false;
    this.#bytes -= onTheWay(taken);
    this.#taken.delete(id);
    if (this.#held) this.notify(0);
    return true;
  }

  /** Submits again what got lost with the disk that it was submitted to. Call after `load`. */
  restart(): void {
    const saved = this.#saved;
    this.#saved = [];
    for (const [id, head] of saved) {
      if (!this.live) return;
      const chain = this.queues[0]!.chain(head);
      const step = typeof chain === "string" ? chain : this.#begin(id, chain);
      if (step === "wait") this.#saved.push([id, head]);
      else if (typeof step === "number") this.complete(0, head, step);
      else if (step !== "taken") this.fail();
    }
  }

  protected override service(_queue: number): void {
    if (this.#saved.length > 0) this.restart();
    this.#held = false;
    if (this.#orphans.size > 0) return;
    this.drain(0, (chain) => this.#take(chain));
  }

  protected override deviceReset(): void {
    this.#abandon();
    this.#config[WRITEBACK] = 1;
  }

  protected override queueReset(): void {
    this.#abandon();
  }

  protected override saveDevice(): Fields {
    const taken = [...this.#taken].map(([id, { head }]) => [id, head]);
    return {
      size: this.#disk.size,
      readOnly: this.#disk.readOnly,
      writeback: this.#config[WRITEBACK] === 1,
      nextId: this.#nextId,
      requests: [...this.#saved, ...taken].flat(),
    };
  }

  protected override loadDevice(state: StateReader): Apply {
    const size = state.number("size", Number.MAX_SAFE_INTEGER);
    const readOnly = state.boolean("readOnly");
    const writeback = state.boolean("writeback");
    const nextId = state.number("nextId", Number.MAX_SAFE_INTEGER);
    const requests = state.numbers("requests", 0, 2 * MOST_REQUESTS, Number.MAX_SAFE_INTEGER);
    if (size !== this.#disk.size || readOnly !== this.#disk.readOnly) {
      const kind = (ro: boolean) => (ro ? "read-only" : "writable");
      state.refuse(
        `belongs to a ${kind(readOnly)} disk of ${size} bytes, and this one is ${kind(this.#disk.readOnly)} and has ` +
          `${this.#disk.size}; give it the disk that it had`,
      );
    }
    return () => {
      this.#config[WRITEBACK] = writeback ? 1 : 0;
      this.#nextId = nextId;
      this.#taken.clear();
      this.#orphans.clear();
      this.#bytes = 0;
      this.#saved = [];
      for (let i = 0; i + 1 < requests.length; i += 2) this.#saved.push([requests[i]!, requests[i + 1]!]);
    };
  }

  #take(chain: Chain): Step {
    if (this.#taken.size >= MOST_REQUESTS || this.#bytes >= MOST_BYTES) {
      this.#held = true;
      return "hold";
    }
    return this.#begin(this.#nextId, chain);
  }

  /** Starts a request, or answers it at once. */
  #begin(id: number, chain: Chain): Exclude<Step, "hold"> {
    const request = readRequest(this.memory, chain, this.#disk);
    if (typeof request === "string") return request;
    if (typeof request === "number") return this.#answer(chain, 0, request);
    if (request.kind === "id") return this.#identify(chain);
    const taken = { head: chain.head, chain, request, range: 0, done: 0, piece: 0, syncing: false };
    const next = this.#next(taken);
    if (typeof next === "string") return next;
    if (!next) return this.#answer(chain, 0, S_OK);
    this.#nextId = Math.max(this.#nextId, id + 1);
    this.#taken.set(id, taken);
    this.#go(id, taken, next);
    return "taken";
  }

  #go(id: number, taken: Taken, next: Next): void {
    this.#bytes -= onTheWay(taken);
    taken.range = next.range;
    taken.done = next.done;
    taken.piece = next.piece;
    taken.syncing = next.disk.kind === "flush";
    this.#bytes += onTheWay(taken);
    this.#submit(id, next.disk);
  }

  /** What comes once that which is on its way is done; nothing: the request is complete. */
  #next({ chain, request, range: current, done: before, piece, syncing }: Taken): Next | undefined | Outcome {
    const { kind, ranges } = request;
    if (syncing) return undefined;
    const all = before + piece === (ranges[current]?.length ?? 0);
    const index = all && piece > 0 ? current + 1 : current;
    const done = all ? 0 : before + piece;
    const range = ranges[index];
    if (!range || range.length === 0) {
      // §5.2.6.2: a driver that knows of no cache finds its writes on stable storage.
      const flush = kind === "flush" || (kind !== "read" && this.#through);
      return flush ? { range: index, done: 0, piece: 0, disk: { kind: "flush" } } : undefined;
    }
    const offset = range.offset + done;
    const whole = kind === "discard" || kind === "write-zeroes";
    const length = whole ? range.length : Math.min(PIECE, range.length - done);
    const progress = { range: index, done, piece: length };
    switch (kind) {
      case "write": {
        const bytes = new Uint8Array(length);
        const got = readFrom(this.memory, chain, HEADER + done, bytes);
        return typeof got === "string" ? got : { ...progress, disk: { kind, offset, bytes } };
      }
      case "write-zeroes":
        return { ...progress, disk: { kind, offset, length, unmap: range.unmap } };
      default:
        return { ...progress, disk: { kind: kind === "discard" ? kind : "read", offset, length } };
    }
  }

  /** Whether a write is to be on stable storage before it is complete (§5.2.5.1, §5.2.6.2). */
  get #through(): boolean {
    return this.negotiated(F_CONFIG_WCE) ? this.#config[WRITEBACK] === 0 : !this.negotiated(F_FLUSH);
  }

  #identify(chain: Chain): number | Outcome {
    const room = chain.writableLength - 1;
    const bytes = new Uint8Array(Math.min(room, ID_LENGTH));
    bytes.set(this.#serial.subarray(0, bytes.length));
    const written = writeTo(this.memory, chain, 0, bytes);
    return typeof written === "string" ? written : this.#answer(chain, written, S_OK);
  }

  /** Writes the status. @returns how many bytes from the first on have been written */
  #answer(chain: Chain, before: number, status: Status): number | Outcome {
    const at = chain.writableLength - 1;
    const written = writeTo(this.memory, chain, at, Uint8Array.of(status));
    if (typeof written === "string") return written;
    return before === at ? chain.writableLength : before;
  }

  /** What is on its way belongs to a driver that has gone. */
  #abandon(): void {
    for (const id of this.#taken.keys()) this.#orphans.add(id);
    this.#taken.clear();
    this.#saved = [];
    this.#bytes = 0;
    this.#held = false;
  }
}

/** Bytes of memory that a request takes besides the guest's. */
function onTheWay({ request, piece, syncing }: Taken): number {
  return !syncing && (request.kind === "read" || request.kind === "write") ? piece : 0;
}
