/** A cell as a debugger's target: its registers and memory, and how its harts run meanwhile. */

import type { Core } from "../core/core.ts";
import type { Cell, DebugRounds } from "../machine/cell.ts";
import { listRegisters, REG_CSR, REG_F, REG_PC, REG_PRIV } from "./registers.ts";
import type { DebugTarget, Point, Register, Resume, Stop } from "./target.ts";

const PAGE = 4096n;
const ALL = 2n ** 64n - 1n;

/** What the target can't do by itself. */
export interface TargetOwner {
  /** The machine is to run; it ends with `stopped`. */
  running(): void;
  stopped(stop: Stop): void;
  /** The debugger is done with the machine: it runs on. */
  released(): void;
  killed(): void;
}

export class CellTarget implements DebugTarget, DebugRounds {
  readonly registers: readonly Register[];
  readonly #cell: Cell;
  readonly #core: Core;
  readonly #owner: TargetOwner;
  #actions: readonly Resume[] = [];
  /** Who goes first, after whoever stopped last: else one hart's breakpoint could keep the others from ever running. */
  #first = 0;
  /** Breakpoints by address: the kinds that stand there. */
  readonly #breaks = new Map<bigint, Set<Point>>();
  /** Watchpoints as they were asked for. */
  #watches: { point: Point; address: bigint; size: bigint }[] = [];

  constructor(cell: Cell, owner: TargetOwner) {
    this.#cell = cell;
    this.#core = cell.core;
    this.#owner = owner;
    this.registers = listRegisters((csr) => this.#core.calls.csrPeek(0, csr) !== 0);
  }

  get harts(): number {
    return this.#cell.options.harts;
  }

  // ---- Registers -------------------------------------------------------------------------

  readRegister(hart: number, register: number): bigint | undefined {
    const core = this.#core;
    const { abi } = core;
    if (register < REG_PC) return core.x(hart, register);
    if (register === REG_PC) return core.hartU64(hart, abi.H_PC);
    if (register < REG_CSR) return core.hartU64(hart, abi.H_F + (register - REG_F) * 8);
    if (register === REG_PRIV) return BigInt(core.hartU32(hart, abi.H_PRV));
    if (!core.calls.csrPeek(hart, register - REG_CSR)) return undefined;
    return core.view.getBigUint64(abi.DEBUG + abi.D_VALUE, true);
  }

  writeRegister(hart: number, register: number, value: bigint): boolean {
    const core = this.#core;
    const { abi } = core;
    if (register === 0) return true;
    if (register < REG_PC) core.setX(hart, register, value);
    else if (register === REG_PC) core.setHartU64(hart, abi.H_PC, value & ~1n);
    else if (register < REG_CSR) core.setHartU64(hart, abi.H_F + (register - REG_F) * 8, value);
    else if (register === REG_PRIV) return this.#writePrivilege(hart, value);
    else return core.calls.csrPoke(hart, register - REG_CSR, value) !== 0;
    return true;
  }

  #writePrivilege(hart: number, value: bigint): boolean {
    if (value !== 0n && value !== 1n && value !== 3n) return false;
    this.#core.setHartU32(hart, this.#core.abi.H_PRV, Number(value));
    this.#core.calls.hartChanged(hart);
    return true;
  }

  // ---- Memory ----------------------------------------------------------------------------

