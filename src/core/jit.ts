/** Compiled regions of guest code: modules that the core writes and the host compiles. */

import {
  type CodeCache,
  type CodeRecord,
  entriesOf,
  isProfile,
  joinProfiles,
  type ProfileLayout,
} from "./code-cache.ts";
import { type Enter, enterTable } from "./enter.ts";

/**
 * Compiles a module and tells `done` once, now or later: nothing when the engine
 * refuses it. That is not an error: the interpreter goes on.
 */
export type Compile = (bytes: Uint8Array<ArrayBuffer>, done: (module?: WebAssembly.Module) => void) => void;

/** On this thread, while the guest waits: the same run is compiled in the same way. */
export const compileNow: Compile = (bytes, done) => {
  let module: WebAssembly.Module | undefined;
  try {
    module = new WebAssembly.Module(bytes);
  } catch {}
  done(module);
};

/** On the engine's own threads, while the guest is interpreted. */
export const compileLater: Compile = (bytes, done) => {
  WebAssembly.compile(bytes).then(done, () => done());
};

/** What of a core is needed; it exists only after its imports do. */
export interface JitCore {
  readonly bytes: Uint8Array;
  readonly memory: WebAssembly.Memory;
  readonly table: WebAssembly.Table;
  /** Constants of its layout. */
  readonly abi: ProfileLayout & {
    readonly JIT_LATER: number;
    readonly JIT_MOST_REGIONS: number;
    readonly JIT_RECORD: number;
    readonly R_LENGTH: number;
  };
  readonly calls: { jitInstall(ticket: number): number; jitHandler(): number };
}

type Handler = (hart: number, uop: bigint, budget: number, info: number) => number;

/** Larger than any module of the core's. */
const LONGEST_MODULE = 0x10_0000;
const REFUSED = -1;
/** Of `recall`. */
const UNKNOWN = 0;
const PROFILE_ONLY = -1;
const PAGE = 4096;
/** The table grows by so many at a time. */
const TABLE_STEP = 1024;

/** Sees a module of so many regions before it is compiled, and gives the bytes to compile. */
export type Observer = (module: Uint8Array<ArrayBuffer>, count: number) => Uint8Array<ArrayBuffer>;

interface Asked {
  readonly region: number;
  readonly count: number;
  module?: WebAssembly.Module | undefined;
}

/** The core's imports that have to do with regions, as assembly/host.ts documents them. */
export class RegionHost {
  readonly #core: () => JitCore;
  readonly #compile: Compile;
  readonly #observe: Observer;
  readonly #cache: CodeCache | undefined;
  /** What `recall` has found last. */
  #recalled: CodeRecord["module"];
  readonly #asked = new Map<number, Asked>();
  /** Length of the table without regions. */
  #base: number | undefined;
  #enter: Enter | undefined;

  constructor(core: () => JitCore, compile: Compile, observe: Observer = (module) => module, cache?: CodeCache) {
    this.#core = core;
    this.#compile = compile;
    this.#observe = observe;
    this.#cache = cache;
  }

  readonly compile = (
    address: number,
    length: number,
    region: number,
    count: number,
    ticket: number,
    page: number,
  ): number => {
    const { bytes, abi } = this.#core();
    const from = address >>> 0;
    const size = length >>> 0;
    if (region < 0 || count < 0 || region + count > abi.JIT_MOST_REGIONS) return REFUSED;
    if (size > LONGEST_MODULE || from + size > bytes.length) return REFUSED;
    const asked: Asked = { region, count };
    let waiting = true;
    let done = false;
    const made = bytes.slice(from, from + size);
    this.#keep(page >>> 0, made, count, ticket === 0);
    const compile = ticket === 0 ? compileNow : this.#compile;
    compile(this.#observe(made, count), (module) => {
      asked.module = module;
      done = true;
      if (waiting) return;
      this.#core().calls.jitInstall(ticket);
      this.#asked.delete(ticket);
    });
    waiting = false;
    if (done) return this.#place(asked);
    this.#asked.set(ticket, asked);
    return abi.JIT_LATER;
  };

  readonly place = (ticket: number): number => {
    const asked = this.#asked.get(ticket);
    return asked ? this.#place(asked) : REFUSED;
  };

  readonly recall = (page: number): number => {
    const cache = this.#cache;
    if (!cache) return UNKNOWN;
    const { bytes, abi } = this.#core();
    const at = page >>> 0;
    if (at + PAGE > bytes.length) return UNKNOWN;
    const found = cache.find(cache.keyOf(bytes.subarray(at, at + PAGE)));
    if (!found || !isProfile(found.profile, abi)) return UNKNOWN;
    bytes.set(found.profile, abi.JIT_RECORD);
    this.#recalled = found.module;
    return found.module?.length || PROFILE_ONLY;
  };

  readonly revive = (region: number, count: number): number => {
    const { abi } = this.#core();
    const bytes = this.#recalled;
    this.#recalled = undefined;
    if (!bytes || region < 0 || count < 0 || region + count > abi.JIT_MOST_REGIONS) return REFUSED;
    const asked: Asked = { region, count };
    compileNow(this.#observe(bytes, count), (module) => {
      asked.module = module;
    });
    return this.#place(asked);
  };

  /** Keeps a module and what is known of its page. @param all it has all regions that are known of */
  #keep(page: number, module: Uint8Array<ArrayBuffer>, count: number, all: boolean): void {
    const cache = this.#cache;
    if (!cache) return;
    const { bytes, abi } = this.#core();
    if (page + PAGE > bytes.length) return;
    const length = new DataView(bytes.buffer).getUint32(abi.JIT_RECORD + abi.R_LENGTH, true);
    const profile = bytes.slice(abi.JIT_RECORD, abi.JIT_RECORD + Math.min(length, abi.JIT_RECORD_SIZE));
    if (!isProfile(profile, abi)) return;
    const key = cache.keyOf(bytes.subarray(page, page + PAGE));
    const before = cache.find(key);
    const joined = before && isProfile(before.profile, abi) ? joinProfiles(before.profile, profile, abi, all) : profile;
    // Of several modules one is made when the page is met again.
    const whole = entriesOf(joined, abi).length === count;
    cache.keep(key, whole ? { profile: joined, module } : { profile: joined });
  }

  readonly forget = (): void => {
    const { table } = this.#core();
    if (this.#base === undefined) return;
    for (let i = this.#base; i < table.length; i++) table.set(i, null);
  };

  /** @returns the index of the first of a module's functions in the table, or -1 */
  #place({ region, count, module }: Asked): number {
    const { memory, table, calls } = this.#core();
    if (!module) return REFUSED;
    try {
      this.#enter ??= enterTable(table);
      const env = { memory, region: this.#enter, handler: table.get(calls.jitHandler()) as Handler };
      const { exports } = new WebAssembly.Instance(module, { env });
      this.#base ??= table.length;
      const index = this.#base + region;
      if (index + count > table.length) table.grow(Math.max(TABLE_STEP, index + count - table.length));
      for (let i = 0; i < count; i++) table.set(index + i, exports[String.fromCharCode(0x61 + i)]);
      return index;
    } catch {
      return REFUSED;
    }
  }
}
