/** The log of a run: the machine's events and console lines, each with the seconds since its start. */

import type { OutputFile } from "../host/node/files.ts";

/** A line longer than this is broken: a guest may never end one. */
const MAX_LINE = 4096;

export class RunLog {
  readonly #file: OutputFile;
  readonly #decoder = new TextDecoder();
  readonly #now: () => number;
  #started: number;
  #line = "";
  #lineAt = 0;

  /** @param now milliseconds from any fixed point */
  constructor(file: OutputFile, now: () => number = () => performance.now()) {
    this.#file = file;
    this.#now = now;
    this.#started = now();
  }

  /** The machine starts: time counts from here. */
  start(): void {
    this.#started = this.#now();
  }

  /** Something that happened to the machine. */
  event(text: string): void {
    this.#endLine();
    this.#write(this.#now(), "machine", text);
  }

  /** What the guest wrote to its console. A promise says when there is room for more. */
  console(bytes: Uint8Array): Promise<void> | undefined {
    const parts = this.#decoder.decode(bytes, { stream: true }).split("\n");
    for (const [i, part] of parts.entries()) {
      if (i > 0) this.#endLine(true);
      if (this.#line === "") this.#lineAt = this.#now();
      this.#line += part;
      while (this.#line.length > MAX_LINE) {
        this.#write(this.#lineAt, "console", this.#line.slice(0, MAX_LINE));
        this.#line = this.#line.slice(MAX_LINE);
      }
    }
    return this.#file.room();
  }

  /** Writes what is left. */
  async close(): Promise<void> {
    this.#endLine();
    await this.#file.close();
  }

  #endLine(complete = false): void {
    if (this.#line !== "" || complete)
      this.#write(this.#line === "" ? this.#now() : this.#lineAt, "console", this.#line);
    this.#line = "";
  }

  #write(at: number, source: string, text: string): void {
    const seconds = Math.max(0, (at - this.#started) / 1000).toFixed(6);
    this.#file.write(`${seconds.padStart(12)} ${source}: ${text.replace(/\r/g, "")}\n`);
  }
}