  readMemory(hart: number, address: bigint, length: number): Uint8Array {
    const out = new Uint8Array(length);
    let done = 0;
    for (const part of pagesOf(address, length)) {
      const at = this.#linear(hart, part.address, part.length, false);
      if (at === undefined) break;
      out.set(this.#core.bytes.subarray(at, at + part.length), done);
      done += part.length;
    }
    return out.subarray(0, done);
  }

  writeMemory(hart: number, address: bigint, bytes: Uint8Array): boolean {
    const parts = pagesOf(address, bytes.length);
    if (parts.some((part) => this.#linear(hart, part.address, part.length, false) === undefined)) return false;
    let done = 0;
    for (const part of parts) {
      const at = this.#linear(hart, part.address, part.length, true);
      if (at === undefined) return false; // ROM
      this.#core.bytes.set(bytes.subarray(done, done + part.length), at);
      done += part.length;
    }
    return true;
  }

  /** Where [address, address + length), within a page, lies in linear memory. */
  #linear(hart: number, address: bigint, length: number, write: boolean): number | undefined {
    const pa = this.#core.calls.debugTranslateData(hart, address);
    if (pa < 0n) return undefined;
    const at = this.#core.calls.guestRange(pa, length, write ? 1 : 0) >>> 0;
    return at < 2 ? undefined : at;
  }

  // ---- Breakpoints and watchpoints -----------------------------------------------------------

  insert(point: Point, address: bigint, size: bigint): boolean {
    if (point === "software" || point === "hardware") {
      if (address & 1n || !this.#core.calls.debugBreak(address)) return false;
      const kinds = this.#breaks.get(address);
      if (kinds) kinds.add(point);
      else this.#breaks.set(address, new Set([point]));
      return true;
    }
    if (!this.#core.calls.debugWatch(address, size, this.#kind(point))) return false;
    this.#watches.push({ point, address, size });
    return true;
  }

  remove(point: Point, address: bigint, size: bigint): boolean {
    if (point === "software" || point === "hardware") {
      const kinds = this.#breaks.get(address);
      if (!kinds?.delete(point)) return false;
      if (kinds.size > 0) return true;
      this.#breaks.delete(address);
      return this.#core.calls.debugUnbreak(address) !== 0;
    }
    const i = this.#watches.findIndex((w) => w.point === point && w.address === address && w.size === size);
    if (i < 0) return false;
    this.#watches.splice(i, 1);
    return this.#core.calls.debugUnwatch(address, size, this.#kind(point)) !== 0;
  }

  #kind(point: Point): number {
    const { WATCH_READ, WATCH_WRITE } = this.#core.abi;
    return (point === "write" ? 0 : WATCH_READ) | (point === "read" ? 0 : WATCH_WRITE);
  }

  // ---- Running -------------------------------------------------------------------------------

  describe(hart: number): string {
    const { abi } = this.#core;
    const mode = ["U", "S", "?", "M"][this.#core.hartU32(hart, abi.H_PRV)] ?? "?";
    switch (this.#core.hartU32(hart, abi.H_STATE)) {
      case abi.HART_STOPPED:
        return `${mode}-mode, not started`;
      case abi.HART_WFI:
        return `${mode}-mode, waits for an interrupt`;
      case abi.HART_SUSPENDED:
        return `${mode}-mode, suspended`;
      default:
        return `${mode}-mode`;
    }
  }

  resume(actions: readonly Resume[]): void {
    this.#actions = actions;
    actions.forEach((action, hart) => {
      if (action.kind === "step") this.#core.calls.debugPass(hart);
    });
    this.#cell.debugger = this;
    this.#owner.running();
  }

  release(): void {
    this.#core.calls.debugClear();
    this.#breaks.clear();
    this.#watches = [];
    this.#cell.debugger = undefined;
    this.#owner.released();
  }

  reset(): boolean {
    if (!this.#cell.resettable) return false;
    this.#cell.reset();
    return true;
  }

  kill(): void {
    this.#owner.killed();
  }

  /** The debugger wants the machine to stop. */
  interrupt(): void {
    const hart = this.#anyRunning();
    this.#core.calls.debugPass(hart);
    this.#owner.stopped({ reason: "interrupt", hart });
  }

  /** A hart can't go on. */
  crashed(): void {
    this.#owner.stopped({ reason: "crash", hart: this.#core.machineU32(this.#core.abi.M_CURRENT) % this.harts });
  }

  /** A hart that does something, if there is one. */
  #anyRunning(): number {
    const { abi } = this.#core;
    for (let hart = 0; hart < this.harts; hart++)
      if (this.#core.hartU32(hart, abi.H_STATE) === abi.HART_RUNNING) return hart;
    return 0;
  }

  /** @see DebugRounds */
  round(quantum: number): boolean | "stopped" {
    const { calls, abi } = this.#core;
    const stepper = this.#actions.findIndex(({ kind }) => kind === "step");
    const rounds = stepper < 0 ? 1 : quantum;
    let idle = true;
    for (let i = 0; i < rounds; i++) {
      idle = true;
      // While one steps, the others keep pace with it, so that it may wait for them.
      for (let n = 0; n < this.harts; n++) {
        const hart = (n + (stepper < 0 ? this.#first : stepper)) % this.harts;
        const action = this.#actions[hart];
        if (!action || action.kind === "stay") continue;
        const result = action.kind === "step" ? this.#step(hart) : calls.run(hart, stepper < 0 ? quantum : 1);
        if (result === abi.RUN_DEBUG) return this.#stopped(hart);
        if (result === abi.RUN_EXIT) return false;
        if (result === abi.RUN_IDLE || result === abi.RUN_STOPPED || result === abi.RUN_WAIT) continue;
        idle = false;
        if (action.kind === "step" && !this.#within(hart, action)) {
          calls.debugPass(hart);
          this.#owner.stopped({ reason: "step", hart });
          return "stopped";
        }
      }
      if (idle) break;
    }
    if (this.#cell.options.deterministic) calls.catchUp();
    return idle;
  }

  /** Interrupts wait: a step leads to the next instruction, not into a handler. */
  #step(hart: number): number {
    const { calls } = this.#core;
    calls.debugQuiet(1);
    const result = calls.run(hart, 1);
    calls.debugQuiet(0);
    return result;
  }

  #within(hart: number, { from, to }: { from: bigint; to: bigint }): boolean {
    const pc = this.#core.hartU64(hart, this.#core.abi.H_PC);
    return pc >= from && pc < to;
  }

  #stopped(hart: number): "stopped" {
    this.#first = hart + 1;
    const { abi, view } = this.#core;
    const kind = view.getUint32(abi.DEBUG + abi.D_HIT, true);
    const address = view.getBigUint64(abi.DEBUG + abi.D_HIT_ADDRESS, true);
    this.#owner.stopped(
      kind === 0 ? this.#atBreakpoint(hart) : { reason: this.#watchedBy(address, kind), hart, address },
    );
    return "stopped";
  }

  #atBreakpoint(hart: number): Stop {
    const kinds = this.#breaks.get(this.#core.hartU64(hart, this.#core.abi.H_PC));
    return { reason: kinds?.has("hardware") ? "hardware" : "software", hart };
  }

  /** As what kind of watchpoint the debugger knows the one that was touched. */
  #watchedBy(address: bigint, kind: number): "write" | "read" | "access" {
    const hit = this.#watches.find(
      (w) => address >= w.address && address - w.address < w.size && (this.#kind(w.point) & kind) !== 0,
    );
    return (hit?.point ?? "access") as "write" | "read" | "access";
  }
}

/** A range of addresses, cut at pages; it ends at the top of the address space. */
function pagesOf(address: bigint, length: number): { address: bigint; length: number }[] {
  const parts: { address: bigint; length: number }[] = [];
  let left = length;
  for (let at = address; left > 0 && at <= ALL; ) {
    const size = Math.min(left, Number(PAGE - (at % PAGE)));
    parts.push({ address: at, length: size });
    at += BigInt(size);
    left -= size;
  }
  return parts;
}
