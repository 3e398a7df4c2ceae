/** Progress of provisioning, on stderr: bars on a terminal, else a line for each step. */

import { SingleBar } from "cli-progress";
import type { ImageProgress } from "../images/index.ts";

const WIDTH = 24;
/** Totals above this are bytes: no other step has so many parts. */
const BYTES_FROM = 1 << 20;

interface ErrorStream extends NodeJS.WritableStream {
  readonly isTTY?: boolean;
  readonly columns?: number;
}

export class StepProgress {
  readonly #stream: ErrorStream;
  #step: string | undefined;
  #bar: SingleBar | undefined;

  constructor(stream: ErrorStream = process.stderr) {
    this.#stream = stream;
  }

  /** How far a step is; another step's first call ends the one before. */
  update({ step, done, total }: ImageProgress): void {
    if (step !== this.#step) this.#begin(step);
    if (!this.#bar) return;
    this.#bar.setTotal(total);
    this.#bar.update(done);
  }

  /** Ends the last step; the terminal's cursor is shown again. */
  end(): void {
    this.#bar?.stop();
    this.#bar = undefined;
    this.#step = undefined;
  }

  #begin(step: string): void {
    this.end();
    this.#step = step;
    if (!this.#stream.isTTY) {
      this.#stream.write(`${step}\n`);
      return;
    }
    this.#bar = new SingleBar({
      stream: this.#stream,
      hideCursor: true,
      // Bars never end by themselves: totals come late and change.
      stopOnComplete: false,
      linewrap: null,
      format: (_options, params) => formatStep(step, params.value, params.total),
    });
    this.#bar.start(0, 0);
  }
}

/** One line for a step, such as "Downloading packages ██████░░░░░░ 25 % of 112 MB". */
export function formatStep(step: string, done: number, total: number): string {
  if (total <= 0) return done >= BYTES_FROM ? `${step} ${megabytes(done)}` : step;
  const part = Math.min(1, Math.max(0, done / total));
  const filled = Math.round(WIDTH * part);
  const bar = "█".repeat(filled) + "░".repeat(WIDTH - filled);
  const of = total >= BYTES_FROM ? ` of ${megabytes(total)}` : "";
  return `${step} ${bar} ${String(Math.floor(100 * part)).padStart(3)} %${of}`;
}

function megabytes(bytes: number): string {
  return `${Math.round(bytes / 1e6)} MB`;
}
