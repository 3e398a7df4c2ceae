/** A machine's end of one shared tree of files: requests go out, completions come back by the input door. */
import type { FileRequest, Files } from "../backends/files.ts";
import type { InputEvent } from "./input.ts";

export interface FilesPortHost {
  push(event: InputEvent): void;
  /** Nothing is on its way. */
  quiet(): void;
}

type Completion = Extract<InputEvent, { kind: "files" }>;

export class FilesPort {
  readonly #files: Files;
  readonly #device: number;
  readonly #inOrder: boolean;
  readonly #host: FilesPortHost;
  #busy = 0;
  /** In order: what has completed while something is busy. */
  readonly #done: Completion[] = [];
  #idle: (() => void) | undefined;

  /**
   * @param device the number of the device whose files they are, as events have it
   * @param inOrder completions are kept until nothing of the machine is on its way: see DiskPort
   */
  constructor(files: Files, device: number, inOrder: boolean, host: FilesPortHost) {
    this.#files = files;
    this.#device = device;
    this.#inOrder = inOrder;
    this.#host = host;
  }

  /** Whether requests are on their way. */
  get busy(): boolean {
    return this.#busy > 0;
  }

  submit(id: number, request: FileRequest): void {
    this.#busy++;
    this.#files.submit(request, ({ error, body }) => {
      this.#busy--;
      this.#done.push({ kind: "files", device: this.#device, request: id, error, bytes: body });
      if (!this.#inOrder) this.flush();
      if (this.#busy > 0) return;
      this.#host.quiet();
      this.#idle?.();
    });
  }

  /** Brings what has completed, which is in the order of the requests. */
  flush(): void {
    for (const event of this.#done) this.#host.push(event);
    this.#done.length = 0;
  }

  /** Waits for what is on its way, and gives the files up. */
  async close(): Promise<void> {
    if (this.#busy > 0) {
      await new Promise<void>((resolve) => {
        this.#idle = resolve;
      });
    }
    await this.#files.close();
  }
}
