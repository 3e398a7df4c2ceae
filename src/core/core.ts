/** One instance of core.wasm and its linear memory, behind a typed face. */

import { type Abi, readAbi } from "./abi.ts";
import { Both } from "./both.ts";
import type { CoreExports, CoreParts, HostCalls } from "./calls.ts";
import type { CodeCache } from "./code-cache.ts";
import type { EngineName } from "./engine.ts";
import { probeFeatures } from "./features.ts";
import { type Compile, compileNow, type Observer, RegionHost } from "./jit.ts";

export type { HostCalls } from "./calls.ts";

export interface CoreOptions {
  harts: number;
  /** Guest physical address of RAM. */
  ramBase: number;
  /** Bytes; a multiple of 4096. */
  ramSize: number;
  /** The core answers SBI calls; harts start in S-mode. */
  sbi: boolean;
  /** Time is counted from instructions retired. */
  counted: boolean;
  /** Counted mode: instructions per tick of mtime. */
  tick: number;
  /** There are flash chips, which take 64 MiB of address space from what RAM can have. Default: none. */
  flash?: boolean;
  /** Default: the interpreter. */
  engine?: EngineName;
  /** How the JIT's modules are compiled. Default: at once, on this thread. */
  compile?: Compile;
  /** What earlier runs have compiled; this one adds to it. */
  cache?: CodeCache;
}

/** This core can't make that machine; `message` is one sentence. */
export class CoreError extends Error {
  override readonly name = "CoreError";
}

const WASM_PAGE = 0x1_0000;
const MAX_MEMORY = 0x1_0000_0000;

/** Bytes of guest RAM that fit beside the core's own state in 4 GiB, a multiple of 1 MiB. */
export function maxRam(abi: Abi, flash = false): number {
  return Math.floor((MAX_MEMORY - abi.RAM - beyondRam(abi, flash)) / 0x10_0000) * 0x10_0000;
}

/** Bytes of boot ROM and flash, which lie behind RAM. */
function beyondRam(abi: Abi, flash: boolean): number {
  return abi.MROM_SIZE + (flash ? abi.FLASH_SIZE : 0);
}

export class Core implements CoreParts {
  readonly abi: Abi;
  readonly memory: WebAssembly.Memory;
  readonly calls: CoreExports;
  readonly table: WebAssembly.Table;
  /** The whole linear memory: it never grows, so these stay valid. */
  readonly bytes: Uint8Array;
  readonly view: DataView;

  private constructor(abi: Abi, memory: WebAssembly.Memory, calls: CoreExports) {
    this.abi = abi;
    this.memory = memory;
    this.calls = calls;
    this.table = (calls as unknown as { table: WebAssembly.Table }).table;
    this.bytes = new Uint8Array(memory.buffer);
    this.view = new DataView(memory.buffer);
  }

  /** @throws CoreError when the machine is too large for this host or this core */
  static create(module: WebAssembly.Module, options: CoreOptions, host: HostCalls): Core {
    if (options.engine !== "both") return Core.#single(module, options, host);
    const both = new Both(host);
    const primary = Core.#single(module, { ...options, engine: "jit" }, both.primaryHost);
    const shadow = Core.#single(module, { ...options, engine: "interpreter" }, both.shadowHost);
    return new Core(primary.abi, primary.memory, both.join(primary, shadow));
  }

