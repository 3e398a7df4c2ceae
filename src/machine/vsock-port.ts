/** A machine's end of its socket device's connections: bytes go out, and all that comes passes the input door. */
import type { Vsock, VsockHandler, VsockStream } from "../backends/vsock.ts";
import type { VsockHost } from "../devices/virtio/vsock/vsock.ts";
import type { InputEvent } from "./input.ts";

/** Bytes of the host's program that may be in the door, of the first connections and of those when these are many. */
const WINDOW = 64 * 1024;
const SMALL_WINDOW = 4096;
const MOST_LARGE = 64;
/** The most that is written at a time. */
const WRITE = 256 * 1024;

interface Line {
  readonly stream: VsockStream;
  readonly window: number;
  /** In the door. */
  waiting: number;
  paused: boolean;
  /** What the guest sends and the host hasn't taken; the device bounds it by its credit. */
  toWrite: Uint8Array[];
  writing: boolean;
  ending: boolean;
}

export class VsockPort implements VsockHost {
  readonly #vsock: Vsock;
  readonly #device: number;
  readonly #push: (event: InputEvent) => void;
  readonly #lines = new Map<number, Line>();
  #large = 0;
  #nextId = 1;

  /** @param device the number of the device, as events have it */
  constructor(vsock: Vsock, device: number, push: (event: InputEvent) => void) {
    this.#vsock = vsock;
    this.#device = device;
    this.#push = push;
    vsock.onConnect = (port, stream) => {
      const connection = this.#nextId;
      this.#nextId += 2;
      this.#add(connection, stream);
      push({ kind: "vsock-connect", device, connection, port });
      return this.#handler(connection);
    };
  }

  connect(connection: number, port: number): void {
    this.#add(connection, this.#vsock.connect(port, this.#handler(connection)));
  }

  accepted(connection: number, port: number): void {
    this.#lines.get(connection)?.stream.accept(port);
  }

  send(connection: number, bytes: Uint8Array): void {
    const line = this.#lines.get(connection);
    if (!line) return;
    const last = line.toWrite.at(-1);
    // Tiny pieces are put together, or they would take more memory than what is in them.
    if (last && last.length + bytes.length <= 4096) line.toWrite[line.toWrite.length - 1] = joined([last, bytes]);
    else line.toWrite.push(bytes);
    this.#write(connection, line);
  }

  end(connection: number): void {
    const line = this.#lines.get(connection);
    if (!line) return;
    line.ending = true;
    this.#write(connection, line);
  }

  taken(connection: number, count: number): void {
    const line = this.#lines.get(connection);
    if (!line) return;
    line.waiting -= count;
    if (!line.paused || line.waiting > line.window / 2) return;
    line.paused = false;
    line.stream.resume();
  }

  close(connection: number): void {
    const line = this.#lines.get(connection);
    if (!line) return;
    this.#remove(connection, line);
    line.stream.close();
  }

  /** Ends everything. */
  async shut(): Promise<void> {
    this.#vsock.onConnect = undefined;
    for (const connection of [...this.#lines.keys()]) this.close(connection);
    await this.#vsock.close();
  }

  #add(connection: number, stream: VsockStream): void {
    const isLarge = this.#large < MOST_LARGE;
    if (isLarge) this.#large++;
    const window = isLarge ? WINDOW : SMALL_WINDOW;
    const line = { stream, window, waiting: 0, paused: false, toWrite: [], writing: false, ending: false };
    this.#lines.set(connection, line);
  }

  #remove(connection: number, { window }: Line): void {
    this.#lines.delete(connection);
    if (window === WINDOW) this.#large--;
  }

  #handler(connection: number): VsockHandler {
    const device = this.#device;
    return {
      connected: () => this.#push({ kind: "vsock-open", device, connection }),
      data: (bytes) => {
        const line = this.#lines.get(connection);
        if (!line || bytes.length === 0) return;
        this.#push({ kind: "vsock", device, connection, bytes: bytes.slice() });
        line.waiting += bytes.length;
        if (line.paused || line.waiting < line.window) return;
        line.paused = true;
        line.stream.pause();
      },
      ended: () => this.#push({ kind: "vsock-end", device, connection }),
      closed: (failed) => {
        const line = this.#lines.get(connection);
        if (!line) return;
        this.#remove(connection, line);
        // What has ended well needs no reset, which would overtake what the guest hasn't taken yet.
        if (failed) this.#push({ kind: "vsock-reset", device, connection });
      },
    };
  }

  #write(connection: number, line: Line): void {
    if (line.writing) return;
    if (line.toWrite.length === 0) {
      if (line.ending) line.stream.end();
      return;
    }
    const bytes = this.#nextWrite(line);
    line.writing = true;
    line.stream.write(bytes, () => {
      if (this.#lines.get(connection) !== line) return;
      line.writing = false;
      this.#push({ kind: "vsock-credit", device: this.#device, connection, count: bytes.length });
      this.#write(connection, line);
    });
  }

  #nextWrite(line: Line): Uint8Array {
    let length = 0;
    const count = line.toWrite.findIndex((bytes) => {
      length += bytes.length;
      return length > WRITE;
    });
    const parts = line.toWrite.splice(0, count < 0 ? line.toWrite.length : Math.max(1, count));
    return parts.length === 1 ? parts[0]! : joined(parts);
  }
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}
