/**
 * A machine's end of one disk: requests go out, completions come back by the
 * input door. A host without room stalls it: what could not be done is kept, and
 * done when there is room, so that the guest never hears of it.
 */
import type { Disk, DiskRequest, DiskResult } from "../backends/disk.ts";
import { S_IOERR, S_OK } from "../devices/virtio/blk/request.ts";
import type { InputEvent } from "./input.ts";

export interface DiskPortHost {
  push(event: InputEvent): void;
  /** There is no room for a write: the guest is to stand still. `message` is one sentence. */
  stalled(message: string): void;
  /** All that was stalled has been done. */
  flowing(): void;
  /** Nothing is on its way. */
  quiet(): void;
}

type Completion = Extract<InputEvent, { kind: "disk" }>;

const NOTHING = new Uint8Array(0);

export class DiskPort {
  readonly #disk: Disk;
  readonly #device: number;
  readonly #host: DiskPortHost;
  /** Requests that the disk found no room for, or that its server didn't answer, or that are being tried again. */
  readonly #stalled = new Map<number, { readonly request: DiskRequest; retrying: boolean }>();
  #busy = 0;
  /** In order: what has completed while others are busy. */
  readonly #done: Completion[] = [];
  readonly #inOrder: boolean;
  #idle: (() => void) | undefined;
  readonly #ending = new AbortController();

  /**
   * @param device the number of the device whose disk it is, as events have it
   * @param inOrder completions are kept until nothing is on its way, and come in the order of the requests: a
   *   machine that doesn't run meanwhile sees nothing of the disk's timing
   */
  constructor(disk: Disk, device: number, inOrder: boolean, host: DiskPortHost) {
    this.#disk = disk;
    this.#device = device;
    this.#inOrder = inOrder;
    this.#host = host;
  }

  /** Whether requests are on their way. */
  get busy(): boolean {
    return this.#busy > 0;
  }

  /** Whether something waits for room, or for a server. */
  get stalled(): boolean {
    return this.#stalled.size > 0;
  }

  /** Whether that is more than reading: its end would lose something. */
  get losing(): boolean {
    return [...this.#stalled.values()].some(({ request }) => request.kind !== "read");
  }

  submit(id: number, request: DiskRequest): void {
    this.#busy++;
    this.#disk.submit(request, (result) => {
      this.#busy--;
      this.#completed(id, request, result);
      this.#rested();
    });
  }

  #rested(): void {
    if (this.#busy > 0) return;
    this.#host.quiet();
    this.#idle?.();
  }

  /** Makes the disk larger; the guest is told by the input door. @throws what the disk does */
  resize(size: number): Promise<void> {
    return this.#change(async () => {
      await this.#disk.resize(size);
      this.#host.push({ kind: "disk-size", device: this.#device, size });
    });
  }

  /** Writes what the disk's overlay holds to its backing file; the guest sees nothing of it. @throws what the disk does */
  commit(): Promise<void> {
    return this.#change(() => this.#disk.commit(this.#ending.signal));
  }

  async #change(change: () => Promise<void>): Promise<void> {
    this.#busy++;
    try {
      await change();
    } finally {
      this.#busy--;
      this.#rested();
    }
  }

  /** Tries again what waits. */
  retry(): void {
    for (const [id, entry] of [...this.#stalled]) {
      if (entry.retrying) continue;
      entry.retrying = true;
      this.submit(id, entry.request);
    }
  }

  /** Waits for what is on its way, and closes the disk. What found no room is lost. */
  async close(): Promise<void> {
    // A commit can take long, and can be done later.
    this.#ending.abort(new Error("The machine ended before its disk was committed; nothing is lost by that."));
    if (this.#busy > 0) {
      await new Promise<void>((resolve) => {
        this.#idle = resolve;
      });
    }
    await this.#disk.close();
  }

  #completed(id: number, request: DiskRequest, result: DiskResult): void {
    if (!result.ok && (result.reason === "no-space" || result.reason === "unreachable")) {
      this.#stalled.set(id, { request, retrying: false });
      this.#host.stalled(result.message);
      return;
    }
    const was = this.#stalled.delete(id);
    this.#done.push({
      kind: "disk",
      device: this.#device,
      request: id,
      error: result.ok ? S_OK : S_IOERR,
      bytes: result.ok ? result.bytes : NOTHING,
    });
    if (!this.#inOrder) this.flush();
    if (was && this.#stalled.size === 0) this.#host.flowing();
  }

  /** Brings what has completed, in the order of the requests. */
  flush(): void {
    if (this.#done.length === 0) return;
    this.#done.sort((a, b) => a.request - b.request);
    for (const event of this.#done) this.#host.push(event);
    this.#done.length = 0;
  }
}