  static #single(module: WebAssembly.Module, options: CoreOptions, host: HostCalls): Core {
    const abi = layoutOf(module);
    const { flash = false } = options;
    const limit = maxRam(abi, flash);
    if (options.ramSize > limit)
      throw new CoreError(`A guest can have at most ${limit / 0x10_0000} MiB of memory; give it less.`);
    let memory: WebAssembly.Memory;
    const pages = Math.ceil((abi.RAM + options.ramSize + beyondRam(abi, flash)) / WASM_PAGE);
    try {
      memory = new WebAssembly.Memory({ initial: pages, maximum: pages });
    } catch {
      throw new CoreError(
        `This host has no room for a guest of ${Math.ceil(options.ramSize / 0x10_0000)} MiB; give it less memory.`,
      );
    }
    let core: Core | undefined;
    const regions =
      options.engine === "jit"
        ? new RegionHost(
            () => core!,
            options.compile ?? compileNow,
            observer(host, () => core!.calls),
            options.cache,
          )
        : undefined;
    const calls = instantiate(module, memory, host, regions).exports as unknown as CoreExports;
    const flags =
      (options.sbi ? abi.MF_SBI : 0) |
      (options.counted ? abi.MF_COUNTED : 0) |
      (flash ? abi.MF_FLASH : 0) |
      (options.engine === "jit" ? abi.MF_JIT | (probeFeatures().relaxedMadd ? abi.MF_FMA : 0) : 0);
    if (!calls.init(options.harts, BigInt(options.ramBase), BigInt(options.ramSize), flags, options.tick))
      throw new CoreError("The core refuses this machine: check its number of harts and its memory.");
    core = new Core(abi, memory, calls);
    return core;
  }

  /** Address of a hart's state in linear memory. */
  hart(index: number): number {
    return this.abi.HARTS + index * this.abi.HART_STRIDE;
  }

  hartU64(index: number, field: number): bigint {
    return this.view.getBigUint64(this.hart(index) + field, true);
  }

  setHartU64(index: number, field: number, value: bigint): void {
    this.view.setBigUint64(this.hart(index) + field, value, true);
  }

  hartU32(index: number, field: number): number {
    return this.view.getUint32(this.hart(index) + field, true);
  }

  setHartU32(index: number, field: number, value: number): void {
    this.view.setUint32(this.hart(index) + field, value, true);
  }

  machineU32(field: number): number {
    return this.view.getUint32(this.abi.DEV_MACHINE + field, true);
  }

  /** Integer register x0..x31. */
  x(hart: number, register: number): bigint {
    return this.hartU64(hart, this.abi.H_X + register * 8);
  }

  setX(hart: number, register: number, value: bigint): void {
    this.setHartU64(hart, this.abi.H_X + register * 8, value);
  }
}

type RegionCalls = Pick<RegionHost, "compile" | "place" | "recall" | "revive" | "forget">;

const NO_REGIONS: RegionCalls = {
  compile: () => -1,
  place: () => -1,
  recall: () => 0,
  revive: () => -1,
  forget: () => {},
};
function observer({ observe }: HostCalls, calls: () => CoreExports): Observer | undefined {
  return (
    observe &&
    ((module, count) =>
      observe(
        module,
        Array.from({ length: count }, (_, i) => calls().jitEntry(i)),
      ))
  );
}

function instantiate(
  module: WebAssembly.Module,
  memory: WebAssembly.Memory,
  host: HostCalls,
  { compile, place, recall, revive, forget }: RegionCalls = NO_REGIONS,
): WebAssembly.Instance {
  return new WebAssembly.Instance(module, {
    env: { memory },
    host: {
      ticks: host.ticks,
      wallclock: host.wallclock,
      compile,
      place,
      recall,
      revive,
      forget,
      mmioRead: host.mmioRead,
      mmioWrite: host.mmioWrite,
    },
  });
}

const layouts = new WeakMap<WebAssembly.Module, Abi>();

/** The layout of a build, from an instance of its own that never runs. */
export function layoutOf(module: WebAssembly.Module): Abi {
  let abi = layouts.get(module);
  if (!abi) {
    const idle: HostCalls = { ticks: () => 0, wallclock: () => 0, mmioRead: () => 0n, mmioWrite: () => {} };
    abi = readAbi(instantiate(module, new WebAssembly.Memory({ initial: 2 }), idle).exports);
    layouts.set(module, abi);
  }
  return abi;
}
