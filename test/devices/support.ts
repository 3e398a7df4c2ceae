/** The core's devices on their own, with a memory and clocks of the test's. */

import type { CoreAccess } from "../../src/devices/core-device.ts";
import { compileAssembly } from "../support/asc.ts";

type Read = (offset: number, size: number) => bigint;
type Write = (offset: number, size: number, value: bigint) => void;
type Names = "uart" | "plic" | "aclint" | "rtc" | "syscon" | "pflash";
type Access = Record<`${Names}Read`, Read> & Record<`${Names}Write`, Write> & Record<`${Names}Reset`, () => void>;

interface Exports extends Access {
  plicSetLine(source: number, level: number): void;
  aclintMtimecmp(hart: number): bigint;
  aclintSetMsip(hart: number, level: number): void;
  rtcDeadline(): bigint;
  rtcTick(): void;
  timerLines(h: number, hart: number, now: bigint): void;
  uartReceive(byte: number): number;
  uartReceiveSpace(): number;
  uartSend(byte: number): number;
  uartTake(): number;
  uartTxHead(): number;
  uartTxTail(): number;
  uartTxPending(): number;
  uartTxDrained(count: number): void;
}

export interface Devices extends CoreAccess {
  readonly core: Exports;
  /** mtime (ticks) and wall clock (ns), as the host gives them. */
  readonly clock: { ticks: number; wallclock: number };
  view(): DataView;
  /** A constant of the core. */
  at(name: string): number;
  /** Interrupt lines of a hart (H_LINES). */
  lines(hart: number): bigint;
  /** A word of the machine's window. */
  machine(field: string): number;
  setMachine(field: string, value: number): void;
  /** Has a device asked for attention since the last call? */
  attention(): boolean;
  /** Drains the UART's ring as the host does. */
  output(): Uint8Array;
}

const MEMORY_PAGES = 640;
export const HARTS = 2;

/** Interrupt bits (Privileged manual, mip). */
export const MSIP = 1n << 3n;
export const MTIP = 1n << 7n;
export const SEIP = 1n << 9n;
export const MEIP = 1n << 11n;

/** The exported functions, with 64-bit results as the unsigned numbers that they are. */
function unsigned(exports: Record<string, unknown>): Record<string, unknown> {
  const out: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(exports))
    if (typeof value === "function")
      out[name] = (...args: unknown[]) => {
        const result: unknown = value(...args);
        return typeof result === "bigint" ? BigInt.asUintN(64, result) : result;
      };
  return out;
}

const compiled = compileAssembly("test/devices/assembly/index.ts");

/** Devices after reset, of a machine of `harts` harts. */
export async function makeDevices(harts = HARTS): Promise<Devices> {
  const module = await compiled;
  const memory = new WebAssembly.Memory({ initial: MEMORY_PAGES });
  const clock = { ticks: 0, wallclock: 0 };
  const instance = new WebAssembly.Instance(module, {
    env: { memory },
    host: { ticks: () => clock.ticks, wallclock: () => clock.wallclock },
  });
  const abi: Record<string, number> = {};
  for (const [name, value] of Object.entries(instance.exports))
    if (value instanceof WebAssembly.Global) {
      const v = value.value;
      if (typeof v === "number") abi[name] = /^[HM]_/.test(name) ? v : v >>> 0;
    }
  const core = unsigned(instance.exports) as unknown as Exports;
  const view = (): DataView => new DataView(memory.buffer);
  const at = (name: string): number => {
    const v = abi[name];
    if (v === undefined) throw new Error(`no constant ${name}`);
    return v;
  };
  const machine = (field: string): number => view().getUint32(at("DEV_MACHINE") + at(field), true);
  const setMachine = (field: string, value: number): void =>
    view().setUint32(at("DEV_MACHINE") + at(field), value, true);
  setMachine("M_HARTS", harts);
  for (const name of ["plic", "aclint", "uart", "rtc", "syscon", "pflash"] as const) core[`${name}Reset`]();
  setMachine("M_ATTENTION", 0);
  return {
    core,
    memory,
    abi,
    clock,
    view,
    at,
    machine,
    setMachine,
    lines: (hart) => view().getBigUint64(at("HARTS") + hart * at("HART_STRIDE") + at("H_LINES"), true),
    attention() {
      const was = machine("M_ATTENTION") !== 0;
      setMachine("M_ATTENTION", 0);
      return was;
    },
    output() {
      const tail = core.uartTxTail();
      const size = at("UART_TX_SIZE");
      const out = Uint8Array.from({ length: core.uartTxPending() }, (_, i) =>
        view().getUint8(at("UART_TX_RING") + (((tail >>> 0) + i) % size)),
      );
      core.uartTxDrained(out.length);
      return out;
    },
  };
}

/** A seeded generator of 32-bit numbers (xorshift32). */
export function random(seed: number): () => number {
  let s = seed | 1;
  return () => {
    s ^= s << 13;
    s ^= s >>> 17;
    s ^= s << 5;
    return s >>> 0;
  };
}
