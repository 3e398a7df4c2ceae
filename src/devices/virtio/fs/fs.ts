/**
 * virtio file system device (VIRTIO 1.2 §5.11): the guest's FUSE requests, taken
 * from the rings as they come and handed to a tree of files, whose replies come
 * by the input door.
 */
import { type FileReply, type FileRequest, MAX_FILE_BODY } from "../../../backends/files.ts";
import { DeviceStateError } from "../../device.ts";
import { get32, get64, put32 } from "../bytes.ts";
import { type Chain, readFrom, writeTo } from "../chain.ts";
import { type Step, VirtioDevice } from "../device.ts";
import type { GuestMemory } from "../guest-memory.ts";
import type { Apply, Fields, StateReader } from "../state.ts";
import { IN_HEADER, OP_DESTROY, OP_INIT, OUT_HEADER, ROOT_NODE, SILENT } from "./fuse.ts";

/** Bytes of a tag (§5.11.4). */
export const MAX_TAG = 36;
const CONFIG_SIZE = MAX_TAG + 4;
/** High-priority requests (§5.11.2): FORGET and its like. */
const HIPRIO_SIZE = 128;
/** A megabyte in pages, and their headers, is to fit in one chain. */
const REQUEST_SIZE = 512;
/** Requests wait in the ring while the taken ones have more than this on their way, or are as many. */
const MOST_BYTES = 64 * 2 ** 20;
const MOST_REQUESTS = HIPRIO_SIZE + REQUEST_SIZE;
const EINVAL = 22;
const EIO = 5;
const NOTHING = new Uint8Array(0);

/** A completion that has come through the input door. */
export interface FileCompletion {
  readonly request: number;
  /** 0, or a Linux errno. */
  readonly error: number;
  readonly bytes: Uint8Array;
}

/** A request that the device has taken. */
interface Taken {
  readonly queue: number;
  readonly chain: Chain;
  /** The request's number of the guest: eight bytes. */
  readonly unique: Uint8Array;
  readonly silent: boolean;
  /** The most bytes that it has on their way. */
  readonly cost: number;
}

export class FileSystemDevice extends VirtioDevice {
  override readonly name = "fs";
  override readonly id = 26;
  readonly #config = new Uint8Array(CONFIG_SIZE);
  readonly #submit: (id: number, request: FileRequest) => void;
  readonly #taken = new Map<number, Taken>();
  /** Requests of before a reset that aren't over, and their cost: they count until they are. */
  readonly #orphans = new Map<number, number>();
  #nextId = 0;
  #bytes = 0;
  /** The guest has the files mounted: nodes and handles are held for it. */
  #mounted = false;
  /** Queues in which requests were left for want of room. */
  readonly #held = new Set<number>();

