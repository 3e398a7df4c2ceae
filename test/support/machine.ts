/** Small machines for tests of the core: RAM, a program, no devices unless asked for. */

import type { CodeCache } from "../../src/core/code-cache.ts";
import { Core, type HostCalls } from "../../src/core/core.ts";
import type { EngineName } from "../../src/core/engine.ts";
import type { Compile } from "../../src/core/jit.ts";
import { busRegions } from "../../src/machine/memory-map.ts";
import type { Assembler } from "./assembler.ts";
import { coreModule } from "./core.ts";
import { testEngine } from "./engine.ts";

export const RAM_BASE = 0x8000_0000;

export interface MachineOptions {
  harts?: number;
  ramBase?: number;
  /** Bytes, a multiple of 4096. */
  ramSize?: number;
  sbi?: boolean;
  counted?: boolean;
  /** Instructions per tick of mtime, counted mode. */
  tick?: number;
  /** Board `virt`'s devices at their usual addresses. */
  devices?: boolean;
  /** Chips in the flash windows, blank. */
  flash?: boolean;
  /** Default: see testEngine. What the JIT can translate it does at once. */
  engine?: EngineName;
  /** How the JIT's modules are compiled. */
  compile?: Compile;
  /** What the JIT has from earlier runs, and adds to. */
  cache?: CodeCache;
  /** Of host devices and clocks. */
  host?: Partial<HostCalls>;
}

const module = await coreModule();

export class TestMachine {
  readonly core: Core;
  readonly ramBase: number;
  readonly ramSize: number;

  constructor(module: WebAssembly.Module, options: MachineOptions = {}) {
    this.ramBase = options.ramBase ?? RAM_BASE;
    this.ramSize = options.ramSize ?? 0x10_0000;
    const engine = options.engine ?? testEngine();
    this.core = Core.create(
      module,
      {
        harts: options.harts ?? 1,
        ramBase: this.ramBase,
        ramSize: this.ramSize,
        sbi: options.sbi ?? false,
        counted: options.counted ?? true,
        tick: options.tick ?? 1,
        flash: options.flash ?? false,
        engine,
        ...(options.compile ? { compile: options.compile } : {}),
        ...(options.cache ? { cache: options.cache } : {}),
      },
      { ticks: () => 0, wallclock: () => 0, mmioRead: () => 0n, mmioWrite: () => {}, ...options.host },
    );
    const { abi, view } = this.core;
    if (engine !== "interpreter") view.setUint32(abi.DEV_MACHINE + abi.M_JIT_HOT, 1, true);
    if (options.devices)
      for (const region of busRegions(this.core.abi))
        this.core.calls.busAdd(BigInt(region.base), BigInt(region.size), region.device);
  }

  /** Linear address of [address, address + size) in guest RAM. */
  linear(address: number | bigint, size: number, write = false): number {
    const at = this.core.calls.guestRange(BigInt(address), size, write ? 1 : 0) >>> 0;
    if (at < 2) throw new Error(`0x${address.toString(16)} is not in RAM`);
    return at;
  }

  /** Writes guest RAM as DMA would. */
  write(address: number | bigint, bytes: Uint8Array): void {
    this.core.bytes.set(bytes, this.linear(address, bytes.length, true));
  }

  read(address: number | bigint, size: number): Uint8Array {
    const at = this.linear(address, size);
    return this.core.bytes.slice(at, at + size);
  }

  writeU64(address: number | bigint, value: bigint): void {
    this.core.view.setBigUint64(this.linear(address, 8, true), value, true);
  }

  readU64(address: number | bigint): bigint {
    return this.core.view.getBigUint64(this.linear(address, 8), true);
  }

  /** Puts a program into RAM and a hart's pc at its start. */
  load(program: Assembler, hart = 0): this {
    this.write(program.origin, program.bytes());
    this.setPc(program.origin, hart);
    return this;
  }

  pc(hart = 0): bigint {
    return this.core.hartU64(hart, this.core.abi.H_PC);
  }

  setPc(pc: number | bigint, hart = 0): void {
    this.core.setHartU64(hart, this.core.abi.H_PC, BigInt(pc));
  }

  x(register: number, hart = 0): bigint {
    return this.core.x(hart, register);
  }

  f(register: number, hart = 0): bigint {
    return this.core.hartU64(hart, this.core.abi.H_F + register * 8);
  }

  instret(hart = 0): bigint {
    return this.core.hartU64(hart, this.core.abi.H_INSTRET);
  }

