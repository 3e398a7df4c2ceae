/** The execution trace: every instruction that retires, one line each. */

import type { Core } from "../core/core.ts";
import { disassemble } from "../isa/disassemble.ts";
import { causeName } from "./crash.ts";
import { hex64, hexInstruction, readInstruction } from "./inspect.ts";

const FLUSH_AT = 64 * 1024;
/** Instructions whose text is kept, since guests run in loops. */
const KEPT = 16 * 1024;

export class Tracer {
  readonly #core: Core;
  readonly #harts: number;
  readonly #emit: (text: string) => void;
  #text = "";
  /** By address: the bits there last, and how they read. */
  readonly #texts = new Map<bigint, { readonly raw: number; readonly text: string }>();

  /** @param emit takes some lines at a time */
  constructor(core: Core, harts: number, emit: (text: string) => void) {
    this.#core = core;
    this.#harts = harts;
    this.#emit = emit;
  }

  /** As a round of the cell, one instruction at a time. @returns whether no hart had anything to do */
  round(instructions: number): boolean {
    const { abi } = this.#core;
    let idle = true;
    let result = 0;
    // After an exit no hart may run: the machine's state is to be told as it was.
    for (let hart = 0; hart < this.#harts && result !== abi.RUN_EXIT; hart++) {
      for (let i = 0; i < instructions; i++) {
        result = this.#step(hart);
        if (result === abi.RUN_IDLE || result === abi.RUN_STOPPED || result === abi.RUN_WAIT) break;
        idle = false;
        if (result === abi.RUN_EXIT) break;
      }
    }
    this.#core.calls.catchUp();
    this.#flush();
    return idle;
  }

  #step(hart: number): number {
    const core = this.#core;
    const pc = core.hartU64(hart, core.abi.H_PC);
    const raw = readInstruction(core, hart, pc);
    const before = core.hartU64(hart, core.abi.H_INSTRET);
    const privilege = core.hartU32(hart, core.abi.H_PRV);
    const traps = this.#count(hart, core.abi.CT_TRAP);
    const interrupts = this.#count(hart, core.abi.CT_INTERRUPT);
    const result = core.calls.run(hart, 1);
    // A trap retires nothing.
    if (this.#count(hart, core.abi.CT_TRAP) !== traps)
      this.#text += `${hart} ${hex64(pc)} trap: ${causeName(core.hartU64(hart, core.abi.H_TRAP_CAUSE))}\n`;
    else if (this.#count(hart, core.abi.CT_INTERRUPT) !== interrupts)
      this.#text += `${hart} ${hex64(pc)} trap: ${causeName(this.#interrupt(hart))}\n`;
    else if (raw !== undefined && core.hartU64(hart, core.abi.H_INSTRET) !== before)
      this.#text += `${hart} ${"US?M"[privilege]} ${this.#instruction(pc, raw)}\n`;
    if (this.#text.length > FLUSH_AT) this.#flush();
    return result;
  }

  #instruction(pc: bigint, raw: number): string {
    const kept = this.#texts.get(pc);
    if (kept?.raw === raw) return kept.text;
    const text = `${hex64(pc)} ${hexInstruction(raw).padEnd(8)} ${disassemble(raw, pc).replace("\t", " ")}`;
    if (this.#texts.size >= KEPT) this.#texts.clear();
    this.#texts.set(pc, { raw, text });
    return text;
  }

  #count(hart: number, counter: number): bigint {
    return this.#core.hartU64(hart, this.#core.abi.H_COUNTERS + counter * 8);
  }

  /** The cause of the interrupt that was just taken, by the mode that took it. */
  #interrupt(hart: number): bigint {
    const { abi } = this.#core;
    return this.#core.hartU64(hart, this.#core.hartU32(hart, abi.H_PRV) === 3 ? abi.H_MCAUSE! : abi.H_SCAUSE!);
  }

  #flush(): void {
    if (this.#text.length > 0) this.#emit(this.#text);
    this.#text = "";
  }
}
