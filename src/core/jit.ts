/** Compiled regions of guest code: modules that the core writes and the host compiles. */

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
  readonly abi: { readonly JIT_LATER: number; readonly JIT_MOST_REGIONS: number };
  readonly calls: { jitInstall(ticket: number): number };
}

/** Larger than any module of the core's. */
const LONGEST_MODULE = 0x10_0000;
const REFUSED = -1;
/** The table grows by so many at a time: every instance's copy of it grows too. */
const TABLE_STEP = 128;

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
  readonly #asked = new Map<number, Asked>();
  /** Length of the table without regions. */
  #base: number | undefined;

  constructor(core: () => JitCore, compile: Compile, observe: Observer = (module) => module) {
    this.#core = core;
    this.#compile = compile;
    this.#observe = observe;
  }

  readonly compile = (address: number, length: number, region: number, count: number, ticket: number): number => {
    const { bytes, abi } = this.#core();
    const from = address >>> 0;
    const size = length >>> 0;
    if (region < 0 || count < 0 || region + count > abi.JIT_MOST_REGIONS) return REFUSED;
    if (size > LONGEST_MODULE || from + size > bytes.length) return REFUSED;
    const asked: Asked = { region, count };
    let waiting = true;
    let done = false;
    this.#compile(this.#observe(bytes.slice(from, from + size), count), (module) => {
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

  readonly forget = (): void => {
    const { table } = this.#core();
    if (this.#base === undefined) return;
    for (let i = this.#base; i < table.length; i++) table.set(i, null);
  };

  /** @returns the index of the first of a module's functions in the table, or -1 */
  #place({ region, count, module }: Asked): number {
    const { memory, table } = this.#core();
    if (!module) return REFUSED;
    try {
      const { exports } = new WebAssembly.Instance(module, { env: { memory, table } });
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