  /** A 64-bit field of a hart by its name in the core's layout, such as "H_MEPC". */
  field(name: string, hart = 0): bigint {
    const offset = this.core.abi[name];
    if (offset === undefined) throw new Error(`the core has no ${name}`);
    return this.core.hartU64(hart, offset);
  }

  setField(name: string, value: bigint, hart = 0): void {
    const offset = this.core.abi[name];
    if (offset === undefined) throw new Error(`the core has no ${name}`);
    this.core.setHartU64(hart, offset, value);
  }

  privilege(hart = 0): number {
    return this.core.hartU32(hart, this.core.abi.H_PRV);
  }

  setPrivilege(privilege: number, hart = 0): void {
    this.core.setHartU32(hart, this.core.abi.H_PRV, privilege);
    this.core.calls.hartChanged(hart);
  }

  /**
   * Retires up to `n` instructions, going on over traps.
   * @param slice  at most this many in one call of the core
   * @returns why it stopped (RUN_*)
   */
  run(n: number, hart = 0, slice: () => number = () => n): number {
    const { abi, calls } = this.core;
    const goal = this.instret(hart) + BigInt(n);
    for (let calls_ = 0; calls_ < 4 * n + 16; calls_++) {
      const left = Number(goal - this.instret(hart));
      if (left <= 0) return abi.RUN_BUDGET;
      const result = calls.run(hart, Math.min(left, slice()));
      if (result !== abi.RUN_BUDGET && result !== abi.RUN_TRAPS) return result;
    }
    return abi.RUN_TRAPS;
  }

  /** Runs until the pc stands at `address`. */
  runTo(address: number | bigint, limit = 100_000, hart = 0): void {
    const target = BigInt(address);
    for (let i = 0; i < limit; i++) {
      if (this.pc(hart) === target) return;
      const result = this.core.calls.run(hart, 1);
      if (result !== this.core.abi.RUN_BUDGET && result !== this.core.abi.RUN_TRAPS)
        throw new Error(`run says ${result} at pc 0x${this.pc(hart).toString(16)}`);
    }
    throw new Error(`pc never was 0x${target.toString(16)}; it is 0x${this.pc(hart).toString(16)}`);
  }

  /** What the guest has sent to its console since the last call. */
  output(): string {
    const { abi, bytes, calls } = this.core;
    const count = calls.uartTxPending();
    const tail = calls.uartTxTail() >>> 0;
    const out = Uint8Array.from(
      { length: count },
      (_, i) => bytes[abi.UART_TX_RING + ((tail + i) % abi.UART_TX_SIZE)]!,
    );
    calls.uartTxDrained(count);
    return new TextDecoder("latin1").decode(out);
  }

  /**
   * Everything architectural of a hart as text: registers, CSRs, privilege.
   * What the engine keeps for itself (TLB pointers, counters) is left out.
   */
  state(hart = 0): Record<string, bigint> {
    const { abi } = this.core;
    const out: Record<string, bigint> = {};
    for (let i = 0; i < 32; i++) {
      out[`x${i}`] = this.x(i, hart);
      out[`f${i}`] = this.f(i, hart);
    }
    for (const name of STATE_FIELDS) out[name] = this.field(name, hart);
    for (const name of ["H_PRV", "H_FCSR", "H_STATE"]) out[name] = BigInt(this.core.hartU32(hart, abi[name]!));
    for (let i = 0; i < 18; i++) out[`pmp${i}`] = this.core.hartU64(hart, abi.H_PMPCFG! + i * 8);
    return out;
  }
}

const STATE_FIELDS = [
  ..."PC MSTATUS INSTRET RES_ADDR RES_VALUE MIE MIP LINES MIDELEG MEDELEG MTVEC MEPC MCAUSE MTVAL MSCRATCH".split(" "),
  ..."MCOUNTEREN MCOUNTINHIBIT MENVCFG STVEC SEPC SCAUSE STVAL SSCRATCH SCOUNTEREN SENVCFG SATP STIMECMP".split(" "),
  ..."CYCLE_BIAS INSTRET_BIAS TIME_BIAS".split(" "),
].map((name) => `H_${name}`);

/** A machine in reset. */
export function makeMachine(options: MachineOptions = {}): TestMachine {
  return new TestMachine(module, options);
}

/** A machine that has loaded a program. */
export function machineOf(program: Assembler, options: MachineOptions = {}): TestMachine {
  return makeMachine(options).load(program);
}
