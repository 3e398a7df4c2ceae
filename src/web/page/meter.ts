/** How fast a guest runs, from its machine's counters. */

import type { Machine, MachineStats } from "../../browser.ts";
import { element } from "./elements.ts";

const EACH_MS = 500;
/** Less of a core than this is idle, and says nothing about speed. */
const IDLE = 0.02;

export class Meter {
  readonly #machine: Machine;
  readonly #timer: ReturnType<typeof setInterval>;
  #last: MachineStats | undefined;

  constructor(machine: Machine) {
    this.#machine = machine;
    this.#timer = setInterval(() => this.#read(), EACH_MS);
  }

  close(): void {
    clearInterval(this.#timer);
    for (const id of ["mips", "compiled", "busy"]) element(id).textContent = "–";
  }

  async #read(): Promise<void> {
    const now = await this.#machine.stats().catch(() => undefined);
    const last = this.#last;
    this.#last = now;
    if (!now || !last) return;
    const instructions = now.instructions - last.instructions;
    const compiled = now.counters.compiledInstructions - last.counters.compiledInstructions;
    const cpu = now.seconds.cpu - last.seconds.cpu;
    const busy = cpu / (now.seconds.wall - last.seconds.wall);
    const idle = !(busy > IDLE) || instructions <= 0;
    element("mips").textContent = idle ? "–" : (instructions / cpu / 1e6).toFixed(0);
    element("compiled").textContent = idle ? "–" : percent(compiled / instructions);
    element("busy").textContent = percent(Math.max(0, busy));
  }
}

const percent = (share: number): string => `${Math.min(100, Math.round(share * 100))} %`;