  /**
   * @param tag the name by which the guest mounts it: 1 to 36 bytes of UTF-8
   * @param submit starts an operation; its completion comes by `accept`
   */
  constructor(memory: GuestMemory, tag: string, submit: (id: number, request: FileRequest) => void) {
    super(memory, 0n, [HIPRIO_SIZE, REQUEST_SIZE]);
    const bytes = new TextEncoder().encode(tag);
    if (bytes.length < 1 || bytes.length > MAX_TAG)
      throw new RangeError(`A tag must have 1 to ${MAX_TAG} bytes, not ${bytes.length}.`);
    this.#config.set(bytes);
    put32(this.#config, MAX_TAG, 1); // request queues
    this.#submit = submit;
  }

  override config(): Uint8Array {
    return this.#config;
  }

  /** Operations that are on their way. */
  get inFlight(): number {
    return this.#taken.size + this.#orphans.size;
  }

  /** A completion that has come through the input door. @returns false: memory isn't here yet, to be tried again */
  accept({ request: id, error, bytes }: FileCompletion): boolean {
    const taken = this.#taken.get(id);
    if (!taken) {
      this.#bytes -= this.#orphans.get(id) ?? 0;
      if (this.#orphans.delete(id)) this.#resumeHeld();
      return true;
    }
    const written = taken.silent ? 0 : this.#reply(taken.chain, taken.unique, { error, body: bytes });
    if (written === "wait") return false;
    if (written === "fault") this.fail();
    else if (this.complete(taken.queue, taken.chain.head, written) === "wait") return false;
    this.#bytes -= taken.cost;
    this.#taken.delete(id);
    this.#resumeHeld();
    return true;
  }

  protected override service(queue: number): void {
    this.#held.delete(queue);
    this.drain(queue, (chain) => this.#take(queue, chain));
  }

  protected override deviceReset(): void {
    for (const [id, { cost }] of this.#taken) this.#orphans.set(id, cost);
    this.#taken.clear();
    this.#held.clear();
    if (!this.#mounted) return;
    this.#mounted = false;
    this.#orphans.set(this.#nextId, 0);
    const nobody = { uid: 0, gid: 0, body: NOTHING, room: 0 };
    this.#submit(this.#nextId++, { operation: OP_DESTROY, node: ROOT_NODE, ...nobody });
  }

  protected override queueReset(index: number): void {
    for (const [id, { queue, cost }] of [...this.#taken]) {
      if (queue !== index) continue;
      this.#taken.delete(id);
      this.#orphans.set(id, cost);
    }
    this.#held.delete(index);
  }

  /** What is held for the guest is the host's, and can't be had again: a mounted folder can't be saved. */
  protected override saveDevice(): Fields {
    if (this.#mounted || this.inFlight > 0)
      throw new DeviceStateError(
        `The guest has the folder ${tagOf(this.#config)} mounted; unmount it there before you save the machine.`,
      );
    return { tag: [...this.#config.subarray(0, MAX_TAG)] };
  }

  protected override loadDevice(state: StateReader): Apply {
    const tag = state.numbers("tag", MAX_TAG, MAX_TAG, 255);
    if (tag.some((byte, i) => byte !== this.#config[i]))
      state.refuse(`belongs to the folder ${tagOf(tag)}, and this one is ${tagOf(this.#config)}; share what it had`);
    return () => {};
  }

  /** Starts a request, or answers it at once. */
  #take(queue: number, chain: Chain): Step {
    if (this.inFlight >= MOST_REQUESTS || this.#bytes >= MOST_BYTES) {
      this.#held.add(queue);
      return "hold";
    }
    // What has no header has no number to answer to.
    if (chain.readableLength < IN_HEADER) return 0;
    const header = new Uint8Array(IN_HEADER);
    const got = readFrom(this.memory, chain, 0, header);
    if (typeof got === "string") return got;
    const unique = header.slice(8, 16);
    const operation = get32(header, 4);
    const length = get32(header, 0) - IN_HEADER;
    const silent = SILENT.has(operation);
    const room = chain.writableLength - OUT_HEADER;
    if (!silent && room < 0) return 0;
    if (length < 0 || length > MAX_FILE_BODY || length > chain.readableLength - IN_HEADER)
      return silent ? 0 : this.#reply(chain, unique, { error: EINVAL, body: NOTHING });
    const body = new Uint8Array(length);
    const copied = readFrom(this.memory, chain, IN_HEADER, body);
    if (typeof copied === "string") return copied;
    const request = {
      operation,
      node: get64(header, 16),
      uid: get32(header, 24),
      gid: get32(header, 28),
      body,
      room: silent ? 0 : Math.min(room, MAX_FILE_BODY),
    };
    const taken = { queue, chain, unique, silent, cost: length + request.room };
    const id = this.#nextId++;
    this.#taken.set(id, taken);
    this.#bytes += taken.cost;
    if (operation === OP_INIT) this.#mounted = true;
    else if (operation === OP_DESTROY) this.#mounted = false;
    this.#submit(id, request);
    return "taken";
  }

  /** There is room again for what was left in the rings. */
  #resumeHeld(): void {
    for (const queue of [...this.#held]) this.notify(queue);
  }

  /** Writes a reply. @returns its bytes */
  #reply(chain: Chain, unique: Uint8Array, { error, body }: FileReply): number | "wait" | "fault" {
    const fits = OUT_HEADER + body.length <= chain.writableLength;
    const data = fits && error === 0 ? body : NOTHING;
    const header = new Uint8Array(OUT_HEADER);
    put32(header, 0, OUT_HEADER + data.length);
    put32(header, 4, fits ? -error : -EIO);
    header.set(unique, 8);
    if (data.length > 0) {
      const done = writeTo(this.memory, chain, OUT_HEADER, data);
      if (typeof done === "string") return done;
    }
    const done = writeTo(this.memory, chain, 0, header);
    return typeof done === "string" ? done : OUT_HEADER + data.length;
  }
}

function tagOf(bytes: ArrayLike<number>): string {
  const all = Uint8Array.from(bytes).subarray(0, MAX_TAG);
  const end = all.indexOf(0);
  return JSON.stringify(new TextDecoder().decode(end < 0 ? all : all.subarray(0, end)));
}
