/** Compiled regions of guest code: modules that the core writes and the host compiles. */

/** As assembly/host.ts documents `compile`. */
export type Installer = (address: number, length: number, region: number, count: number) => number;

/** What of a core the installer needs; it exists only after the installer does. */
export interface JitMemory {
  readonly bytes: Uint8Array;
  readonly memory: WebAssembly.Memory;
  readonly table: WebAssembly.Table;
}

/** More regions than any core asks for: a number beyond is a broken core's. */
const MOST_REGIONS = 4096;
/** Larger than any module of a region. */
const LONGEST_MODULE = 0x10_0000;

/** Sees a module of so many regions before it is compiled, and gives the bytes to compile. */
export type Observer = (module: Uint8Array<ArrayBuffer>, count: number) => Uint8Array<ArrayBuffer>;

/** Compiles at once, on this thread. A module that the engine refuses is not an error: the interpreter goes on. */
export function installer(core: () => JitMemory, observe: Observer = (module) => module): Installer {
  let base: number | undefined;
  return (address, length, region, count) => {
    const { bytes, memory, table } = core();
    const from = address >>> 0;
    const size = length >>> 0;
    if (region < 0 || count < 0 || region + count > MOST_REGIONS || size > LONGEST_MODULE || from + size > bytes.length)
      return -1;
    try {
      const module = new WebAssembly.Module(observe(bytes.slice(from, from + size), count));
      const instance = new WebAssembly.Instance(module, { env: { memory, table } });
      base ??= table.length;
      const index = base + region;
      if (index + count > table.length) table.grow(index + count - table.length);
      for (let i = 0; i < count; i++) table.set(index + i, instance.exports[String.fromCharCode(0x61 + i)]);
      return index;
    } catch {
      return -1;
    }
  };
}
